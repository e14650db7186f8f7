"""A source's words."""

from __future__ import annotations

(
    RANK, LEAF, RING, KIND, OUTSTANDING, THINK_PS, UPCOMING,
) = range(7)  # fmt: skip
SIZE = 7
OPEN, SATURATE, CLOSED = range(3)
