"""The prices behind a result: where each comes from, and how much of the outcome is assumed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from virtsim.costs import VARIANTS, Cost, Profile, cost_of, sources
from virtsim.figures.data import Cell
from virtsim.model.ops import ops

PARAMETERS = {"hlt.poll_hit": ("hlt.halt_poll_ns",)}
"""Parameters that have a say in an op though nobody spends them."""


@dataclass(frozen=True)
class Ground:
    """One thing that a price stands on: a figure with its address, or another op of the list."""

    name: str
    what: str = ""
    url: str = ""
    op: str = ""


@dataclass(frozen=True)
class Price:
    """One line of the price list."""

    op: str
    what: str
    value: str
    low: str
    high: str
    unit: str
    confidence: str
    mark: str
    grounds: tuple[Ground, ...]
    derivation: str


@dataclass(frozen=True)
class Sensitivity:
    """How much of a path's CPU time stands on prices of some confidence."""

    label: str
    direction: str
    n_prices: int
    n_assumed: int
    n_overridden: int
    shares: tuple[float | None, ...]


WEAK = ("assumed", "low", "override")
"""Confidences whose share of the CPU time is shown, in this order."""


def used_ops(cells: Iterable[Cell], profile: Profile, more: Iterable[str] = ()) -> list[str]:
    """Return the priced ops that some runs used, in the price list's order.

    A variant stands behind its op, and the ops that its price is made of stand in the list, too.
    """
    spelt = {op for cell in cells for op in cell.ops} | set(more)
    variants = [name for name in VARIANTS if name in spelt]
    names = {name.partition(":")[0] for name in spelt}
    names |= {part for name in variants for part in cost_of(profile, name).basis}
    names |= {other for name in spelt for other in PARAMETERS.get(name, ())}
    names |= {f"{name}.residency" for name in names}
    known = [profile.costs[name] for name in names if name in profile.costs]
    names |= {mover for cost in known for mover in cost.moved_by}
    return [
        spelling
        for op in profile.costs
        if op in names
        for spelling in (op, *(name for name in variants if name.partition(":")[0] == op))
    ]


def price_list(profile: Profile, wanted: Sequence[str]) -> list[Price]:
    """Return the lines of some ops."""
    return [_price(cost_of(profile, op), op, wanted) for op in wanted]


def sensitivity(cell: Cell, profile: Profile) -> Sensitivity:
    """Return what a cell's CPU time would change with, from its ledger."""
    costs = [cost_of(profile, op) for op in used_ops([cell], profile)]
    return Sensitivity(
        cell.label,
        cell.direction,
        len(costs),
        sum(cost.assumed for cost in costs),
        sum(cost.overridden for cost in costs),
        tuple(_share(cell, profile, confidence) for confidence in WEAK),
    )


def _share(cell: Cell, profile: Profile, confidence: str) -> float | None:
    total = sum(cell.by_op.values())
    mine = sum(
        ns
        for op, ns in cell.by_op.items()
        if op.partition(":")[0] in profile.costs and _confidence(cost_of(profile, op)) == confidence
    )
    return mine / total if total else None


def _confidence(cost: Cost) -> str:
    return "override" if cost.overridden else cost.confidence


def _price(cost: Cost, op: str, listed: Sequence[str]) -> Price:
    known = ops().get(op.partition(":")[0])
    random = "" if cost.dist == "constant" else f", {cost.dist}, cv {float(cost.cv):.3g}"
    return Price(
        op,
        known.what.strip() if known else "",
        f"{float(cost.value):,.6g}",
        f"{float(cost.low):,.6g}",
        f"{float(cost.high):,.6g}",
        cost.unit + random,
        _confidence(cost),
        _mark(cost),
        tuple(_ground(name, listed) for name in cost.basis),
        cost.derivation,
    )


def _mark(cost: Cost) -> str:
    """Return what is written beside a price that no published figure stands behind."""
    if cost.moved_by:
        return f"moved by the override of {', '.join(cost.moved_by)}"
    return "overridden by the scenario" if cost.overridden else "assumed" if cost.assumed else ""


def _ground(name: str, listed: Sequence[str]) -> Ground:
    source = sources().get(name)
    if source is None:
        return Ground(name, "another price of this list", op=name if name in listed else "")
    found = re.search(r"https?://[^\s)]+", source.url or source.source)
    return Ground(name, f"{source.source}; {source.machine}", found.group(0) if found else "")
