"""From tables to the arena of a run: rows of integers with the offsets of other rows."""

from __future__ import annotations

from dataclasses import dataclass

from virtsim.engines.vector.arena import Arena, power_of_two
from virtsim.engines.vector.chain import consumer, rings_in_order
from virtsim.engines.vector.columns import Columns
from virtsim.engines.vector.pollers.rows import device, ring, run, stage, thread
from virtsim.program import NONE, Program, Uses

FREES = {"take": ring.TAKE, "done": ring.DONE, "reclaim": ring.RECLAIM}


@dataclass
class Places:
    """Where the rows are (0 where there is none)."""

    threads: list[int]
    stages: list[int]
    rings: list[int]
    devices: dict[int, int]


def build(program: Program, columns: Columns, n: int, first: list[int]) -> tuple[Arena, Places]:
    """Return the arena of a run of n packets (at once, or in flight), and where its rows are.

    Parameters
    ----------
    columns
        Where the sums of prices stand that a packet pays in one go.
    n
        Most packets that can be in the same place.
    first
        The price of each use on the first packet.
    """
    a = Arena(program, columns, first, [0] * run.SIZE)
    polling = [t for t, row in enumerate(program.threads) if row.wait == "poll"]
    rows = a.take(thread.SIZE * len(polling))
    threads = [0] * len(program.threads)
    for k, t in enumerate(polling):
        threads[t] = rows + k * thread.SIZE
    a.words[run.N_THREADS], a.words[run.THREADS] = len(polling), rows
    at = Places(
        threads,
        [a.take(stage.SIZE) for _ in program.stages],
        [a.take(ring.SIZE) for _ in program.rings],
        {
            s: a.take(device.SIZE)
            for s, row in enumerate(program.stages)
            if row.thread not in polling
        },
    )
    for i in range(len(program.rings)):
        _ring(a, at, i, n)
    for i in range(len(program.stages)):
        _stage(a, at, i, n)
    for t in polling:
        _thread(a, at, t, n)
    return a, at


def _most(program: Program, index: int, n: int) -> int:
    """Return the largest burst of a stage."""
    row = program.stages[index]
    capacity = program.rings[row.ring].capacity or n
    return max(1, min(row.batch, row.budget, capacity, n))


def _ring(a: Arena, at: Places, i: int, n: int) -> None:
    program = a.program
    row, r = program.rings[i], at.rings[i]
    taker = consumer(program, i)
    feeders = [s for s in range(len(program.stages)) if program.stages[s].out == i]
    sourced = any(source.ring == i for source in program.sources)
    values = {
        ring.INDEX: i,
        ring.CAPACITY: row.capacity or run.UNBOUNDED,
        ring.FREES: FREES[row.frees],
        ring.MOST: run.UNBOUNDED,
        ring.DELAY: -1,
    }
    taking = program.stages[taker].thread if taker != NONE else NONE
    if sourced:
        values[ring.FEED] = ring.SOURCE
        if not row.capacity and taker != NONE:
            values[ring.MOST] = _most(program, taker, n)
    for s in feeders:
        feeding = program.stages[s].thread
        polls = program.threads[feeding].wait == "poll"
        values[ring.FEED] = ring.STAGE if polls else ring.A_DEVICE
        values[ring.PRODUCER if polls else ring.FEEDER] = (
            at.threads[feeding] if polls else at.devices[s]
        )
        values[ring.SAME_THREAD] = int(feeding == taking)
        values[ring.AHEAD] = int(taking < feeding)
        values[ring.SHOWN_BY] = program.rank_of_thread(feeding)
        values[ring.LOOKER] = int(polls and program.stages[s].full == "wait")
    if taker in at.devices:
        out = program.stages[taker].out
        behind = consumer(program, out) if out != NONE else NONE
        values[ring.DEVICE] = at.devices[taker]
        taking_next = program.stages[behind].thread if behind != NONE else NONE
        values[ring.CONSUMER] = at.threads[taking_next] if taking_next != NONE else 0
    elif taker != NONE:
        values[ring.CONSUMER] = at.threads[taking]
    if taker != NONE:
        # In one event a consumer may hand on and give back: which comes first depends on it.
        row_behind = program.stages[taker]
        each = row_behind.publish == "each" and row_behind.inline == NONE
        values[ring.FREED_LAST] = 2 * int(row_behind.done != "before" or each)
    values[ring.CONSUMER_RANK] = program.rank_of_thread(max(taking, 0))
    if row.visible:
        del values[ring.DELAY]
        a.column(r, ring.DELAY, ring.DELAY_STEP, row.visible)
        values[ring.SHOWN_BY] = program.rank_of_ring(i)
    size = power_of_two(
        values[ring.MOST] if values[ring.MOST] < run.UNBOUNDED else row.capacity or n
    )
    values |= {ring.MASK: size - 1, ring.ITEMS: a.take(size), ring.SHOWN: a.take(size)}
    values[ring.STAMPS] = a.take(size)
    a.write(r, values)


