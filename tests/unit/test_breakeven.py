import pytest

from virtsim.breakeven import BreakEven, break_even, gathered


def test_crossing_is_found_between_points() -> None:
    """Curves a burnt core of 1e9 ns/s over rate and a constant 2000 ns cross at 500 kpps."""
    rates = [1e5, 2e5, 4e5, 8e5, 1.6e6]
    polled = [(r, 1e9 / r) for r in rates]
    other = [(r, 2000.0) for r in rates]
    found = break_even("poller", polled, "sleeper", other)
    assert found is not None
    assert found.rate_pps == pytest.approx(5e5, rel=1e-9)
    assert "Above 500 kpps" in found.sentence()


def test_no_crossing_says_which_side() -> None:
    """Without a crossing the sentence says who is cheaper, over which rates."""
    curve = [(1e5, 10.0), (1e6, 5.0)]
    cheap = break_even("p", curve, "o", [(1e5, 20.0), (1e6, 20.0)])
    dear = break_even("p", curve, "o", [(1e5, 1.0), (1e6, 1.0)])
    assert cheap is not None
    assert dear is not None
    assert (cheap.rate_pps, cheap.always) == (None, True)
    assert (dear.rate_pps, dear.always) == (None, False)
    assert "does not pay between 100 kpps and 1.00 Mpps" in dear.sentence()
    assert "less core time per packet" in cheap.sentence()


def test_nothing_in_common_is_no_finding() -> None:
    """Points without a rate or deliveries are left out; with none left there is no finding."""
    assert break_even("p", [(0.0, 1.0)], "o", [(0.0, 1.0)]) is None


def test_a_rate_holds_from_there_on() -> None:
    """A curve that dips below and rises again has no rate from which on it is the cheaper one."""
    flat = [(1e5, 10.0), (2e5, 10.0), (4e5, 10.0)]
    dip = break_even("p", [(1e5, 20.0), (2e5, 5.0), (4e5, 20.0)], "o", flat)
    back = break_even("p", [(1e5, 5.0), (2e5, 20.0), (4e5, 5.0)], "o", flat)
    assert dip is not None
    assert back is not None
    assert (dip.rate_pps, dip.sometimes, dip.always) == (None, True, False)
    assert "pays at some loads" in dip.sentence()
    assert back.rate_pps is not None
    assert 2e5 < back.rate_pps < 4e5


def test_many_are_said_together() -> None:
    """Of one polled path and several others each outcome is one sentence, with its loads."""
    found = [
        BreakEven("p", "a", 3e5, False, 1e5, 1e6),
        BreakEven("p", "b", 2e5, False, 1e5, 1e6),
        BreakEven("p", "c", None, True, 1e5, 1e6),
        BreakEven("p", "d", None, False, 1e5, 5e5, limit_pps=6e5),
        BreakEven("p", "e", None, False, 1e5, 5e5),
    ]
    assert list(gathered(found)) == [
        "The polled core of p pays above 200 kpps against b and above 300 kpps against a: from "
        "there on it takes less core time per packet.",
        "p takes less core time per packet than c (100 kpps to 1.00 Mpps).",
        "The polled core of p does not pay against d and e (100 kpps to 500 kpps).",
        "p delivers more than these do at most: d 600 kpps.",
    ]
    assert list(gathered(found[:1])) == [found[0].sentence()]
