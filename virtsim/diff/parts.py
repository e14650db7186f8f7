"""How two paths are made: which parts are in one only, which options differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from virtsim.diff.settings import Change, Value, alike
from virtsim.model.path import Part, Path
from virtsim.model.ring import Notify
from virtsim.parts import BY_NAME


@dataclass(frozen=True)
class PartShown:
    """A part as it is read: its name in the path, what made it, and its options."""

    name: str
    made_by: str
    options: Mapping[str, Value]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"part": self.name, "made_by": self.made_by, "options": dict(self.options)}


@dataclass(frozen=True)
class PathChange:
    """How two paths differ; without any differing thing it says that they do not.

    Parameters
    ----------
    left, right
        Their labels.
    left_only, right_only
        Parts that the other does not have, guest outwards.
    options
        What differs in parts that both have, keyed part.option.
    same
        Names of the parts that do not differ.
    """

    left: str
    right: str
    left_only: tuple[PartShown, ...] = ()
    right_only: tuple[PartShown, ...] = ()
    options: tuple[Change, ...] = ()
    same: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.left_only or self.right_only or self.options)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "left": self.left,
            "right": self.right,
            "left_only": [part.as_dict() for part in self.left_only],
            "right_only": [part.as_dict() for part in self.right_only],
            "options": [change.as_dict() for change in self.options],
            "same": list(self.same),
        }


def path_change(left: Path, right: Path, label: str, other: str) -> PathChange:
    """Compare two paths part by part; parts are matched by their names."""
    mine, theirs = ({part.name: part for part in path.parts} for path in (left, right))
    common = [name for name in mine if name in theirs]
    found = {name: _part_changes(mine[name], theirs[name]) for name in common}
    options = [change for name in common for change in found[name]]
    order = [name for name in theirs if name in mine]
    if order != common:
        options.append(Change("order", list(common), order))
    return PathChange(
        label,
        other,
        tuple(shown(part) for name, part in mine.items() if name not in theirs),
        tuple(shown(part) for name, part in theirs.items() if name not in mine),
        tuple(options),
        tuple(name for name in common if not found[name]),
    )


def shown(part: Part) -> PartShown:
    """Return a part as it is read."""
    return PartShown(
        part.name, _made_by(part), {name: _plain(value) for name, value in part.options.items()}
    )


def _part_changes(left: Part, right: Part) -> list[Change]:
    """Return what differs between two parts of one name: who made them, options, else stages."""
    found: list[Change] = []
    makers = _made_by(left), _made_by(right)
    if makers[0] != makers[1]:
        found.append(Change(left.name, *makers))
    for option in {**left.options, **right.options}:
        key = f"{left.name}.{option}"
        found += _option_changes(key, left.options.get(option), right.options.get(option))
    if not found and left != right:
        # Parts made by hand have no options to tell them apart by.
        found.append(Change(f"{left.name}.stages", _stages(left), _stages(right)))
    return found


def _option_changes(key: str, left: Any, right: Any) -> list[Change]:
    if alike(left, right):
        return []
    if isinstance(left, Notify) and isinstance(right, Notify) and left.name == right.name:
        # An interrupt with and without APICv has one name: say what it does otherwise.
        both = [(f.name, getattr(left, f.name), getattr(right, f.name)) for f in fields(Notify)]
        return [Change(f"{key}.{n}", _plain(a), _plain(b)) for n, a, b in both if a != b]
    return [Change(key, _plain(left), _plain(right))]


def _made_by(part: Part) -> str:
    """Return how a scenario spells a part, or else the name of the function that made it."""
    spelt = next((name for name, make in BY_NAME.items() if make is part.made_by), None)
    return spelt or str(getattr(part.made_by, "__qualname__", part.name))


def _stages(part: Part) -> list[Value]:
    return [str(element) for element in (*part.tx, *part.rx)]


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(getattr(value, "name", value))
