"""Kernels: plain functions over flat arrays of integers, compiled if there is a compiler.

They are written in the few forms of Python that ``stepper.ir`` translates. Without a compiler the
same functions run as they stand, on lists. What was compiled is kept under a digest of all sources
that it depends on.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from virtsim import semantics
from virtsim.engines.stepper import machine

Kernel = Callable[..., Any]
HINT = machine.HINT


@functools.cache
def available() -> bool:
    """Tell whether there is a compiler."""
    return machine.available()


def words(values: Any) -> Any:
    """Return an array as a kernel takes it: itself, or a list where nothing is compiled."""
    return values if available() else values.tolist()


def kernel(entry: Kernel) -> Kernel:
    """Return a kernel's outermost function, compiled if that is possible."""
    return _compiled(entry) if available() else entry


@functools.cache
def _compiled(entry: Kernel) -> Kernel:
    """Return a function as machine code, compiled now or before."""
    key = _key(entry)
    code = machine._kept(key)
    if code is None:
        code = machine.assemble(entry)
        machine._keep(key, code)
    count = entry.__code__.co_argcount
    kinds = [entry.__annotations__[name] for name in entry.__code__.co_varnames[:count]]
    types = [ctypes.c_void_p if kind == "Words" else ctypes.c_int64 for kind in kinds]
    call = machine.load(code, entry.__name__, types)

    def routine(*given: Any) -> int:
        return call(*(_address(x) if isinstance(x, np.ndarray) else x for x in given))

    return routine


def _address(values: np.ndarray[Any, Any]) -> int:
    assert values.dtype == np.int64
    assert values.flags.c_contiguous
    address: int = values.__array_interface__["data"][0]
    return address


def _key(entry: Kernel) -> str:
    """Return a name that changes with all that the machine code depends on."""
    digest = hashlib.sha256(f"{entry.__module__}.{entry.__qualname__}".encode())
    for file in [*sorted(Path(__file__).parent.rglob("*.py")), Path(semantics.__file__)]:
        digest.update(file.read_bytes())
    digest.update(machine._key(machine._host()[0]).encode())  # its compiler and this machine
    return digest.hexdigest()[:24]
