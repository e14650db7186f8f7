"""What installed packages add: entry points by name. A broken one is a warning that names it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

Check = Callable[[Any], str | None]
"""Tells what is wrong with what a plugin brings, or None."""


class PluginWarning(UserWarning):
    """A plugin is left out."""


def plugged(group: str, shipped: tuple[str, ...], check: Check) -> MappingProxyType[str, Any]:
    """Return what installed packages announce under an entry point group, by name.

    What does not load, what `check` finds wrong, and what has the name of something shipped is
    left out with a warning.

    Parameters
    ----------
    group
        Such as ``virtsim.paths``.
    shipped
        Names that are taken.
    """
    return _plugged(group, shipped, check, tuple(sys.path))


@lru_cache(maxsize=32)
def _plugged(
    group: str, shipped: tuple[str, ...], check: Check, _places: tuple[str, ...]
) -> MappingProxyType[str, Any]:
    """Look once for each set of places where packages can be installed."""
    found: dict[str, Any] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            thing = entry.load()
            problem = check(thing)
        except Exception as error:  # a stranger's code may fail in any way
            problem = f"it did not load: {type(error).__name__}: {error}"
        if entry.name in shipped:
            problem = "there is one of that name already"
        if problem is None:
            found[entry.name] = thing
            continue
        said = f"plugin '{entry.name}' ({group}: {entry.value}) is left out, {problem}"
        warnings.warn(said, PluginWarning, stacklevel=3)
    return MappingProxyType(found)


def callable_or(want: str) -> Check:
    """Return the check that something can be called; ``want`` says what it should be."""

    def check(thing: Any) -> str | None:
        return None if callable(thing) else f"it is {type(thing).__name__}, not {want}"

    return check
