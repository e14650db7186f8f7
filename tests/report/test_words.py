from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from virtsim.breakeven import BreakEven
from virtsim.figures.data import Cell
from virtsim.report import Crossing, words

Make = Callable[..., Cell]


def said(*cells: Cell, found: Any = ()) -> str:
    """All findings as one text, with plain spaces."""
    topics = words.findings(cells, found)
    return " ".join(chain.from_iterable(topics.values())).replace(words.TIE, " ")


def test_lowest_median_wins(cell: Make) -> None:
    """The lowest median wins, with the factor; swapped numbers swap the winner."""
    text = said(cell("one", p50=2000.0), cell("two", p50=5000.0))
    assert "Lowest latency: one, with a median of 2.00 µs; two takes 5.00 µs (2.5 times" in text
    text = said(cell("one", p50=5000.0), cell("two", p50=2000.0))
    assert "Lowest latency: two, with a median of 2.00 µs; one takes 5.00 µs (2.5 times" in text


def test_order_that_prices_turn_is_doubt(cell: Make) -> None:
    """A first place is certain only if it holds with all prices low and with all prices high."""

    def priced(label: str, low: float, typical: float, high: float) -> Cell:
        values = {"low": low, "typical": typical, "high": high}
        levels = {level: {"latency_ns.p50": value} for level, value in values.items()}
        bounds = {"latency_ns.p50": [low, high]}
        return cell(label, p50=typical, bounds=bounds, levels=levels)

    one = priced("one", 1e3, 2e3, 7e3)
    turned, kept = priced("two", 2e3, 4e3, 6e3), priced("two", 2e3, 4e3, 9e3)
    assert "order is not certain: with all prices high two comes first" in said(one, turned)
    assert "first place holds with all prices low and with all prices high" in said(one, kept)
    assert "first place" not in said(cell("one", p50=2e3), cell("two", p50=4e3))


def test_all_delivered_or_most_delivered(cell: Make) -> None:
    """Who delivers what is offered is no winner; with loads of their own the most is named."""
    one, two, three = cell("one"), cell("two", delivered_pps=5e4), cell("three")
    assert "Every path delivers the 100 kpps that are offered" in said(one, three)
    assert "one delivers the 100 kpps that are offered" in said(one, two)
    assert "two delivers 50.0 kpps (50 %)" in said(one, two)
    assert "All but two deliver the 100 kpps that are offered" in said(one, two, three)
    own = cell("own", offered_pps=4e4, delivered_pps=4e4)
    assert "Most throughput: one, with 100 kpps; own delivers 40.0 kpps (40 %" in said(one, own)


def test_overload_is_no_latency(cell: Make) -> None:
    """A path whose queues grow stands in no order of latency; it is named with its median."""
    late = cell("late", p50=3e3, delivered_pps=5e4)
    text = said(cell("one", p50=4e3), cell("two", p50=5e3), late)
    assert "Lowest latency: one" in text
    assert "a median of 3.00 µs on late, of full or growing queues" in text


def test_difference_adds_up_from_the_ledger(cell: Make) -> None:
    """The difference in CPU time is split by kind of work with the counters that go with it."""
    call = ("t", "c", "s", "p", "tap.write", "work", 10, 9_000_000, 0, 0)
    work = ("t", "c", "s", "p", "guest.virtio_tx", "work", 10, 1_000_000, 0, 0)
    dear = cell("dear", cpu_ns=1000.0, syscalls=1.0, ledger=[call, work])
    cheap = cell("cheap", cpu_ns=100.0, syscalls=0.0, ledger=[work])
    text = said(dear, cheap)
    assert "dear spends 1.00 µs on a packet and cheap 100 ns" in text
    assert "system calls 900 ns more (1 against 0 calls a packet)" in text
    assert "copying nothing (1 against 1 copies a packet)" in text


def test_losses_name_their_place(cell: Make) -> None:
    """Dropped packets are said with their share and their place."""
    text = said(cell("one", drops={"tap": 2}))
    assert "one drops 20 % of its packets: 20 at tap." in text


def test_nothing_delivered(cell: Make) -> None:
    """A path that delivers nothing is said to, and no latency is made up for it."""
    text = said(cell("dead", p50=None, delivered_pps=0.0, drops={"tap": 10}))
    assert "dead delivers nothing" in text
    assert "median" not in text
    assert "at most" not in text


def test_break_even_of_a_sweep_or_advice(cell: Make) -> None:
    """With a sweep the break-even is stated; without one both core times and how to get it."""
    polled, other = cell("poller", polled=True, core_ns=9000.0), cell("sleeper")
    found = [BreakEven("poller", "sleeper", 1e6, False, 1e4, 2e6)]
    assert "Above 1.00 Mpps the polled core of poller pays" in said(polled, other, found=found)
    text = said(polled, other)
    assert "poller cost 9.00 µs a packet at this load, against 1.00 µs of sleeper" in text
    assert "a sweep over traffic.rate tells" in text


@pytest.mark.parametrize(
    ("switches", "calls", "verdict"),
    [
        (1, 0, "user/kernel crossings, not context switches"),
        (0, 5, "context switches, not user/kernel crossings"),
        (0, 0, "both"),
        (1, 5, "saves neither"),
    ],
)
def test_claim_follows_the_counts(switches: int, calls: int, verdict: str) -> None:
    """What vhost-net saves is said from the counts, whichever way they come out."""
    qemu = Crossing("virtio-qemu", "virtio-qemu", 1, 5, 0, 1, 1)
    vhost = Crossing("vhost-net", "vhost-net", switches, calls, 0, 1, 1)
    assert verdict in words.claim([qemu, vhost])[-1]


def test_claim_needs_both_sides() -> None:
    """Without QEMU or without vhost there is nothing to claim."""
    assert words.claim([]) == []
    assert words.claim([Crossing("vhost-net", "vhost-net", 1, 0, 0, 1, 1)]) == []


def test_listing() -> None:
    """Enumerations read as a sentence does."""
    assert words.listing(["a"]) == "a"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
