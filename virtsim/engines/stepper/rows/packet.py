"""A packet's words. NEXT chains those of a ring or a batch, FOLLOWER those of a source."""

from __future__ import annotations

(
    AT, SIZE_B, SOURCE, ARRIVED, DELIVERED, DROPPED, NEXT, FOLLOWER,
) = range(8)  # fmt: skip
SIZE = 8
WORDS = SIZE
