"""Sources whose packets are made a chunk at a time, so that no memory has to hold them.

A chunk's draws are indexed with the packets' numbers, and what a chunk has to know of those before
it is carried along; where a stream is cut does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from virtsim.chance import ONE, Ints, draws, exponential_parts, share
from virtsim.traffic.packets import (
    LONGEST_PS,
    SECOND_PS,
    SMALLEST_B,
    WIRE_OVERHEAD_B,
    Kind,
    PacketStream,
    check_packets,
    error_of,
)

_MIX: Final = (64,) * 7 + (594,) * 4 + (1518,)

Made = tuple[Ints, Ints, Any]
"""Arrivals (ps), frame lengths (bytes), and what the next chunk has to know."""


@dataclass(frozen=True, eq=False)
class ChunkedStream:
    """The packets of a source, made a chunk at a time.

    Parameters
    ----------
    n
        How many there are, 1 to 10**9.
    make
        Takes the number of a chunk's first packet, how many there are, and what the chunk before
        carried on (None at first); returns int64[n] arrivals and lengths, and what to carry on.
    label, kind
        As of a PacketStream; there is no closed loop.
    """

    n: int
    make: Callable[[int, int, Any], Made]
    label: str
    kind: Kind = "open"
    outstanding = think_ps = 0

    def __post_init__(self) -> None:
        check_packets(self.n)

    def __len__(self) -> int:
        return self.n

    def chunks(self, size: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield arrivals (ps) and lengths (bytes) of so many packets at a time."""
        carried = None
        for start in range(0, self.n, size):
            at_ps, size_b, carried = self.make(start, min(size, self.n - start), carried)
            yield at_ps, size_b

    def whole(self) -> PacketStream:
        """Return all of it in memory."""
        at_ps, size_b, _ = self.make(0, self.n, None)
        flow = np.broadcast_to(np.int64(0), self.n)
        return PacketStream(at_ps=at_ps, size_b=size_b, flow=flow, kind=self.kind, label=self.label)


def constant(rate: Fraction, size_b: int, packets: int) -> ChunkedStream:
    """Return what `virtsim.traffic.constant` returns, in chunks."""
    gap_ps = spacing(rate, packets)

    def make(start: int, n: int, _: Any) -> Made:
        return stretched(np.arange(start, start + n), gap_ps), _alike(size_b, n), None

    return ChunkedStream(packets, make, "constant")


def poisson(
    rate: Fraction, size_b: int, packets: int, seed: int, replication: int = 0
) -> ChunkedStream:
    """Return what `virtsim.traffic.poisson` returns, in chunks."""
    gap_ps = spacing(rate, packets) / ONE

    def make(start: int, n: int, carried: int | None) -> Made:
        parts = exponential_parts(draws(seed, replication, "traffic.gap", n, start))
        return _summed(parts, carried, gap_ps, size_b)

    return ChunkedStream(packets, make, "poisson")


