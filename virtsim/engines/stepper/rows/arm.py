"""An arm rule of a stage, in the list for its occasion."""

from __future__ import annotations

(
    CHANNEL, SILENT, VALUE, K, NUM, DEN, USES, PASSED,
) = range(8)  # fmt: skip
SIZE = 8
NEXT, SHARE, OFF, STILL = range(4)
