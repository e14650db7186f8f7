"""The integer log-linear histogram from which every reported percentile comes.

Values below 2048 have a bucket each; above, every power of two is cut into 1024 buckets, so that a
bucket is never wider than a thousandth of its value (HdrHistogram's layout for three digits).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
HALF_BITS = 10


def bucket_of(values: Ints) -> Ints:
    """Return the bucket of each value (non-negative)."""
    values = np.asarray(values, dtype=np.int64)
    shift = np.maximum(_bit_length(values) - (HALF_BITS + 1), 0)
    return (shift << HALF_BITS) + (values >> shift)


def highest_in(bucket: int) -> int:
    """Return the highest value that falls into a bucket."""
    shift = max(0, (bucket >> HALF_BITS) - 1)
    sub = bucket - (shift << HALF_BITS)
    return ((sub + 1) << shift) - 1


def _bit_length(values: Ints) -> Ints:
    """Return the bit length of each value, exactly."""
    length = np.zeros_like(values)
    rest = values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        big = rest >= (1 << step)
        length[big] += step
        rest[big] >>= step
    return length + (rest > 0)


@dataclass(frozen=True)
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
        buckets, counts = np.unique(bucket_of(values), return_counts=True)
        total = int(np.sum(values.astype(object)))
        return cls(buckets, counts.astype(np.int64), total, int(values.min()), int(values.max()))

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
        return min(highest_in(int(self.buckets[at])), self.high)
