"""A run of any length in bounded memory: packets and prices are made as they are played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from virtsim.costing import columns_of
from virtsim.costs import Profile
from virtsim.engines.vector.streams.feeds import Chunk
from virtsim.engines.vector.streams.playing import stream
from virtsim.outcome import Outcome
from virtsim.program import Program
from virtsim.tally import Tally
from virtsim.traffic import ChunkedStream

PASS = 1 << 16
"""Packets made at a time where only the arrivals of a few are wanted."""


@dataclass
class Feed:
    """Feeds a Program the packets of a stream, with their prices.

    Parameters
    ----------
    nic_bps
        Rate of the link (bit/s).
    seed, replication
        What the draws of prices depend on.
    """

    program: Program
    profile: Profile
    stream: ChunkedStream
    nic_bps: int
    seed: int
    replication: int

    def __post_init__(self) -> None:
        self._next, self._carried = 0, None
        _, sizes, _ = self.stream.make(0, min(2, self.n), None)
        self._alike = sizes.strides == (0,)

    @property
    def n(self) -> int:
        """How many packets there are."""
        return len(self.stream)

    def instants(self, packets: tuple[int, ...]) -> tuple[int, ...]:
        """Return when some packets arrive (ps); their numbers ascend."""
        found: list[int] = []
        for start, (at_ps, _) in zip(range(0, self.n, PASS), self.stream.chunks(PASS), strict=True):
            while len(found) < len(packets) and packets[len(found)] < start + len(at_ps):
                found.append(int(at_ps[packets[len(found)] - start]))
            if len(found) == len(packets):
                break
        return tuple(found)

    def chunk(self, start: int, n: int) -> Chunk:
        """Return n packets from number ``start`` on: where the last call ended, or anew at 0."""
        carried: Any = self._carried if start else None
        assert start in (0, self._next)
        at_ps, size_b, self._carried = self.stream.make(start, n, carried)
        self._next = start + n
        columns = columns_of(
            self.program, self.profile, size_b, self.nic_bps,
            seed=self.seed, replication=self.replication, start=start, alike=self._alike,
        )  # fmt: skip
        return Chunk(np.ascontiguousarray(at_ps), size_b, columns)


def play(
    feed: Feed,
    warmup: int,
    packets_to: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Outcome, Tally]:
    """Play a feed's Program on it; return an Outcome without stamps, and what these came to.

    Raises
    ------
    EngineRefusal
        If more packets are under way at once than a chunk holds.
    """
    return stream(feed.program, feed, warmup=warmup, packets_to=packets_to, on_progress=on_progress)
