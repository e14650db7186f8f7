"""Hops: FIFO servers behind rings that drop when they are full, one or two in a pass."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words

ENDED, PLACE, WOKEN, PLACES, BEHIND, RING, BEFORE, AFTER = range(8)
"""A hop: when its server ends, the place of its next packet, how often it was woken. Stamps hold
when the packets in the last so many places began: the place that comes next has the oldest one, who
must have begun before another joins. So many words behind it is the one that is looked at (0, or
one that never changes where any number may wait). Then the ring's number; and, where it was looked
at, the time served before the window, and after it."""
SIZE = 8


def hop(
    at: Words, out: Words, costs: Words, stamps: Words, a: Words, dropped: Words, lost: Words,
    n: int, n_lost: int,
) -> int:  # fmt: skip
    """Let n packets through: times of arrival become ends of service, or -1 with the ring noted.

    Those that are dropped join ``lost``; return how many there are.
    """
    ended, place, woken = a[ENDED], a[PLACE], a[WOKEN]
    places, behind, ring = a[PLACES], a[BEHIND], a[RING]
    for k in range(n):
        now = at[k]
        if now < 0:
            out[k] = -1
            continue
        if stamps[place + behind] >= now:
            out[k], dropped[k], lost[n_lost] = -1, ring, k
            n_lost += 1
            continue
        woken += now > ended
        begin = max(now, ended)
        stamps[place] = begin
        place += 1
        if place == places:
            place = 0
        ended = begin + costs[k]
        out[k] = ended
    a[ENDED], a[PLACE], a[WOKEN] = ended, place, woken
    return n_lost


def two_hops(
    at: Words, out: Words, costs: Words, costs2: Words, stamps: Words, stamps2: Words, a: Words,
    b: Words, dropped: Words, lost: Words, n: int, n_lost: int,
) -> int:  # fmt: skip
    """Let n packets through two hops in one pass, which takes hardly longer than one."""
    ended, place, woken = a[ENDED], a[PLACE], a[WOKEN]
    places, behind, ring = a[PLACES], a[BEHIND], a[RING]
    ended2, place2, woken2 = b[ENDED], b[PLACE], b[WOKEN]
    places2, behind2, ring2 = b[PLACES], b[BEHIND], b[RING]
    for k in range(n):
        now = at[k]
        if now < 0:
            out[k] = -1
            continue
        if stamps[place + behind] >= now:
            out[k], dropped[k], lost[n_lost] = -1, ring, k
            n_lost += 1
            continue
        woken += now > ended
        begin = max(now, ended)
        stamps[place] = begin
        place += 1
        if place == places:
            place = 0
        ended = begin + costs[k]
        if stamps2[place2 + behind2] >= ended:
            out[k], dropped[k], lost[n_lost] = -1, ring2, k
            n_lost += 1
            continue
        woken2 += ended > ended2
        begin = max(ended, ended2)
        stamps2[place2] = begin
        place2 += 1
        if place2 == places2:
            place2 = 0
        ended2 = begin + costs2[k]
        out[k] = ended2
    a[ENDED], a[PLACE], a[WOKEN] = ended, place, woken
    b[ENDED], b[PLACE], b[WOKEN] = ended2, place2, woken2
    return n_lost


def hop_at_edge(
    at: Words, out: Words, costs: Words, stamps: Words, a: Words, dropped: Words, lost: Words,
    n: int, n_lost: int, begin_ps: int, end_ps: int,
) -> int:  # fmt: skip
    """Let n packets through as ``hop`` does, and book what lies outside of the window."""
    ended, place, woken = a[ENDED], a[PLACE], a[WOKEN]
    places, behind, ring = a[PLACES], a[BEHIND], a[RING]
    for k in range(n):
        now = at[k]
        if now < 0:
            out[k] = -1
            continue
        if stamps[place + behind] >= now:
            out[k], dropped[k], lost[n_lost] = -1, ring, k
            n_lost += 1
            continue
        woken += now > ended
        begin = max(now, ended)
        stamps[place] = begin
        place += 1
        if place == places:
            place = 0
        ended = begin + costs[k]
        out[k] = ended
        a[BEFORE] += max(0, min(ended, begin_ps) - begin)
        a[AFTER] += max(0, ended - max(begin, end_ps))
    a[ENDED], a[PLACE], a[WOKEN] = ended, place, woken
    return n_lost
