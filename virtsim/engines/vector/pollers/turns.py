"""A poller's turn: a burst, its inline stages, and handing on, up to a read of what is not known.

What a turn reads of other threads is how much room is ahead. If what is known already leaves room
enough, it goes on; else it waits until nobody can write anything that came before its read.
"""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector.pollers.parking import tell
from virtsim.engines.vector.pollers.paying import check_next, pass_time, pay, set_key
from virtsim.engines.vector.pollers.rings import (
    free,
    give,
    learn_check,
    learn_due,
    put,
    waiting,
)
from virtsim.engines.vector.pollers.rows import ring, run, stage, thread


def take_burst(a: Words, t: int) -> None:
    """Size a burst, take it, and begin to serve it."""
    st = a[t + thread.BASE]
    r, now, turn = a[st + stage.RING], a[t + thread.NOW], a[t + thread.ROUND]
    n = min(a[st + stage.BATCH], waiting(a, r, now, turn))
    if a[st + stage.RECLAIMS] or a[st + stage.WAITS]:
        ahead = a[st + stage.OUT]
        learn_check(a, ahead, now, turn)
        a[ahead + ring.BACK_PS] = now
        if a[st + stage.WAITS]:
            n = min(n, free(a, ahead))
    at, mask = a[r + ring.TAKEN], a[r + ring.MASK]
    for k in range(n):
        a[a[t + thread.HAND] + k] = a[a[r + ring.ITEMS] + ((at + k) & mask)]
    a[r + ring.TAKEN] = at + n
    if a[r + ring.FREES] == ring.TAKE:
        give(a, r, n, now * run.ROUNDS + 1 + min(turn, run.ROUNDS - 2))
        if a[r + ring.LOOKER]:
            tell(a, a[r + ring.PRODUCER])
    a[t + thread.N_HAND], a[t + thread.STAGE], a[t + thread.STEP] = n, st, thread.SERVE
    a[t + thread.AT] = a[t + thread.TRIES] = a[t + thread.FIRM] = a[t + thread.FIRST] = 0
    go_on(a, t)


def go_on(a: Words, t: int) -> None:
    """Go on with a turn until it ends, or has to wait for what others write."""
    while True:
        st, step = a[t + thread.STAGE], a[t + thread.STEP]
        if step == thread.SERVE:
            pay(a, t, a[st + stage.BATCH_USES], a[a[t + thread.HAND]])
            a[t + thread.STEP] = thread.EACH
            if not a[st + stage.EACH]:
                serve_all(a, t, st, 0, a[t + thread.N_HAND])
                a[t + thread.STEP] = thread.AFTER
        elif step == thread.EACH:
            if not serve_each(a, t, st):
                return
            a[t + thread.STEP] = thread.AFTER
        elif step == thread.AFTER:
            served(a, t, st)
        elif step == thread.EMIT:
            if not emit(a, t, st):
                return
            a[t + thread.STEP] = thread.END
        elif step == thread.RETRY:
            first = a[a[t + thread.HAND] + a[t + thread.FIRST]]
            pay(a, t, a[st + stage.BATCH_USES], first)
            a[t + thread.STEP] = thread.FIT
        elif step == thread.FIT:
            if not retry(a, t, st):
                return
        else:
            end_turn(a, t, a[t + thread.BASE])
            return


def end_turn(a: Words, t: int, st: int) -> None:
    """Give slots back, unless that was done before, and go on with the cycle."""
    r = a[st + stage.RING]
    if a[st + stage.REFILL] >= 0:
        a[st + stage.OWED] += a[t + thread.N_HAND]
        if a[st + stage.OWED] > a[st + stage.REFILL]:
            give_back(a, t, r, a[st + stage.OWED])
            a[st + stage.OWED] = 0
            pay(a, t, a[st + stage.REFILL_USES], 0)
    elif not a[st + stage.BEFORE]:
        give_back(a, t, r, a[t + thread.N_HAND])
    a[t + thread.MOST] = max(a[t + thread.MOST], a[t + thread.N_HAND])
    check_next(a, t, thread.LOOK)


def served(a: Words, t: int, st: int) -> None:
    """Go to what comes after a stage's work on a burst."""
    if st == a[t + thread.BASE] and a[st + stage.BEFORE]:
        give_back(a, t, a[st + stage.RING], a[t + thread.N_HAND])
    behind = a[st + stage.INLINE]
    if behind:
        a[t + thread.STAGE], a[t + thread.FIRST], a[t + thread.TRIES] = behind, 0, 0
        take_back(a, t, behind)
        a[t + thread.STEP] = thread.RETRY if a[behind + stage.RETRIES] >= 0 else thread.SERVE
        a[t + thread.AT] = 0
    else:
        a[t + thread.STEP] = thread.END if a[st + stage.EACH] else thread.EMIT


def take_back(a: Words, t: int, st: int) -> None:
    """Note when a stage took used slots back; how many they were is found out when it matters."""
    if a[st + stage.RECLAIMS]:
        ahead = a[st + stage.OUT]
        a[ahead + ring.BACK_PS] = a[t + thread.NOW]
        if a[ahead + ring.SAME_THREAD]:
            a[ahead + ring.KNOWN] = a[ahead + ring.STAMPED]


