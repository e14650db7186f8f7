"""Kernels: plain functions over flat arrays of integers, compiled if there is a compiler.

Without one the same functions run as they stand, on lists.
"""

from __future__ import annotations

from typing import Any

from virtsim.engines.compiling.machine import HINT, Routine, available, compiled


def words(values: Any) -> Any:
    """Return an array as a kernel takes it: itself, or a list where nothing is compiled."""
    return values if available() else values.tolist()


def kernel(entry: Routine) -> Routine:
    """Return a kernel's outermost function, compiled if that is possible."""
    return compiled(entry) if available() else entry


__all__ = ["HINT", "Routine", "available", "kernel", "words"]
