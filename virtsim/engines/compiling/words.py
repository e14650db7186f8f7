"""What routines are written with: arrays of 64-bit integers, and marks for the compiler."""

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
