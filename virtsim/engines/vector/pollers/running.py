"""A whole run in memory."""

from __future__ import annotations

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.booking import Ledger, book, per_packet, short_of
from virtsim.engines.vector.chain import rings_in_order
from virtsim.engines.vector.columns import Columns, columns_of
from virtsim.engines.vector.pollers import playing
from virtsim.engines.vector.pollers.building import Places, build, sums
from virtsim.engines.vector.pollers.rows import device, ring, thread
from virtsim.engines.vector.pollers.rows import run as head
from virtsim.outcome import STATES, Ints, Job, Outcome
from virtsim.program import Program

STEPS = 1 << 22
"""Steps of one call of the kernel; between two, progress is told."""


def run(program: Program, job: Job) -> Outcome:
    """Play a Program whose ``reasons`` are none."""
    saturates = program.sources[0].kind == "saturate"
    n = len(job.packets)
    at = np.zeros(n, dtype=np.int64) if saturates else job.packets.at_ps
    if not saturates:
        return _play(program, job, at, window_of(job.packets.at_ps, job.warmup))
    # When a sender starts its packets comes out only when it is played; then the window is known.
    first = _play(program, job, at, (0, 0))
    arrived = np.sort(first.arrived_ps[first.arrived_ps >= 0], kind="stable")
    return _play(program, job, at, window_of(arrived, job.warmup, n))


def window_of(arrived: Ints, warmup: int, n: int | None = None) -> tuple[int, int]:
    """Return the first and the last measured arrival."""
    whole = len(arrived) if n is None else n
    marks = [int(arrived[k - 1]) for k in sorted({warmup + 1, whole}) if k <= len(arrived)]
    return (marks[0], marks[-1]) if marks else (0, 0)


def _play(program: Program, job: Job, at: Ints, window: tuple[int, int]) -> Outcome:
    play = machine.kernel(playing.play)
    n = len(job.packets)
    first = [int(job.prices.flat[offset]) for offset in job.prices.offset]
    columns, values = Columns.of(sums(program), columns_of(job.prices, n))
    arena, places = build(program, columns, n, first)
    saturates = program.sources[0].kind == "saturate"
    stamps = len(arena.words) + columns.length
    arena.write(0, {
        head.MASK: -1, head.LOADED: n, head.N_PACKETS: n, head.AT: stamps,
        head.ARRIVED: stamps + n, head.DELIVERED: stamps + 2 * n, head.DROPPED: stamps + 3 * n,
        head.WINDOW_FROM: window[0], head.WINDOW_TO: window[1], head.HORIZON: int(at[-1]),
        head.SATURATES: int(saturates),
    })  # fmt: skip
    unset = np.full(n, -1, dtype=np.int64)
    arrived = unset if saturates else at
    a = machine.words(np.concatenate([arena.closed(), values, at, arrived, unset, unset]))
    while play(a, STEPS) != head.OVER:
        if job.on_progress:
            job.on_progress(int(a[places.rings[program.sources[0].ring] + ring.TAKEN]), n)
    a = np.asarray(a)
    _, arrived, delivered, dropped = a[stamps:].reshape(4, n)
    ledger = arena.ledger(a)
    short = short_of(program, dropped, left=left_over(program, places, a))
    all_columns = columns_of(job.prices, n)
    book(per_packet(program), program, all_columns, job.packets.size_b, short, ledger)
    return outcome_of(program, places, a, ledger, window, (arrived, delivered, dropped))


def outcome_of(
    program: Program, places: Places, a: Ints, ledger: Ledger, window: tuple[int, int],
    stamps: tuple[Ints, Ints, Ints] | None = None,
) -> Outcome:  # fmt: skip
    """Return what a kernel left behind as an Outcome, with stamps or without."""
    none = np.zeros(0, dtype=np.int64)
    arrived, delivered, dropped = stamps or (none, none, none)
    busy = np.array([use.busy for use in program.uses], dtype=bool)
    total, inside = states(program, places, a, window)
    never = np.zeros(len(program.threads), dtype=np.int64)
    return Outcome(
        arrived_ps=arrived, delivered_ps=delivered, dropped=dropped,
        count=ledger.count, busy_ps=np.where(busy, ledger.cost, 0),
        delay_ps=np.where(busy, 0, ledger.cost), bytes=ledger.bytes,
        window=inside, total=total, window_ps=window,
        end_ps=int(a[head.HORIZON]), wakeups=never, spin_hits=never,
        stops=np.zeros(len(program.stages), dtype=np.int64), stolen_ps=never, events=0,
    )  # fmt: skip


def left_over(program: Program, places: Places, a: Ints) -> list[tuple[int, Ints]]:
    """Return the packets that stay on rings for ever, with how far they came."""
    left: list[tuple[int, Ints]] = []
    for k, i in enumerate(rings_in_order(program)):
        r = places.rings[i]
        at = np.arange(a[r + ring.TAKEN], a[r + ring.PUBLISHED])
        mine = a[r + ring.ITEMS] + (at & a[r + ring.MASK])
        left.append((2 * k + 2, a[mine]))
    return left


def states(program: Program, places: Places, a: Ints, window: tuple[int, int]) -> tuple[Ints, Ints]:
    """Return the time of each thread in each state, in the run and in the window."""
    end, length = int(a[head.HORIZON]), window[1] - window[0]
    total = np.zeros((len(program.threads), len(STATES)), dtype=np.int64)
    inside = np.zeros_like(total)
    for t, at in enumerate(places.threads):
        if at:
            total[t] = a[at + thread.TOTAL : at + thread.TOTAL + len(STATES)]
            inside[t] = a[at + thread.WINDOW : at + thread.WINDOW + len(STATES)]
    for s, at in places.devices.items():
        t = program.stages[s].thread
        busy, some = int(a[at + device.BUSY]), int(a[at + device.WINDOW])
        total[t] = busy, 0, 0, end - busy
        inside[t] = some, 0, 0, length - some
    return total, inside
