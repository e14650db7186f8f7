"""Rings as stamps: what is visible, what is free, and what sources and devices put there."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector.pollers.rows import device, ring, run


def learn(a: Words, r: int, until: int, same: int) -> None:
    """Count the slots given back before a stamp, and with ``same`` at it."""
    known, mask, stamps = a[r + ring.KNOWN], a[r + ring.MASK], a[r + ring.STAMPS]
    while known < a[r + ring.STAMPED]:
        stamp = a[stamps + (known & mask)]
        if stamp > until or (stamp == until and not same):
            break
        known += 1
    a[r + ring.KNOWN] = known


def learn_due(a: Words, r: int, now: int) -> None:
    """Count the slots that whoever publishes in phase 0 of a time knows to be free."""
    if a[r + ring.SAME_THREAD]:
        a[r + ring.KNOWN] = a[r + ring.STAMPED]
    else:
        learn(a, r, now * run.ROUNDS, a[r + ring.AHEAD])


def learn_check(a: Words, r: int, now: int, turn: int) -> None:
    """Count the slots that a producer who looks in phase 1 of a round knows to be free."""
    if a[r + ring.SAME_THREAD]:
        a[r + ring.KNOWN] = a[r + ring.STAMPED]
    elif a[r + ring.FREES] == ring.TAKE:
        learn(a, r, now * run.ROUNDS + 1 + turn, a[r + ring.AHEAD])
    else:
        learn(a, r, now * run.ROUNDS + run.ROUNDS - 1, 1)


def free(a: Words, r: int) -> int:
    """Free slots, as far as is known."""
    return a[r + ring.CAPACITY] - (a[r + ring.PUBLISHED] - a[r + ring.KNOWN])


def give(a: Words, r: int, n: int, stamp: int) -> None:
    """Give slots back."""
    if a[r + ring.CAPACITY] < run.UNBOUNDED:
        at, mask = a[r + ring.STAMPED], a[r + ring.MASK]
        for k in range(at, at + n):
            a[a[r + ring.STAMPS] + (k & mask)] = stamp
        a[r + ring.STAMPED] = at + n


def put(a: Words, r: int, packet: int, now: int) -> None:
    """Put a packet on a ring; it becomes visible now, or after the ring's delay."""
    at = a[r + ring.PUBLISHED]
    seen = 2 * now
    if a[r + ring.DELAY] >= 0:
        index = (packet & a[run.MASK]) * a[r + ring.DELAY_STEP]
        shown = max(now + a[a[r + ring.DELAY] + index], a[r + ring.LAST_PS])
        a[r + ring.LAST_PS] = shown
        seen = 2 * shown
        if shown == now:
            seen += 1  # a delay of no time ends in the next round
    a[a[r + ring.ITEMS] + (at & a[r + ring.MASK])] = packet
    a[a[r + ring.SHOWN] + (at & a[r + ring.MASK])] = seen
    a[r + ring.PUBLISHED] = at + 1
    if a[run.HORIZON] < seen >> 1:
        a[run.HORIZON] = seen >> 1
    if a[r + ring.DEVICE]:
        serve(a, a[r + ring.DEVICE], r, packet, seen)


def serve(a: Words, d: int, r: int, packet: int, seen: int) -> None:
    """Let a device have a packet: it starts when it is visible and all before it have ended."""
    start, turn = seen >> 1, 1 + (seen & 1)
    if a[d + device.FREE_AT] > start:
        start, turn = a[d + device.FREE_AT], 1
    cost = a[a[d + device.COST] + (packet & a[run.MASK]) * a[d + device.COST_STEP]]
    end = start + cost
    a[d + device.FREE_AT] = end
    a[r + ring.TAKEN] += 1
    if a[r + ring.FREES] == ring.TAKE:
        give(a, r, 1, start * run.ROUNDS + 1 + turn)
    else:
        give(a, r, 1, end * run.ROUNDS)
    a[d + device.BUSY] += cost
    begin, until = max(start, a[run.WINDOW_FROM]), min(end, a[run.WINDOW_TO])
    if until > begin:
        a[d + device.WINDOW] += until - begin
    if a[run.HORIZON] < end:
        a[run.HORIZON] = end
    if a[d + device.OUT]:
        at = a[d + device.ENDED] & a[d + device.MASK]
        a[a[d + device.ITEMS] + at] = packet
        a[a[d + device.ENDS] + at] = end
        a[d + device.ENDED] += 1
    else:
        a[a[run.DELIVERED] + (packet & a[run.MASK])] = end


def offer(a: Words, r: int, packet: int, now: int) -> bool:
    """Put a packet on a ring from outside, or drop it there; tell which."""
    if free(a, r) <= 0:
        learn_due(a, r, now)
        if free(a, r) <= 0:
            a[a[run.DROPPED] + (packet & a[run.MASK])] = a[r + ring.INDEX]
            return False
    put(a, r, packet, now)
    return True


def next_from_outside(a: Words, r: int) -> int:
    """Return when the next packet comes to a ring from a source or a device."""
    if a[r + ring.FEED] == ring.SOURCE and a[r + ring.NEXT] < a[run.LOADED]:
        return a[a[run.AT] + (a[r + ring.NEXT] & a[run.MASK])]
    d = a[r + ring.FEEDER]
    if a[r + ring.FEED] == ring.A_DEVICE and a[d + device.FETCHED] < a[d + device.ENDED]:
        return a[a[d + device.ENDS] + (a[d + device.FETCHED] & a[d + device.MASK])]
    return run.NEVER


def fetch(a: Words, r: int, now: int) -> bool:
    """Take the next packet over from a source or a device; tell whether it found room."""
    if a[r + ring.FEED] == ring.SOURCE:
        packet = a[r + ring.NEXT]
        a[r + ring.NEXT] += 1
        return offer(a, r, packet, now)
    d = a[r + ring.FEEDER]
    packet = a[a[d + device.ITEMS] + (a[d + device.FETCHED] & a[d + device.MASK])]
    a[d + device.FETCHED] += 1
    return offer(a, r, packet, now)


def waiting(a: Words, r: int, now: int, turn: int) -> int:
    """Return how many packets a look at a ring finds (no more than one take could want)."""
    if a[r + ring.FEED] != ring.STAGE:
        while a[r + ring.PUBLISHED] - a[r + ring.TAKEN] < a[r + ring.MOST]:
            when = next_from_outside(a, r)
            if when > now:
                break
            fetch(a, r, when)
    seen, mask, shown = a[r + ring.SEEN], a[r + ring.MASK], a[r + ring.SHOWN]
    until = 2 * now + min(turn, 1)
    while seen < a[r + ring.PUBLISHED] and a[shown + (seen & mask)] <= until:
        seen += 1
    a[r + ring.SEEN] = seen
    return seen - a[r + ring.TAKEN]
