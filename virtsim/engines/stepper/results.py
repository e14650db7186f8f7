"""From the arena back to an Outcome, and more memory for a run that needs it."""

from __future__ import annotations

import numpy as np

from virtsim.engines.stepper.rows import cell, event, node, packet, stage, thread, world
from virtsim.engines.stepper.tables import BLOCK
from virtsim.outcome import Ints, Outcome
from virtsim.program import Program


def outcome(program: Program, a: Ints, c: Ints) -> Outcome:
    """Return what came of a run that is over."""
    arrived, delivered, dropped = stamps(c.reshape(-1, packet.WORDS)[: int(a[world.N])])
    shape = (len(program.stages) + len(program.threads), len(program.uses))
    at = int(a[a[world.STAGES] + stage.LEDGER] if program.stages else 0)
    cells = a[at : at + shape[0] * shape[1] * cell.SIZE].reshape(*shape, cell.SIZE)
    busy = np.array([use.busy for use in program.uses], dtype=bool)
    threads = table(a, world.THREADS, world.N_THREADS, thread.SIZE)
    accounts = np.array([a[x : x + 12] for x in threads[:, thread.ACC]]).reshape(-1, 3, 4)
    stages = table(a, world.STAGES, world.N_STAGES, stage.SIZE)
    return Outcome(
        arrived_ps=arrived,
        delivered_ps=delivered,
        dropped=dropped,
        count=cells[:, :, cell.COUNT].copy(),
        busy_ps=np.where(busy, cells[:, :, cell.PS], 0),
        delay_ps=np.where(busy, 0, cells[:, :, cell.PS]),
        bytes=cells[:, :, cell.BYTES].copy(),
        window=accounts[:, 2] - accounts[:, 1],
        total=accounts[:, 0].copy(),
        window_ps=(int(a[world.MARK]), int(a[world.LAST_MARK])),
        end_ps=int(a[world.NOW]),
        wakeups=threads[:, thread.WAKEUPS].copy(),
        spin_hits=threads[:, thread.SPIN_HITS].copy(),
        stops=stages[:, stage.STOPS].copy(),
        stolen_ps=threads[:, thread.STOLEN].copy(),
        events=int(a[world.EVENTS]),
    )


def stamps(packets: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the columns of stamps, read a block at a time: they lie together in the cache."""
    columns = np.empty((3, len(packets)), dtype=np.int64)
    for start in range(0, len(packets), BLOCK):
        block = packets[start : start + BLOCK]
        into = slice(start, start + len(block))
        columns[0, into] = block[:, packet.ARRIVED]
        columns[1, into] = block[:, packet.DELIVERED]
        columns[2, into] = block[:, packet.DROPPED]
    return columns[0], columns[1], columns[2]


def table(a: Ints, first: int, n: int, size: int) -> Ints:
    """Return the rows of one kind as a table."""
    at = int(a[first])
    return a[at : at + int(a[n]) * size].reshape(-1, size)


def grown(a: Ints) -> Ints:
    """Return an arena with twice the memory for landings and for events, which lie at its end."""
    pool, heap = int(a[world.NODES]), int(a[world.HEAP])
    nodes, events = (heap - pool) // node.SIZE, int(a[world.HEAP_MOST])
    new = np.zeros(pool + 2 * nodes * node.SIZE + 2 * events * event.SIZE, dtype=np.int64)
    new[:heap] = a[:heap]
    new[world.HEAP] = pool + 2 * nodes * node.SIZE
    new[world.HEAP_MOST] = 2 * events
    used = int(a[world.HEAP_N]) * event.SIZE
    new[new[world.HEAP] : new[world.HEAP] + used] = a[heap : heap + used]
    free = np.arange(heap, int(new[world.HEAP]), node.SIZE)
    new[free + node.NEXT] = [*free[1:], a[world.FREE_NODE]]
    new[world.FREE_NODE] = free[0]
    new[world.N_FREE] += len(free)
    return new
