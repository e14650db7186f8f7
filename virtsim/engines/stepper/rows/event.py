"""An event of the heap: its key, then what it does to which row."""

from __future__ import annotations

(
    AT, TURN, SERIAL, KIND, ROW, MORE,
) = range(6)  # fmt: skip
SIZE = 6
OFFER, FLOOD, GAP, HOLD, LAND, TIMER, COMPLETE, VISIBLE, UNBLOCK = range(9)
