"""The kernel of the device behind the worker: what it does never comes back."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words

LATE_STEP, COST_STEP, FROM, TO, BUSY, INSIDE = range(6)
"""Whether each packet has its own delay and its own cost; the window; the time served, in all and
inside of the window."""
SIZE = 6


def serve(left: Words, late: Words, costs: Words, a: Words, n: int) -> None:
    """Let n packets through a FIFO server: times at which they were sent become ends of service.

    They come into sight one after the other, each after its delay.
    """
    seen = ended = busy = inside = 0
    each, step, begin, end = a[LATE_STEP], a[COST_STEP], a[FROM], a[TO]
    for k in range(n):
        seen = max(seen, left[k] + late[k * each])
        now = max(seen, ended)
        cost = costs[k * step]
        ended = now + cost
        left[k] = ended
        busy += cost
        inside += max(0, min(ended, end) - max(now, begin))
    a[BUSY], a[INSIDE] = busy, inside
