"""The axes of a sweep: which values each one takes."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

from virtsim.errors import InputError, did_you_mean
from virtsim.scenario.models import Range

ROOTS = ("profile", "traffic", "guest", "host", "placement", "costs", "but")
"""What a sweep may vary; ``but`` does so in every path."""

_NUMBER = re.compile(r"\s*([0-9.]+(?:[eE][+-]?\d{1,3})?)\s*(\S*)\s*", re.ASCII)


def values(key: str, axis: list[Any] | Range) -> list[Any]:
    """Return the values of one axis in their order; quantities stay text.

    Raises
    ------
    InputError
        For a key that a sweep cannot vary, a value given twice, or a range without a sense.
    """
    where = f"sweep.{key}"
    root, dot, rest = key.partition(".")
    if root not in ROOTS or bool(dot and rest) == (root == "profile"):
        want = "profile, or a dotted key of traffic, guest, host, placement, costs or but"
        raise InputError(where, f"'{key}' cannot be swept", want, did_you_mean(root, ROOTS))
    if isinstance(axis, Range):
        return _spread(where, axis)
    for i, value in enumerate(axis):
        if value in axis[:i]:
            raise InputError(f"{where}[{i}]", f"{value!r} is there twice", "each value once")
    return axis


def _spread(where: str, axis: Range) -> list[Any]:
    (first, unit), (last, other) = (
        _split(f"{where}.from", axis.start),
        _split(f"{where}.to", axis.to),
    )
    if unit != other:
        raise InputError(f"{where}.to", f"'{axis.to}' is not in '{unit}'", "one unit for both ends")
    if axis.scale == "log" and 0 in (first, last):
        raise InputError(where, "a logarithmic range from or to 0", "ends above 0")
    if first == last:
        raise InputError(f"{where}.to", f"'{axis.to}' is both ends", "two different ends")
    whole = unit in ("", "B") and first.denominator == last.denominator == 1
    found = [
        _between(first, last, Fraction(i, axis.steps - 1), axis.scale) for i in range(axis.steps)
    ]
    texts = [f"{round(x)}{unit}" if whole else f"{float(x):.9g}{unit}" for x in found]
    if len(set(texts)) < len(texts):
        raise InputError(f"{where}.steps", f"{axis.steps} steps are not distinct", "fewer steps")
    return texts if unit else [int(text) for text in texts] if whole else texts


def _between(first: Fraction, last: Fraction, share: Fraction, scale: str) -> Fraction:
    if scale == "linear" or share in (0, 1):
        return first + (last - first) * share
    return Fraction(math.exp(math.log(first) * float(1 - share) + math.log(last) * float(share)))


def _split(where: str, value: str | int) -> tuple[Fraction, str]:
    match = _NUMBER.fullmatch(str(value))
    try:
        return Fraction(match[1] if match else ""), match[2] if match else ""
    except ValueError:
        want = "a number, with its unit if it has one, such as 0.1Mpps"
        raise InputError(where, f"'{value}' is not a number", want) from None