def onoff(
    rate: Fraction,
    size_b: int,
    packets: int,
    seed: int,
    replication: int = 0,
    *,
    burst: Fraction = Fraction(32),
    duty: Fraction = Fraction(1, 10),
) -> ChunkedStream:
    """Return what `virtsim.traffic.onoff` returns, in chunks."""
    if burst < 1:
        raise error_of("burst", f"{burst} packets", "at least 1")
    if not 0 < duty <= 1:
        raise error_of("duty", str(duty), "a share above 0 and at most 1")
    gap_ps = spacing(rate, packets) / ONE
    silence = round(burst * (1 - duty) * ONE)
    last = np.uint64(((1 << 64) - 1) // burst)

    def make(start: int, n: int, carried: int | None) -> Made:
        parts = np.full(n, round(duty * ONE), dtype=np.int64)
        # A silence ends where the packet after a burst begins.
        before = max(start - 1, 0)
        ends = draws(seed, replication, "traffic.end", start + n - 1 - before, before) <= last
        after = np.flatnonzero(ends) + before + 1 - start
        gaps = exponential_parts(draws(seed, replication, "traffic.gap", n, start)[after])
        parts[after] += share(silence, gaps)
        if start == 0:
            parts[0] = 0
        return _summed(parts, carried, gap_ps, size_b)

    return ChunkedStream(packets, make, "onoff")


def imix(rate: Fraction, packets: int, seed: int, replication: int = 0) -> ChunkedStream:
    """Return what `virtsim.traffic.imix` returns, in chunks."""
    even, each = constant(rate, SMALLEST_B, packets), len(_MIX)

    def make(start: int, n: int, _: Any) -> Made:
        first, end = start // each, -(-(start + n) // each)
        u = draws(seed, replication, "traffic.size", (end - first) * each, first * each)
        order = np.argsort(u.reshape(-1, each), axis=1, kind="stable")
        sizes = np.array(_MIX, dtype=np.int64)[order].reshape(-1)
        at = start - first * each
        return even.make(start, n, None)[0], sizes[at : at + n], None

    return ChunkedStream(packets, make, "imix")


def saturate(size_b: int, packets: int) -> ChunkedStream:
    """Return what `virtsim.traffic.saturate` returns, in chunks."""

    def make(_start: int, n: int, _: Any) -> Made:
        return _alike(0, n), _alike(size_b, n), None

    return ChunkedStream(packets, make, "saturate", "saturate")


def spaced(stream: ChunkedStream, nic_bps: int) -> ChunkedStream:
    """Put arrivals off so that each is a frame's time on the link after the one before it.

    Parameters
    ----------
    stream
        Packets of their own pace.
    nic_bps
        Rate of the link (bit/s).
    """

    def make(start: int, n: int, carried: Any) -> Made:
        before, free_ps = carried or (None, -1)
        at_ps, size_b, before = stream.make(start, n, before)
        spaced_ps = spaced_from(at_ps, size_b, nic_bps, free_ps)
        return spaced_ps, size_b, (before, int(spaced_ps[-1]))

    return ChunkedStream(len(stream), make, stream.label, stream.kind)


def spaced_from(at_ps: Ints, size_b: Ints, nic_bps: int, free_ps: int = -1) -> Ints:
    """Return when frames are in: each its own time on the link after the one before, or later.

    Parameters
    ----------
    at_ps, size_b
        int64[n] arrivals (ps) and frame lengths (bytes).
    nic_bps
        Rate of the link (bit/s).
    free_ps
        When the frame before these was in, -1 if there is none: the first is in as it arrives.
    """
    bits = (size_b + WIRE_OVERHEAD_B) * 8
    wire_ps = (2 * bits * 10**12 + nic_bps) // (2 * nic_bps)
    first_ps = int(at_ps[0]) if free_ps < 0 else max(int(at_ps[0]), free_ps + int(wire_ps[0]))
    wire_ps[0] = 0
    sum_ps = np.cumsum(wire_ps)
    slack_ps = at_ps - sum_ps
    slack_ps[0] = first_ps
    spaced_ps: Ints = sum_ps + np.maximum.accumulate(slack_ps)
    return spaced_ps


def _summed(parts: Ints, carried: int | None, part_ps: Fraction, size_b: int) -> Made:
    """Return packets a sum of gaps after what came before; gaps are in parts."""
    sums = np.cumsum(parts) + (carried or 0)
    return stretched(sums, part_ps), _alike(size_b, len(parts)), int(sums[-1])


def stretched(counts: Ints, factor: Fraction) -> Ints:
    """Return `counts * factor`, each rounded half up.

    A denominator above 2**31 is replaced by the nearest fraction below it; the products then
    stay in int64, and 10**9 spacings are out by less than one.
    """
    near = factor.limit_denominator(1 << 31)
    whole, rest = divmod(near.numerator, near.denominator)
    laps, left = np.divmod(counts, near.denominator)
    rounded = (left * rest + near.denominator // 2) // near.denominator
    product: Ints = laps * near.numerator + left * whole + rounded
    return product


def spacing(rate: Fraction, packets: int) -> Fraction:
    """Return the mean ps between packets."""
    if rate <= 0:
        raise error_of("rate", f"{rate} packets per second", "a positive rate")
    spacing = SECOND_PS / Fraction(rate)
    if spacing * check_packets(packets) > LONGEST_PS:
        got = f"{packets} packets take {float(spacing * packets / SECOND_PS):.4g} s"
        raise error_of("rate", got, f"at most {LONGEST_PS // SECOND_PS} s")
    return spacing


def _alike(value: int, packets: int) -> Ints:
    """Return a column of one value that takes no memory."""
    return np.broadcast_to(np.int64(value), packets)
