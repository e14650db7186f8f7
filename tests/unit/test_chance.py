from fractions import Fraction
from math import log, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim import chance
from virtsim.errors import InputError

DRAW_FAR = 0xA9CD7919DE8D741B
TABLES = [
    ("exponential", Fraction(1), [128, 293691, 727135, 8297351, 9449452]),
    ("lognormal", Fraction(1, 2), [165807, 676190, 938062, 4623792, 5305638]),
    ("lognormal", Fraction(3), [1274, 116436, 333239, 55992269, 87100560]),
    ("gamma", Fraction(1, 4), [344680, 857764, 1026899, 2165961, 2290382]),
    ("gamma", Fraction(2), [0, 10101, 183424, 22077759, 26213346]),
]
EXACT = [
    ("exponential", Fraction(1), 0.001),
    ("lognormal", Fraction(1, 2), 0.002),
    ("lognormal", Fraction(2), 0.05),
    ("gamma", Fraction(1, 16), 0.001),
    ("gamma", Fraction(1, 3), 0.001),
    ("gamma", Fraction(3), 0.005),
]


def test_draws_known_answers():
    """The draws of a stream never change, on any machine or in any version."""
    assert chance.draws(1, 0, "a", 3).tolist() == [
        0x6DEFC8F2CDF5CAB7,
        0xE8CBEFDC90C83540,
        0xB77DAB43FA5529EB,
    ]
    assert chance.draws(2**70, 3, "vhost/vhost.tx_pkt", 1, start=10**12).tolist() == [DRAW_FAR]


@pytest.mark.parametrize(("dist", "cv", "places"), TABLES)
def test_tables_known_answers(dist, cv, places):
    """Tables are bit-identical everywhere."""
    assert chance.inverse_table(dist, cv)[[0, 1000, 2048, 4094, 4095]].tolist() == places


@given(st.integers(0, 50_000), st.integers(0, 300), st.integers(0, 300))
def test_draws_do_not_depend_on_chunks(start, first, second):
    """Draw i is the same, whatever chunk it is made in."""
    whole = chance.draws(7, 1, "s", first + second, start)
    parts = [chance.draws(7, 1, "s", first, start), chance.draws(7, 1, "s", second, start + first)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_draws_cross_blocks():
    """Draw i is the same beyond the first block of a long request."""
    assert chance.draws(7, 1, "s", 1, 40_000)[0] == chance.draws(7, 1, "s", 40_001)[-1]


@pytest.mark.parametrize("other", [(2, 0, "a"), (1, 1, "a"), (1, 0, "b"), (10, 0, "a")])
def test_streams_are_independent(other):
    """Streams that differ in seed, replication or name are uniform and uncorrelated."""
    n = 100_000
    a = chance.draws(1, 0, "a", n) / 2.0**64
    b = chance.draws(*other, n) / 2.0**64
    for lag in (0, 1, 2):
        assert abs(np.corrcoef(a[: n - lag], b[lag:])[0, 1]) < 4 / n**0.5
    counts = np.histogram(b, bins=100, range=(0, 1))[0]
    assert ((counts - n / 100) ** 2).sum() / (n / 100) < 160  # chi square, 99 degrees of freedom


def test_each_bit_is_fair():
    """Each of the 64 bits is set in half of the draws."""
    bits = np.unpackbits(chance.draws(3, 0, "bits", 40_000).view(np.uint8)).reshape(-1, 64)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.0125


@pytest.mark.parametrize(("dist", "cv", "within"), EXACT)
def test_table_has_its_mean_and_cv(dist, cv, within):
    """A table averages exactly 2**20, ascends, and has about the cv that was asked for."""
    table = chance.inverse_table(dist, cv)
    assert table.shape == (4096,)
    assert table.sum() == 4096 * chance.ONE
    assert np.all(np.diff(table) >= 0)
    assert table.std() / table.mean() == pytest.approx(float(cv), rel=within)


def test_gamma_of_cv_one_is_exponential():
    """The gamma distribution of cv 1 is the exponential, from a different computation."""
    gamma = chance.inverse_table("gamma", Fraction(1))
    assert np.abs(gamma - chance.inverse_table("exponential", Fraction(1))).max() <= 1


def test_lognormal_quantiles_agree_with_the_standard_library():
    """The logarithms of a lognormal table differ as the quantiles of a normal do."""
    table = chance.inverse_table("lognormal", Fraction(1))
    z = [NormalDist().inv_cdf((2 * k + 1) / 8192) for k in (1000, 3000, 4000)]
    logs = np.log(table[[1000, 3000, 4000]])
    assert np.diff(logs) == pytest.approx(np.diff(z) * sqrt(log(2)), abs=1e-4)


def test_no_spread_is_a_constant():
    """A cv of 0 gives the mean itself."""
    u = chance.draws(1, 0, "x", 100)
    assert set(chance.scaled(12_345, "lognormal", Fraction(0), u).tolist()) == {12_345}


@given(st.integers(0, 2**50), st.integers(0, 2**64 - 1))
def test_scaled_is_the_rounded_product(mean_ps, word):
    """A duration is mean * table[u >> 52] / 2**20, rounded half up, at least 1, at any size."""
    u = np.array([word], dtype=np.uint64)
    entry = int(chance.inverse_table("exponential", Fraction(1))[word >> 52])
    want = (mean_ps * entry + 2**19) >> 20
    got = chance.scaled(mean_ps, "exponential", Fraction(1), u).tolist()
    assert got == [max(want, 1) if mean_ps else 0]


def test_exponential_gaps_are_exponential():
    """Gaps have the mean, the cv and the tail of an exponential, beyond the table's end too."""
    gaps = chance.exponential_gaps(10**6, chance.draws(5, 0, "gap", 2_000_000)) / 1e6
    assert gaps.mean() == pytest.approx(1, abs=0.003)
    assert gaps.std() == pytest.approx(1, abs=0.005)
    for x in (0.01, 0.1, 1, 3, 7):
        assert (gaps > x).mean() == pytest.approx(np.exp(-x), rel=0.1)
    assert (gaps > 10).sum() == pytest.approx(91, abs=40)


def test_exponential_parts_average_exactly():
    """Averaged over evenly spread draws the mean is 1 to one part in 10**6."""
    n = 2**20
    u = np.arange(n, dtype=np.uint64) << np.uint64(44)
    u += np.uint64(1 << 43)
    assert chance.exponential_parts(u).mean() / chance.ONE == pytest.approx(1, abs=1e-6)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=50))
def test_exponential_parts_ascend_with_the_draw(words):
    """The inverse distribution is monotonic, through interpolation and tail."""
    u = np.array([*sorted(words), 2**64 - 1], dtype=np.uint64)
    parts = chance.exponential_parts(u)
    assert parts[0] >= 0
    assert np.all(np.diff(parts) >= 0)
    assert parts[-1] < 46 * chance.ONE


@pytest.mark.parametrize(
    ("dist", "cv"),
    [
        ("weibull", Fraction(1)),
        ("exponential", Fraction(1, 2)),
        ("gamma", Fraction(1, 20)),
        ("gamma", Fraction(5)),
        ("lognormal", Fraction(-1)),
        ("lognormal", Fraction(9)),
    ],
)
def test_impossible_distributions_are_refused(dist, cv):
    """An unknown distribution, or a cv out of its range, is an InputError."""
    with pytest.raises(InputError):
        chance.inverse_table(dist, cv)


def test_tables_cannot_be_changed():
    """A cached table is read-only."""
    with pytest.raises(ValueError, match="read-only"):
        chance.inverse_table("exponential", Fraction(1))[0] = 1
