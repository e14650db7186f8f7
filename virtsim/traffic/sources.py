"""Sources: who fills the columns of a packet stream.

A source places packet *i* by exact rational arithmetic or by draws indexed with *i*, so a shorter
stream is the beginning of a longer one, and no rounding adds up to a drift.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np

from virtsim.chance import ONE, Ints, draws, exponential_parts, share
from virtsim.traffic import chunked
from virtsim.traffic.capture import Capture
from virtsim.traffic.chunked import spacing, stretched
from virtsim.traffic.packets import (
    LONGEST_PS,
    MOST_PACKETS,
    SMALLEST_B,
    PacketStream,
    check_packets,
    error_of,
)


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
    return chunked.constant(rate, size_b, packets).whole()


def poisson(
    rate: Fraction, size_b: int, packets: int, seed: int, replication: int = 0
) -> PacketStream:
    """Return a Poisson process of mean `rate` packets per second; the rest as in `constant`."""
    return chunked.poisson(rate, size_b, packets, seed, replication).whole()


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
    made = chunked.onoff(rate, size_b, packets, seed, replication, burst=burst, duty=duty)
    return made.whole()


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
        raise error_of("rates", f"{len(rates)} rates, {len(stays_ps)} stays", "one stay per rate")
    spacings = [spacing(rate, packets) for rate in rates]
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
    return chunked.imix(rate, packets, seed, replication).whole()


def saturate(size_b: int, packets: int) -> PacketStream:
    """Return packets that always wait to be sent."""
    return chunked.saturate(size_b, packets).whole()


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
        raise error_of("speed", f"{speed} times", "a positive number")
    n = len(capture.at_ps)
    laps, index = np.divmod(np.arange(check_packets(n if packets is None else packets)), n)
    lap_ps = _lap_ps(capture.at_ps)
    total_ps = (int(laps[-1]) + 1) * lap_ps
    if total_ps >= 1 << 62 or total_ps / Fraction(speed) > LONGEST_PS:
        got = f"{len(index)} packets, recorded in {total_ps} ps, are sent {speed} times as fast"
        raise error_of("packets", got, f"at most {LONGEST_PS} ps", "Use fewer, or a higher speed.")
    at_ps = stretched(capture.at_ps[index] + laps * lap_ps, 1 / Fraction(speed))
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
        raise error_of("stays_ps", f"{list(stays_ps)}", f"1 to {longest} ps each")
    means = [max(floor(stay * ONE / gap), 1) for stay, gap in zip(stays_ps, spacings, strict=True)]
    if not ONE // 16 <= sum(means) <= MOST_PACKETS * ONE:
        got = f"{sum(means) / ONE:.3g} packets are expected in a round of all states"
        raise error_of("stays_ps", got, f"1/16 to {MOST_PACKETS}")
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
    for state, gap_ps in enumerate(spacings):
        here = stay % len(spacings) == state
        times_ps[here] = stretched(parts[here], gap_ps / ONE)
    return times_ps


def _even(at_ps: Ints, size_b: int, label: str) -> PacketStream:
    """Return an open stream of one frame length and one flow."""
    n = len(at_ps)
    return PacketStream(at_ps=at_ps, size_b=_alike(size_b, n), flow=_alike(0, n), label=label)


def _alike(value: int, packets: int) -> Ints:
    """Return a column of one value that takes no memory."""
    return np.broadcast_to(np.int64(value), check_packets(packets))
