from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim import traffic
from virtsim.errors import InputError
from virtsim.traffic import Capture, PacketStream

MPPS = Fraction(10**6)
SECOND_PS = 10**12
rates = st.fractions(min_value=Fraction(1, 10), max_value=10**9, max_denominator=1000)


def _column(*values):
    return np.array(values, dtype=np.int64)


def _capture(at_ps, size_b=None):
    n = len(at_ps)
    sizes = _column(*(size_b or [100] * n))
    return Capture(_column(*at_ps), sizes, np.arange(n), 1, Path("some.pcap"))


def stochastic(packets, seed=1, replication=0):
    """One stream of each random source, a million packets per second on average."""
    luck = {"seed": seed, "replication": replication}
    return {
        "poisson": traffic.poisson(MPPS, 64, packets, **luck),
        "onoff": traffic.onoff(MPPS, 64, packets, **luck),
        "mmpp": traffic.mmpp([3 * MPPS / 2, MPPS / 2], [10**8, 10**8], 64, packets, **luck),
        "imix": traffic.imix(MPPS, packets, **luck),
    }


def _index_of_dispersion(stream, window_ps):
    counts = np.bincount(stream.at_ps // window_ps)[:-1]
    return counts.var() / counts.mean()


@given(rates, st.integers(1, 200))
def test_constant_is_exact(rate, packets):
    """Packet i arrives at i / rate, rounded half up to a ps, however far it is."""
    at = traffic.constant(rate, 64, packets).at_ps.tolist()
    assert at == [(2 * i * SECOND_PS / rate + 1) // 2 for i in range(packets)]


def test_constant_does_not_drift():
    """At line rate of 10 Gbit/s the ten millionth packet stands where it belongs, to half a ps."""
    rate = Fraction(10**10, 84 * 8)
    stream = traffic.constant(rate, 64, 10**7)
    assert abs(int(stream.at_ps[-1]) - (10**7 - 1) * SECOND_PS / rate) <= Fraction(1, 2)
    assert stream.offered_pps == pytest.approx(float(rate), rel=1e-12)


@pytest.mark.parametrize("source", ["poisson", "onoff", "mmpp", "imix"])
def test_a_shorter_stream_begins_a_longer_one(source):
    """Packet i depends on the seed and i only, not on how many packets follow."""
    short, long = stochastic(500)[source], stochastic(5000)[source]
    for name in ("at_ps", "size_b", "flow"):
        assert np.array_equal(getattr(short, name), getattr(long.head(500), name))


@pytest.mark.parametrize("source", ["poisson", "onoff", "mmpp", "imix"])
def test_seed_and_replication_change_the_luck(source):
    """The same seed and replication give the same stream; another of either, another."""

    def columns(**luck):
        stream = stochastic(500, **luck)[source]
        return stream.at_ps.tolist(), stream.size_b.tolist()

    assert columns() == columns(seed=1, replication=0)
    assert columns() != columns(seed=2)
    assert columns() != columns(replication=1)


@pytest.mark.parametrize(("source", "within"), [("poisson", 0.01), ("onoff", 0.05), ("mmpp", 0.1)])
def test_random_sources_keep_their_rate(source, within):
    """The mean rate of a random source is the one that was asked for."""
    assert stochastic(400_000)[source].offered_pps == pytest.approx(1e6, rel=within)


def test_burstiness_is_in_order():
    """Counts per window vary as a Poisson process says, and more for the bursty sources."""
    streams = stochastic(200_000)
    assert _index_of_dispersion(streams["poisson"], 10**8) == pytest.approx(1, abs=0.1)
    assert _index_of_dispersion(streams["mmpp"], 10**8) > 10
    assert _index_of_dispersion(streams["onoff"], 10**8) > 10


def test_onoff_bursts():
    """Inside a burst packets come at rate / duty, and a burst has the mean length asked for."""
    stream = traffic.onoff(MPPS, 64, 100_000, 1, burst=Fraction(20), duty=Fraction(1, 4))
    gaps = np.diff(stream.at_ps)
    assert gaps.min() == pytest.approx(250_000, abs=1)
    assert 1 / (gaps > 250_001).mean() == pytest.approx(20, rel=0.05)


def test_onoff_that_is_always_on_is_constant():
    """With a duty of 1 there is no silence."""
    on = traffic.onoff(MPPS, 64, 1000, 1, duty=Fraction(1))
    assert np.array_equal(on.at_ps, traffic.constant(MPPS, 64, 1000).at_ps)


def test_mmpp_of_equal_rates_is_poisson():
    """States that do not differ leave the process alone, to the ps of rounding."""
    alike = traffic.mmpp([MPPS, MPPS], [10**7, 3 * 10**7], 64, 5000, seed=4)
    plain = traffic.poisson(MPPS, 64, 5000, seed=4)
    stays = int(plain.at_ps[-1]) // 10**7
    assert np.abs(alike.at_ps - plain.at_ps).max() <= 2 + stays


def test_imix_proportions():
    """Frames of 64, 594 and 1518 bytes come 7 : 4 : 1 in every twelve, in an order that is drawn.

    Each of the twelve places holds the long frame about as often: 10 000 / 12 times, whose
    standard deviation is below 29.
    """
    twelves = traffic.imix(MPPS, 120_000, 1).size_b.reshape(-1, 12)
    assert (np.sort(twelves, axis=1) == [64] * 7 + [594] * 4 + [1518]).all()
    assert np.abs((twelves == 1518).sum(axis=0) - 10_000 / 12).max() < 5 * 29


def test_saturate_and_request_have_no_pace():
    """Nobody schedules their packets: all stamps are 0, and there is no offered rate."""
    full, loop = traffic.saturate(1518, 10), traffic.request(4, 64, 10, think_ps=5)
    assert full.at_ps.tolist() == loop.at_ps.tolist() == [0] * 10
    assert (full.kind, full.outstanding) == ("saturate", 0)
    assert (loop.kind, loop.outstanding, loop.think_ps) == ("closed", 4, 5)
    assert full.offered_pps is None
    assert loop.offered_pps is None


def test_a_billion_alike_packets_cost_no_memory():
    """Columns of one value take no memory, and looking at them no time."""
    stream = traffic.saturate(64, 10**9)
    assert len(stream) == 10**9
    assert stream.constant_size_b == 64


def test_constant_size():
    """The frame length is known where it is the same for all packets."""
    assert traffic.constant(MPPS, 64, 10).constant_size_b == 64
    assert traffic.imix(MPPS, 100, 1).constant_size_b is None
    assert PacketStream(_column(0, 0), _column(70, 70), _column(0, 1)).constant_size_b == 70


def test_one_packet_offers_no_rate():
    """A rate needs two arrivals at two times."""
    assert traffic.constant(MPPS, 64, 1).offered_pps is None
    assert PacketStream(_column(3, 3), _column(64, 64), _column(0, 0)).offered_pps is None


def test_replay_keeps_stamps_and_speed_divides_them():
    """Speed 1 keeps the stamps; speed s divides them, rounded half up."""
    recorded = _capture([0, 10, 25])
    assert traffic.replay(recorded).at_ps.tolist() == [0, 10, 25]
    assert traffic.replay(recorded, Fraction(4)).at_ps.tolist() == [0, 3, 6]
    assert traffic.replay(recorded, Fraction(1, 3)).at_ps.tolist() == [0, 30, 75]


def test_replay_starts_again():
    """A capture goes round one mean gap after its end, with the same sizes and flows."""
    stream = traffic.replay(_capture([0, 10, 20], [64, 65, 66]), packets=7)
    assert stream.at_ps.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert stream.size_b.tolist() == [64, 65, 66, 64, 65, 66, 64]
    assert stream.flow.tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_replay_pads_short_frames():
    """A frame below 64 bytes counts as 64, and is counted."""
    stream = traffic.replay(_capture([0, 1, 2], [46, 64, 63]))
    assert stream.size_b.tolist() == [64, 64, 64]
    assert stream.n_padded == 2


def test_columns_are_read_only_and_the_callers_are_not():
    """A stream cannot be changed through its columns, and leaves those it was given alone."""
    mine = _column(0, 1)
    stream = PacketStream(mine, _column(64, 64), _column(0, 0))
    with pytest.raises(ValueError, match="read-only"):
        stream.at_ps[0] = 1
    mine[1] = 2


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("packets", lambda: traffic.constant(MPPS, 64, 0)),
        ("packets", lambda: traffic.saturate(64, 10**9 + 1)),
        ("packets", lambda: traffic.poisson(MPPS, 64, -1, 1)),
        ("packets", lambda: traffic.mmpp([MPPS], [10**6], 64, 0, 1)),
        ("rate", lambda: traffic.constant(Fraction(0), 64, 1)),
        ("rate", lambda: traffic.poisson(Fraction(-1), 64, 1, 1)),
        ("rate", lambda: traffic.constant(Fraction(1, 1000), 64, 10**6)),
        ("size_b", lambda: traffic.constant(MPPS, 63, 1)),
        ("size_b", lambda: traffic.saturate(65550, 1)),
        ("outstanding", lambda: traffic.request(0, 64, 1)),
        ("think_ps", lambda: traffic.request(1, 64, 1, think_ps=-1)),
        ("burst", lambda: traffic.onoff(MPPS, 64, 1, 1, burst=Fraction(1, 2))),
        ("duty", lambda: traffic.onoff(MPPS, 64, 1, 1, duty=Fraction(0))),
        ("rates", lambda: traffic.mmpp([MPPS], [], 64, 1, 1)),
        ("stays_ps", lambda: traffic.mmpp([MPPS], [0], 64, 1, 1)),
        ("stays_ps", lambda: traffic.mmpp([MPPS], [1], 64, 1, 1)),
        ("speed", lambda: traffic.replay(_capture([0]), Fraction(0))),
        ("packets", lambda: traffic.replay(_capture([0, 2**55]), Fraction(1, 10))),
        ("at_ps", lambda: PacketStream(_column(1, 0), _column(64, 64), _column(0, 0))),
        ("at_ps", lambda: PacketStream(_column(-1), _column(64), _column(0))),
        ("at_ps", lambda: PacketStream(np.array([0.5]), _column(64), _column(0))),
        ("at_ps", lambda: PacketStream(_column(1), _column(64), _column(0), kind="saturate")),
        ("flow", lambda: PacketStream(_column(0), _column(64), _column(0, 1))),
        ("flow", lambda: PacketStream(_column(0), _column(64), _column(-1))),
        ("kind", lambda: PacketStream(_column(0), _column(64), _column(0), kind="half")),
        ("outstanding", lambda: PacketStream(_column(0), _column(64), _column(0), outstanding=1)),
    ],
)
def test_bad_values_are_named(field, make):
    """A value out of range is an InputError that names the field."""
    with pytest.raises(InputError) as caught:
        make()
    assert caught.value.where == f"traffic.{field}"
