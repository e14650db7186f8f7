"""How a thread with nothing to do waits: idle, spinning, napping or asleep."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import book, book_delays, price, prices, set_state
from virtsim.engines.stepper.clock import rouse_at, wait
from virtsim.engines.stepper.cores import (
    acquire,
    give_way,
    must_yield,
    over_at_quantum,
    pay,
    pay_polling,
    release,
)
from virtsim.engines.stepper.frames import pop, push, stop
from virtsim.engines.stepper.rows import core, frame, thread, use, world
from virtsim.semantics import CHECK, DUE, SLEEP, halt_poll_next

SLEEPS = SLEEP * world.PHASE

# What of a rest is over.
(
    NOTHING, STOOD_BY, LOOKED, DRAINED, SPUN, BLOCKED, LOOKED_AGAIN, NODDED, WOKEN, UP, RESUMED,
) = range(11)  # fmt: skip


def rest(a: Words, p: Words, c: Words, t: int) -> int:
    """Wait until something is ready and the core is the thread's."""
    f = push(a, t, frame.REST, 0)
    if a[t + thread.WAIT] == thread.ALWAYS:
        return stand_by(a, t, f)
    return last_phase(a, t, f, LOOKED)


def go_on_resting(a: Words, p: Words, c: Words, t: int, f: int) -> int:
    """Go on with a rest."""
    step = a[f + frame.STEP]
    if step == STOOD_BY:
        return stand_by(a, t, f)
    if step in (LOOKED, LOOKED_AGAIN) and not last_look(a, t):
        return last_phase(a, t, f, step)
    if step == LOOKED:
        if a[t + thread.READY]:
            return pop(a, t)
        if pay(a, p, c, t, a[t + thread.LEDGER], a[t + thread.IDLE], 0):
            return stop(a, f, frame.REST, DRAINED)
        step = DRAINED
    if step <= BLOCKED:
        return spin_first(a, p, c, t, f, step)
    return sleep(a, p, c, t, f, NODDED if step == LOOKED_AGAIN else step)


