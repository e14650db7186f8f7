"""A poller with nothing to do: when its next look finds something, as far as is known."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector.pollers.paying import set_key
from virtsim.engines.vector.pollers.rings import (
    fetch,
    free,
    learn_check,
    next_from_outside,
    waiting,
)
from virtsim.engines.vector.pollers.rows import ring, run, stage, thread


def can_work(a: Words, t: int, st: int) -> bool:
    """Tell whether a poller's look at a stage finds packets, and room for them."""
    now, turn = a[t + thread.NOW], a[t + thread.ROUND]
    if not a[st + stage.FED] or waiting(a, a[st + stage.RING], now, turn) <= 0:
        return False
    if not a[st + stage.WAITS]:
        return True
    ahead = a[st + stage.OUT]
    if free(a, ahead) <= 0:
        learn_check(a, ahead, now, turn)
    return free(a, ahead) > 0


def sees_work(a: Words, t: int) -> bool:
    """Tell whether a poller's next looks will find something."""
    for k in range(a[t + thread.N] - 1):  # noqa: SIM110 - compiled, and a generator is not
        if can_work(a, t, a[a[t + thread.STAGES] + k]):
            return True
    return False


def first_shown(a: Words, r: int) -> int:
    """Return when the first packet of a ring becomes visible (twice the time, plus one if late)."""
    while a[r + ring.PUBLISHED] == a[r + ring.TAKEN]:
        when = next_from_outside(a, r)
        if when == run.NEVER:
            return run.NEVER
        fetch(a, r, when)
    return a[a[r + ring.SHOWN] + (a[r + ring.TAKEN] & a[r + ring.MASK])]


def room_stamp(a: Words, r: int) -> int:
    """Return the stamp of the slot that makes room on a ring: -1 if there is room, or never."""
    slot = a[r + ring.PUBLISHED] - a[r + ring.CAPACITY]
    if slot < a[r + ring.KNOWN]:
        return -1
    if slot >= a[r + ring.STAMPED]:
        return run.NEVER
    return a[a[r + ring.STAMPS] + (slot & a[r + ring.MASK])]


def until_look(a: Words, t: int, position: int) -> int:
    """Time from a poller's parking to its first look at a position."""
    at, length = a[t + thread.POSITION], 0
    while at != position:
        length += a[a[t + thread.COSTS] + at]
        at += 1
        if at == a[t + thread.N]:
            at = 0
    return length


def look_ahead(a: Words, t: int) -> None:
    """Find out when a parked poller's looks find something, from what is known by now.

    Of two stages whose looks fall together, the one that had something first is served.
    """
    a[t + thread.WHAT] = thread.PARKED
    best, best_turn, best_since, best_order = run.NEVER, 0, run.NEVER, 0
    for k in range(a[t + thread.N] - 1):
        st = a[a[t + thread.STAGES] + k]
        if not a[st + stage.FED]:
            continue
        r = a[st + stage.RING]
        shown = first_shown(a, r)
        if shown == run.NEVER:
            continue
        since, turn, check = shown >> 1, shown & 1, 0
        order = (turn << 20) | (4 * a[r + ring.SHOWN_BY] + 1)
        if a[st + stage.WAITS]:
            ahead = a[st + stage.OUT]
            stamp = room_stamp(a, ahead)
            if stamp == run.NEVER:
                continue
            freed, shift = stamp >> run.ROUND_BITS, stamp & (run.ROUNDS - 1)
            order_freed = (max(2 * shift - 1, 0) << 19) | (
                4 * a[ahead + ring.CONSUMER_RANK] + a[ahead + ring.FREED_LAST]
            )
            if freed > since or (freed == since and order_freed > order):
                since, order = freed, order_freed
                check = min(shift, 1)  # it is a take that frees the slot, in phase 1
                turn = max(shift - 1, 0)
        due, period = since, a[t + thread.PERIOD_PS]
        first = a[t + thread.PARKED_PS] + until_look(a, t, k + 1)
        due = first if due <= first else first + -((first - due) // period) * period
        if due > since:
            turn = 0
        elif check and a[t + thread.RANK] <= a[a[st + stage.OUT] + ring.CONSUMER_RANK]:
            turn += 1
        sooner = since < best_since or (since == best_since and order < best_order)
        if due < best or (due == best and sooner):
            best, best_turn, best_since, best_order = due, turn, since, order
            a[t + thread.FOUND] = k + 1
    source = a[t + thread.SOURCE]
    if source and a[run.LOADED] < a[run.N_PACKETS] and a[source + ring.NEXT] == a[run.LOADED]:
        last = a[a[run.AT] + ((a[run.LOADED] - 1) & a[run.MASK])]
        if a[source + ring.PUBLISHED] == a[source + ring.TAKEN] and last <= best:
            a[t + thread.WHAT] = thread.STARVED
            best, best_turn = last, 0
    if best == run.NEVER:
        a[t + thread.KEY] = run.NEVER
    else:
        # The poller's gate opens in that round's phase 1, and it looks in the next round's.
        set_key(a, t, best, 2 * (best_turn + 1) + 1)


def tell(a: Words, t: int) -> None:
    """Let a poller that is parked look ahead anew: something was written for it."""
    if t and (a[t + thread.WHAT] == thread.PARKED or a[t + thread.WHAT] == thread.STARVED):
        look_ahead(a, t)
