"""The kernel: the least key first, of the source, driver, worker, and an interrupt on its way."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector.driver.acting import arrive, decide, enqueue, set_state, wake
from virtsim.engines.vector.driver.rows import channel, driver, run, thread
from virtsim.engines.vector.driver.sending import drive
from virtsim.engines.vector.driver.working import go_to_work
from virtsim.semantics import DUE

SOURCE, DRIVER, WORKER, FLIGHT = range(4)


def offer(a: Words) -> None:
    """Let the source's packets of this instant arrive."""
    n = a[run.N_PACKETS]
    if a[run.SATURATES]:
        a[run.SENT] = a[run.NEXT] = n
        announce(a)
    else:
        while a[run.NEXT] < n and a[a[run.AT] + a[run.NEXT]] == a[run.NOW]:
            arrive(a, a[run.NEXT])
            a[run.NEXT] += 1
            a[run.SENT] += 1
            announce(a)
    a[run.KEY], a[run.ORDER] = run.NEVER, DUE
    if a[run.NEXT] < n:
        a[run.KEY] = a[a[run.AT] + a[run.NEXT]]


def announce(a: Words) -> None:
    """Tell the driver of a packet, if it wants to be told."""
    if not decide(a, channel.QUEUE):
        return
    t = thread.DRIVER
    asleep = a[t + thread.MODE] == thread.SLEEPING
    if asleep:
        a[t + thread.MODE] = thread.CLAIMED
    enqueue(a, driver.ENTER)
    if asleep:
        wake(a, t)


def who_is_next(a: Words) -> int:
    """Set the clock to the least key and return whose it is; note when the first of others acts."""
    best, when, order, rival = SOURCE, a[run.KEY], a[run.ORDER], run.NEVER
    key, mine = a[thread.DRIVER + thread.KEY], a[thread.DRIVER + thread.ORDER]
    if key < when or (key == when and mine < order):
        best, when, order, rival = DRIVER, key, mine, when
    else:
        rival = key
    key, mine = a[thread.WORKER + thread.KEY], a[thread.WORKER + thread.ORDER]
    if key < when or (key == when and mine < order):
        best, when, order, rival = WORKER, key, mine, when
    else:
        rival = min(rival, key)
    key, mine = a[run.FLY_KEY], a[run.FLY_ORDER]
    if key < when or (key == when and mine < order):
        best, when, order, rival = FLIGHT, key, mine, when
    else:
        rival = min(rival, key)
    a[run.NOW], a[run.ROUND] = when, order >> 18
    a[run.PHASE], a[run.RANK] = (order >> 16) & 3, order & 0xFFFF
    a[run.RIVAL] = min(rival, when + run.AHEAD)
    return best


def play(a: Words, steps: int) -> int:
    """Play until the run is over, or for so many steps; return why it came back."""
    for _ in range(steps):
        last = a[run.NOW]
        best = who_is_next(a)
        if a[run.NOW] == run.NEVER:
            a[run.NOW] = last
            set_state(a, thread.DRIVER, a[thread.DRIVER + thread.STATE])
            set_state(a, thread.WORKER, a[thread.WORKER + thread.STATE])
            return run.OVER
        if best == DRIVER:
            a[thread.DRIVER + thread.KEY] = run.NEVER
            drive(a, a[thread.DRIVER + thread.WHAT])
        elif best == WORKER:
            a[thread.WORKER + thread.KEY] = run.NEVER
            go_to_work(a, a[thread.WORKER + thread.WHAT])
        elif best == SOURCE:
            offer(a)
        else:
            a[run.FLIES], a[run.FLY_KEY] = 0, run.NEVER
            enqueue(a, driver.IRQ)
    return run.TIRED
