"""The standard works: what they are, and that everybody finds the same in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtsim.bench import native, plain
from virtsim.bench.answer import Answer, events
from virtsim.bench.works import (
    WORKS,
    VirtioNet,
    Work,
    producer_consumer,
    tandem,
    virtio_net,
    work,
)
from virtsim.chance import draws, exponential_gaps
from virtsim.engines import reference
from virtsim.outcome import Ints

SMALL = 1500
US = 1_000_000
STANDARD_US = {"rx_at": 1.7, "tx_at": 1.9, "xmit": 0.55, "tx": 0.75, "rx": 0.6, "napi": 0.5}


def drawn(name: str, mean_us: float, n: int) -> Ints:
    """Return exponential times."""
    return np.maximum(exponential_gaps(round(mean_us * US), draws(2, 0, f"test.{name}", n)), 1)


def net(n: int, **means_us: float) -> Work:
    """Return W4 with n packets each way and some means changed."""
    mean = STANDARD_US | means_us
    column = {name: drawn(name, us, n) for name, us in mean.items()}
    column |= {name: np.cumsum(column[name]) for name in ("rx_at", "tx_at")}
    return virtio_net(
        VirtioNet(
            **column, kick=drawn("kick", 2, n), call=drawn("call", 0.6, n), rearm=200_000,
            wake=5_000_000, rx_irq=2_500_000, tx_irq=2_500_000, entry=550_000, complete=125_000,
        )
    )  # fmt: skip


def truth(work: Work) -> Answer:
    """Return what the reference engine finds."""
    return Answer.of(reference.run(work.program, work.job))


def overloaded_tandem() -> Work:
    """Return W2 with servers of which three drop packets."""
    services = [drawn(f"serve{i}", 0.5 + i / 10, SMALL) for i in range(5)]
    return tandem("W2", np.cumsum(drawn("gap", 0.4, SMALL)), services, 256)


def slow_consumer() -> Work:
    """Return W3 with a consumer that the producer has to wait for."""
    columns = (drawn("make", 0.6, SMALL), drawn("eat", 0.8, SMALL), drawn("kick", 2, SMALL))
    return producer_consumer(*columns, resume=1_500_000, wake=5_000_000, rearm=200_000)


STRESSED = {
    "W2 drops": overloaded_tandem,
    "W3 waits for room": slow_consumer,
    "W4 sender stops": lambda: net(SMALL, tx_at=0.4, xmit=0.3),
    "W4 sender stops and drops": lambda: net(2 * SMALL, tx_at=0.3, xmit=0.2, tx=1.5),
    "W4 no room for what comes": lambda: net(SMALL, rx_at=0.5, rx=0.3, napi=1.0),
    "W4 both ways too much": lambda: net(2 * SMALL, rx_at=0.5, tx_at=0.5),
    "W4 hardly anything": lambda: net(200, rx_at=30, tx_at=30),
}


@pytest.mark.parametrize("name", WORKS)
def test_c_finds_what_the_reference_finds(loops: native.Loops, name: str) -> None:
    """Every stamp and counter of a standard work is the same, integer for integer."""
    asked = work(name, SMALL)
    assert native.play(loops, asked).same(truth(asked))


@pytest.mark.parametrize("name", WORKS)
def test_plain_simpy_finds_what_the_reference_finds(name: str) -> None:
    """Every stamp and counter of a standard work is the same, integer for integer."""
    asked = work(name, SMALL)
    assert plain.play(asked).same(truth(asked))


@pytest.mark.parametrize("name", STRESSED)
def test_all_agree_where_rings_fill(loops: native.Loops, name: str) -> None:
    """Away from the standard loads, where senders stop, wait and drop, all agree as well."""
    asked = STRESSED[name]()
    expected = truth(asked)
    assert native.play(loops, asked).same(expected)
    assert plain.play(asked).same(expected)


def test_stressed_works_reach_what_they_are_named_after() -> None:
    """The works above do drop, wait and stop."""
    drops = {name: int((truth(make()).fate < -1).sum()) for name, make in STRESSED.items()}
    stops = {
        name: truth(asked).counters[len(asked.program.uses) + len(asked.program.threads) : -1]
        for name, asked in ((name, make()) for name, make in STRESSED.items())
    }
    assert drops["W2 drops"] > 0
    assert stops["W3 waits for room"][0] > 0
    assert stops["W4 sender stops"][2] > 0
    assert stops["W4 sender stops and drops"][2] > 0
    assert drops["W4 sender stops and drops"] > 0
    assert stops["W4 no room for what comes"][1] > 0
    assert drops["W4 both ways too much"] > 0
    assert drops["W4 hardly anything"] == 0


def times(low: int, high: int, n: int) -> st.SearchStrategy[Ints]:
    """Return columns of small times, which tie all the time."""
    numbers = st.lists(st.integers(low, high), min_size=n, max_size=n)
    return numbers.map(lambda values: np.array(values, dtype=np.int64))


@st.composite
def tying_nets(draw: st.DrawFn) -> Work:
    """Draw W4 with times of a few picoseconds."""
    n, most = draw(st.integers(1, 60)), draw(st.integers(1, 4))
    one = st.integers(1, 5 * most)
    return virtio_net(
        VirtioNet(
            *(np.cumsum(draw(times(0, most, n))) for _ in range(2)),
            *(draw(times(1, most, n)) for _ in range(6)),
            *(draw(one) for _ in range(6)),
        )
    )


@given(asked=tying_nets())
@settings(max_examples=60, deadline=None)
def test_c_keeps_the_order_inside_an_instant(loops: native.Loops, asked: Work) -> None:
    """Where events tie all the time, the C loop of W4 takes them in the order of their ranks."""
    assert native.play(loops, asked).same(truth(asked))


@given(data=st.data(), n=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_c_producer_keeps_the_order_inside_an_instant(
    loops: native.Loops, data: st.DataObject, n: int
) -> None:
    """The same of W3, with more items than its ring has places."""
    columns = [data.draw(times(1, 3, 1)).repeat(n) for _ in range(3)]
    bumps = data.draw(times(0, 2, n))
    one = st.integers(1, 9)
    asked = producer_consumer(
        columns[0] + bumps, columns[1] + bumps[::-1], columns[2],
        resume=data.draw(one), wake=data.draw(one), rearm=data.draw(one),
    )  # fmt: skip
    assert native.play(loops, asked).same(truth(asked))


# -- what the works are --------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKS)
def test_fewer_packets_are_the_first_of_more(name: str) -> None:
    """A packet's times depend on its number only, so works of all sizes are one work."""
    few, more = work(name, 100), work(name, 400)
    ways = len(few.program.sources)
    for way in range(ways):
        mine, others = (w.job.packets.source == way for w in (few, more))
        n = int(mine.sum())
        assert np.array_equal(few.job.packets.at_ps[mine], more.job.packets.at_ps[others][:n])
        for use in range(len(few.program.uses)):
            if few.job.prices.step[use]:
                assert np.array_equal(few.column(use)[mine], more.column(use)[others][:n])


