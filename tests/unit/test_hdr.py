"""HdrHistogram's own library reads what is written for it, and finds the same in it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim import run
from virtsim.hdr import encoded
from virtsim.histogram import Histogram
from virtsim.scenario import from_compare

hdrh = pytest.importorskip("hdrh.histogram")
values = st.lists(st.one_of(st.integers(0, 5000), st.integers(0, 2**61)), min_size=1, max_size=80)


@given(values, st.integers(1, 200))
def test_the_library_reads_the_same_counts(xs: list[int], times: int) -> None:
    """Each value is counted where the library looks for it, and every rank has its value."""
    mine = Histogram.of(np.repeat(np.array(xs, dtype=np.int64), times))
    theirs = hdrh.HdrHistogram.decode(encoded(mine))
    assert theirs.get_total_count() == len(xs) * times
    for highest, count in mine.steps():
        assert theirs.get_count_at_value(highest) == count
    for rank in {1, len(xs) // 2 + 1, len(xs)}:
        share = Fraction(rank * times, len(xs) * times)
        found = mine.percentile(share)
        assert found is not None
        reached = sum(
            n
            for highest, n in mine.steps()
            if highest <= theirs.get_highest_equivalent_value(found)
        )
        assert reached >= rank * times


def test_a_run_s_latencies_are_exported() -> None:
    """A result gives each run's histogram in picoseconds, as text that other tools read."""
    result = run(from_compare(("vhost-net",), rate="300kpps", packets=400, profile="modern-2022"))
    theirs = hdrh.HdrHistogram.decode(result.hdr(0))
    figures = result.summaries[0]["latency_ns"]
    assert theirs.get_total_count() == result.summaries[0]["measured"]
    assert theirs.get_value_at_percentile(50) / 1000 == figures["p50"]
    assert abs(theirs.get_max_value() / 1000 - figures["max"]) <= figures["max"] / 1000


def test_a_run_without_packets_has_an_empty_histogram() -> None:
    """Nothing delivered is nothing counted."""
    empty = Histogram.of(np.zeros(0, dtype=np.int64))
    assert hdrh.HdrHistogram.decode(encoded(empty)).get_total_count() == 0
