"""The price of one operation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

Unit = Literal["ns", "ns/B", "ratio"]
Confidence = Literal["high", "medium", "low", "assumed", "override"]
Dist = Literal["constant", "exponential", "lognormal", "gamma"]


@dataclass(frozen=True)
class Cost:
    """The price of one operation on one machine.

    Parameters
    ----------
    op
        Name of the operation.
    unit
        Of `value`, `low` and `high`: "ns", "ns/B", or "ratio" for a number without a unit.
    value, low, high
        The typical price and its bounds.
    source, derivation
        Who gives the price, and how it follows from its basis.
    confidence
        As the price lists say; "override" if a user gave the price.
    basis
        The figures it stands on: names of sources, or of other operations of the same list.
    dist, cv
        Shape of the random price around `value`, and its standard deviation over its mean.
    moved_by
        Names of the operations inside this one whose override moved this price.
    """

    op: str
    unit: Unit
    value: Fraction
    low: Fraction
    high: Fraction
    source: str
    derivation: str
    confidence: Confidence
    basis: tuple[str, ...] = ()
    dist: Dist = "constant"
    cv: Fraction = Fraction(0)
    moved_by: tuple[str, ...] = ()

    @property
    def assumed(self) -> bool:
        """Whether no published or measured figure stands behind the price."""
        return self.confidence == "assumed"

    @property
    def overridden(self) -> bool:
        """Whether the price is not the list's: given by a user, or moved by one that was."""
        return self.confidence == "override" or bool(self.moved_by)


def widened(cost: Cost) -> Cost:
    """Widen the bounds to enclose the typical price."""
    return replace(cost, low=min(cost.low, cost.value), high=max(cost.high, cost.value))
