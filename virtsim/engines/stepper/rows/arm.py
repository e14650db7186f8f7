"""An arm rule of a stage, in the list for its occasion."""

from __future__ import annotations

(
    CHANNEL, SILENT, VALUE, K, NUM, DEN, USES, PASSED, LAST,
) = range(9)  # fmt: skip
SIZE = 9
NEXT, SHARE, OFF, STILL = range(4)
