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


def dispatched(parameter: str) -> Callable[[Routine], Routine]:
    """Mark a routine that is about the row that a parameter names.

    Where a kernel is specialised and the row is not known, the copy for that row is called.
    """

    def mark(routine: Routine) -> Routine:
        routine.dispatched = parameter  # type: ignore[attr-defined]
        return routine

    return mark


def alike(routine: Routine) -> Routine:
    """Mark a routine of which a specialised kernel has one copy, whatever is known of its call."""
    routine.alike = True  # type: ignore[attr-defined]
    return routine