def _stage(a: Arena, at: Places, i: int, n: int) -> None:
    program = a.program
    row, st = program.stages[i], at.stages[i]
    if i in at.devices:
        _device(a, at, i, n)
        return
    fed = row.ring != NONE and row.ring in rings_in_order(program)
    own = row.lead + row.item if row.role == "take" else row.item
    a.column(st, stage.COST, stage.COST_STEP, own)
    a.write(st, {
        stage.RING: at.rings[row.ring] if row.ring != NONE else 0,
        stage.FED: int(fed),
        stage.TURN: a.paid(i, row.turn),
        stage.POLL: a.paid(i, row.poll),
        stage.BATCH_USES: a.paid(i, row.batch_uses, varies=True),
        stage.BATCH: _most(program, i, n) if row.role == "take" else 0,
        stage.WAITS: int(row.full == "wait"),
        stage.RECLAIMS: int(row.reclaims),
        stage.INLINE: at.stages[row.inline] if row.inline != NONE else 0,
        stage.OUT: at.rings[row.out] if row.out != NONE else 0,
        stage.EACH: int(row.publish == "each" and row.inline == NONE),
        stage.BEFORE: int(row.done == "before"),
        stage.RETRIES: row.retries if row.full == "retry" else -1,
        stage.REFILL: row.refill if row.done == "never" else -1,
        stage.REFILL_USES: a.paid(i, row.refill_uses),
    })  # fmt: skip


def _device(a: Arena, at: Places, i: int, n: int) -> None:
    program = a.program
    row, d = program.stages[i], at.devices[i]
    values: dict[int, int] = {}
    a.column(d, device.COST, device.COST_STEP, row.item)
    if row.out != NONE:
        # Waiting for the device, in one burst on the way to it, and behind it till the next look.
        most = [_most(program, s, n) for s in range(len(program.stages)) if s not in at.devices]
        size = power_of_two(min(n, 2 * ((program.rings[row.ring].capacity or n) + sum(most))))
        values |= {
            device.OUT: at.rings[row.out], device.MASK: size - 1,
            device.ITEMS: a.take(size), device.ENDS: a.take(size),
        }  # fmt: skip
    a.write(d, values)


def _thread(a: Arena, at: Places, t: int, n: int) -> None:
    program = a.program
    row, th = program.threads[t], at.threads[t]
    mine = [s for s, r in enumerate(program.stages) if r.thread == t and r.role == "take"]
    looks = [row.idle_loop, *(program.stages[s].poll for s in mine)]
    costs = [sum(a.first[u] for u in mine) for mine in looks]
    source, payer = program.sources[0].ring, len(program.stages) + t
    pace = row.pace
    a.write(th, {
        thread.RANK: program.rank_of_thread(t),
        thread.WHAT: thread.STARVED if pace is None else thread.LOOK,
        thread.ORDER: (1 << 16) | program.rank_of_thread(t),
        thread.N: 1 + len(mine),
        thread.STAGES: a.listed([at.stages[s] for s in mine]),
        thread.COSTS: a.listed(costs),
        thread.PERIOD_PS: max(1, sum(costs)),
        thread.LOOP: a.paid(payer, row.loop),
        thread.IDLE_LOOP: a.paid(payer, row.idle_loop),
        thread.SOURCE: at.rings[source] if source in [program.stages[s].ring for s in mine] else 0,
        thread.HAND: a.take(max([1, *(_most(program, s, n) for s in mine)])),
        thread.PACED: int(pace is not None),
    })  # fmt: skip
    if pace is not None:
        a.write(th, {
            thread.STEP_PS: pace.step_ps, thread.MAX_PS: pace.max_ps, thread.FEW: pace.few,
            thread.RELAX: pace.relax, thread.EVERY_PS: pace.period_ps,
            thread.NAP_USES: a.paid(payer, pace.uses), thread.LATE: a.paid(payer, pace.late),
        })  # fmt: skip


def sums(program: Program) -> list[Uses]:
    """Return the lists of uses whose prices a packet pays in one go, and the uses of a burst."""
    wanted: list[Uses] = [row.visible for row in program.rings if row.visible]
    for row in program.stages:
        wanted.append(row.lead + row.item if row.role == "take" else row.item)
        wanted += [(u,) for u in row.batch_uses]
    return list(dict.fromkeys(wanted))
