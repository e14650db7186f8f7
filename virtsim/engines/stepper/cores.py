"""Who has the core: taking it, giving it up, and paying between two uses."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import book, price, set_state, stretched
from virtsim.engines.stepper.clock import rouse_at, set_leaf, wait
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.polling import leave_parking, sees_work
from virtsim.engines.stepper.rows import core, frame, packet, thread, use, world
from virtsim.semantics import CHECK


def soft(a: Words, t: int) -> bool:
    """Tell whether a thread runs as a softirq, above processes."""
    return a[t + thread.SOFTIRQ] != 0 and a[t + thread.KSOFTIRQD] == 0


def set_level(a: Words, t: int, level: int) -> None:
    """Let a thread run at a level; what is ready above it may cut in."""
    a[t + thread.LEVEL] = level
    a[t + thread.ABOVE] = (1 << max(level, 0)) - 1


def take_core(a: Words, k: int, t: int) -> None:
    """Make a thread the holder of a core."""
    a[k + core.HOLDER], a[k + core.SLICE_SINCE] = t, a[world.NOW]


@seldom
def queue_at(a: Words, k: int, t: int, place: int) -> None:
    """Put a thread into a core's queue at a place."""
    queue, n = a[k + core.QUEUE], a[k + core.QUEUED]
    for i in range(n, place, -1):
        a[queue + i] = a[queue + i - 1]
    a[queue + place] = t
    a[k + core.QUEUED] = n + 1


def next_thread(a: Words, k: int) -> int:
    """Give a core to the first of its queue, which goes on in the next check."""
    queue, n = a[k + core.QUEUE], a[k + core.QUEUED]
    heir = a[queue]
    for i in range(1, n):
        a[queue + i - 1] = a[queue + i]
    a[k + core.QUEUED] = n - 1
    return heir


def release(a: Words, t: int) -> None:
    """Give the core to whoever waits for it, or leave it idle."""
    k = a[t + thread.CORE]
    a[k + core.HOLDER], a[k + core.IDLE_SINCE] = 0, a[world.NOW]
    if a[k + core.QUEUED]:
        heir = next_thread(a, k)
        take_core(a, k, heir)
        rouse_at(a, heir, a[world.NOW], CHECK, 0)


@seldom
def nudge(a: Words, p: Words, k: int) -> None:
    """Tell a holder that has nothing to do that somebody waits for its core."""
    t = a[k + core.HOLDER]
    mode = a[t + thread.MODE]
    if mode == thread.PARKED:
        leave_parking(a, p, t)
    elif mode in (thread.IDLE_MODE, thread.SPIN_ARMED, thread.SPIN_LOOK, thread.BLOCKED):
        rouse_at(a, t, a[world.NOW], CHECK, 0)


def must_yield(a: Words, t: int) -> bool:
    """Tell whether a thread loses its core before its next use."""
    k = a[t + thread.CORE]
    if a[k + core.QUEUED] == 0 or soft(a, t):
        return False
    if soft(a, a[a[k + core.QUEUE]]):
        return True
    return a[world.NOW] - a[k + core.SLICE_SINCE] >= a[k + core.QUANTUM]


@seldom
def over_at_quantum(a: Words, t: int) -> None:
    """Let a thread that waits on its core notice the end of its quantum, if somebody waits."""
    k = a[t + thread.CORE]
    if a[k + core.QUEUED]:
        over = max(a[world.NOW], a[k + core.SLICE_SINCE] + a[k + core.QUANTUM])
        rouse_at(a, t, over, CHECK, 1)


def wait_in_queue(a: Words, t: int) -> int:
    """Wait for the core."""
    set_state(a, t, thread.RUNNABLE)
    return wait(a, t, thread.IN_QUEUE)


