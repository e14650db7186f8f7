"""Where a stream's packets come from, a chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from virtsim.engines.vector.columns import columns_of
from virtsim.outcome import Ints, Packets, Prices


@dataclass(frozen=True)
class Chunk:
    """Some packets: arrivals (int64[n], ps), lengths (int64[n], bytes), prices of each use (ps).

    A column of prices has one for all packets of the stream, or one for each of the chunk.
    """

    at_ps: Ints
    size_b: Ints
    columns: list[Ints]

    def __len__(self) -> int:
        return len(self.at_ps)


class Feed(Protocol):
    """Gives a stream's packets in order."""

    @property
    def n(self) -> int:
        """How many packets there are."""
        ...

    def instants(self, packets: tuple[int, ...]) -> tuple[int, ...]:
        """Return when some packets arrive (ps); their numbers ascend."""
        ...

    def chunk(self, start: int, n: int) -> Chunk:
        """Return n packets from number ``start`` on: where the last call ended, or anew at 0."""
        ...


class Held:
    """Packets that are in memory all the same."""

    def __init__(self, packets: Packets, prices: Prices) -> None:
        self._packets = packets
        self._columns = columns_of(prices, len(packets))

    @property
    def n(self) -> int:
        """How many packets there are."""
        return len(self._packets)

    def instants(self, packets: tuple[int, ...]) -> tuple[int, ...]:
        """Return when some packets arrive (ps)."""
        return tuple(int(self._packets.at_ps[k]) for k in packets)

    def chunk(self, start: int, n: int) -> Chunk:
        """Return n packets from number ``start`` on."""
        end = start + n
        columns = [c if len(c) == 1 else c[start:end] for c in self._columns]
        at, sizes = self._packets.at_ps[start:end], self._packets.size_b[start:end]
        return Chunk(np.ascontiguousarray(at), sizes, columns)
