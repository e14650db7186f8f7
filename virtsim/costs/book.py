"""The price lists of `data/`: profiles, and the sources they stand on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, get_args

from virtsim.costs.cost import Confidence, Cost, widened
from virtsim.costs.override import Change, overridden
from virtsim.errors import InputError, did_you_mean
from virtsim.plugins import plugged
from virtsim.shipped import read_yaml

Level = Literal["low", "typical", "high"]


@dataclass(frozen=True)
class Source:
    """A figure that prices stand on, as published or measured: `value` in its own `unit`."""

    id: str
    description: str
    unit: str
    value: Fraction
    low: Fraction
    high: Fraction
    machine: str
    year: int
    source: str
    url: str | None
    kind: Literal["sourced", "measured-vm"]
    confidence: Confidence


@dataclass(frozen=True)
class Profile:
    """The price list of one machine; `hz` is the frequency of its time-stamp counter."""

    name: str
    machine: str
    year: int
    hz: int
    costs: Mapping[str, Cost]

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", MappingProxyType(dict(self.costs)))

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled; the constructor makes it anew from a plain one.
        return Profile, (self.name, self.machine, self.year, self.hz, dict(self.costs))

    @property
    def hash(self) -> str:
        """SHA-256, in hex, of all that can change a number: clock, prices, bounds, shapes."""
        prices = {
            name: (c.unit, *map(str, (c.value, c.low, c.high, c.cv)), c.dist)
            for name, c in self.costs.items()
        }
        content = json.dumps([self.hz, prices], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def cost(self, op: str, where: str = "costs") -> Cost:
        """Return the price of `op`; `InputError` if the list has none."""
        try:
            return self.costs[op]
        except KeyError:
            got = f"'{op}' has no price in profile {self.name}"
            want = "an operation that 'virtsim costs' lists"
            raise InputError(where, got, want, did_you_mean(op, self.costs)) from None

    def grounds(self, op: str) -> frozenset[str]:
        """Return the names of all sources that the price of `op` stands on, at any depth."""
        found: set[str] = set()
        left = [op]
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self.costs[name].basis if name in self.costs else ()
        return frozenset(found - self.costs.keys())

    def level(self, level: Level) -> Profile:
        """Return the list with every price at its lower bound, typical, or at its upper bound."""
        if level not in get_args(Level):
            hint = did_you_mean(level, get_args(Level))
            raise InputError(
                "level", f"'{level}' is not a level", f"one of {', '.join(get_args(Level))}", hint
            )
        if level == "typical":
            return self
        costs = {name: replace(c, value=getattr(c, level)) for name, c in self.costs.items()}
        return replace(self, costs=costs)

    def override(self, changes: Mapping[str, Change], where: str) -> Profile:
        """Return the list with some prices changed by the user.

        A given price is exact: its bounds are the price itself. It also moves every operation that
        includes it, at any depth, by as much as it moved itself, apart for typical price and each
        bound, so that whatever else those operations do keeps its price. An operation reached
        by two routes moves once. Where both a part and a whole are given, the whole costs what was
        given, and what includes that whole moves by the whole's difference alone, since that
        difference already tells all about the part. Bounds that would no longer enclose the
        typical price are widened to it.

        Parameters
        ----------
        changes
            By operation: "900ns", "2500cycles", "0.2ns/B", "1.1" for a ratio, or such a price with
            a distribution, {value: 900ns, dist: lognormal, cv: 0.5}.
        where
            The place that the changes came from, for the errors.

        Raises
        ------
        InputError
            A price that cannot be read, or one that makes an operation cost less than an operation
            inside it, or less than nothing.
        """
        for name in changes:
            self.cost(name, where)
        return replace(self, costs=overridden(self.costs, changes, where, self.hz))


def kick_cost(profile: Profile, mmio: bool) -> Cost:
    """Return the price of a kick by ioeventfd that wakes nobody.

    A kick by MMIO costs more than one by port I/O only in its exit: the ratio `exit.fast_mmio`
    applies to the `exit.light` inside `kick.vcpu`.
    """
    kick = profile.cost("kick.vcpu")
    if not mmio:
        return kick
    exit_, ratio = profile.cost("exit.light"), profile.cost("exit.fast_mmio")
    dearer = widened(
        replace(
            kick,
            value=kick.value + (ratio.value - 1) * exit_.value,
            low=kick.low + (ratio.low - 1) * exit_.low,
            high=kick.high + (ratio.high - 1) * exit_.high,
        )
    )
    return replace(
        dearer,
        derivation=f"{kick.derivation}; exit.light inside times exit.fast_mmio",
        basis=(*kick.basis, "exit.fast_mmio"),
    )


@cache
def profile_names() -> tuple[str, ...]:
    """Return the names of all price lists, sorted."""
    files = (path.name for path in _data().iterdir())
    lists = (name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))
    return tuple(sorted(name for name in lists if name != "sources"))


def profile(name: str, where: str = "profile") -> Profile:
    """Return the price list called `name`, shipped or a plugin's; `InputError` if there is none."""
    names = profile_names()
    if name in names:
        return _profile(name)
    more = plugged("virtsim.profiles", names, _problem)
    if name not in more:
        known = (*names, *more)
        got, want = f"'{name}' is not a profile", f"one of {', '.join(known)}"
        raise InputError(where, got, want, did_you_mean(name, known))
    made: Profile = more[name]()
    return replace(made, name=name)


def _problem(make: Any) -> str | None:
    """Tell what is wrong with a plugin's price list, which is made once to find out."""
    made = make()
    return None if isinstance(made, Profile) else f"it makes {type(made).__name__}, not a Profile"


@cache
def _profile(name: str) -> Profile:
    head = _load(name)
    costs = {op: _cost(op, row, head["source"]) for op, row in head["costs"].items()}
    return Profile(name, head["machine"], head["year"], head["hz"], costs)


@cache
def sources() -> Mapping[str, Source]:
    """Return every figure that some price stands on, by its name."""
    rows = _load("sources")
    return MappingProxyType({name: _source(name, row) for name, row in rows.items()})


def _data() -> Any:
    return resources.files(__package__).joinpath("data")


def _load(name: str) -> Any:
    return read_yaml(f"{__package__}.data", f"{name}.yaml")


def _exact(numbers: Iterable[int | float]) -> Iterable[Fraction]:
    """Read YAML's numbers as they are written: 0.1 is a tenth."""
    return (Fraction(str(number)) for number in numbers)


def _cost(op: str, row: Mapping[str, Any], source: str) -> Cost:
    low, value, high = _exact(row["price"])
    return Cost(
        op=op,
        unit=row.get("unit", "ns"),
        value=value,
        low=low,
        high=high,
        source=source,
        derivation=row["derivation"],
        confidence=row["confidence"],
        basis=tuple(row.get("basis", ())),
    )


def _source(name: str, row: Mapping[str, Any]) -> Source:
    low, value, high = _exact(row["figure"])
    return Source(
        id=name,
        description=row["description"],
        unit=row["unit"],
        value=value,
        low=low,
        high=high,
        machine=row["machine"],
        year=row["year"],
        source=row["source"],
        url=row.get("url"),
        kind=row["kind"],
        confidence=row["confidence"],
    )
