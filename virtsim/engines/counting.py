"""Counting packets as they end, in chunks of any size: see ``Tally``."""

from __future__ import annotations

import numpy as np

from virtsim.engines.compiling.machine import available, compiled
from virtsim.engines.compiling.words import Words
from virtsim.histogram import BUCKETS, HALF_BITS, Histogram, bucket_of, sum_of
from virtsim.outcome import Ints, Outcome
from virtsim.tally import Tally

(
    DELIVERED, MEASURED, BYTES, TOTAL_HIGH, TOTAL_LOW, LOW_PS, HIGH_PS, FIRST_PS, LAST_PS,
    IN_FLIGHT,
) = range(10)  # fmt: skip
"""Packets delivered; of the measured ones how many, their bytes, the sum of their latencies by high
and low halves of 32 bits, the least and the greatest one, first and last delivery; packets that did
not end."""
SIZE = 10
HALF = 32
LEAST = (1 << 63) - 1


def bucket(value: int) -> int:
    """Return the bucket of a latency: as ``virtsim.histogram.bucket_of``, for a kernel."""
    shift, rest = 0, value >> (HALF_BITS + 1)
    for step in range(5, -1, -1):
        if rest >> (1 << step):
            shift += 1 << step
            rest = rest >> (1 << step)
    if rest:
        shift += 1
    return (shift << HALF_BITS) + (value >> shift)


def count(
    arrived: Words, delivered: Words, dropped: Words, sizes: Words, histogram: Words, drops: Words,
    a: Words, n: int, first: int, size_b: int,
) -> None:  # fmt: skip
    """Count n packets; those from number ``first`` on are measured.

    A ``size_b`` that is not 0 is the length of all of them.
    """
    for k in range(n):
        now = delivered[k]
        if now < 0:
            ring = dropped[k]
            if ring < 0:
                a[IN_FLIGHT] += 1
            else:
                drops[ring] += 1
            continue
        a[DELIVERED] += 1
        if k < first:
            continue
        late = now - arrived[k]
        histogram[bucket(late)] += 1
        a[MEASURED] += 1
        a[BYTES] += size_b if size_b else sizes[k]
        a[TOTAL_HIGH] += late >> HALF
        a[TOTAL_LOW] += late & 0xFFFFFFFF
        a[LOW_PS], a[HIGH_PS] = min(a[LOW_PS], late), max(a[HIGH_PS], late)
        a[FIRST_PS], a[LAST_PS] = min(a[FIRST_PS], now), max(a[LAST_PS], now)


class Counter:
    """Counts packets chunk by chunk, in the order of their arrival.

    Parameters
    ----------
    n_rings
        How many rings there are.
    warmup
        Packets that are not measured.
    """

    def __init__(self, n_rings: int, warmup: int) -> None:
        self._seen, self._warmup, self._total_ps = 0, warmup, 0
        self._a = np.zeros(SIZE, dtype=np.int64)
        self._a[[LOW_PS, FIRST_PS]] = LEAST
        self._histogram = np.zeros(BUCKETS, dtype=np.int64)
        self._drops = np.zeros(n_rings, dtype=np.int64)

    def take(self, arrived: Ints, delivered: Ints, dropped: Ints, sizes: Ints) -> None:
        """Count the next packets: their stamps (ps), the ring that dropped them, their bytes.

        A column of sizes may have one for all of them.
        """
        first = min(len(arrived), max(0, self._warmup - self._seen))
        how = self._by_kernel if available() else self._by_columns
        how(arrived, delivered, dropped, sizes, first)
        self._seen += len(arrived)

    def _by_kernel(
        self, arrived: Ints, delivered: Ints, dropped: Ints, sizes: Ints, first: int
    ) -> None:
        alike = bool(len(sizes)) and (sizes.strides == (0,) or len(sizes) == 1)
        size_b = int(sizes[0]) if alike else 0
        lengths = self._a if alike else sizes
        columns = [np.ascontiguousarray(x) for x in (arrived, delivered, dropped, lengths)]
        kept = (self._histogram, self._drops, self._a)
        compiled(count)(*columns, *kept, len(arrived), first, size_b)
        high, low = self._a[[TOTAL_HIGH, TOTAL_LOW]].tolist()
        self._total_ps += (high << HALF) + low
        self._a[[TOTAL_HIGH, TOTAL_LOW]] = 0

    def _by_columns(
        self, arrived: Ints, delivered: Ints, dropped: Ints, sizes: Ints, first: int
    ) -> None:
        a, done = self._a, delivered >= 0
        lost = dropped[~done]
        a[DELIVERED] += int(done.sum())
        a[IN_FLIGHT] += int((lost < 0).sum())
        self._drops += np.bincount(lost[lost >= 0], minlength=len(self._drops))
        done[:first] = False
        now = delivered[done]
        if not len(now):
            return
        late = now - arrived[done]
        self._histogram += np.bincount(bucket_of(late), minlength=BUCKETS)
        self._total_ps += sum_of(late)
        a[MEASURED] += len(now)
        a[BYTES] += int(np.broadcast_to(sizes, len(arrived))[done].sum())
        a[LOW_PS], a[HIGH_PS] = min(a[LOW_PS], late.min()), max(a[HIGH_PS], late.max())
        a[FIRST_PS], a[LAST_PS] = min(a[FIRST_PS], now.min()), max(a[LAST_PS], now.max())

    def tally(self) -> Tally:
        """Return what was counted."""
        a, some = self._a, bool(self._a[MEASURED])
        low = int(a[LOW_PS]) if some else 0
        return Tally(
            n=self._seen,
            delivered=int(a[DELIVERED]),
            in_flight=int(a[IN_FLIGHT]),
            drops=tuple(self._drops.tolist()),
            measured=max(0, self._seen - self._warmup),
            delivered_measured=int(a[MEASURED]),
            bytes_measured=int(a[BYTES]),
            first_ps=int(a[FIRST_PS]) if some else -1,
            last_ps=int(a[LAST_PS]) if some else -1,
            latency=Histogram.counted(self._histogram, self._total_ps, low, int(a[HIGH_PS])),
        )


def tally(outcome: Outcome, size_b: Ints, n_rings: int, warmup: int) -> Tally:
    """Return what an Outcome's stamps come to.

    The measured packets are those that arrived ``warmup`` packets after the first, or later. In a
    closed loop arrival is not by number, and a packet may never have arrived.
    """
    columns = (outcome.arrived_ps, outcome.delivered_ps, outcome.dropped, size_b)
    arrived = outcome.arrived_ps
    absent = int((arrived < 0).sum())  # in order, these come first
    counter = Counter(n_rings, absent + warmup)
    if (arrived[1:] >= arrived[:-1]).all() and (not len(arrived) or arrived[0] >= 0):
        counter.take(*columns)
        return counter.tally()
    order = np.argsort(arrived, kind="stable")
    counter.take(*(np.broadcast_to(x, len(order))[order] for x in columns))
    return counter.tally()
