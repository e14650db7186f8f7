"""A queue of ready things of one thread at one level: a ring of entries."""

from __future__ import annotations

(
    FIRST, N, ITEMS,
) = range(3)  # fmt: skip
SIZE = 3
