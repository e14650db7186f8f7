"""Booking lists of uses inside a kernel."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector import booked as uses


def book(a: Words, row: int, cost: int, times: int) -> None:
    """Book a use."""
    a[row + uses.COUNT] += times
    a[row + uses.COST] += cost


def book_list(a: Words, mine: int, packet: int) -> int:
    """Book a list of uses, paid for a packet (its place in the columns); return what they cost."""
    if a[mine + uses.PLAIN]:
        a[mine + uses.TIMES] += 1
        return a[mine + uses.TOTAL]
    total = 0
    for i in range(mine + uses.HEAD, mine + uses.HEAD + a[mine + uses.N]):
        row = a[i]
        cost = a[a[row + uses.COLUMN] + packet * a[row + uses.STEP]]
        book(a, row, cost, 1)
        total += cost
    return total
