"""Indexed random draws: the luck of packet *i* is a pure function, never a state.

A draw depends on (seed, replication, stream name, index) and on nothing else, so every engine,
every order of events and every variant of a path sees the same luck, and a draw can be made in
chunks of any size. Draws become durations by integer look-up in an inverse distribution.

Tables are bit-identical on every machine: they are built from ``+ - * /``, ``sqrt``, ``frexp``
and ``ldexp`` alone, one elementwise operation at a time, which IEEE 754 defines to the last bit.
The logarithms of C libraries differ from one another and are not used.
"""

from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from math import fsum
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from virtsim.errors import InputError

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Distribution = Literal["exponential", "lognormal", "gamma"]

PARTS_BITS: Final = 20
ONE: Final = 1 << PARTS_BITS
"""The mean, in the parts in which tables count."""

TABLE_BITS: Final = 12
ENTRIES: Final = 1 << TABLE_BITS

_HALF: Final = ONE >> 1
_BLOCK: Final = 1 << 14  # draws per pass: the temporaries stay in the cache of one core
_GAMMA_CV: Final = (Fraction(1, 16), Fraction(4))
_LOGNORMAL_CV: Final = (Fraction(0), Fraction(8))
_LN2: Final = 0.6931471805599453
_HALF_LN_2PI: Final = 0.9189385332046727


def stream_key(seed: int, replication: int, stream: str) -> int:
    """Return the 64-bit key from which all draws of one stream follow."""
    name = f"{seed}/{replication}/{stream}".encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little")


