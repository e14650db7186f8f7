"""A use in a list of uses: where its price is, where it is booked, what it is."""

from __future__ import annotations

(
    PRICE, MASK, CELL, PER_BYTE, EXIT, LAST,
) = range(6)  # fmt: skip
SIZE = 6
