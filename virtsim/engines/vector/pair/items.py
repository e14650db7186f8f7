"""The kernel: item after item."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words

(
    CLOCK, IDLE, KICKS, ASKED, STOPS, RESUMES, TOLD, JOINED, PLACES, MASK, RESUME, WAKE, REARM,
    MAKE, EAT, KICK, MADE_PS, ATE_PS, KICKED_PS,
) = range(19)  # fmt: skip
"""The producer's clock; since when the consumer has had nothing to do. How often it was kicked and
asked for a kick; how often the producer stopped and was resumed, and whether it was told of room
that it had found already; how many items there were. Then the ring's places, the mask of its
stamps, what it takes to resume, to wake up, and to ask; and, for each column, -1 if each item has a
price of its own, else 0. Last, what all making, eating and kicking cost."""
SIZE = 19


def pass_items(
    make: Words, eat: Words, kick: Words, eaten: Words, a: Words, arrived: Words,
    delivered: Words, n: int,
) -> None:  # fmt: skip
    """Let n items be made and eaten; ``eaten`` has when the last ones were."""
    now, idle, kicks, asked = a[CLOCK], a[IDLE], a[KICKS], a[ASKED]
    stops, resumes, told, joined = a[STOPS], a[RESUMES], a[TOLD], a[JOINED]
    places, mask, resume, wake, rearm = a[PLACES], a[MASK], a[RESUME], a[WAKE], a[REARM]
    makes, eats, costs = a[MAKE], a[EAT], a[KICK]
    made_ps, ate_ps, kicked_ps = a[MADE_PS], a[ATE_PS], a[KICKED_PS]
    for k in range(n):
        arrived[k] = now
        cost = make[k & makes]
        made_ps += cost
        now += cost
        slot = eaten[(joined - places) & mask]
        if slot >= now:
            if slot > now:
                # It holds the item, is told of the slot when that is given back, and resumes.
                now = slot + resume
                resumes += 1
                stops += 1 + told
                told = 0
            else:
                told = 1  # it asked, and found room: what it is told makes it look once more
        cost = eat[k & eats]
        ate_ps += cost
        if now > idle:
            asked += 1
            idle += rearm
            if now > idle:
                paid = kick[k & costs]
                kicked_ps += paid
                now += paid
                idle = now + wake
                kicks += 1
        idle += cost
        eaten[joined & mask] = idle
        joined += 1
        delivered[k] = idle
    a[CLOCK], a[IDLE], a[KICKS], a[ASKED] = now, idle, kicks, asked
    a[STOPS], a[RESUMES], a[TOLD], a[JOINED] = stops, resumes, told, joined
    a[MADE_PS], a[ATE_PS], a[KICKED_PS] = made_ps, ate_ps, kicked_ps
