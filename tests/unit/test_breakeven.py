import pytest

from virtsim.breakeven import break_even


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
