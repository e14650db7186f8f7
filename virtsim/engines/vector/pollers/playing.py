"""The kernel: whoever has the least key is next."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector import booked as uses
from virtsim.engines.vector.paying import book, book_list
from virtsim.engines.vector.pollers.pacing import (
    begin_iteration,
    doze,
    end_wait,
    open_iteration,
    pay_idly,
    use_over,
)
from virtsim.engines.vector.pollers.parking import can_work, look_ahead, sees_work
from virtsim.engines.vector.pollers.paying import (
    check_next,
    pass_time,
    pay,
    settle,
    spend,
)
from virtsim.engines.vector.pollers.rows import ring, run, stage, thread
from virtsim.engines.vector.pollers.turns import go_on, take_burst


def look(a: Words, t: int) -> None:
    """Look at the next position of a poller's cycle, or park."""
    paced = a[t + thread.PACED]
    if not paced and not sees_work(a, t):
        a[t + thread.PARKED_PS] = a[t + thread.NOW]
        look_ahead(a, t)
        return
    position = a[t + thread.POSITION]
    a[t + thread.POSITION] = (position + 1) % a[t + thread.N]
    if position == 0:
        if paced:
            doze(a, t)
        else:
            pay(a, t, a[t + thread.LOOP], 0)
            check_next(a, t, thread.LOOK)
        return
    st = a[a[t + thread.STAGES] + position - 1]
    if can_work(a, t, st):
        begin_turn(a, t, st)
    elif paced:
        pay_idly(a, t, a[st + stage.POLL], thread.POLLING, thread.LOOK)
    else:
        pass_time(a, t, book_list(a, a[st + stage.POLL], 0), thread.POLLING)
        check_next(a, t, thread.LOOK)


def begin_turn(a: Words, t: int, st: int) -> None:
    """Open a stage's turn; it takes at the next check."""
    a[t + thread.BASE] = st
    pay(a, t, a[st + stage.TURN], 0)
    check_next(a, t, thread.TAKE)


def wake(a: Words, t: int) -> None:
    """Let a parked poller find what it was found to find: its turn there begins."""
    now = a[t + thread.KEY]
    settle(a, t, now)
    a[t + thread.NOW], a[t + thread.DUE] = now, 0
    a[t + thread.ROUND] = ((a[t + thread.ORDER] >> 16) - 1) // 2
    found = a[t + thread.FOUND]
    a[t + thread.POSITION] = (found + 1) % a[t + thread.N]
    if a[run.HORIZON] < now:
        a[run.HORIZON] = now
    begin_turn(a, t, a[a[t + thread.STAGES] + found - 1])


def starves(a: Words, t: int) -> bool:
    """Tell whether a poller would have to look at packets that are not there yet."""
    r = a[t + thread.SOURCE]
    if r == 0 or a[run.LOADED] == a[run.N_PACKETS]:
        return False
    what = a[t + thread.WHAT]
    if what == thread.STARVED:
        return True
    missing = a[r + ring.MOST] - (a[r + ring.PUBLISHED] - a[r + ring.TAKEN])
    if what == thread.GO_ON or a[run.LOADED] - a[r + ring.NEXT] >= missing:
        return False
    return a[a[run.AT] + ((a[run.LOADED] - 1) & a[run.MASK])] <= a[t + thread.KEY]


def is_over(a: Words, t: int) -> bool:
    """Tell whether nothing is left but paced pollers that sleep and look in vain."""
    what = a[t + thread.WHAT]
    idle = what == thread.PAY or what == thread.NAPPED
    if a[run.LOADED] < a[run.N_PACKETS]:
        return False
    horizon = -1
    # A poller that looks may learn of a packet that comes into sight later.
    while idle and horizon < a[run.HORIZON]:
        horizon = a[run.HORIZON]
        idle = a[t + thread.KEY] > horizon and not work_is_left(a, horizon)
    return idle


def work_is_left(a: Words, now: int) -> bool:
    """Tell whether a poller that is not paced is at work, or a paced one would find any."""
    for i in range(a[run.N_THREADS]):
        t = a[run.THREADS] + i * thread.SIZE
        if not a[t + thread.PACED]:
            if a[t + thread.KEY] != run.NEVER:
                return True
        else:
            was, turn = a[t + thread.NOW], a[t + thread.ROUND]
            a[t + thread.NOW], a[t + thread.ROUND] = now, run.ROUNDS - 2
            sees = sees_work(a, t)
            a[t + thread.NOW], a[t + thread.ROUND] = was, turn
            if sees:
                return True
    return False


def next_thread(a: Words) -> int:
    """Return the thread with the least key; 0 if none has one."""
    best, when, order = 0, run.NEVER, 0
    t = a[run.THREADS]
    for _ in range(a[run.N_THREADS]):
        key = a[t + thread.KEY]
        if key < when or (key == when and best and a[t + thread.ORDER] < order):
            best, when, order = t, key, a[t + thread.ORDER]
        t += thread.SIZE
    return best


def step(a: Words, t: int) -> None:
    """Let a thread do what is next for it."""
    what = a[t + thread.WHAT]
    if what == thread.TAKE:
        take_burst(a, t)
    elif what == thread.LOOK:
        look(a, t)
    elif what == thread.PARKED:
        wake(a, t)
    elif what == thread.GO_ON:
        go_on(a, t)
    elif what == thread.PAY:
        use_over(a, t)
    elif what == thread.NAPPED:
        end_wait(a, t, thread.ASLEEP, a[t + thread.KEY])
        begin_iteration(a, t)
    else:
        open_iteration(a, t)


def finish(a: Words) -> None:
    """Cut everything at the last event that changed anything."""
    end = a[run.HORIZON]
    for i in range(a[run.N_THREADS]):
        t = a[run.THREADS] + i * thread.SIZE
        what = a[t + thread.WHAT]
        if what == thread.PARKED:
            settle(a, t, end)
        elif what == thread.NAPPED:
            spend(a, t, thread.ASLEEP, a[t + thread.NOW], end)
        elif what == thread.PAY:
            spend(a, t, a[t + thread.STATE], a[t + thread.NOW], end)
            # The use under way was booked in whole when it began.
            row = a[a[t + thread.LIST] + uses.HEAD + a[t + thread.USE] - 1]
            book(a, row, end - a[t + thread.KEY], -1)


def play(a: Words, steps: int) -> int:
    """Play until the run is over, or for so many steps; return why it came back."""
    for i in range(a[run.N_THREADS]):
        t = a[run.THREADS] + i * thread.SIZE
        if a[t + thread.WHAT] == thread.STARVED:
            look_ahead(a, t)
    for _ in range(steps):
        t = next_thread(a)
        if t == 0 or is_over(a, t):
            finish(a)
            return run.OVER
        if starves(a, t):
            return run.HUNGRY
        step(a, t)
    return run.TIRED
