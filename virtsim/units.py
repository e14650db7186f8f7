"""Quantities at the door: strings with units come in, exact numbers go on.

Inside, time is whole picoseconds, a size whole bytes, a bit rate whole bits per second; what is
not always whole (packets per second, picoseconds per byte, ratios) is a `Fraction`. Every reader
takes `where`, the place to name when the text is wrong, and raises `InputError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from virtsim.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pint

TIME_LIMIT_PS = 2**52
"""Longest time, 75 minutes: engines pack a time with its tie-breaking rank into one word."""

# Sub-second units are spelt out instead of being prefixes, so that "mpps" and "mB" are unknown
# and not one thousandth of what was meant; KB is left out because it means two things.
_REGISTRY = """
kilo- = 1000 = k-
mega- = 1000000 = M-
giga- = 1000000000 = G-
tera- = 1000000000000 = T-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
second = [time] = s = sec
millisecond = second / 1000 = ms = msec
microsecond = second / 1000000 = us = µs = μs = usec
nanosecond = second / 1000000000 = ns = nsec
picosecond = second / 1000000000000 = ps
minute = 60 * second = min
byte = [data] = B
bit = byte / 8 = b
packet = [packet] = pkt
cycle = [cycle]
pps = packet / second
bps = bit / second
Kpps = 1000 * packet / second
Kbps = 1000 * bit / second
"""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*((?:[A-Za-zµμ]+(?:/[A-Za-zµμ]+)?)?)\s*", re.ASCII)
# More digits than any real quantity has, few enough that no text is slow to read.
_LONGEST = 64

_Dimension = frozenset[tuple[str, int]]


@dataclass(frozen=True)
class _Kind:
    """One kind of quantity: what it is called, how it is spelt and what is too much.

    `per_unit` is how many of the inside unit make one of seconds, bytes and packets; the first of
    `units` is the one a bare number is advised to take.
    """

    name: str
    dimension: _Dimension
    per_unit: int
    limit: int
    limit_text: str
    units: tuple[str, ...]
    example: str
    may_be_zero: bool = True

    @property
    def want(self) -> str:
        """What to write, for the error."""
        return f"{self.name} with its unit, such as {self.example}"


_TIME = _Kind(
    "a time",
    frozenset({("[time]", 1)}),
    10**12,
    TIME_LIMIT_PS,
    "75 minutes",
    ("ns", "us", "ms", "s", "ps", "min", "cycles"),
    "650ns or 1.9us",
)
_SIZE = _Kind(
    "a size",
    frozenset({("[data]", 1)}),
    1,
    64 * 2**20,
    "64 MiB",
    ("B", "kB", "KiB", "MB", "MiB"),
    "64B or 1KiB",
)
_BITRATE = _Kind(
    "a bit rate",
    frozenset({("[data]", 1), ("[time]", -1)}),
    8,
    10**13,
    "10 Tbps",
    ("Gbps", "Mbps", "kbps", "bps", "Gbit/s", "Gb/s"),
    "25Gbps",
    may_be_zero=False,
)
_PACKET_RATE = _Kind(
    "a packet rate",
    frozenset({("[packet]", 1), ("[time]", -1)}),
    1,
    10**10,
    "10 Gpps",
    ("pps", "kpps", "Mpps", "Gpps"),
    "14.88Mpps or 1000pps",
    may_be_zero=False,
)
_BYTE_TIME = _Kind(
    "a time per byte",
    frozenset({("[time]", 1), ("[data]", -1)}),
    10**12,
    10**6,
    "1 us/B",
    ("ns/B", "ps/B", "cycles/B"),
    "0.1ns/B",
)
_KINDS = (_TIME, _SIZE, _BITRATE, _PACKET_RATE, _BYTE_TIME)
_RATIO_LIMIT = 10**6


def time_ps(text: object, where: str, hz: int | None = None) -> int:
    """Read a time such as "1.9us" as picoseconds, rounded to the nearest.

    "2500cycles" needs `hz`, the frequency of the counter that ticks them.
    """
    return round(_quantity(text, where, _TIME, hz))


def size_b(text: object, where: str) -> int:
    """Read a size such as "64B", "1KiB" or "1.5kB" as whole bytes."""
    return _whole(_quantity(text, where, _SIZE), text, where, "a whole number of bytes")


def bitrate_bps(text: object, where: str) -> int:
    """Read a bit rate such as "25Gbps" as whole bits per second."""
    return _whole(_quantity(text, where, _BITRATE), text, where, "a whole number of bits/s")


def packet_rate(text: object, where: str) -> Fraction:
    """Read a packet rate such as "14.88Mpps" as packets per second, exactly."""
    return _quantity(text, where, _PACKET_RATE)


def ps_per_byte(text: object, where: str, hz: int | None = None) -> Fraction:
    """Read a time per byte such as "0.1ns/B" as picoseconds per byte, exactly."""
    return _quantity(text, where, _BYTE_TIME, hz)


def ratio(value: object, where: str) -> Fraction:
    """Read a ratio, which has no unit: "1.05", 1.05 or "5%"."""
    want = "a number without a unit, 0 or more, such as 1.05"
    text = _text(value, where, want)
    percent = text.rstrip().endswith("%")
    number, unit = _split(text.rstrip().removesuffix("%"), where, want)
    if unit:
        raise InputError(where, f"'{text}' has a unit", want)
    _check_range(number, text, where, want, _RATIO_LIMIT, str(_RATIO_LIMIT))
    return number / 100 if percent else number


def speed_factor(text: object, where: str) -> Fraction:
    """Read how much faster than recorded a capture is played: "4x"."""
    want = "a factor above 0, such as '4x'"
    number, unit = _split(_text(text, where, want), where, want)
    if unit != "x":
        hint = None if unit else f"Write '{str(text).strip()}x'"
        raise InputError(where, f"'{text}' is not a speed factor", want, hint)
    _check_range(number, text, where, want, _RATIO_LIMIT, f"{_RATIO_LIMIT}x", may_be_zero=False)
    return number


def format_time(ps: int | float | Fraction) -> str:
    """Write picoseconds for humans, three digits: "1.90 us"."""
    return _scaled(float(ps), ("ps", "ns", "us", "ms", "s"))


def format_rate(pps: int | float | Fraction) -> str:
    """Write packets per second for humans, three digits: "14.9 Mpps"."""
    return _scaled(float(pps), ("pps", "kpps", "Mpps", "Gpps"))


def format_size(b: int) -> str:
    """Write bytes for humans: to the byte below 10000 ("1518 B"), then three digits ("65.5 kB")."""
    return f"{b} B" if b < 10_000 else _scaled(float(b), ("B", "kB", "MB", "GB"))


def _quantity(text: object, where: str, kind: _Kind, hz: int | None = None) -> Fraction:
    """Return `text` in the kind's inside unit, checked for dimension and range."""
    raw = _text(text, where, kind.want)
    number, unit = _split(raw, where, kind.want)
    if not unit:
        hint = f"Write '{raw.strip()}{kind.units[0]}'" if number >= 0 else None
        raise InputError(where, f"'{raw}' has no unit", kind.want, hint)
    factor, dimension = _unit(unit) or _unknown_unit(unit, raw, where, kind)
    if hz is not None:
        factor, dimension = _cycles_to_time(factor, dimension, hz)
    if dimension != kind.dimension:
        raise _wrong_dimension(raw, where, kind, dimension)
    value = number * factor * kind.per_unit
    _check_range(value, raw, where, kind.want, kind.limit, kind.limit_text, kind.may_be_zero)
    return value


