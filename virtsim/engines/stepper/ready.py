"""What is ready for a thread, and how it is roused and woken."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.stepper.books import book, book_delays, price, set_state
from virtsim.engines.stepper.clock import rouse_at, stop_clock
from virtsim.engines.stepper.rows import core, queue, stage, thread, use, world
from virtsim.semantics import CHECK, DUE, next_poll


def append(a: Words, t: int, level: int, item: int) -> None:
    """Put something ready at the end of a thread's queue for a level."""
    q = a[t + thread.QUEUES + level]
    n = a[q + queue.N]
    a[q + queue.ITEMS + ((a[q + queue.FIRST] + n) & a[t + thread.QUEUE_MASK])] = item
    a[q + queue.N] = n + 1
    a[t + thread.READY] |= 1 << level


def take_ready(a: Words, t: int, level: int) -> int:
    """Take the first ready thing of a level."""
    q = a[t + thread.QUEUES + level]
    item = a[q + queue.ITEMS + a[q + queue.FIRST]]
    a[q + queue.FIRST] = (a[q + queue.FIRST] + 1) & a[t + thread.QUEUE_MASK]
    a[q + queue.N] -= 1
    if a[q + queue.N] == 0:
        a[t + thread.READY] &= ~(1 << level)
    return item


def top(a: Words, t: int) -> int:
    """Return the highest level with something ready (3: none)."""
    ready = a[t + thread.READY]
    if ready & 1:
        return 0
    if ready & 2:
        return 1
    return 2 if ready else 3


def enqueue(a: Words, p: Words, c: Words, s: int, entry: int) -> None:
    """Make a stage ready (its entry, or its turn) and rouse its thread."""
    if a[s + stage.ENTRY_QUEUED] if entry else a[s + stage.TURN_QUEUED]:
        return
    if entry:
        a[s + stage.ENTRY_QUEUED] = 1
    else:
        a[s + stage.TURN_QUEUED] = 1
    t, level = a[s + stage.THREAD], a[s + stage.LEVEL]
    if entry and a[s + stage.DEFER] and level == 1:
        level = 0
    if level == 1 and a[t + thread.KSOFTIRQD]:
        level = 2
    append(a, t, level, 2 * s + entry)
    rouse(a, p, c, t)


def rouse(a: Words, p: Words, c: Words, t: int) -> None:
    """Something became ready for a thread: let it notice in the way in which it waits."""
    mode, now = a[t + thread.MODE], a[world.NOW]
    if mode == thread.IDLE_MODE:
        rouse_at(a, t, now, CHECK, 0)
    elif mode == thread.SPIN_ARMED:
        a[t + thread.MODE], a[t + thread.HIT_PS] = thread.HIT_MODE, now
        a[t + thread.SPIN_HITS] += 1
        delay = book_delays(a, p, c, a[t + thread.LEDGER], a[t + thread.HIT], 0)
        stop_clock(a, t)
        rouse_at(a, t, now + delay, DUE if delay else CHECK, 0)
    elif mode == thread.SPIN_LOOK:
        look(a, t)
    elif mode == thread.SLEEPING:
        begin_wake(a, p, c, t)


def look(a: Words, t: int) -> None:
    """Let a thread that spins on its rings look at the next turn of its loop."""
    due = next_poll(a[world.NOW], a[t + thread.LOOK_FROM], a[t + thread.LOOK_EVERY])
    rouse_at(a, t, due, CHECK, 0)


def begin_wake(a: Words, p: Words, c: Words, t: int) -> None:
    """Start the wake-up of a sleeping thread: runnable until it has its core."""
    a[t + thread.MODE] = thread.WAKING
    a[t + thread.WAKEUPS] += 1
    set_state(a, t, thread.RUNNABLE)
    k, ledger = a[t + thread.CORE], a[t + thread.LEDGER]
    delay = 0
    if a[k + core.HOLDER] == 0:
        delay = book_delays(a, p, c, ledger, a[t + thread.WAKE], 0)
        idle, deepest = a[world.NOW] - a[k + core.IDLE_SINCE], 0
        x = a[k + core.STATES]
        for _ in range(a[k + core.N_STATES]):
            if idle >= a[x]:
                deepest = x + 1
            x += 1 + use.SIZE
        if deepest:
            cost = price(a, p, deepest, 0)
            book(a, c, ledger, deepest, 0, cost, 1)
            delay += cost
    rouse_at(a, t, a[world.NOW] + delay, DUE, 0)
