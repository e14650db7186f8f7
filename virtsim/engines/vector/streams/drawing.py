"""Packets that are drawn as they are needed: a draw is a function of its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from virtsim import chance
from virtsim.engines.compiling.words import Words
from virtsim.engines.vector import machine
from virtsim.engines.vector.streams.feeds import Chunk
from virtsim.outcome import Ints

# Of splitmix64, as signed words: see chance.draws.
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)
PLACES = chance.ONE - 1
HALF = chance.ONE >> 1
LAST = chance.ENTRIES - 1
BITS = chance.PARTS_BITS
TOP = 64 - chance.TABLE_BITS
PIECE = 1 << 14


def word(key: int, number: int) -> int:
    """Return a draw: 64 bits, as a signed word."""
    x = key + number * GOLDEN
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * MIX_1
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * MIX_2
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def fill_table(out: Words, table: Words, key: int, first: int, n: int) -> None:
    """Look n draws up in a table of 4096."""
    for k in range(n):
        out[k] = table[(word(key, first + k) >> 52) & 0xFFF]


def fill_exponential(
    out: Words, edges: Words, steps: Words, key: int, first: int, n: int, high: int, low: int
) -> None:
    """Draw n exponential times of at least 1 ps; the mean is high * 2**20 + low."""
    for k in range(n):  # without a branch: the compiler makes many at a time
        x = word(key, first + k)
        step = (x >> 52) & 0xFFF
        parts = edges[step] + ((steps[step] * ((x >> 32) & PLACES) + HALF) >> BITS)
        time = max(1, ((low * parts + HALF) >> BITS) + high * parts)
        out[k] = time | -((step + 1) >> 12)
    for k in range(n):
        if out[k] < 0:
            out[k] = far_out(edges, steps, word(key, first + k), high, low)


def far_out(edges: Words, steps: Words, x: int, high: int, low: int) -> int:
    """Return a time from the last step, which has no end: it begins anew with the bits left."""
    parts, step = 0, LAST
    while step == LAST:
        step = (x >> 52) & 0xFFF
        parts += edges[step] + ((steps[step] * ((x >> 32) & PLACES) + HALF) >> BITS)
        x = x << 12
    return max(1, ((low * parts + HALF) >> BITS) + high * parts)


@dataclass(frozen=True)
class Table:
    """Times drawn from 4096 equally likely ones (ps), as ``chance.scaled`` draws them."""

    key: int
    times: Ints

    def fill(self, out: Ints, start: int) -> None:
        """Draw number ``start`` and the following."""
        if machine.available():
            fill = machine.kernel(fill_table)
            fill(out, self.times, _signed(self.key), start, len(out))
            return
        words = _words(self.key, start, len(out))
        out[:] = self.times[words >> np.uint64(TOP)]


@dataclass(frozen=True)
class Exponential:
    """Exponential times of at least 1 ps, as ``chance.exponential_gaps`` draws them."""

    key: int
    mean_ps: int

    def fill(self, out: Ints, start: int) -> None:
        """Draw number ``start`` and the following."""
        if machine.available():
            edges, steps = chance._exponential_edges()
            fill = machine.kernel(fill_exponential)
            high, low = divmod(self.mean_ps, chance.ONE)
            fill(out, edges, steps, _signed(self.key), start, len(out), high, low)
            return
        words = _words(self.key, start, len(out))
        out[:] = np.maximum(chance.exponential_gaps(self.mean_ps, words), 1)


class Drawn:
    """Packets of one length with drawn gaps between them, and drawn or constant prices.

    Parameters
    ----------
    n
        How many packets.
    gap
        Time between two arrivals: a draw, or one for all (ps).
    prices
        Of each use: a draw, or one for all packets (ps).
    size_b
        Length of every packet, bytes.
    """

    def __init__(
        self,
        n: int,
        gap: Table | Exponential | int,
        prices: Sequence[Table | Exponential | int],
        size_b: int = 64,
    ) -> None:
        self._n, self._gap, self._prices, self._size_b = n, gap, prices, size_b
        self._last = 0
        self._rows: list[Ints] = []

    @property
    def n(self) -> int:
        """How many packets there are."""
        return self._n

    def instants(self, packets: tuple[int, ...]) -> tuple[int, ...]:
        """Return when some packets arrive (ps); their numbers ascend."""
        if isinstance(self._gap, int):
            return tuple((k + 1) * self._gap for k in packets)
        found: list[int] = []
        last, gaps = 0, np.empty(PIECE, dtype=np.int64)
        for start in range(0, max(packets, default=-1) + 1, PIECE):
            self._gap.fill(gaps, start)
            inside = [k - start for k in packets if start <= k < start + PIECE]
            found += [last + int(gaps[: k + 1].sum()) for k in inside]
            last += int(gaps.sum())
        return tuple(found)

    def chunk(self, start: int, n: int) -> Chunk:
        """Return n packets from number ``start`` on; the last chunk's memory is used again."""
        if not self._rows or len(self._rows[0]) < n:
            self._rows = [np.empty(n, dtype=np.int64) for _ in range(len(self._prices) + 1)]
        at = self._rows[0][:n]
        if start == 0:
            self._last = 0
        if isinstance(self._gap, int):
            at[:] = (np.arange(start, start + n) + 1) * self._gap
        else:
            self._gap.fill(at, start)
            at[0] += self._last
            np.cumsum(at, out=at)
            self._last = int(at[-1])
        columns: list[Ints] = []
        for price, row in zip(self._prices, self._rows[1:], strict=True):
            if isinstance(price, int):
                columns.append(np.array([price], dtype=np.int64))
            else:
                price.fill(row[:n], start)
                columns.append(row[:n])
        return Chunk(at, np.broadcast_to(np.int64(self._size_b), n), columns)


def _signed(key: int) -> int:
    return key - (1 << 64) if key >= 1 << 63 else key


def _words(key: int, start: int, n: int) -> chance.Words:
    """Return draws as ``chance`` makes them, by their stream's key."""
    words = np.arange(start, start + n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    words += np.uint64(key)
    chance._mix(words)
    return words
