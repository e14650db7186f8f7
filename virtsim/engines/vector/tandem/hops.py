"""Hops: FIFO servers behind rings that drop when they are full, one or two in a pass."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words

ENDED, JOINED, WOKEN, MASK, BEHIND, EARLY, STEP, RING, SERVED, BEFORE, AFTER = range(11)
"""A hop: when its server ends, how many packets it has had, how often it was woken. The time at
which the packet so many places before began stands among the stamps: a mask, what is to be added to
the number of packets to find it, and by how much it may be later than a packet that still joins (0,
or for ever where any number may wait). Then -1 if each packet has its own cost, else 0; the ring's
number; and, where it was looked at, the time served in all, before the window, and after it."""
SIZE = 11


def hop(
    at: Words, costs: Words, stamps: Words, a: Words, dropped: Words, lost: Words, n: int,
    n_lost: int,
) -> int:  # fmt: skip
    """Let n packets through: times of arrival become ends of service, or -1 with the ring noted.

    Those that are dropped join ``lost``; return how many there are.
    """
    ended, joined, woken = a[ENDED], a[JOINED], a[WOKEN]
    mask, behind, early, step, ring = a[MASK], a[BEHIND], a[EARLY], a[STEP], a[RING]
    for k in range(n):
        now = at[k]
        if now < 0:
            continue
        if stamps[(joined + behind) & mask] - early >= now:
            at[k], dropped[k], lost[n_lost] = -1, ring, k
            n_lost += 1
            continue
        woken += now > ended
        begin = max(now, ended)
        stamps[joined & mask] = begin
        joined += 1
        ended = begin + costs[k & step]
        at[k] = ended
    a[ENDED], a[JOINED], a[WOKEN] = ended, joined, woken
    return n_lost


def two_hops(
    at: Words, costs: Words, costs2: Words, stamps: Words, stamps2: Words, a: Words, b: Words,
    dropped: Words, lost: Words, n: int, n_lost: int,
) -> int:  # fmt: skip
    """Let n packets through two hops in one pass, which takes hardly longer than one."""
    ended, joined, woken = a[ENDED], a[JOINED], a[WOKEN]
    mask, behind, early, step, ring = a[MASK], a[BEHIND], a[EARLY], a[STEP], a[RING]
    ended2, joined2, woken2 = b[ENDED], b[JOINED], b[WOKEN]
    mask2, behind2, early2, step2, ring2 = b[MASK], b[BEHIND], b[EARLY], b[STEP], b[RING]
    for k in range(n):
        now = at[k]
        if now < 0:
            continue
        if stamps[(joined + behind) & mask] - early >= now:
            at[k], dropped[k], lost[n_lost] = -1, ring, k
            n_lost += 1
            continue
        woken += now > ended
        begin = max(now, ended)
        stamps[joined & mask] = begin
        joined += 1
        ended = begin + costs[k & step]
        if stamps2[(joined2 + behind2) & mask2] - early2 >= ended:
            at[k], dropped[k], lost[n_lost] = -1, ring2, k
            n_lost += 1
            continue
        woken2 += ended > ended2
        begin = max(ended, ended2)
        stamps2[joined2 & mask2] = begin
        joined2 += 1
        ended2 = begin + costs2[k & step2]
        at[k] = ended2
    a[ENDED], a[JOINED], a[WOKEN] = ended, joined, woken
    b[ENDED], b[JOINED], b[WOKEN] = ended2, joined2, woken2
    return n_lost


def hop_at_edge(
    at: Words, costs: Words, stamps: Words, a: Words, dropped: Words, lost: Words, n: int,
    n_lost: int, begin_ps: int, end_ps: int,
) -> int:  # fmt: skip
    """Let n packets through as ``hop`` does, and book what lies outside of the window."""
    ended, joined, woken = a[ENDED], a[JOINED], a[WOKEN]
    mask, behind, early, step, ring = a[MASK], a[BEHIND], a[EARLY], a[STEP], a[RING]
    for k in range(n):
        now = at[k]
        if now < 0:
            continue
        if stamps[(joined + behind) & mask] - early >= now:
            at[k], dropped[k], lost[n_lost] = -1, ring, k
            n_lost += 1
            continue
        woken += now > ended
        begin = max(now, ended)
        stamps[joined & mask] = begin
        joined += 1
        ended = begin + costs[k & step]
        at[k] = ended
        a[BEFORE] += max(0, min(ended, begin_ps) - begin)
        a[AFTER] += max(0, ended - max(begin, end_ps))
    a[ENDED], a[JOINED], a[WOKEN] = ended, joined, woken
    return n_lost
