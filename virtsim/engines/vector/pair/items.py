"""The kernel: item after item."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words

(
    CLOCK, IDLE, KICKS, ASKED, STOPS, RESUMES, TOLD, PLACES, RESUME, WAKE, REARM, HELD_PS, SLEPT_PS,
    KICKED_PS,
) = range(14)  # fmt: skip
"""The producer's clock; since when the consumer has had nothing to do. How often it was kicked and
asked for a kick; how often the producer stopped and was resumed, and whether it was told of room
that it had found already. Then the ring's places, what it takes to resume, to wake up, and to ask.
Last, the time that the producer held an item (and resumed), that the consumer had nothing to do
(and woke up) after it asked, and what all kicks cost: the rest of the two clocks is work."""
SIZE = 14


def pass_items(
    make: Words, eat: Words, kick: Words, a: Words, arrived: Words, eaten: Words, n: int
) -> None:
    """Let n items be made and eaten; before ``eaten`` of the first stand those of the last ones."""
    now, idle, kicks, asked = a[CLOCK], a[IDLE], a[KICKS], a[ASKED]
    stops, resumes, told = a[STOPS], a[RESUMES], a[TOLD]
    places, resume, wake, rearm = a[PLACES], a[RESUME], a[WAKE], a[REARM]
    held_ps, slept_ps, kicked_ps = a[HELD_PS], a[SLEPT_PS], a[KICKED_PS]
    for k in range(n):
        arrived[k] = now
        now += make[k]
        slot = eaten[k]
        if slot >= now:
            if slot > now:
                # It holds the item, is told of the slot when that is given back, and resumes.
                held_ps += slot + resume - now
                now = slot + resume
                resumes += 1
                stops += 1 + told
                told = 0
            else:
                told = 1  # it asked, and found room: what it is told makes it look once more
        if now > idle:
            asked += 1
            idle += rearm
            if now > idle:
                paid = kick[k]
                kicked_ps += paid
                now += paid
                slept_ps += now + wake - idle
                idle = now + wake
                kicks += 1
        idle += eat[k]
        eaten[k + places] = idle
    a[CLOCK], a[IDLE], a[KICKS], a[ASKED] = now, idle, kicks, asked
    a[STOPS], a[RESUMES], a[TOLD] = stops, resumes, told
    a[HELD_PS], a[SLEPT_PS], a[KICKED_PS] = held_ps, slept_ps, kicked_ps