def spin_first(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Spin for a delivery, if the thread does, before it sleeps."""
    idles = a[a[t + thread.IDLE]] > 0
    if step == DRAINED:
        if idles and a[t + thread.READY]:
            return pop(a, t)
        a[f + frame.A] = a[world.NOW]
        if not idles:
            return sleep(a, p, c, t, f, NODDED)
        a[t + thread.WOKE] = thread.RUN
        if spin_armed(a, t):
            return stop(a, f, frame.REST, SPUN)
        step = SPUN
    if step == SPUN:
        if a[t + thread.WOKE] == thread.HIT_MODE:
            adapt(a, t, a[t + thread.HIT_PS] - a[f + frame.A])
            return pop(a, t)
        if pay(a, p, c, t, a[t + thread.LEDGER], a[t + thread.BLOCK], 0):
            return stop(a, f, frame.REST, BLOCKED)
    return last_phase(a, t, f, LOOKED_AGAIN)


def sleep(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Sleep, unless something has become ready, and come back."""
    if step == NODDED:
        a[f + frame.B] = 1 if a[t + thread.READY] == 0 else 0
        if a[f + frame.B]:
            set_state(a, t, thread.ASLEEP)
            release(a, t)
            stop(a, f, frame.REST, WOKEN)
            return wait(a, t, thread.SLEEPING)
        step = UP
    if step == WOKEN:
        if acquire(a, p, c, t):
            return stop(a, f, frame.REST, UP)
        step = UP
    if step == UP:
        adapt(a, t, a[world.NOW] - a[f + frame.A])
        if a[f + frame.B] and pay(a, p, c, t, a[t + thread.LEDGER], a[t + thread.RESUME], 0):
            return stop(a, f, frame.REST, RESUMED)
    return pop(a, t)


@seldom
def stand_by(a: Words, t: int, f: int) -> int:
    """Wait without sleeping: a guest that polls when idle, or a device."""
    if a[t + thread.READY]:
        return pop(a, t)
    stop(a, f, frame.REST, STOOD_BY)
    if must_yield(a, t):
        return give_way(a, t)
    set_state(a, t, thread.POLLING if a[t + thread.HOST_CPU] else thread.ASLEEP)
    over_at_quantum(a, t)
    return wait(a, t, thread.IDLE_MODE)


def last_phase(a: Words, t: int, f: int, step: int) -> int:
    """Go to phase 3 of this instant, unless something becomes ready before."""
    stop(a, f, frame.REST, step)
    rouse_at(a, t, a[world.NOW], SLEEP, 0)
    return wait(a, t, thread.IDLE_MODE)


def last_look(a: Words, t: int) -> bool:
    """Tell whether this is phase 3, or something has become ready."""
    return a[world.PLACE] >= SLEEPS or a[t + thread.READY] != 0


def spin_armed(a: Words, t: int) -> int:
    """Spin for a delivery, if there is time and nobody waits for the core."""
    length = 0
    if a[t + thread.SPINS_ARMED]:
        length = a[t + thread.SPIN_MAX]
    if a[t + thread.ADAPTIVE]:
        length = min(a[t + thread.POLL_PS], length)
    if length == 0 or a[a[t + thread.CORE] + core.QUEUED]:
        return world.DONE
    set_state(a, t, thread.POLLING)
    rouse_at(a, t, a[world.NOW] + length, CHECK, 0)
    return wait(a, t, thread.SPIN_ARMED)


def adapt(a: Words, t: int, block_ps: int) -> None:
    """Choose the length of the next spin by how long this one would have had to be."""
    if a[t + thread.ADAPTIVE]:
        a[t + thread.POLL_PS] = halt_poll_next(
            a[t + thread.POLL_PS],
            block_ps,
            start_ps=a[t + thread.START],
            grow=a[t + thread.GROW],
            shrink=a[t + thread.SHRINK],
            max_ps=a[t + thread.SPIN_MAX],
        )


# -- spinning on rings -------------------------------------------------------------------------


@seldom
def spin_and_look(a: Words, p: Words, t: int) -> int:
    """Spin on the thread's rings for its spin length, before any re-arm."""
    if a[a[t + thread.CORE] + core.QUEUED] or a[t + thread.READY]:
        return world.DONE
    set_state(a, t, thread.POLLING)
    a[t + thread.LOOK_FROM] = a[world.NOW]
    a[t + thread.LOOK_EVERY] = max(1, prices(a, p, a[t + thread.SPIN_TURN], 0))
    rouse_at(a, t, a[world.NOW] + a[t + thread.SPIN_MAX], CHECK, 0)
    return wait(a, t, thread.SPIN_LOOK)


@seldom
def book_spin(a: Words, p: Words, c: Words, t: int) -> None:
    """Book the turns of a spin that is over; the one cut short is booked without count."""
    spun = a[world.NOW] - a[t + thread.LOOK_FROM]
    turns = spun // a[t + thread.LOOK_EVERY]
    left = spun - turns * a[t + thread.LOOK_EVERY]
    uses = a[t + thread.SPIN_TURN]
    for i in range(a[uses]):
        u = uses + 1 + i * use.SIZE
        cost = price(a, p, u, 0)
        part = min(cost, left)
        left -= part
        book(a, c, a[t + thread.LEDGER], u, 0, turns * cost + part, turns)


# -- napping -----------------------------------------------------------------------------------

DECIDED, PAID, NAPPED, BACK = range(4)


@seldom
def nap(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Let a paced poller sleep between two iterations, if its rule says so; tell of a stop.

    The steps are those of the iteration's frame ``f``.
    """
    if step == DECIDED:
        if not a[t + thread.PERIOD_PS]:
            if a[t + thread.MOST] >= a[t + thread.FEW]:
                relax = a[t + thread.RELAX]
                a[t + thread.NAP_PS] = a[t + thread.NAP_PS] // relax if relax else 0
                return world.DONE
            longer = a[t + thread.NAP_PS] + a[t + thread.STEP_PS]
            a[t + thread.NAP_PS] = min(longer, a[t + thread.MAX_PS])
        ledger, uses = a[t + thread.LEDGER], a[t + thread.NAP_USES]
        if pay_polling(a, p, c, t, ledger, uses):
            return stop(a, f, frame.LOOP, PAID)
        step = PAID
    if step == PAID:
        length = a[t + thread.NAP_PS]
        if a[t + thread.PERIOD_PS]:  # falling asleep is part of the period
            length = max(1, a[t + thread.ITERATION_PS] + a[t + thread.PERIOD_PS] - a[world.NOW])
        length += book_delays(a, p, c, a[t + thread.LEDGER], a[t + thread.LATE], 0)
        set_state(a, t, thread.ASLEEP)
        release(a, t)
        rouse_at(a, t, a[world.NOW] + length, DUE, 1)
        stop(a, f, frame.LOOP, NAPPED)
        return wait(a, t, thread.NAPPING)
    if step == NAPPED and acquire(a, p, c, t):
        return stop(a, f, frame.LOOP, BACK)
    return world.DONE
