"""The one rule by which a user changes prices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from fractions import Fraction

from virtsim import units
from virtsim.costs.cost import Cost, Dist, Unit, widened
from virtsim.errors import InputError, did_you_mean
from virtsim.model.ops import included, ops

Change = str | Mapping[str, object]
"""A new price, "900ns", or one with a distribution, {value: 900ns, dist: gamma, cv: 0.5}."""

# The coefficient of variation that a distribution must have; None where the user chooses it.
_CV: Mapping[Dist, Fraction | None] = {
    "constant": Fraction(0),
    "exponential": Fraction(1),
    "lognormal": None,
    "gamma": None,
}


def overridden(
    costs: Mapping[str, Cost], changes: Mapping[str, Change], where: str, hz: int
) -> dict[str, Cost]:
    """Return `costs` with `changes` made; `Profile.override` states the rule."""
    given = {
        name: _given(costs[name], change, f"{where}.{name}", hz) for name, change in changes.items()
    }
    new = {name: _moved(cost, costs, given) for name, cost in costs.items()}
    _check_wholes(costs, new, where)
    return new


def _given(cost: Cost, change: object, where: str, hz: int) -> Cost:
    """Return the price that the user gives in place of `cost`."""
    if not isinstance(change, Mapping):
        change = {"value": change}
    for key in change.keys() - {"value", "dist", "cv"}:
        hint = did_you_mean(str(key), ("value", "dist", "cv"))
        raise InputError(where, f"unknown key '{key}'", "value, dist, cv", hint)
    if "value" not in change:
        raise InputError(where, "there is no price", "{value: 900ns, dist: gamma, cv: 0.5}")
    value = _price(change["value"], where, cost.unit, hz)
    dist, cv = _shape(cost, change.get("dist", "constant"), change.get("cv"), where)
    return Cost(
        op=cost.op,
        unit=cost.unit,
        value=value,
        low=value,
        high=value,
        source="override",
        derivation=f"given as {change['value']}, instead of {_text(cost.value)} {cost.unit}",
        confidence="override",
        dist=dist,
        cv=cv,
    )


def _price(text: object, where: str, unit: Unit, hz: int) -> Fraction:
    """Read a price in the unit of its operation."""
    if unit == "ratio":
        return units.ratio(text, where)
    if unit == "ns/B":
        return units.ps_per_byte(text, where, hz) / 1000
    return Fraction(units.time_ps(text, where, hz), 1000)


def _shape(cost: Cost, dist: object, cv: object, where: str) -> tuple[Dist, Fraction]:
    """Return a checked distribution and its coefficient of variation."""
    name = next((known for known in _CV if known == dist), None)
    if name is None:
        got, want = f"'{dist}' is not a distribution", f"one of {', '.join(_CV)}"
        raise InputError(where, got, want, did_you_mean(str(dist), _CV))
    known = ops().get(cost.op)
    if known and known.time == "parameter" and name != "constant":
        raise InputError(where, f"{cost.op} is a parameter, drawn by nobody", "a constant")
    fixed = _CV[name]
    if cv is None and fixed is None:
        raise InputError(where, f"{name} has no cv", f"{{value: 900ns, dist: {name}, cv: 0.5}}")
    number = fixed if cv is None else units.ratio(cv, f"{where}.cv")
    if fixed is not None and number != fixed:
        raise InputError(f"{where}.cv", f"'{cv}' is not the cv of {name}", f"{fixed}, or no cv")
    if fixed is None and number == 0:
        raise InputError(f"{where}.cv", f"{name} with cv 0 is constant", "a cv above 0")
    return name, number or Fraction(0)


def _moved(cost: Cost, old: Mapping[str, Cost], given: Mapping[str, Cost]) -> Cost:
    """Return the new price of an operation: given, moved by what it includes, or as it was."""
    if cost.op in given:
        return given[cost.op]
    movers = _movers(cost.op, given)
    if not movers:
        return cost
    return widened(
        replace(
            cost,
            value=cost.value + sum(given[m].value - old[m].value for m in movers),
            low=cost.low + sum(given[m].low - old[m].low for m in movers),
            high=cost.high + sum(given[m].high - old[m].high for m in movers),
            derivation=f"{cost.derivation}; moved with {', '.join(movers)}",
            moved_by=tuple(dict.fromkeys((*cost.moved_by, *movers))),
        )
    )


def _movers(name: str, given: Collection[str]) -> list[str]:
    """Return the given operations inside `name` that are inside no other given one of it."""
    inside = [op for op in given if op in included(name)]
    return [op for op in inside if not any(op in included(other) for other in inside)]


def _check_wholes(old: Mapping[str, Cost], new: Mapping[str, Cost], where: str) -> None:
    """Refuse prices that make an operation cheaper than one inside it, or negative."""
    changed = {name for name in new if new[name] is not old[name]}
    for name, whole in new.items():
        if whole.low < 0:
            got = f"{name} would cost {_text(whole.low)} {whole.unit} at its lower bound"
            raise InputError(where, got, "no price below 0", f"Override {name} too")
        known = ops().get(name)
        for part in (new[p] for p in (known.includes if known else ()) if p in new):
            if {name, part.op} & changed and whole.value < part.value:
                got = (
                    f"{name} would cost {_text(whole.value)} {whole.unit}, less than the"
                    f" {part.op} inside it, {_text(part.value)} {part.unit}"
                )
                raise InputError(where, got, "no whole below its part", f"Override {part.op} too")


def _text(number: Fraction) -> str:
    return f"{float(number):g}"
