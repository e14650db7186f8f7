"""Prices as rows to print, with what they stand on spelt out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from virtsim.costs.book import Profile, sources
from virtsim.costs.cost import Cost
from virtsim.costs.variants import cost_of


def table(profile: Profile, ops: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return one row per price, in JSON's own types, with what it stands on spelt out.

    Parameters
    ----------
    profile
        The price list.
    ops
        Names of the operations wanted, variants as they are spelt; None for all of the list.
    """
    return [_row(name, cost_of(profile, name)) for name in (profile.costs if ops is None else ops)]


def _row(op: str, cost: Cost) -> dict[str, Any]:
    return {
        "op": op,
        "value": float(cost.value),
        "low": float(cost.low),
        "high": float(cost.high),
        "unit": cost.unit,
        "dist": cost.dist,
        "cv": float(cost.cv),
        "confidence": cost.confidence,
        "assumed": cost.assumed,
        "overridden": cost.overridden,
        "source": "; ".join([cost.source, *(_reference(name) for name in cost.basis)]),
        "derivation": cost.derivation,
    }


def _reference(name: str) -> str:
    """Write one name of a basis with its address, if it has one."""
    source = sources().get(name)
    return f"{name} ({source.url or source.source})" if source else name
