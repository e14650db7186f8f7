"""The arena: all state of a run is one array of int64 words, and a row is an offset into it.

Each module here names the words of one kind of row, so that ``a[t + thread.MODE]`` is the mode of
the thread whose row begins at ``t``. Row 0 is the world's, so 0 stands for no row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

Routine = TypeVar("Routine", bound=Callable[..., object])


class Words(Protocol):
    """What the routines see of an array: integers that are read and written."""

    def __getitem__(self, at: int, /) -> int:
        """Return a word."""
        ...

    def __setitem__(self, at: int, value: int, /) -> None:
        """Change a word."""
        ...


def seldom(routine: Routine) -> Routine:
    """Mark a routine as one that is not called for most packets: it stays out of others' way."""
    routine.seldom = True  # type: ignore[attr-defined]
    return routine
