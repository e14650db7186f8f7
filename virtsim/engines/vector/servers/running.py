"""A whole run of servers in memory."""

from __future__ import annotations

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.arena import Arena
from virtsim.engines.vector.booking import book, per_packet, short_of
from virtsim.engines.vector.chain import rings_in_order
from virtsim.engines.vector.columns import Columns, columns_of
from virtsim.engines.vector.servers import playing
from virtsim.engines.vector.servers.building import Places, build, sums
from virtsim.engines.vector.servers.rows import ring, server
from virtsim.engines.vector.servers.rows import run as head
from virtsim.outcome import STATES, Ints, Job, Outcome
from virtsim.program import Program

STEPS = 1 << 22


def run(program: Program, job: Job) -> Outcome:
    """Play a Program whose ``reasons`` are none."""
    play = machine.kernel(playing.play)
    n = len(job.packets)
    saturates = program.sources[0].kind == "saturate"
    at = np.zeros(n, dtype=np.int64) if saturates else job.packets.at_ps
    first = [int(job.prices.flat[offset]) for offset in job.prices.offset]
    columns, values = Columns.of(sums(program), columns_of(job.prices, n))
    arena, places = build(program, columns, n, first)
    stamps = len(arena.words) + columns.length
    arena.write(0, {
        head.N_PACKETS: n, head.AT: stamps, head.ARRIVED: stamps + n,
        head.DELIVERED: stamps + 2 * n, head.DROPPED: stamps + 3 * n,
        head.KEY: int(at[0]), head.ORDER: 0 if at[0] else 4 << 16,
        head.SATURATES: int(saturates), head.FIRST_MARK: job.warmup + 1,
    })  # fmt: skip
    unset = np.full(n, -1, dtype=np.int64)
    a = machine.words(np.concatenate([arena.closed(), values, at, unset, unset, unset]))
    while play(a, STEPS) != head.OVER:
        if job.on_progress:
            job.on_progress(int(a[places.rings[program.sources[0].ring] + ring.TAKEN]), n)
    return _outcome(job, arena, places, np.array(a))


def _outcome(job: Job, arena: Arena, places: Places, a: Ints) -> Outcome:
    """Return what a kernel left behind as an Outcome."""
    program = arena.program
    _, arrived, delivered, dropped = a[a[head.AT] :].reshape(4, len(job.packets))
    ledger = arena.ledger(a)
    short = short_of(program, dropped, left=left_over(program, places, a))
    columns = columns_of(job.prices, len(job.packets))
    book(per_packet(program), program, columns, job.packets.size_b, short, ledger)
    busy = np.array([use.busy for use in program.uses], dtype=bool)
    total, inside, wakeups, stops = _servers(program, places, a)
    none = np.zeros(len(program.threads), dtype=np.int64)
    return Outcome(
        arrived_ps=arrived, delivered_ps=delivered, dropped=dropped,
        count=ledger.count, busy_ps=np.where(busy, ledger.cost, 0),
        delay_ps=np.where(busy, 0, ledger.cost), bytes=ledger.bytes,
        window=inside, total=total,
        window_ps=(int(a[head.FIRST_PS]), int(a[head.LAST_PS])), end_ps=int(a[head.NOW]),
        wakeups=wakeups, spin_hits=none, stops=stops, stolen_ps=none, events=0,
    )  # fmt: skip


def _servers(program: Program, places: Places, a: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the threads' times in the run and in the window, their wake-ups, the stages' stops."""
    total = np.zeros((len(program.threads), len(STATES)), dtype=np.int64)
    inside, wakeups = np.zeros_like(total), np.zeros(len(program.threads), dtype=np.int64)
    stops = np.zeros(len(program.stages), dtype=np.int64)
    for i, s in enumerate(places.servers):
        t = program.stages[i].thread
        total[t] = a[s + server.TOTAL : s + server.FIRST]
        inside[t] = a[s + server.LAST : s + server.SIZE] - a[s + server.FIRST : s + server.LAST]
        wakeups[t], stops[i] = a[s + server.WAKEUPS], a[s + server.STOPS]
    return total, inside, wakeups, stops


def left_over(program: Program, places: Places, a: Ints) -> list[tuple[int, Ints]]:
    """Return the packets that stay on rings for ever, with how far they came."""
    left: list[tuple[int, Ints]] = []
    for k, i in enumerate(rings_in_order(program)):
        r = places.rings[i]
        at = np.arange(a[r + ring.TAKEN], a[r + ring.PUBLISHED])
        mine = a[r + ring.ITEMS] + (at & a[r + ring.MASK])
        left.append((2 * k + 2, at if a[r + ring.SOURCED] else a[mine]))
    order = rings_in_order(program)
    for i, s in enumerate(places.servers):
        in_hand = a[s + server.HOLDS] or a[s + server.WHAT] == server.UNBLOCKED
        if in_hand and program.stages[i].ring in order:
            deep = 2 * order.index(program.stages[i].ring) + 3
            left.append((deep, a[s + server.HELD : s + server.HELD + 1]))
    return left
