"""How figures stand in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from virtsim.text import listing
from virtsim.units import format_rate, format_time

TIE = "\N{NO-BREAK SPACE}"
"""Keeps a number and its unit on one line."""


def time(ns: float) -> str:
    """Write nanoseconds with three digits and a real micro sign."""
    return format_time(ns * 1000).replace("us", "µs").replace(" ", TIE)


def rate(pps: float) -> str:
    """Write packets per second with three digits."""
    return format_rate(pps).replace(" ", TIE)


def number(value: float) -> str:
    """Write a factor with three digits at most."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def percent(share: float) -> str:
    """Write a share with three digits at most."""
    return f"{100 * share:.3g}{TIE}%"


def count(value: float) -> str:
    """Write how often something happens: whole numbers as such, others to a hundredth."""
    if abs(value - round(value)) < 1e-9:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.005 else "almost 0"


def span(values: Sequence[float], write: Callable[[float], str]) -> str:
    """Write the least and the largest of some figures, once if they read the same."""
    low, high = write(min(values)), write(max(values))
    return low if low == high else f"{low} to {high}"


__all__ = ["TIE", "count", "listing", "number", "percent", "rate", "span", "time"]