def give_back(a: Words, t: int, r: int, n: int) -> None:
    """Give n slots of a ring back."""
    if a[r + ring.FREES] != ring.TAKE:
        give(a, r, n, a[t + thread.NOW] * run.ROUNDS)
        if a[r + ring.LOOKER]:
            tell(a, a[r + ring.PRODUCER])


def arrive(a: Words, t: int, st: int, packet: int) -> None:
    """Stamp the arrival of a packet that a sender starts, when it is taken in hand."""
    r = a[st + stage.RING]
    if a[run.SATURATES] and r > 0 and r == a[t + thread.SOURCE]:
        a[a[run.ARRIVED] + (packet & a[run.MASK])] = a[t + thread.NOW]


def serve_all(a: Words, t: int, st: int, first: int, last: int) -> None:
    """Let the work on some packets pass."""
    hand, cost, step = a[t + thread.HAND], a[st + stage.COST], a[st + stage.COST_STEP]
    began = now = a[t + thread.NOW]
    if step == 0 and not a[run.SATURATES]:
        now += (last - first) * a[cost]
    else:
        for k in range(first, last):
            a[t + thread.NOW] = now
            arrive(a, t, st, a[hand + k])
            now += a[cost + (a[hand + k] & a[run.MASK]) * step]
    a[t + thread.NOW] = began
    pass_time(a, t, now - began, thread.BUSY)


def serve_each(a: Words, t: int, st: int) -> bool:
    """Serve packets and hand each on; tell whether that was all, or it has to wait."""
    while a[t + thread.AT] < a[t + thread.N_HAND]:
        packet = a[a[t + thread.HAND] + a[t + thread.AT]]
        if not a[t + thread.TRIES]:
            arrive(a, t, st, packet)
            cost = a[a[st + stage.COST] + (packet & a[run.MASK]) * a[st + stage.COST_STEP]]
            pass_time(a, t, cost, thread.BUSY)
        a[t + thread.TRIES] = 1
        if not hand_on(a, t, a[st + stage.OUT], a[t + thread.AT], a[t + thread.AT] + 1):
            return False
        a[t + thread.TRIES] = 0
        a[t + thread.AT] += 1
    return True


def emit(a: Words, t: int, st: int) -> bool:
    """Hand a burst on; tell whether it was, or has to wait."""
    return hand_on(a, t, a[st + stage.OUT], 0, a[t + thread.N_HAND])


def hand_on(a: Words, t: int, r: int, first: int, last: int) -> bool:
    """Put packets on the ring ahead, or end their life if there is none or it is full."""
    hand = a[t + thread.HAND]
    if r == 0:
        for k in range(first, last):
            a[a[run.DELIVERED] + (a[hand + k] & a[run.MASK])] = a[t + thread.NOW]
        return True
    n = fits(a, t, r, last - first)
    if n < 0:
        return False
    place(a, t, r, first, first + n)
    for k in range(first + n, last):
        a[a[run.DROPPED] + (a[hand + k] & a[run.MASK])] = a[r + ring.INDEX]
    return True


def place(a: Words, t: int, r: int, first: int, last: int) -> None:
    """Publish packets in hand, and tell whoever waits for them."""
    for k in range(first, last):
        put(a, r, a[a[t + thread.HAND] + k], a[t + thread.NOW])
    tell(a, a[r + ring.CONSUMER])


def fits(a: Words, t: int, r: int, n: int) -> int:
    """Return how many of n packets find room on a ring; -1 if that has to wait."""
    firm, a[t + thread.FIRM] = a[t + thread.FIRM], 0
    if free(a, r) >= n:
        return n
    when = a[t + thread.NOW]
    if a[r + ring.FREES] != ring.RECLAIM:
        learn_due(a, r, when)
    elif not a[r + ring.SAME_THREAD]:
        when = a[r + ring.BACK_PS]
        learn_due(a, r, when)
    room = free(a, r)
    if room >= n:
        return n
    if firm or a[r + ring.DEVICE] or a[r + ring.SAME_THREAD]:
        return max(0, room)
    a[t + thread.FIRM], a[t + thread.WHAT] = 1, thread.GO_ON
    set_key(a, t, when, 0)
    return -1


def retry(a: Words, t: int, st: int) -> bool:
    """Offer what is left of a burst; tell whether it was offered, or has to wait."""
    r, first, last = a[st + stage.OUT], a[t + thread.FIRST], a[t + thread.N_HAND]
    n = fits(a, t, r, last - first)
    if n < 0:
        return False
    serve_all(a, t, st, first, first + n)
    place(a, t, r, first, first + n)
    a[t + thread.FIRST] = first + n
    a[t + thread.TRIES] += 1
    if n > 0 and first + n < last and a[t + thread.TRIES] <= a[st + stage.RETRIES]:
        take_back(a, t, st)
        a[t + thread.STEP] = thread.RETRY
        return True
    for k in range(first + n, last):
        a[a[run.DROPPED] + (a[a[t + thread.HAND] + k] & a[run.MASK])] = a[r + ring.INDEX]
    a[t + thread.STEP] = thread.END
    return True
