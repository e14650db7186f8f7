"""Time and money: how long a thread was in which state, and which uses it paid."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector import booked as uses
from virtsim.engines.vector.paying import book, book_list
from virtsim.engines.vector.pollers.rows import run, stage, thread


def spend(a: Words, t: int, state: int, begin: int, end: int) -> None:
    """Book a time that a thread was in a state, and what of it lies in the window."""
    a[t + thread.TOTAL + state] += end - begin
    begin, end = max(begin, a[run.WINDOW_FROM]), min(end, a[run.WINDOW_TO])
    if end > begin:
        a[t + thread.WINDOW + state] += end - begin


def pay(a: Words, t: int, mine: int, packet: int) -> None:
    """Let busy uses pass, one after the other."""
    pass_time(a, t, book_list(a, mine, packet & a[run.MASK]), thread.BUSY)


def pass_time(a: Words, t: int, length: int, state: int) -> None:
    """Let time pass that ends with an event of this thread's own."""
    if length > 0:
        now = a[t + thread.NOW]
        spend(a, t, state, now, now + length)
        a[t + thread.NOW] = now + length
        a[t + thread.ROUND], a[t + thread.DUE] = 0, 1
        if a[run.HORIZON] < now + length:
            a[run.HORIZON] = now + length


def settle(a: Words, t: int, now: int) -> None:
    """Book the idle uses since a poller parked; one cut short is booked without count."""
    begin = a[t + thread.PARKED_PS]
    spend(a, t, thread.POLLING, begin, now)
    period = a[t + thread.PERIOD_PS]
    rounds, rest = 0, now - begin
    if rest >= period:
        rounds = rest // period
        rest -= rounds * period
    position = a[t + thread.POSITION]
    for _ in range(a[t + thread.N]):
        mine = a[t + thread.IDLE_LOOP]
        if position > 0:
            mine = a[a[a[t + thread.STAGES] + position - 1] + stage.POLL]
        total = a[mine + uses.TOTAL]
        if a[mine + uses.PLAIN] and (rest == 0 or rest >= total):
            a[mine + uses.TIMES] += rounds
            if rest > 0 and total > 0:
                a[mine + uses.TIMES] += 1
                rest -= total
        else:
            rest = settle_list(a, mine, rounds, rest)
        position += 1
        if position == a[t + thread.N]:
            position = 0
    a[t + thread.PARKED_PS] = now


def settle_list(a: Words, mine: int, rounds: int, rest: int) -> int:
    """Book a list of idle uses use by use; return what is left of the last round's time."""
    for i in range(mine + uses.HEAD, mine + uses.HEAD + a[mine + uses.N]):
        cost = a[a[i] + uses.FIRST]
        some = min(cost, rest)
        rest -= some
        times = rounds
        if some == cost and cost > 0:
            times += 1
        book(a, a[i], rounds * cost + some, times)
    return rest


def set_key(a: Words, t: int, when: int, order: int) -> None:
    """Say when a thread is next: a time, and twice its round, plus one for phase 1."""
    a[t + thread.KEY] = when
    a[t + thread.ORDER] = (order << 16) | a[t + thread.RANK]


def check_next(a: Words, t: int, what: int) -> None:
    """Let a thread do something at its next phase 1."""
    if a[t + thread.DUE]:
        a[t + thread.DUE] = 0
    else:
        a[t + thread.ROUND] += 1
    a[t + thread.WHAT] = what
    set_key(a, t, a[t + thread.NOW], 2 * a[t + thread.ROUND] + 1)
