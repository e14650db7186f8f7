"""A clock: when its owner's next event is, and whether it only passes a core on."""

from __future__ import annotations

(
    AT, TURN, IDLE, OWNER,
) = range(4)  # fmt: skip
SIZE = 4
