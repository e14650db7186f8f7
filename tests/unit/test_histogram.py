from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim.histogram import Histogram, bucket_of, highest_in

values = st.lists(st.integers(0, 2**52), min_size=1, max_size=200)


@given(values)
def test_bucket_holds_its_value(xs: list[int]) -> None:
    """A value lies at or below the highest value of its bucket, and above the bucket before."""
    for x, b in zip(xs, bucket_of(np.array(xs)), strict=True):
        assert x <= highest_in(int(b))
        assert b == 0 or x > highest_in(int(b) - 1)


@given(values)
def test_bucket_is_a_thousandth_wide(xs: list[int]) -> None:
    """The highest value of a bucket exceeds any value in it by less than a thousandth."""
    for x, b in zip(xs, bucket_of(np.array(xs)), strict=True):
        assert highest_in(int(b)) - x <= x / 1000


@given(values, st.integers(1, 1000))
def test_percentile_is_the_order_statistic(xs: list[int], permille: int) -> None:
    """A percentile is the exact order statistic, rounded up to its bucket, at most the maximum."""
    share = Fraction(permille, 1000)
    got = Histogram.of(np.array(xs)).percentile(share)
    rank = max(1, -(-permille * len(xs) // 1000))
    exact = sorted(xs)[rank - 1]
    assert got is not None
    assert exact <= got <= min(exact + exact // 1000, max(xs))


@given(values)
def test_mean_and_extremes_are_exact(xs: list[int]) -> None:
    """Mean, minimum and maximum do not suffer from the buckets."""
    h = Histogram.of(np.array(xs))
    assert h.mean == Fraction(sum(xs), len(xs))
    assert (h.low, h.high, h.n) == (min(xs), max(xs), len(xs))


def test_nothing_has_no_percentile() -> None:
    """Without values there is no mean and no percentile, rather than a zero."""
    h = Histogram.of(np.zeros(0, dtype=np.int64))
    assert h.mean is None
    assert h.percentile(Fraction(1, 2)) is None


@pytest.mark.parametrize(("value", "bucket"), [(0, 0), (2047, 2047), (2048, 2048), (2049, 2048)])
def test_layout_known_answers(value: int, bucket: int) -> None:
    """The layout is HdrHistogram's for three digits: 2048 single values, then halves of 1024."""
    assert int(bucket_of(np.array([value]))[0]) == bucket
