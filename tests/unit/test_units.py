"""Strings with units become exact numbers, and everything else an error that shows the spelling."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim import units
from virtsim.errors import InputError

READERS: list[Callable[[object, str], object]] = [
    units.time_ps,
    units.size_b,
    units.bitrate_bps,
    units.packet_rate,
    units.ps_per_byte,
    units.ratio,
    units.speed_factor,
]


@pytest.mark.parametrize(
    ("text", "ps"),
    [
        ("1.9us", 1_900_000),
        ("1.9 µs", 1_900_000),
        ("650ns", 650_000),
        ("0.1ns", 100),
        ("1e3ps", 1000),
        ("3ms", 3 * 10**9),
        (".5s", 5 * 10**11),
        ("1min", 60 * 10**12),
        ("0ns", 0),
        ("0.4ps", 0),
        ("0.6ps", 1),
    ],
)
def test_times(text: str, ps: int) -> None:
    """A time is read exactly and rounded once, to the nearest picosecond."""
    assert units.time_ps(text, "here") == ps


def test_cycles_need_a_clock() -> None:
    """Cycles are a time only where the clock that ticks them is known."""
    assert units.time_ps("2500cycles", "here", hz=2_500_000_000) == 1_000_000
    assert units.ps_per_byte("1cycle/B", "here", hz=2_500_000_000) == 400
    with pytest.raises(InputError, match="no known clock"):
        units.time_ps("2500cycles", "here")


@pytest.mark.parametrize(
    ("text", "size"), [("64B", 64), ("1KiB", 1024), ("1.5kB", 1500), ("64MiB", 2**26), ("8b", 1)]
)
def test_sizes(text: str, size: int) -> None:
    """A size in kB is in thousands of bytes, in KiB in 1024, in b in bits."""
    assert units.size_b(text, "here") == size


@pytest.mark.parametrize(
    ("text", "bps"),
    [
        ("25Gbps", 25 * 10**9),
        ("0.1Gbps", 10**8),
        ("10Gbit/s", 10**10),
        ("1Gb/s", 10**9),
        ("1GB/s", 8 * 10**9),
        ("10Tbps", 10**13),
    ],
)
def test_bit_rates(text: str, bps: int) -> None:
    """A bit rate takes every common spelling; B is eight b."""
    assert units.bitrate_bps(text, "here") == bps


@pytest.mark.parametrize(
    ("text", "pps"),
    [
        ("14.88Mpps", Fraction(14_880_000)),
        ("1000pps", Fraction(1000)),
        ("100Kpps", Fraction(100_000)),
        ("100kpps", Fraction(100_000)),
        ("0.5packets/s", Fraction(1, 2)),
        ("10Gpps", Fraction(10**10)),
    ],
)
def test_packet_rates(text: str, pps: Fraction) -> None:
    """Mpps are millions of packets per second."""
    assert units.packet_rate(text, "here") == pps


def test_the_rest() -> None:
    """Time per byte, ratios and speed factors are exact fractions."""
    assert units.ps_per_byte("0.033ns/B", "here") == 33
    assert units.ratio("1.05", "here") == units.ratio(1.05, "here") == Fraction(21, 20)
    assert units.ratio("5%", "here") == Fraction(1, 20)
    assert units.ratio(0, "here") == 0
    assert units.speed_factor("4x", "here") == 4


@pytest.mark.parametrize("bare", [64, 64.0, "64", " 64 "])
@pytest.mark.parametrize(
    ("read", "spelling"),
    [
        (units.time_ps, "ns"),
        (units.size_b, "B"),
        (units.bitrate_bps, "Gbps"),
        (units.packet_rate, "pps"),
        (units.ps_per_byte, "ns/B"),
        (units.speed_factor, "x"),
    ],
)
def test_a_bare_number_is_told_its_spelling(
    read: Callable[[object, str], object], spelling: str, bare: object
) -> None:
    """A physical quantity without a unit is an error whose hint writes it with one."""
    with pytest.raises(InputError) as caught:
        read(bare, "traffic.size")
    assert caught.value.where == "traffic.size"
    assert caught.value.hint == f"Write '{str(bare).strip()}{spelling}'"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "wrong",
    [
        *("", "us", "-1us", "-64B", "-1", "nan", "inf", "-inf", "nanus", "1us us", "1us\n\x00"),
        *("1**2us", "2*3us", "1m/s/s", "1/2x", "1_0us", "0x10B", "\u0661us", "1e999999999us"),
        *("9" * 100 + "us", "1 furlong", "1cycle", "1mpps", "1mB", "1KB"),
        *(None, True, [], {}, b"1us", -1, float("nan"), float("inf")),
    ],
)
def test_nonsense_is_an_input_error(read: Callable[[object, str], object], wrong: object) -> None:
    """What is no quantity is an `InputError`, quickly, and never another exception."""
    with pytest.raises(InputError):
        read(wrong, "here")


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (units.size_b, "64ns", "is a time, not a size"),
        (units.time_ps, "64B", "is a size, not a time"),
        (units.bitrate_bps, "1Mpps", "is a packet rate, not a bit rate"),
        (units.packet_rate, "1Mbps", "is a bit rate, not a packet rate"),
        (units.ps_per_byte, "1ns", "is a time, not a time per byte"),
        (units.ratio, "1.05x", "has a unit"),
        (units.packet_rate, "1mpps", "Did you mean 'Mpps'"),
        (units.size_b, "1KB", "Did you mean 'kB'"),
        (units.time_ps, "2h", "not a known unit"),
        (units.size_b, "1.5B", "fraction left over"),
        (units.bitrate_bps, "0bps", "is zero"),
        (units.packet_rate, "0pps", "is zero"),
        (units.speed_factor, "0x", "is zero"),
        (units.time_ps, "76min", "at most 75 minutes"),
        (units.size_b, "65MiB", "at most 64 MiB"),
        (units.bitrate_bps, "10.1Tbps", "at most 10 Tbps"),
        (units.packet_rate, "11Gpps", "at most 10 Gpps"),
        (units.ps_per_byte, "1.1us/B", "at most 1 us/B"),
    ],
)
def test_wrong_dimension_and_range(
    read: Callable[[object, str], object], text: str, says: str
) -> None:
    """An error names what was found, or the limit that was passed."""
    with pytest.raises(InputError) as caught:
        read(text, "here")
    assert says in str(caught.value)


@given(st.decimals(min_value=0, max_value=4000, places=6))
def test_time_is_exact_in_every_unit(number: object) -> None:
    """Six decimals of a microsecond are whole picoseconds, however they are written."""
    ps = units.time_ps(f"{number}us", "here")
    assert ps == Fraction(str(number)) * 10**6
    assert units.time_ps(f"{ps}ps", "here") == ps


@given(st.text(max_size=80))
def test_any_text_is_a_value_or_an_input_error(text: str) -> None:
    """No text raises anything but `InputError`."""
    for read in READERS:
        with contextlib.suppress(InputError):
            read(text, "here")


@pytest.mark.parametrize(
    ("ps", "text"),
    [
        (0, "0.00 ps"),
        (1_900_000, "1.90 us"),
        (650_000, "650 ns"),
        (999_600, "1.00 us"),
        (99_960_000, "100 us"),
        (3_600 * 10**12, "3600 s"),
        (Fraction(1, 3), "0.33 ps"),
    ],
)
def test_format_time(ps: int | Fraction, text: str) -> None:
    """Times show three digits in the unit that suits them."""
    assert units.format_time(ps) == text


def test_format_rate_and_size() -> None:
    """Rates show three digits; sizes are exact as far as a frame goes."""
    assert units.format_rate(Fraction(14_880_000)) == "14.9 Mpps"
    assert units.format_rate(20) == "20.0 pps"
    assert units.format_size(64) == "64 B"
    assert units.format_size(1518) == "1518 B"
    assert units.format_size(65536) == "65.5 kB"


def test_import_is_light() -> None:
    """Importing the module imports neither pint nor ruamel."""
    code = (
        "import sys, virtsim.units, virtsim.costs, virtsim.model.ops;"
        "sys.exit(any(name in sys.modules for name in ('pint', 'ruamel.yaml')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
