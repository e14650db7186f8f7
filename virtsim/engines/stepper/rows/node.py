"""A delivery that has landed on a stage, so many times in a row."""

from __future__ import annotations

(
    CHANNEL, INTRUDED, TIMES, NEXT,
) = range(4)  # fmt: skip
SIZE = 4
