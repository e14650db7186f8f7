"""A poller with nothing to do: only its clock passes, and the next look is computed."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import book, price, set_state
from virtsim.engines.stepper.clock import rouse_at
from virtsim.engines.stepper.rows import core, ring, stage, thread, use, world
from virtsim.semantics import CHECK, next_poll

UNBOUNDED = 1 << 60


def waiting(a: Words, r: int) -> int:
    """Return how many packets a look at a ring finds."""
    return a[r + ring.VISIBLE] - a[r + ring.TAKEN]


def returned(a: Words, r: int) -> int:
    """Return the slots that the consumer has given back, as its reverse channel counts them."""
    return a[r + ring.TAKEN] if a[r + ring.FREES] == ring.ON_TAKE else a[r + ring.DONE]


def known(a: Words, r: int) -> int:
    """Return the slots that the producer knows to be free again."""
    return a[r + ring.FREED] if a[r + ring.FREES] == ring.ON_RECLAIM else returned(a, r)


def free(a: Words, r: int) -> int:
    """Return the free slots of a ring as the producer sees them."""
    if a[r + ring.CAPACITY] == UNBOUNDED:
        return UNBOUNDED
    return a[r + ring.CAPACITY] - (a[r + ring.PUBLISHED] - known(a, r))


def can_work(a: Words, s: int) -> bool:
    """Tell whether a poller's look at a stage finds packets, and room for them."""
    if waiting(a, a[s + stage.RING]) == 0:
        return False
    if a[s + stage.FULL] != stage.WAIT:
        return True
    r = a[s + stage.OUT]
    there = a[r + ring.DONE] if a[s + stage.RECLAIMS] else known(a, r)
    return a[r + ring.CAPACITY] - (a[r + ring.PUBLISHED] - there) > 0


def sees_work(a: Words, t: int) -> bool:
    """Tell whether a poller's next looks will find something."""
    if a[t + thread.WAIT] != thread.POLLS:
        return False
    stages = a[t + thread.STAGES]
    for i in range(a[t + thread.N_STAGES]):  # noqa: SIM110 - not a form that is translated
        if can_work(a, a[stages + i]):
            return True
    return False


# -- the cycle: the loop's uses, then a look at each stage; a cell for each says how long ----------


def reached(a: Words, t: int, position: int) -> int:
    """Return when a parked poller first reaches a position of its cycle."""
    cycle, mine = a[t + thread.CYCLE], a[t + thread.POSITION]
    there = a[cycle + position] - a[cycle + mine]
    if position < mine:
        there += a[cycle + a[t + thread.N_STAGES] + 1]
    return a[t + thread.PARKED_PS] + there


def found(a: Words, t: int, s: int) -> None:
    """Something became visible to a parked poller: let it look when it comes by."""
    position = a[s + stage.POSITION]
    if position == 0:
        a[world.ERROR], a[world.ERROR_AT] = world.NOT_POLLED, a[s + stage.INDEX]
        return
    due = next_poll(a[world.NOW], reached(a, t, position), a[t + thread.PERIOD])
    if a[t + thread.DUE_PS] < 0 or due < a[t + thread.DUE_PS]:
        a[t + thread.DUE_PS], a[t + thread.FOUND] = due, position
        rouse_at(a, t, due, CHECK, 0)


@seldom
def leave_parking(a: Words, p: Words, t: int) -> None:
    """Let a parked poller whose core others wait for leave it at a use's end, its quantum over."""
    k = a[t + thread.CORE]
    over = a[world.NOW]
    heir = a[a[k + core.QUEUE]]
    at_once = a[k + core.QUEUED] > 0 and a[heir + thread.SOFTIRQ] and not a[heir + thread.KSOFTIRQD]
    if not at_once:
        over = max(over, a[k + core.SLICE_SINCE] + a[k + core.QUANTUM])
    due = world.NEVER
    for position in range(a[t + thread.N_STAGES] + 1):
        due = min(due, next_poll(over, reached(a, t, position), a[t + thread.PERIOD]))
    if a[t + thread.DUE_PS] < 0 or due < a[t + thread.DUE_PS]:
        a[t + thread.DUE_PS], a[t + thread.FOUND] = due, -1
        rouse_at(a, t, due, CHECK, 1)


@seldom
def settle(a: Words, p: Words, c: Words, t: int) -> None:
    """Book the idle uses that ended since the parking; a use cut short is booked without count."""
    n, cycle = a[t + thread.N_STAGES] + 1, a[t + thread.CYCLE]
    elapsed = a[world.NOW] - a[t + thread.PARKED_PS]
    rounds = elapsed // a[t + thread.PERIOD]
    rest = elapsed - rounds * a[t + thread.PERIOD]
    first, after = a[t + thread.POSITION], rest
    for k in range(n):
        position = (first + k) % n
        uses, ledger = a[t + thread.IDLE_LOOP], a[t + thread.LEDGER]
        if position > 0:
            s = a[a[t + thread.STAGES] + position - 1]
            uses, ledger = a[s + stage.POLL], a[s + stage.LEDGER]
        for i in range(a[uses]):
            u = uses + 1 + i * use.SIZE
            cost = price(a, p, u, 0)
            part = min(cost, rest)
            rest -= part
            whole = 1 if part == cost and cost > 0 else 0
            book(a, c, ledger, u, 0, rounds * cost + part, rounds + whole)
    while after > 0 and after >= a[cycle + first + 1] - a[cycle + first]:
        after -= a[cycle + first + 1] - a[cycle + first]
        first = (first + 1) % n
    a[t + thread.POSITION] = first
    a[t + thread.PARKED_PS] = a[world.NOW]


@seldom
def park(a: Words, p: Words, t: int) -> None:
    """Begin to poll without finding anything until something can be found."""
    set_state(a, t, thread.POLLING)
    a[t + thread.PARKED_PS], a[t + thread.DUE_PS], a[t + thread.FOUND] = a[world.NOW], -1, -1
    if a[a[t + thread.CORE] + core.QUEUED]:
        leave_parking(a, p, t)
