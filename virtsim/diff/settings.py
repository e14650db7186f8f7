"""What two resolved scenarios say: dotted keys and values, and which of them differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from virtsim import units
from virtsim.errors import InputError

Value = str | int | float | bool | None | list[Any]
"""A setting as text or number; None where a side does not say it."""

_READERS: tuple[Callable[[object, str], int | Fraction], ...] = (
    units.ratio,
    units.time_ps,
    units.size_b,
    units.packet_rate,
    units.bitrate_bps,
    units.speed_factor,
)


@dataclass(frozen=True)
class Change:
    """One dotted key that two sides do not agree on."""

    key: str
    left: Value
    right: Value

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"key": self.key, "left": self.left, "right": self.right}


def settings(resolved: str, digests: Mapping[str, str], where: str) -> dict[str, Value]:
    """Return what a resolved scenario says by dotted keys, without its name and its paths.

    Parameters
    ----------
    resolved
        The scenario as :func:`virtsim.scenario.resolved_yaml` writes it.
    digests
        SHA-256 of each file that it reads, by the file's name: a capture is told by what is in it,
        not by where it lies.
    where
        Whose scenario it is, for the error.

    Raises
    ------
    InputError
        If the text is not a scenario's.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(resolved)
    except YAMLError:
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("traffic"), dict):
        got = "a damaged result: its resolved.yaml holds no scenario"
        raise InputError(where, got, "the files that 'run' wrote", "Run the scenario again")
    found = dict(_flat({k: v for k, v in data.items() if k not in ("name", "paths")}, ""))
    if "traffic.file" in found:
        file = Path(str(found["traffic.file"])).name
        found["traffic.file"] = f"{file} (sha256 {digests.get(file, 'unknown')[:12]})"
    return found


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Value]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def changes(left: Mapping[str, Value], right: Mapping[str, Value]) -> tuple[Change, ...]:
    """Return the keys whose values differ, in the order in which they are said."""
    both = ((key, left.get(key), right.get(key)) for key in {**left, **right})
    return tuple(Change(key, a, b) for key, a, b in both if not alike(a, b))


def alike(a: Any, b: Any) -> bool:
    """Whether two values say the same: "1Mpps" and "1000kpps" do."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if a == b:
        return True
    return any(x is not None and x == _read(read, b) for read in _READERS if (x := _read(read, a)))


def _read(read: Callable[[object, str], int | Fraction], value: object) -> int | Fraction | None:
    try:
        return read(value, "")
    except InputError:
        return None