def acquire(a: Words, p: Words, c: Words, t: int) -> int:
    """Get the core: at once if it is free, else in turn, and then pay the switch."""
    k = a[t + thread.CORE]
    if not a[k + core.SHARED] or a[k + core.HOLDER] == 0:
        take_core(a, k, t)
        return world.DONE
    place = a[k + core.QUEUED]
    if soft(a, t):
        n, place = place, 0
        for i in range(n):
            place += soft(a, a[a[k + core.QUEUE] + i])
    queue_at(a, k, t, place)
    nudge(a, p, k)
    f = push(a, t, frame.ACQUIRE, 0)
    a[f + frame.NTH] = 0
    return wait_in_queue(a, t)


@seldom
def give_way(a: Words, t: int) -> int:
    """Lose the core and wait for it: behind a softirq that cuts in, else at the queue's end."""
    k = a[t + thread.CORE]
    heir = next_thread(a, k)
    if soft(a, heir):
        a[t + thread.DISPLACED] = 1
        queue_at(a, k, t, 0)
    else:
        queue_at(a, k, t, a[k + core.QUEUED])
    take_core(a, k, heir)
    rouse_at(a, heir, a[world.NOW], CHECK, 0)
    f = push(a, t, frame.GIVE_WAY, 0)
    a[f + frame.NTH] = 0
    return wait_in_queue(a, t)


@seldom
def come_on(a: Words, p: Words, c: Words, t: int, f: int, free: int) -> int:
    """Pay the switch of a thread that has got its core, unless it comes on for nothing."""
    uses = a[a[t + thread.CORE] + core.SWITCH]
    i = a[f + frame.NTH]
    while i < a[uses] and not free and not a[t + thread.DISPLACED]:
        u = uses + 1 + i * use.SIZE
        i += 1
        a[f + frame.NTH] = i
        if occupy(a, p, c, t, a[t + thread.LEDGER], u, 0, thread.BUSY):
            return world.STOP
    a[t + thread.DISPLACED] = 0
    return pop(a, t)


def occupy(a: Words, p: Words, c: Words, t: int, ledger: int, u: int, n: int, state: int) -> int:
    """Let one use pass on the thread's core, without asking whether it may.

    If nothing else happens before its end, the clock is simply put there.
    """
    cost = price(a, p, u, n)
    book(a, c, ledger, u, n, cost, 1)
    if cost == 0:
        return world.DONE
    if a[t + thread.STATE] != state:
        set_state(a, t, state)
    if a[t + thread.UNEVEN]:
        return occupy_unevenly(a, c, t, ledger, u, n, cost)
    end = a[world.NOW] + cost
    if end < a[world.NEXT]:
        pass_time(a, t, end)
        return world.DONE
    if a[u + use.EXIT]:
        a[t + thread.IN_EXIT] = 1
    set_leaf(a, a[t + thread.LEAF], end, a[t + thread.RANK] + 1, 0)
    return wait(a, t, thread.OP)


def pass_time(a: Words, t: int, end: int) -> None:
    """Put the clock to the end of a thread's use, before which nothing else happens."""
    a[world.NOW] = a[world.LAST] = end
    a[world.ROUND], a[world.PLACE] = 0, a[t + thread.RANK] + 1
    a[world.EVENTS] += 1


@seldom
def occupy_unevenly(a: Words, c: Words, t: int, ledger: int, u: int, n: int, cost: int) -> int:
    """Let a use pass that interruptions of the core may stretch, or that paced polling idles."""
    k = a[t + thread.CORE]
    end = stretched(a, k, a[world.NOW], cost)
    if end - a[world.NOW] > cost:
        a[t + thread.STOLEN_FROM] = a[world.NOW]
    idle = idles(a, c, t, ledger, u, n, end) if a[t + thread.PACED] else 0
    if end < a[world.NEXT] and not idle:
        pass_time(a, t, end)
        used(a, t)
        return world.DONE
    a[t + thread.IN_EXIT] = a[u + use.EXIT]
    set_leaf(a, a[t + thread.LEAF], end, a[t + thread.RANK] + 1, idle)
    return wait(a, t, thread.OP)