def draws(seed: int, replication: int, stream: str, n: int, start: int = 0) -> Words:
    """Return draws number ``start`` to ``start + n - 1`` of a stream.

    Parameters
    ----------
    seed, replication
        Any integers.
    stream
        A name such as ``"vhost/vhost.tx_pkt"``; different names are independent.
    n, start
        How many draws, and the index of the first.

    Returns
    -------
    uint64[n]
        Uniform over all 64-bit words.
    """
    words = np.empty(n, dtype=np.uint64)
    key = stream_key(seed, replication, stream)
    for at in range(0, n, _BLOCK):
        block = words[at : at + _BLOCK]
        first = (key + (start + at) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        np.multiply(_COUNT[: len(block)], np.uint64(0x9E3779B97F4A7C15), out=block)
        block += np.uint64(first)
        _mix(block)
    return words


def inverse_table(dist: Distribution, cv: Fraction) -> Ints:
    """Return the inverse distribution at 4096 mid-point quantiles, in parts of the mean.

    Parameters
    ----------
    dist
        ``"exponential"``, ``"lognormal"`` or ``"gamma"``.
    cv
        Standard deviation over mean: 1 for the exponential, 1/16 to 4 for the gamma, 0 to 8 for
        the lognormal. The table ends at quantile 1 - 1/8192, so its own cv is a little smaller.

    Returns
    -------
    int64[4096]
        Ascending, read-only; the entries average exactly 2**20.

    Raises
    ------
    InputError
        For an unknown distribution, or a cv outside its range.
    """
    if dist not in get_args(Distribution):
        raise InputError("distribution", repr(dist), f"one of {', '.join(get_args(Distribution))}")
    return _inverse_table(dist, Fraction(cv))


def scaled(mean_ps: int, dist: Distribution, cv: Fraction, u: Words) -> Ints:
    """Return one duration per draw, from ``inverse_table``.

    Parameters
    ----------
    mean_ps
        Mean duration in ps, not negative.
    dist, cv
        As for ``inverse_table``.
    u
        uint64[n], from ``draws``.

    Returns
    -------
    int64[n]
        ps; at least 1 unless the mean is 0.
    """
    times = share(mean_ps, inverse_table(dist, cv)[u >> np.uint64(64 - TABLE_BITS)])
    return np.maximum(times, 1, out=times) if mean_ps > 0 else times


def exponential_parts(u: Words) -> Ints:
    """Return one exponential of mean 2**20 per draw, finer than a 4096-entry table.

    Inside a table step the next 20 bits of the draw interpolate. The last step has no upper end:
    there the distribution, having no memory, starts again with the bits that are left.

    Parameters
    ----------
    u
        uint64[n], from ``draws``.

    Returns
    -------
    int64[n]
        Parts of the mean, from 0 to about 43 * 2**20.
    """
    edges, steps = _exponential_edges()
    parts = np.empty(len(u), dtype=np.int64)
    for at in range(0, len(u), _BLOCK):
        block = u[at : at + _BLOCK]
        step = block >> np.uint64(64 - TABLE_BITS)
        place = ((block >> np.uint64(44 - TABLE_BITS)) & np.uint64(ONE - 1)).astype(np.int64)
        parts[at : at + _BLOCK] = edges[step] + ((steps[step] * place + _HALF) >> PARTS_BITS)
        last = np.flatnonzero(step == ENTRIES - 1)
        if len(last):
            parts[at + last] += exponential_parts(block[last] << np.uint64(TABLE_BITS))
    return parts


def exponential_gaps(mean_ps: int, u: Words) -> Ints:
    """Return one exponential gap per draw, in ps; zero is possible (see ``exponential_parts``)."""
    return share(mean_ps, exponential_parts(u))


def share(whole: int, parts: Ints) -> Ints:
    """Return ``whole * parts / 2**20`` rounded half up, without overflow on the way."""
    high, low = divmod(whole, ONE)
    rounded = (low * parts + _HALF) >> PARTS_BITS
    return rounded + high * parts if high else rounded


def _mix(words: Words) -> None:
    """Apply the finaliser of splitmix64 in place."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)


def _read_only(values: NDArray[np.generic]) -> None:
    values.flags.writeable = False


_COUNT: Final[Words] = np.arange(_BLOCK, dtype=np.uint64)
_read_only(_COUNT)


@lru_cache(maxsize=256)
def _inverse_table(dist: Distribution, cv: Fraction) -> Ints:
    quantiles = _quantiles(dist, cv)
    unit = ONE * ENTRIES / fsum(quantiles)
    table = np.floor(quantiles * unit + 0.5).astype(np.int64)
    table[-1] += ONE * ENTRIES - int(table.sum())  # what rounding left over
    _read_only(table)
    return table


def _quantiles(dist: Distribution, cv: Fraction) -> Floats:
    """Return the mid-point quantiles in any unit."""
    at = (2 * np.arange(ENTRIES) + 1) / (2 * ENTRIES)
    if dist == "exponential":
        _check_cv(dist, cv, Fraction(1), Fraction(1))
        return -_ln(1 - at)
    if dist == "gamma":
        _check_cv(dist, cv, *_GAMMA_CV)
        return _gamma_quantiles(float(1 / cv**2), at)
    _check_cv(dist, cv, *_LOGNORMAL_CV)
    sigma = np.sqrt(_ln(np.array([1 + float(cv**2)])))
    return _exp(sigma * _normal_quantiles(at))


def _check_cv(dist: Distribution, cv: Fraction, low: Fraction, high: Fraction) -> None:
    if not low <= cv <= high:
        want = f"from {low} to {high}" if low < high else f"{low}"
        raise InputError(f"{dist}.cv", str(cv), want)


@lru_cache(maxsize=1)
def _exponential_edges() -> tuple[Ints, Ints]:
    """Return lower edges of 4096 equally likely steps, and their widths (of the last: 0)."""
    exact = _ln(ENTRIES / (ENTRIES - np.arange(ENTRIES, dtype=np.float64)))
    # A chord lies above its curve; shrink all by as much as makes the mean right again.
    steps_mean = fsum((exact[:-1] + exact[1:]) / 2) / ENTRIES
    shrink = (1 - 1 / ENTRIES) / (steps_mean + exact[-1] / ENTRIES)
    edges = np.floor(exact * (shrink * ONE) + 0.5).astype(np.int64)
    widths = np.append(np.diff(edges), 0)
    _read_only(edges)
    _read_only(widths)
    return edges, widths


def _normal_quantiles(at: Floats) -> Floats:
    """Return normal quantiles at ascending, symmetric places: half its square is a gamma of 1/2."""
    upper = at[len(at) // 2 :]
    z = np.sqrt(2 * _gamma_quantiles(0.5, 2 * upper - 1))
    return np.concatenate([-z[::-1], z])


def _gamma_quantiles(shape: float, at: Floats) -> Floats:
    """Return quantiles of the gamma distribution of unit scale.

    The logarithm of the distribution function is concave in y = ln x, and its slope there is
    shape / S with S the series below, so Newton's steps from the left never overshoot.
    """
    level = _ln(at) + _ln_gamma_of_next(shape)
    y = level / shape  # S = 1 and no exp(-x): a bound from the left
    for _ in range(100):
        x = _exp(y)
        series = _gamma_series(shape, x)
        step = (level - shape * y + x - _ln(series)) * series / shape
        y = y + step
        if np.abs(step).max() < 1e-9:
            break
    return _exp(y)


def _gamma_series(shape: float, x: Floats) -> Floats:
    """Return the sum over n of x**n / ((shape + 1) ... (shape + n))."""
    term = np.ones_like(x)
    total = np.ones_like(x)
    n = shape
    while term[-1] > 1e-17 * total[-1]:  # x ascends, and the largest x converges last
        n += 1
        term = term * x / n
        total = total + term
    return total


def _ln_gamma_of_next(shape: float) -> float:
    """Return ln Gamma(shape + 1): Stirling's series where it is good, and down from there."""
    below: Floats = shape + 1 + np.arange(16, dtype=np.float64)
    z = shape + 17
    stirling = 1 / (12 * z) - 1 / (360 * z * z * z) + 1 / (1260 * z * z * z * z * z)
    ln_z = float(_ln(np.array([z]))[0])
    return (z - 0.5) * ln_z - z + _HALF_LN_2PI + stirling - fsum(_ln(below))


def _ln(x: Floats) -> Floats:
    mantissa, exponent = np.frexp(x)
    s = (mantissa - 1) / (mantissa + 1)
    square = s * s
    total = np.zeros_like(s)
    for k in range(39, 0, -2):
        total = total * square + 1 / k
    logarithm: Floats = 2 * s * total + exponent * _LN2
    return logarithm


def _exp(x: Floats) -> Floats:
    turns = np.floor(x / _LN2 + 0.5)
    rest = x - turns * _LN2
    total = np.ones_like(rest)
    for k in range(16, 0, -1):
        total = total * rest / k + 1
    return np.ldexp(total, turns.astype(np.int64))
