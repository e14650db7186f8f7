"""Packet streams: the columns every engine reads, and the sources that fill them.

A source places packet *i* by exact rational arithmetic or by draws indexed with *i*, so a shorter
stream is the beginning of a longer one, and no rounding adds up to a drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Final, Literal, get_args

import numpy as np

from virtsim.chance import ONE, Ints, draws, exponential_parts, share
from virtsim.errors import InputError
from virtsim.traffic.capture import Capture

Kind = Literal["open", "saturate", "closed"]

SMALLEST_B: Final = 64
"""The shortest Ethernet frame, with its FCS."""

LARGEST_B: Final = 65549
"""The longest frame, with its FCS, that a path takes."""

MOST_PACKETS: Final = 10**9
LONGEST_PS: Final = 1 << 56
"""The longest stream on average, 20 hours; leaves sums of gaps far from the end of int64."""

_SECOND_PS: Final = 10**12
_BLOCK: Final = 1 << 16  # values per check, so that none needs memory of the size of a column
_MIX: Final = (64,) * 7 + (594,) * 4 + (1518,)


@dataclass(frozen=True, eq=False)
class PacketStream:
    """Packets in the order of their arrival.

    A column whose packets are all alike may have a stride of zero; all columns are read-only.

    Parameters
    ----------
    at_ps
        int64[n], ascending, not negative: when each packet arrives; all 0 unless open.
    size_b
        int64[n]: frame lengths with their FCS, 64 to 65549 bytes.
    flow
        int64[n]: a number for each packet's conversation, not negative.
    kind
        ``open``: packets come at `at_ps`; ``saturate``: the sender starts the next one when it
        can; ``closed``: the completion of packet i releases packet i + `outstanding`.
    outstanding
        Packets in flight at once; positive for a closed loop, else 0.
    think_ps
        Time from a completion to the release that follows; closed loops only.
    label
        How figures and messages name the stream.
    n_padded
        How many frames of the source were shorter than 64 bytes and count as 64.

    Raises
    ------
    InputError
        If columns differ in length, or a value is outside what is said here.
    """

    at_ps: Ints
    size_b: Ints
    flow: Ints
    kind: Kind = "open"
    outstanding: int = 0
    think_ps: int = 0
    label: str = ""
    n_padded: int = 0

    def __post_init__(self) -> None:
        for name in ("at_ps", "size_b", "flow"):
            object.__setattr__(self, name, _column(name, getattr(self, name)))
        _check_packets(len(self.at_ps))
        for name in ("size_b", "flow"):
            n = len(getattr(self, name))
            if n != len(self):
                raise _error(name, f"{n} values stand beside {len(self)} of at_ps", "one each")
        if self.at_ps[0] < 0 or not _ascends(self.at_ps):
            raise _error("at_ps", "arrivals go back in time", "an ascending column from 0 on")
        _check_range("size_b", self.size_b, SMALLEST_B, LARGEST_B)
        _check_range("flow", self.flow, 0, np.iinfo(np.int64).max)
        self._check_kind()

    def __len__(self) -> int:
        return len(self.at_ps)

    @property
    def offered_pps(self) -> float | None:
        """Packets per second from the first to the last arrival; None if nobody sets a pace."""
        span_ps = int(self.at_ps[-1]) - int(self.at_ps[0])
        return (len(self) - 1) * _SECOND_PS / span_ps if self.kind == "open" and span_ps else None

    @property
    def constant_size_b(self) -> int | None:
        """The one frame length of all packets, or None."""
        first = int(self.size_b[0])
        alike = self.size_b.strides == (0,) or bool(np.all(self.size_b == first))
        return first if alike else None

    def head(self, n: int) -> "PacketStream":
        """Return the first `n` packets (all, if there are fewer)."""
        return replace(self, at_ps=self.at_ps[:n], size_b=self.size_b[:n], flow=self.flow[:n])

    def _check_kind(self) -> None:
        if self.kind not in get_args(Kind):
            raise _error("kind", repr(self.kind), f"one of {', '.join(get_args(Kind))}")
        if (self.outstanding > 0) != (self.kind == "closed") or self.outstanding < 0:
            got = f"{self.outstanding} packets in flight of a stream that is {self.kind}"
            raise _error("outstanding", got, "at least 1 for a closed loop, else 0")
        if self.think_ps < 0 or (self.think_ps and self.kind != "closed"):
            got = f"{self.think_ps} ps in a stream that is {self.kind}"
            raise _error("think_ps", got, "0, or a positive time in a closed loop")
        if self.kind != "open" and self.at_ps[-1] != 0:
            raise _error("at_ps", f"a stream that is {self.kind} has arrival times", "all 0")


def constant(rate: Fraction, size_b: int, packets: int) -> PacketStream:
    """Return packets at exactly even spacing, each rounded to the nearest ps.

    Parameters
    ----------
    rate
        Packets per second, positive.
    size_b
        Frame length with its FCS, 64 to 65549 bytes.
    packets
        How many, 1 to 10**9.
    """
    at_ps = _stretched(np.arange(_check_packets(packets)), _spacing(rate, packets))
    return _even(at_ps, size_b, "constant")


def poisson(
    rate: Fraction, size_b: int, packets: int, seed: int, replication: int = 0
) -> PacketStream:
    """Return a Poisson process of mean `rate` packets per second; the rest as in `constant`."""
    spacing = _spacing(rate, packets)
    parts = exponential_parts(draws(seed, replication, "traffic.gap", _check_packets(packets)))
    return _even(_stretched(np.cumsum(parts), spacing / ONE), size_b, "poisson")


def onoff(
    rate: Fraction,
    size_b: int,
    packets: int,
    seed: int,
    replication: int = 0,
    *,
    burst: Fraction = Fraction(32),
    duty: Fraction = Fraction(1, 10),
) -> PacketStream:
    """Return bursts at an even pace with exponential silences between them.

    Parameters
    ----------
    rate, size_b, packets
        As in `constant`; `rate` is the mean over bursts and silences.
    seed, replication
        What the draws depend on.
    burst
        Mean packets per burst, at least 1; the number is geometric.
    duty
        Share of the time that bursts take, above 0 and at most 1: inside one the rate is
        rate / duty.
    """
    if burst < 1:
        raise _error("burst", f"{burst} packets", "at least 1")
    if not 0 < duty <= 1:
        raise _error("duty", str(duty), "a share above 0 and at most 1")
    spacing = _spacing(rate, packets)
    n = _check_packets(packets)
    ends = draws(seed, replication, "traffic.end", n) <= np.uint64(((1 << 64) - 1) // burst)
    silence = round(burst * (1 - duty) * ONE)
    parts = np.full(n, round(duty * ONE), dtype=np.int64)
    # A silence ends where the packet after a burst begins.
    after = np.flatnonzero(ends[:-1]) + 1
    gaps = exponential_parts(draws(seed, replication, "traffic.gap", n)[after])
    parts[after] += share(silence, gaps)
    parts[0] = 0
    return _even(_stretched(np.cumsum(parts), spacing / ONE), size_b, "onoff")


def mmpp(
    rates: Sequence[Fraction],
    stays_ps: Sequence[int],
    size_b: int,
    packets: int,
    seed: int,
    replication: int = 0,
) -> PacketStream:
    """Return a Poisson process whose rate goes round a cycle of states (Markov-modulated).

    Parameters
    ----------
    rates
        Packets per second in each state, positive.
    stays_ps
        Mean time in each state; the times are exponential.
    size_b, packets
        As in `constant`.
    seed, replication
        What the draws depend on.
    """
    if not rates or len(rates) != len(stays_ps):
        raise _error("rates", f"{len(rates)} rates, {len(stays_ps)} stays", "one stay per rate")
    spacings = [_spacing(rate, packets) for rate in rates]
    means = _stay_means(spacings, stays_ps)
    # In the time that counts expected packets the process is a plain one; then that time is bent.
    when = np.cumsum(exponential_parts(draws(seed, replication, "traffic.gap", packets)))
    stays = _stays(means, int(when[-1]), seed, replication)
    begins = np.concatenate([[0], np.cumsum(stays)])
    begins_ps = np.concatenate([[0], np.cumsum(_bent(stays, np.arange(len(stays)), spacings))])
    stay = np.searchsorted(begins, when, side="right") - 1
    at_ps = begins_ps[stay] + _bent(when - begins[stay], stay, spacings)
    return _even(at_ps, size_b, "mmpp")


def imix(rate: Fraction, packets: int, seed: int, replication: int = 0) -> PacketStream:
    """Return evenly spaced frames of 64, 594 and 1518 bytes, 7 : 4 : 1 in every twelve.

    The order inside each twelve is drawn, the shares are exact.
    """
    even = constant(rate, SMALLEST_B, packets)
    rounds = -(-packets // len(_MIX))
    u = draws(seed, replication, "traffic.size", rounds * len(_MIX)).reshape(rounds, len(_MIX))
    shuffled = np.array(_MIX, dtype=np.int64)[np.argsort(u, axis=1, kind="stable")]
    return replace(even, size_b=shuffled.reshape(-1)[:packets], label="imix")


def saturate(size_b: int, packets: int) -> PacketStream:
    """Return packets that always wait to be sent."""
    return replace(_even(_alike(0, packets), size_b, "saturate"), kind="saturate")


def request(outstanding: int, size_b: int, packets: int, think_ps: int = 0) -> PacketStream:
    """Return a closed loop with `outstanding` packets in flight (see `PacketStream`)."""
    loop = _even(_alike(0, packets), size_b, "request")
    return replace(loop, kind="closed", outstanding=outstanding, think_ps=think_ps)


def replay(
    capture: Capture, speed: Fraction = Fraction(1), packets: int | None = None
) -> PacketStream:
    """Return the packets of a capture, as stamped or faster.

    Parameters
    ----------
    capture
        What `read_capture` returned.
    speed
        How many times faster than recorded, positive.
    packets
        How many; the capture starts again, one mean gap after its end, as often as that takes.
        None: all, once.
    """
    if speed <= 0:
        raise _error("speed", f"{speed} times", "a positive number")
    n = len(capture.at_ps)
    laps, index = np.divmod(np.arange(_check_packets(n if packets is None else packets)), n)
    lap_ps = _lap_ps(capture.at_ps)
    total_ps = (int(laps[-1]) + 1) * lap_ps
    if total_ps >= 1 << 62 or total_ps / Fraction(speed) > LONGEST_PS:
        got = f"{len(index)} packets, recorded in {total_ps} ps, are sent {speed} times as fast"
        raise _error("packets", got, f"at most {LONGEST_PS} ps", "Use fewer, or a higher speed.")
    at_ps = _stretched(capture.at_ps[index] + laps * lap_ps, 1 / Fraction(speed))
    size_b = capture.size_b[index]
    return PacketStream(
        at_ps=at_ps,
        size_b=np.maximum(size_b, SMALLEST_B),
        flow=capture.flow[index],
        label=f"pcap:{capture.path.name}",
        n_padded=int(np.count_nonzero(size_b < SMALLEST_B)),
    )


def _lap_ps(at_ps: Ints) -> int:
    """Return the time from one start of a repeated capture to the next."""
    span_ps = int(at_ps[-1])
    return span_ps + span_ps // max(len(at_ps) - 1, 1)


def _stay_means(spacings: Sequence[Fraction], stays_ps: Sequence[int]) -> list[int]:
    """Return the mean stay of each state in parts (2**-20) of an expected packet."""
    longest = LONGEST_PS >> 6  # an exponential reaches 43 means
    if not 1 <= min(stays_ps) <= max(stays_ps) <= longest:
        raise _error("stays_ps", f"{list(stays_ps)}", f"1 to {longest} ps each")
    means = [max(floor(stay * ONE / gap), 1) for stay, gap in zip(stays_ps, spacings, strict=True)]
    if not ONE // 16 <= sum(means) <= MOST_PACKETS * ONE:
        got = f"{sum(means) / ONE:.3g} packets are expected in a round of all states"
        raise _error("stays_ps", got, f"1/16 to {MOST_PACKETS}")
    return means


def _stays(means: Sequence[int], until: int, seed: int, replication: int) -> Ints:
    """Return stays, state after state, that together are longer than `until`; all in parts."""
    k = len(means)
    rounds = 2 + until // sum(means)
    while True:
        stays = exponential_parts(draws(seed, replication, "traffic.stay", rounds * k))
        for state, mean in enumerate(means):
            stays[state::k] = share(mean, stays[state::k])
        if stays.sum() > until:
            return stays
        rounds *= 2


def _bent(parts: Ints, stay: Ints, spacings: Sequence[Fraction]) -> Ints:
    """Return how many ps `parts` of an expected packet take in the states of their stays."""
    times_ps = np.empty_like(parts)
    for state, spacing in enumerate(spacings):
        here = stay % len(spacings) == state
        times_ps[here] = _stretched(parts[here], spacing / ONE)
    return times_ps


def _stretched(counts: Ints, factor: Fraction) -> Ints:
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


def _spacing(rate: Fraction, packets: int) -> Fraction:
    """Return the mean ps between packets."""
    if rate <= 0:
        raise _error("rate", f"{rate} packets per second", "a positive rate")
    spacing = _SECOND_PS / Fraction(rate)
    if spacing * _check_packets(packets) > LONGEST_PS:
        got = f"{packets} packets take {float(spacing * packets / _SECOND_PS):.4g} s"
        raise _error("rate", got, f"at most {LONGEST_PS // _SECOND_PS} s")
    return spacing


def _even(at_ps: Ints, size_b: int, label: str) -> PacketStream:
    """Return an open stream of one frame length and one flow."""
    n = len(at_ps)
    return PacketStream(at_ps=at_ps, size_b=_alike(size_b, n), flow=_alike(0, n), label=label)


def _alike(value: int, packets: int) -> Ints:
    """Return a column of one value that takes no memory."""
    return np.broadcast_to(np.int64(value), _check_packets(packets))


def _column(name: str, values: Ints) -> Ints:
    """Return a read-only view of a one-dimensional int64 column."""
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype != np.int64:
        got = f"an array of {values.dtype} with {values.ndim} dimensions"
        raise _error(name, got, "one column of int64")
    view = values.view()
    view.flags.writeable = False
    return view


def _ascends(values: Ints) -> bool:
    if values.strides == (0,):
        return True
    pairs = range(0, len(values) - 1, _BLOCK)
    return all(np.all(np.diff(values[at : at + _BLOCK + 1]) >= 0) for at in pairs)


def _check_packets(packets: int) -> int:
    if not 1 <= packets <= MOST_PACKETS:
        raise _error("packets", f"{packets} packets", f"1 to {MOST_PACKETS}")
    return packets


def _check_range(name: str, values: Ints, low: int, high: int) -> None:
    if values.strides == (0,):
        values = values[:1]
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        bad = least if least < low else most
        at = int(np.argmax(values == bad))
        raise _error(name, f"packet {at} has {bad}", f"{low} to {high}")


def _error(field: str, got: str, want: str, hint: str | None = None) -> InputError:
    return InputError(f"traffic.{field}", got, want, hint)
