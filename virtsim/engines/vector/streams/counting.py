"""Counting packets as they end: how many, how late, in a histogram of integers."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector import machine
from virtsim.outcome import Ints, Outcome, Packets

HALF_BITS = 10
"""Buckets of a power of two, as a power of two: see ``virtsim.histogram``."""
BUCKETS = (64 - HALF_BITS) << HALF_BITS

DELIVERED, MEASURED, BYTES, TOTAL_PS, LOW_PS, HIGH_PS, FIRST_PS, LAST_PS, IN_FLIGHT = range(9)
"""Packets delivered; of the measured ones how many, their bytes, sum, least and greatest latency,
first and last delivery; packets that did not end."""
SIZE = 9
LEAST = (1 << 63) - 1


def bucket(value: int) -> int:
    """Return the bucket of a latency (HdrHistogram's layout for three digits)."""
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
        a[TOTAL_PS] += late
        a[LOW_PS], a[HIGH_PS] = min(a[LOW_PS], late), max(a[HIGH_PS], late)
        a[FIRST_PS], a[LAST_PS] = min(a[FIRST_PS], now), max(a[LAST_PS], now)


@dataclass(frozen=True)
class Tally:
    """What a stream comes to: all that an Outcome says, without its stamps.

    ``buckets`` and ``counts`` are the latencies of the measured packets that were delivered, as
    ``virtsim.histogram`` cuts them; ``total_ps``, ``low_ps`` and ``high_ps`` are exact.
    ``drops`` has the packets that each ring dropped. The rest is as in an Outcome.
    """

    n: int
    measured: int
    delivered: int
    in_flight: int
    drops: Ints
    measured_delivered: int
    measured_bytes: int
    first_delivery_ps: int
    last_delivery_ps: int
    buckets: Ints
    counts: Ints
    total_ps: int
    low_ps: int
    high_ps: int
    count: Ints
    busy_ps: Ints
    delay_ps: Ints
    bytes: Ints
    window: Ints
    total: Ints
    window_ps: tuple[int, int]
    end_ps: int
    wakeups: Ints
    stops: Ints

    @classmethod
    def of(cls, outcome: Outcome, packets: Packets, warmup: int) -> Tally:
        """Return what an Outcome comes to; arrivals are in the order of the packets."""
        counter = Counter(len(outcome.stops) + len(outcome.wakeups) + len(packets), warmup)
        counter.take(outcome.arrived_ps, outcome.delivered_ps, outcome.dropped, packets.size_b)
        return counter.tally(outcome)

    def same(self, other: Tally) -> list[str]:
        """Return the names of what differs in another tally."""
        return [
            field.name
            for field in fields(self)
            if not np.array_equal(getattr(self, field.name), getattr(other, field.name))
        ]


class Counter:
    """Counts packets chunk by chunk.

    Parameters
    ----------
    n_rings
        How many rings there are, at least.
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
        """Count the next packets: their stamps (ps), the ring that dropped them, their bytes."""
        first = max(0, self._warmup - self._seen)
        alike = bool(len(sizes)) and (sizes.strides == (0,) or len(sizes) == 1)
        size_b = int(sizes[0]) if alike else 0
        lengths = np.ascontiguousarray(sizes) if not alike else np.zeros(1, dtype=np.int64)
        columns = [np.ascontiguousarray(x) for x in (arrived, delivered, dropped)]
        kept = [machine.words(x) for x in (self._histogram, self._drops, self._a)]
        machine.kernel(count)(
            *(machine.words(x) for x in (*columns, lengths)), *kept, len(arrived), first, size_b
        )
        self._histogram[:], self._drops[:], self._a[:] = kept
        self._total_ps += int(self._a[TOTAL_PS])
        self._a[TOTAL_PS] = 0
        self._seen += len(arrived)

    def tally(self, outcome: Outcome) -> Tally:
        """Return what was counted, with what an Outcome says besides."""
        a, found = self._a, np.flatnonzero(self._histogram)
        any_measured = bool(a[MEASURED])
        return Tally(
            n=self._seen,
            measured=max(0, self._seen - self._warmup),
            delivered=int(a[DELIVERED]),
            in_flight=int(a[IN_FLIGHT]),
            drops=self._drops[: 1 + int(np.flatnonzero(self._drops).max(initial=-1))],
            measured_delivered=int(a[MEASURED]),
            measured_bytes=int(a[BYTES]),
            first_delivery_ps=int(a[FIRST_PS]) if any_measured else -1,
            last_delivery_ps=int(a[LAST_PS]) if any_measured else -1,
            buckets=found,
            counts=self._histogram[found],
            total_ps=self._total_ps,
            low_ps=int(a[LOW_PS]) if any_measured else 0,
            high_ps=int(a[HIGH_PS]),
            count=outcome.count, busy_ps=outcome.busy_ps, delay_ps=outcome.delay_ps,
            bytes=outcome.bytes, window=outcome.window, total=outcome.total,
            window_ps=outcome.window_ps, end_ps=outcome.end_ps, wakeups=outcome.wakeups,
            stops=outcome.stops,
        )  # fmt: skip