@pytest.mark.parametrize("name", WORKS)
def test_tables_can_be_played(name: str) -> None:
    """A work's tables do not contradict themselves, and all of its prices are positive."""
    asked = work(name, 200)
    assert asked.program.problems() == []
    assert asked.job.prices.flat.min() >= 0
    assert all(asked.column(u).max() > 0 for u in range(len(asked.program.uses)))


def test_w2_drops_about_one_in_a_hundred(loops: native.Loops) -> None:
    """Loads from 0.9 to 1.01 before 256 places: about 1 % of the packets are dropped."""
    fate = native.play(loops, work("W2", 1_000_000)).fate
    assert 0.005 < (fate < -1).mean() < 0.02


def test_w3_kicks_and_rechecks_as_often_as_it_says(loops: native.Loops) -> None:
    """About 1.3 % kicks and 0.3 % hits of the recheck: re-arms that were followed by no kick."""
    n = 200_000
    answer = native.play(loops, work("W3", n))
    _, _, kicks, rearms = answer.counters[:4]
    assert 0.010 < kicks / n < 0.020
    assert 0.002 < (rearms - kicks) / n < 0.006


def test_w4_has_three_events_and_a_half_a_packet(loops: native.Loops) -> None:
    """3.4 events a packet: its arrival, two ops, and a share of kicks, interrupts and wake-ups."""
    asked = work("W4", 200_000)
    answer = native.play(loops, asked)
    assert 3.3 < events(asked, answer) / len(asked) < 3.5


def test_events_are_arrivals_and_paid_uses() -> None:
    """Three packets through one server: three arrivals and three services; looks count nothing."""
    asked = work("W1", 3)
    answer = truth(asked)
    assert events(asked, answer) == 6
