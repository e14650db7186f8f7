"""The worker's turn: batch after batch, what it does inline, giving slots back, and its sleep."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector import booked as uses
from virtsim.engines.vector.driver.acting import (
    arms,
    call_at,
    check,
    decide,
    fall_asleep,
    interrupt,
    last_phase,
    passes,
    set_state,
    spend,
    wake,
)
from virtsim.engines.vector.driver.rows import channel, run, thread, worker
from virtsim.engines.vector.paying import book
from virtsim.semantics import CHECK


def go_to_work(a: Words, what: int) -> None:
    """Let the worker act until time has to pass, or another phase has to come (-1)."""
    while what >= 0:
        if what <= worker.FILLED:
            what = go_forth(a, what)
        elif what <= worker.TOLD:
            what = go_back(a, what)
        else:
            what = go_idle(a, what)


def go_forth(a: Words, what: int) -> int:
    """Take packets and work on them; return what is next."""
    t = thread.WORKER
    if what == worker.FILL:
        left = min(a[worker.BATCH], a[worker.BUDGET] - a[worker.SERVED])
        more = a[worker.SERVED_B] + a[worker.HAND_B] < a[worker.BUDGET_B]
        if a[worker.HAND] >= left or not more:
            return worker.FILLED
        if a[run.PUT] == a[run.FETCHED]:
            if a[worker.HAND] and a[worker.ASKS_EARLY]:
                return spend(a, t, a[worker.REARM], 0, worker.ASKED)
            return worker.FILLED
        packet = a[run.FETCHED]
        a[run.FETCHED] = packet + 1
        a[worker.HAND] += 1
        a[worker.HAND_B] += a[a[worker.SIZES] + packet * a[worker.SIZES_STEP]]
        if a[channel.KICK + channel.ARMED]:
            arms(a, a[worker.AT_TAKE])
        return passes(a, t, a[a[worker.COST] + packet * a[worker.COST_STEP]], worker.ATE)
    if what == worker.ATE:
        if not a[worker.INLINES]:
            a[a[run.LEFT] + a[run.FETCHED] - 1] = a[run.NOW]
        return check(a, t, worker.FILL) if a[worker.HAND] < a[worker.BATCH] else worker.FILLED
    if what == worker.FILLED:
        if a[worker.HAND] == 0:
            return worker.TOLD
        return passes(a, t, do_inline(a), worker.DONE)
    if what == worker.TAKE:
        a[worker.HAND] = a[worker.HAND_B] = 0
        return worker.FILL
    if what == worker.MAIN:
        return iterate(a)
    if what == worker.ENTERED:
        arms(a, a[worker.AT_ENTRY])
        if a[worker.DEFERS] and not a[worker.TURN_READY]:
            a[worker.TURN_READY], a[worker.ENTRY_LAST] = 1, 0
        if a[worker.TURN_READY]:
            return worker.NEXT
        return spend(a, t, a[worker.TURN], 0, worker.TURNED)
    a[worker.SERVED] = a[worker.SERVED_B] = 0  # TURNED
    return check(a, t, worker.TAKE)


def do_inline(a: Words) -> int:
    """Stamp packets as they leave, one by one; return what that takes."""
    if not a[worker.INLINES]:
        return 0
    began = now = a[run.NOW]
    cost, step = a[worker.AFTER], a[worker.AFTER_STEP]
    for packet in range(a[run.FETCHED] - a[worker.HAND], a[run.FETCHED]):
        now += a[cost + packet * step]
        a[a[run.LEFT] + packet] = now
    return now - began


def iterate(a: Words) -> int:
    """Begin an iteration over what is ready, or rest; return what is next."""
    t = thread.WORKER
    a[t + thread.MODE] = thread.RUNNING
    if a[worker.READY] or a[worker.TURN_READY]:
        if not a[a[worker.LOOP]]:
            return run_one(a)
        a[worker.TO_SERVE] = a[worker.READY] + a[worker.TURN_READY]
        return spend(a, t, a[worker.LOOP], 0, worker.LOOPED)
    if a[t + thread.SLEEPS]:
        return last_phase(a, t, worker.LAST_PHASE)
    a[t + thread.MODE], a[t + thread.KEY] = thread.IDLING, run.NEVER
    set_state(a, t, thread.POLLING)
    return -1


def run_one(a: Words) -> int:
    """Begin what is ready first, an entry or a turn; return what is next."""
    t = thread.WORKER
    a[worker.TO_SERVE] -= 1
    if a[worker.READY] and not (a[worker.TURN_READY] and a[worker.ENTRY_LAST]):
        a[worker.READY] = 0
        return spend(a, t, a[worker.ENTRY], 0, worker.ENTERED)
    a[worker.TURN_READY] = a[worker.ENTRY_LAST] = 0
    return spend(a, t, a[worker.TURN], 0, worker.TURNED)


def go_back(a: Words, what: int) -> int:
    """Give slots back and interrupt the driver; return what is next."""
    t = thread.WORKER
    if what == worker.DONE:
        a[run.DONE] += a[worker.HAND]
        if not decide(a, channel.CALL):
            return worker.TOLD
        return spend(a, t, a[worker.CALL], a[run.FETCHED] - 1, worker.CALLED)
    if what == worker.CALLED:
        if not interrupt(a):
            return worker.TOLD
        signal = a[thread.DRIVER + thread.SIGNAL]
        return spend(a, t, signal, a[run.FETCHED] - 1, worker.SIGNALLED)
    if what == worker.SIGNALLED:
        wake(a, thread.DRIVER)
        return worker.TOLD
    a[worker.SERVED] += a[worker.HAND]  # TOLD
    a[worker.SERVED_B] += a[worker.HAND_B]
    over = a[worker.SERVED] >= a[worker.BUDGET] or a[worker.SERVED_B] >= a[worker.BUDGET_B]
    if a[worker.IS_ARMED]:
        if a[worker.HAND] and not over:
            return check(a, t, worker.TAKE)
        a[worker.IS_ARMED] = 0
        if not a[worker.SERVED]:
            return worker.NEXT
        arms(a, a[worker.AT_ENTRY])
    elif not over:
        return check(a, t, worker.LOOK)
    if not a[worker.TURN_READY]:
        a[worker.TURN_READY], a[worker.ENTRY_LAST] = 1, 0
    return worker.NEXT


def go_idle(a: Words, what: int) -> int:
    """Act where the ring may be empty, and on the way to sleep and back."""
    t = thread.WORKER
    if what == worker.LOOK:
        if a[worker.HAS_ASKED]:
            a[worker.HAS_ASKED] = 0
            return worker.NEXT
        if a[run.PUT] > a[run.FETCHED]:
            return check(a, t, worker.TAKE)
        if a[worker.SPINS] and not a[worker.READY]:
            return spin(a)
        return spend(a, t, a[worker.EMPTY], 0, worker.EMPTIED)
    if what == worker.EMPTIED:
        return spend(a, t, a[worker.REARM], 0, worker.REARMED)
    if what == worker.REARMED:
        arms(a, a[worker.AT_EMPTY])
        if a[worker.STAYS_ARMED]:
            a[worker.IS_ARMED] = 1
            a[worker.SERVED] = a[worker.SERVED_B] = 0
            return check(a, t, worker.TAKE)
        return check(a, t, worker.RECHECK)
    if what == worker.RECHECK:
        if a[run.PUT] == a[run.FETCHED]:
            return worker.NEXT
        arms(a, a[worker.AT_ENTRY])
        return check(a, t, worker.TAKE)
    if what == worker.WOKEN:
        a[t + thread.MODE] = thread.RUNNING
        return spend(a, t, a[t + thread.RESUME], 0, worker.MAIN)
    if what == worker.NEXT or what == worker.LOOPED:
        return run_one(a) if a[worker.TO_SERVE] > 0 else worker.MAIN
    if what == worker.ASKED:
        arms(a, a[worker.AT_EMPTY])
        return check(a, t, worker.FOUND)
    if what == worker.FOUND:
        if a[run.PUT] > a[run.FETCHED]:
            arms(a, a[worker.AT_ENTRY])
            return worker.FILL
        a[worker.HAS_ASKED] = 1
        return worker.FILLED
    if what == worker.SPUN:
        return spun(a)
    if a[worker.READY]:  # LAST_PHASE
        return worker.MAIN
    return fall_asleep(a, t, worker.WOKEN)


def spin(a: Words) -> int:
    """Turn notifications off and look at the ring, until its time is over or something is there."""
    t = thread.WORKER
    arms(a, a[worker.AT_ENTRY])
    set_state(a, t, thread.POLLING)
    a[worker.LOOK_FROM] = a[run.NOW]
    a[t + thread.MODE] = thread.SPINNING
    call_at(a, t, a[run.NOW] + a[worker.SPIN_PS], CHECK, worker.SPUN)
    return -1


def spun(a: Words) -> int:
    """Book the turns of a spin that is over; go on with what it found, or ask to be told."""
    t = thread.WORKER
    a[t + thread.MODE] = thread.RUNNING
    book_turns(a)
    if a[run.PUT] > a[run.FETCHED]:
        return check(a, t, worker.TAKE)
    if not a[worker.READY]:
        return spend(a, t, a[worker.EMPTY], 0, worker.EMPTIED)
    a[worker.TURN_READY], a[worker.ENTRY_LAST] = 1, 0
    return worker.NEXT


def book_turns(a: Words) -> None:
    """Book the turns of a spin; the one that was cut short is booked without count."""
    mine, every = a[worker.POLL], a[worker.LOOK_EVERY]
    turns = (a[run.NOW] - a[worker.LOOK_FROM]) // every
    left = a[run.NOW] - a[worker.LOOK_FROM] - turns * every
    for i in range(mine + uses.HEAD, mine + uses.HEAD + a[mine + uses.N]):
        row = a[i]
        cost = a[row + uses.FIRST]
        part = min(cost, left)
        left -= part
        book(a, row, turns * cost + part, turns)
