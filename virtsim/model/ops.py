"""The dictionary of primitive operations, `ops.yaml`, which says what its fields mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from virtsim.errors import InputError, did_you_mean
from virtsim.shipped import read_yaml

Time = Literal["busy", "delay", "parameter"]


@dataclass(frozen=True)
class Op:
    """One primitive operation; it has no price of its own.

    Parameters
    ----------
    name
        Its id, such as "exit.light".
    what
        The operation in words.
    payer
        The thread that spends it.
    per
        What it is spent for, once each: "packet", "batch", "byte", "wake" and so on.
    time
        "busy" occupies the payer, "delay" only postpones the effect, a "parameter" is not spent.
    includes
        Names of the operations inside its price.
    facts
        What else is inside its price, in words.
    counts
        How far one use moves each counter; those of `includes` are not added.
    used_by
        Names of the paths or variants that use it directly.
    """

    name: str
    what: str
    payer: str
    per: str
    time: Time
    includes: tuple[str, ...]
    facts: tuple[str, ...]
    counts: Mapping[str, int]
    used_by: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled; the constructor makes it anew from a plain one.
        return Op, (
            *(self.name, self.what, self.payer, self.per, self.time),
            *(self.includes, self.facts, dict(self.counts), self.used_by),
        )


@cache
def ops() -> Mapping[str, Op]:
    """Return every operation by its name, in the order of the dictionary."""
    rows = read_yaml(__package__, "ops.yaml")
    return MappingProxyType({name: _op(name, row) for name, row in rows.items()})


def op(name: str, where: str) -> Op:
    """Return the operation called `name`; `where` is the place that named it.

    Raises
    ------
    InputError
        There is no such operation.
    """
    try:
        return ops()[name]
    except KeyError:
        hint = did_you_mean(name, ops())
        raise InputError(
            where, f"'{name}' is not an operation", "one of 'virtsim costs'", hint
        ) from None


IN_PLACE = "in_place"
"""The variant of an op that copies nothing."""


def counts_of(spelt: str) -> Mapping[str, int]:
    """Return how far one use of an op, or of a variant of it, moves each counter.

    An operation that the dictionary does not know moves none.
    """
    name, _, variant = spelt.partition(":")
    counts = ops()[name].counts if name in ops() else {}
    return {k: n for k, n in counts.items() if k != "copies"} if variant == IN_PLACE else counts


@cache
def included(name: str) -> frozenset[str]:
    """Return the names of all operations inside the one called `name`, at any depth.

    An operation that the dictionary does not know, a third party's, includes none.
    """
    known = ops().get(name)
    direct = known.includes if known else ()
    return frozenset(direct).union(*(included(part) for part in direct))


def _op(name: str, row: Mapping[str, Any]) -> Op:
    return Op(
        name=name,
        what=row["what"],
        payer=row["payer"],
        per=row["per"],
        time=row["time"],
        includes=tuple(row.get("includes", ())),
        facts=tuple(row.get("also", ())),
        counts=row.get("counts", {}),
        used_by=tuple(row.get("used_by", ())),
    )
