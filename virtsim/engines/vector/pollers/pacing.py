"""A paced poller: it is never parked, and what it does in vain is played op by op."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector import booked as uses
from virtsim.engines.vector.paying import book, book_list
from virtsim.engines.vector.pollers.parking import sees_work
from virtsim.engines.vector.pollers.paying import (
    check_next,
    pass_time,
    set_key,
    spend,
)
from virtsim.engines.vector.pollers.rows import thread


def doze(a: Words, t: int) -> None:
    """Sleep between two iterations, if the pace says so."""
    if not a[t + thread.EVERY_PS]:
        if a[t + thread.MOST] >= a[t + thread.FEW]:
            relax = a[t + thread.RELAX]
            a[t + thread.NAP] = a[t + thread.NAP] // relax if relax else 0
            begin_iteration(a, t)
            return
        a[t + thread.NAP] = min(a[t + thread.NAP] + a[t + thread.STEP_PS], a[t + thread.MAX_PS])
    pay_idly(a, t, a[t + thread.NAP_USES], thread.POLLING, thread.NAPPED)


def begin_iteration(a: Words, t: int) -> None:
    """Note that an iteration begins; its loop comes at the next check."""
    a[t + thread.BEGAN], a[t + thread.MOST] = a[t + thread.NOW], 0
    check_next(a, t, thread.OPEN)


def pay_idly(a: Words, t: int, mine: int, state: int, then: int) -> None:
    """Pay uses one by one, each an event of its own unless there is something to do."""
    a[t + thread.LIST], a[t + thread.USE] = mine, 0
    a[t + thread.STATE], a[t + thread.THEN] = state, then
    go_on_paying(a, t)


def go_on_paying(a: Words, t: int) -> None:
    """Go on with the next use of a list, or with what comes after the list."""
    mine = a[t + thread.LIST]
    while a[t + thread.USE] < a[mine + uses.N]:
        row = a[mine + uses.HEAD + a[t + thread.USE]]
        a[t + thread.USE] += 1
        cost = a[row + uses.FIRST]
        book(a, row, cost, 1)
        if cost > 0 and not sees_work(a, t):
            a[t + thread.WHAT] = thread.PAY
            set_key(a, t, a[t + thread.NOW] + cost, 0)
            return
        pass_time(a, t, cost, a[t + thread.STATE])
    if a[t + thread.THEN] == thread.NAPPED:
        begin_nap(a, t)
    else:
        check_next(a, t, a[t + thread.THEN])


def use_over(a: Words, t: int) -> None:
    """End a use that was paid in vain."""
    end_wait(a, t, a[t + thread.STATE], a[t + thread.KEY])
    go_on_paying(a, t)


def end_wait(a: Words, t: int, state: int, now: int) -> None:
    """Book the time that a paced poller has waited for its next event."""
    spend(a, t, state, a[t + thread.NOW], now)
    a[t + thread.NOW], a[t + thread.ROUND], a[t + thread.DUE] = now, 0, 1


def begin_nap(a: Words, t: int) -> None:
    """Fall asleep; how late the wake-up is is known now."""
    length = a[t + thread.NAP]
    if a[t + thread.EVERY_PS]:
        length = max(1, a[t + thread.BEGAN] + a[t + thread.EVERY_PS] - a[t + thread.NOW])
    length += book_list(a, a[t + thread.LATE], 0)
    a[t + thread.WHAT] = thread.NAPPED
    set_key(a, t, a[t + thread.NOW] + length, 0)


def open_iteration(a: Words, t: int) -> None:
    """Pay an iteration's loop: one that begins with nothing to do is polling."""
    if sees_work(a, t):
        pay_idly(a, t, a[t + thread.LOOP], thread.BUSY, thread.LOOK)
    else:
        pay_idly(a, t, a[t + thread.IDLE_LOOP], thread.POLLING, thread.LOOK)
