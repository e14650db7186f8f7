"""The integer log-linear histogram from which every reported percentile comes.

Values below 2048 have a bucket each; above, every power of two is cut into 1024 buckets, so that a
bucket is never wider than a thousandth of its value (HdrHistogram's layout for three digits).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
HALF_BITS = 10
BUCKETS = (64 - HALF_BITS) << HALF_BITS
"""How many buckets the values of an int64 fall into."""


def bucket_of(values: Ints) -> Ints:
    """Return the bucket of each value (non-negative, below 2**63)."""
    values = np.asarray(values, dtype=np.int64)
    # The exponent of a float is its bit length; what is left of a value has at most 52 bits.
    _, shift = np.frexp((values >> (HALF_BITS + 1)).astype(np.float64))
    return (shift.astype(np.int64) << HALF_BITS) + (values >> shift)


def highest_in(buckets: Ints) -> Ints:
    """Return the highest value that falls into each bucket."""
    shift = np.maximum(0, (buckets >> HALF_BITS) - 1)
    highest: Ints = ((buckets - (shift << HALF_BITS) + 1) << shift) - 1
    return highest


def sum_of(values: Ints) -> int:
    """Return the exact sum of fewer than 2**31 values."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts per bucket, with exact sum, minimum and maximum."""

    buckets: Ints
    counts: Ints
    total: int
    low: int
    high: int

    @classmethod
    def of(cls, values: Ints) -> Histogram:
        """Count values (ps, non-negative)."""
        if not len(values):
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0, 0)
        counts = np.bincount(bucket_of(values), minlength=BUCKETS)
        return cls.counted(counts, sum_of(values), int(values.min()), int(values.max()))

    @classmethod
    def counted(cls, counts: Ints, total: int, low: int, high: int) -> Histogram:
        """Return the histogram of int64[BUCKETS] counts and their values' sum, least, greatest."""
        buckets = np.flatnonzero(counts)
        return cls(buckets, counts[buckets].astype(np.int64), total, low, high)

    @classmethod
    def of_steps(cls, steps: Iterable[tuple[int, int]]) -> Histogram:
        """Return the histogram of some ``steps``; sum and extremes are those of the steps."""
        rows = list(steps)
        values, counts = np.array(rows, dtype=np.int64).reshape(-1, 2).T
        total = sum(value * n for value, n in rows)
        ends = (int(values[0]), int(values[-1])) if rows else (0, 0)
        return cls(bucket_of(values), counts, total, *ends)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, theirs = (np.stack([h.buckets, h.counts]) for h in (self, other))
        exact = (self.total, self.low, self.high) == (other.total, other.low, other.high)
        return exact and np.array_equal(mine, theirs)

    __hash__ = None  # type: ignore[assignment]

    @property
    def n(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    @property
    def mean(self) -> Fraction | None:
        """Exact mean, None without values."""
        return Fraction(self.total, self.n) if self.n else None

    def percentile(self, share: Fraction) -> int | None:
        """Return the value that a share of all values does not exceed, to a bucket's width."""
        if not self.n:
            return None
        rank = max(1, -((-share * self.n) // 1))
        at = int(np.searchsorted(np.cumsum(self.counts), int(rank)))
        return min(int(highest_in(self.buckets[at])), self.high)

    def steps(self) -> tuple[tuple[int, int], ...]:
        """Return the highest value of each bucket that is not empty, and its count."""
        return tuple(zip(highest_in(self.buckets).tolist(), self.counts.tolist(), strict=True))
