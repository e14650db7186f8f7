"""An event of the heap: its key, then what it does to which row."""

from __future__ import annotations

(
    AT, TURN, SERIAL, WHAT, MORE,
) = range(5)  # fmt: skip
SIZE = 5
# What happens: a kind of event, and the row that it is about.
KINDS = 16
OFFER, FLOOD, GAP, HOLD, LAND, TIMER, COMPLETE, VISIBLE, UNBLOCK = range(9)