@seldom
def idles(a: Words, c: Words, t: int, ledger: int, u: int, n: int, end: int) -> int:
    """Tell whether a use is a paced poller's pastime, which the end of the run may cut short."""
    if a[t + thread.TURNS] or sees_work(a, t):
        return 0
    a[t + thread.UNDER_CELL] = ledger + a[u + use.CELL]
    a[t + thread.UNDER_BYTES] = 0
    if a[u + use.PER_BYTE]:
        a[t + thread.UNDER_BYTES] = c[n * packet.WORDS + packet.SIZE_B]
    a[t + thread.UNDER_END] = end
    return 1


def used(a: Words, t: int) -> None:
    """Book what an interruption of the core took from a use that has ended."""
    if a[t + thread.UNEVEN] and a[t + thread.STOLEN_FROM] >= 0:
        set_state(a, t, a[t + thread.STATE])
        a[t + thread.STOLEN_FROM] = -1


YIELDED, ROSE, USED = range(3)
LOOKING, RISEN = 1, 2
"""Ways to pay: as polling, and when the thread has just looked for higher levels."""


def pay(a: Words, p: Words, c: Words, t: int, ledger: int, uses: int, n: int) -> int:
    """Pay uses one by one; between two, others may get the core and higher levels may run."""
    if a[uses] == 0:
        return world.DONE
    disturbed = a[a[t + thread.CORE] + core.QUEUED] | (a[t + thread.READY] & a[t + thread.ABOVE])
    if a[uses] == 1 and disturbed == 0:
        return occupy(a, p, c, t, ledger, uses + 1, n, thread.BUSY)
    return pay_from(a, p, c, t, uses + 1, ledger, n, 0)


def pay_polling(a: Words, p: Words, c: Words, t: int, ledger: int, uses: int) -> int:
    """Pay uses that find nothing."""
    if a[uses] == 0:
        return world.DONE
    return pay_from(a, p, c, t, uses + 1, ledger, 0, LOOKING)


def pay_from(a: Words, p: Words, c: Words, t: int, u: int, ledger: int, n: int, how: int) -> int:
    """Pay a use and those behind it; a frame is left for those behind one that has to wait."""
    state = thread.POLLING if how & LOOKING else thread.BUSY
    if how < RISEN and must_yield(a, t):
        stop(a, leave_rest(a, t, u, ledger, n, how), frame.PAY, YIELDED)
        return give_way(a, t)
    if how < RISEN and a[t + thread.READY] & a[t + thread.ABOVE]:
        stop(a, leave_rest(a, t, u, ledger, n, how), frame.PAY, ROSE)
        push(a, t, frame.RUN_ONE, 0)
        return world.STOP
    if occupy(a, p, c, t, ledger, u, n, state):
        if not a[u + use.LAST]:
            stop(a, leave_rest(a, t, u + use.SIZE, ledger, n, how & LOOKING), frame.PAY, USED)
        return world.STOP
    if a[u + use.LAST]:
        return world.DONE
    return pay_from(a, p, c, t, u + use.SIZE, ledger, n, how & LOOKING)


def leave_rest(a: Words, t: int, u: int, ledger: int, n: int, how: int) -> int:
    """Leave a frame for the uses that are not paid yet."""
    f = push(a, t, frame.PAY, u)
    a[f + frame.A], a[f + frame.B], a[f + frame.PACKET] = ledger, how, n
    return f


@resumed(frame.PAY)
def go_on_paying(a: Words, p: Words, c: Words, t: int, u: int, f: int, step: int) -> int:
    """Go on with the uses of a frame."""
    risen = 0
    if step == ROSE:
        if a[t + thread.READY] & a[t + thread.ABOVE]:
            push(a, t, frame.RUN_ONE, 0)
            return world.STOP
        risen = RISEN
    pop(a, t)
    ledger, n = a[f + frame.A], a[f + frame.PACKET]
    if a[t + thread.WAIT] == thread.POLLS and a[f + frame.B]:
        return pay_from(a, p, c, t, u, ledger, n, LOOKING + risen)
    return pay_from(a, p, c, t, u, ledger, n, risen)