def _text(value: object, where: str, want: str) -> str:
    """Return a string or a YAML number as text; anything else is not a quantity."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Fraction):
        raise InputError(where, f"{value!r} is not a quantity", want)
    return value if isinstance(value, str) else str(value)


def _split(text: str, where: str, want: str) -> tuple[Fraction, str]:
    """Split "1.9us" into its number and its unit, which may be empty."""
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise InputError(where, f"'{text[:_LONGEST]}' is not a number with a unit", want)
    return Fraction(match[1]), match[2]


def _check_range(
    value: Fraction,
    text: object,
    where: str,
    want: str,
    limit: int,
    limit_text: str,
    may_be_zero: bool = True,
) -> None:
    if value < 0:
        raise InputError(where, f"'{text}' is negative", want)
    if value == 0 and not may_be_zero:
        raise InputError(where, f"'{text}' is zero", want)
    if value > limit:
        raise InputError(where, f"'{text}' is too much", f"at most {limit_text}")


def _whole(value: Fraction, text: object, where: str, want: str) -> int:
    if value.denominator != 1:
        raise InputError(where, f"'{text}' has a fraction left over", want)
    return value.numerator


def _unknown_unit(unit: str, raw: str, where: str, kind: _Kind) -> NoReturn:
    hint = did_you_mean(unit, kind.units)
    raise InputError(where, f"'{raw}': '{unit}' is not a known unit", kind.want, hint)


def _wrong_dimension(raw: str, where: str, kind: _Kind, dimension: _Dimension) -> InputError:
    if any(name == "[cycle]" for name, _ in dimension):
        return InputError(where, f"'{raw}' is in cycles, of no known clock here", kind.want)
    found = next((k.name for k in _KINDS if k.dimension == dimension), "something else")
    return InputError(where, f"'{raw}' is {found}, not {kind.name}", kind.want)


def _cycles_to_time(
    factor: Fraction, dimension: _Dimension, hz: int
) -> tuple[Fraction, _Dimension]:
    """Read cycles of a clock of `hz` as seconds."""
    if ("[cycle]", 1) not in dimension:
        return factor, dimension
    return factor / hz, dimension - {("[cycle]", 1)} | {("[time]", 1)}


@cache
def _unit(unit: str) -> tuple[Fraction, _Dimension] | None:
    """Return a unit's size in seconds, bytes, packets and cycles; None if it is not known."""
    import pint

    try:
        one = _registry().Quantity(Fraction(1), unit).to_root_units()
    except pint.errors.UndefinedUnitError:
        return None
    # pint gives powers as any kind of number; the units above only ever have whole ones.
    powers = ((name, round(float(str(power)))) for name, power in one.dimensionality.items())
    return Fraction(one.magnitude), frozenset(powers)


@cache
def _registry() -> pint.UnitRegistry[Fraction]:
    """Build the project's own registry: pint's reads Mpps as points and cycles as turns."""
    import pint

    return pint.UnitRegistry(_REGISTRY.splitlines(), non_int_type=Fraction)


def _scaled(value: float, units: tuple[str, ...]) -> str:
    """Write `value` with three digits in the largest of `units`, each 1000 of the one before."""
    for unit in units[:-1]:
        if abs(value) < 999.5:
            return f"{_three_digits(value)} {unit}"
        value /= 1000
    return f"{_three_digits(value)} {units[-1]}"


def _three_digits(value: float) -> str:
    size = abs(value)
    decimals = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{value:.{decimals}f}"
