"""A whole run of driver and worker in memory; the device behind them follows from its packets."""

from __future__ import annotations

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.arena import Arena
from virtsim.engines.vector.booking import book, per_packet, short_of
from virtsim.engines.vector.columns import Columns, columns_of, total
from virtsim.engines.vector.driver import behind, playing
from virtsim.engines.vector.driver.accepting import Roles, roles
from virtsim.engines.vector.driver.building import build, sums
from virtsim.engines.vector.driver.rows import driver, thread, worker
from virtsim.engines.vector.driver.rows import run as head
from virtsim.outcome import STATES, Ints, Job, Outcome
from virtsim.program import NONE, Program

STEPS = 1 << 22


def run(program: Program, job: Job) -> Outcome:
    """Play a Program whose ``reasons`` are none."""
    found = roles(program)
    assert found is not None
    play = machine.kernel(playing.play)
    n = len(job.packets)
    saturates = program.sources[0].kind == "saturate"
    at = np.zeros(n, dtype=np.int64) if saturates else job.packets.at_ps
    first = [int(job.prices.flat[offset]) for offset in job.prices.offset]
    columns, values = Columns.of(sums(program, found), columns_of(job.prices, n))
    arena = build(program, found, columns, first)
    sizes = job.packets.size_b
    sizes = sizes if (sizes != sizes[0]).any() else sizes[:1]
    stamps = len(arena.words) + columns.length
    arena.write(0, {
        head.N_PACKETS: n, head.AT: stamps, head.ARRIVED: stamps + n, head.LEFT: stamps + 2 * n,
        head.SATURATES: int(saturates), head.KEY: int(at[0]), head.ORDER: 0 if at[0] else 4 << 16,
        head.FIRST_MARK: job.warmup + 1,
        worker.SIZES: stamps + 3 * n, worker.SIZES_STEP: int(len(sizes) > 1),
    })  # fmt: skip
    unset = np.full(n, -1, dtype=np.int64)
    a = machine.words(np.concatenate([arena.closed(), values, at, unset, unset, sizes]))
    while play(a, STEPS) != head.OVER:
        if job.on_progress:
            job.on_progress(int(a[head.FETCHED]), n)
    return _outcome(job, arena, found, np.asarray(a))


def _outcome(job: Job, arena: Arena, found: Roles, a: Ints) -> Outcome:
    """Return what a kernel left behind as an Outcome."""
    program, n = arena.program, len(job.packets)
    columns = columns_of(job.prices, n)
    _, arrived, delivered = a[a[head.AT] : a[head.AT] + 3 * n].reshape(3, n)
    gone = int(a[head.FETCHED])
    window = int(a[head.FIRST_PS]), int(a[head.LAST_PS])
    end, busy = int(a[head.NOW]), (0, 0)
    if found.device != NONE and gone:
        busy = _device(program, found, columns, delivered[:gone], window)
        end = max(end, int(delivered[gone - 1]))
    ledger = arena.ledger(a)
    left = [(2, np.arange(a[head.TAKEN], a[head.SENT])), (4, np.arange(gone, a[head.PUT]))]
    dropped = np.broadcast_to(np.int64(-1), n)
    short = short_of(program, dropped, np.zeros(0, dtype=np.int64), left)
    book(per_packet(program), program, columns, job.packets.size_b, short, ledger)
    states, inside = _threads(program, found, a, end, busy, window)
    wakeups, hits, none = np.zeros((3, len(program.threads)), dtype=np.int64)
    mine, other = program.stages[found.sender].thread, program.stages[found.worker].thread
    for t, at in ((mine, thread.DRIVER), (other, thread.WORKER)):
        wakeups[t] = a[at + thread.WAKEUPS]
    hits[mine] = a[driver.HITS]
    stops = np.zeros(len(program.stages), dtype=np.int64)
    stops[found.sender] = a[driver.STOPS]
    is_busy = np.array([use.busy for use in program.uses], dtype=bool)
    return Outcome(
        arrived_ps=arrived, delivered_ps=delivered, dropped=dropped,
        count=ledger.count, busy_ps=np.where(is_busy, ledger.cost, 0),
        delay_ps=np.where(is_busy, 0, ledger.cost), bytes=ledger.bytes,
        window=inside, total=states, window_ps=window, end_ps=end,
        wakeups=wakeups, spin_hits=hits, stops=stops, stolen_ps=none, events=0,
    )  # fmt: skip


def _device(
    program: Program, found: Roles, columns: list[Ints], left: Ints, window: tuple[int, int]
) -> tuple[int, int]:
    """Let packets that left the worker through the device, in place; return how long it was busy.

    That is in all, and inside of the window.
    """
    row = program.stages[found.device]
    late, mine = total(columns, program.rings[row.ring].visible), total(columns, row.item)
    state = np.zeros(behind.SIZE, dtype=np.int64)
    state[behind.LATE_STEP], state[behind.COST_STEP] = len(late) > 1, len(mine) > 1
    state[behind.FROM], state[behind.TO] = window
    given = [machine.words(x) for x in (left, late, mine, state)]
    machine.kernel(behind.serve)(*given, len(left))
    left[:], state[:] = given[0], given[3]
    return int(state[behind.BUSY]), int(state[behind.INSIDE])


def _threads(
    program: Program, found: Roles, a: Ints, end: int, busy: tuple[int, int],
    window: tuple[int, int],
) -> tuple[Ints, Ints]:  # fmt: skip
    """Return the threads' times in the run and in the window."""
    states = np.zeros((len(program.threads), len(STATES)), dtype=np.int64)
    inside = np.zeros_like(states)
    for stage, t in ((found.sender, thread.DRIVER), (found.worker, thread.WORKER)):
        i = program.stages[stage].thread
        states[i] = a[t + thread.TOTAL : t + thread.FIRST]
        states[i, a[t + thread.STATE]] += end - a[head.NOW]
        inside[i] = a[t + thread.LAST : t + thread.SIZE] - a[t + thread.FIRST : t + thread.LAST]
    if found.device != NONE:
        i = program.stages[found.device].thread
        states[i, 0], states[i, 3] = busy[0], end - busy[0]
        inside[i, 0], inside[i, 3] = busy[1], window[1] - window[0] - busy[1]
    return states, inside
