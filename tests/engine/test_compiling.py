"""Routines and their machine code say the same; what has no translation is refused by its line."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim import semantics
from virtsim.engines.compiling import machine
from virtsim.engines.compiling.ir import Untranslatable, module_of
from virtsim.engines.compiling.words import Words
from virtsim.engines.stepper.rows import world

SEVEN = 7
small = st.integers(-50, 50)


def arithmetic(x: int, y: int) -> int:
    """Do sums with both signs, as Python does them: division rounds down."""
    y = y if y else 1
    return x // y * 100_003 + x % y * 1009 + (x << 3) - (x >> 1) + (x & y) * (x | y) - ~x + -y


def truths(x: int, y: int) -> int:
    """Compare, and, or, not, choose."""
    both = x > 0 and y > 0
    either = x == 3 or not y <= 5
    among = x in (1, y, SEVEN)
    return both * 1 + (either and not among) * 2 + (x if x != y else -1) * 4 + max(x, y, 3)


def loops(x: int, y: int) -> int:
    """Count up and down, break, go on, and nest."""
    total = 0
    for i in range(x):
        if i == 7:
            continue
        for j in range(y, i, -2):
            if j > 30:
                break
            total += i * j
    while True:
        total += 1
        if total % 5 == 0:
            return total
        if total > 10_000:
            break
    return -total


def tuples(x: int, y: int) -> int:
    """Exchange, assign to several, and call by name."""
    x, y = y, x
    z = w = x - y
    z += 1
    return scaled(z, by=w) + scaled(x, by=y)


def scaled(x: int, *, by: int) -> int:
    """Return a product."""
    return x * by


@pytest.mark.parametrize("routine", [arithmetic, truths, loops, tuples])
def test_machine_code_computes_what_python_does(routine: Callable[[int, int], int]) -> None:
    """On small numbers of both signs the compiled routine returns what the plain one does."""
    compiled = machine.load(machine.assemble(routine), routine.__name__, [ctypes.c_int64] * 2)

    @given(small, small)
    def same(x: int, y: int) -> None:
        assert compiled(x, y) == routine(x, y)

    same()


def policies(a: Words, x: int, y: int) -> int:
    """Write to words what the rules say of two numbers."""
    a[0] = semantics_need(x & 0xFFFF, y & 0xFFFF)
    a[1], a[2] = semantics.MASK, world.NEVER
    a[x % 8 + 3] += y
    return a[0] + a[x % 8 + 3]


def semantics_need(new: int, old: int) -> int:
    """Return whether an event index in the middle was crossed."""
    return 1 if need_event((new + old) >> 1, new, old) else 0


need_event = semantics.need_event


def test_words_are_read_and_written() -> None:
    """A routine changes the array that it is given, and sees constants of other modules."""
    compiled = machine.load(
        machine.assemble(policies), "policies", [ctypes.c_void_p, *[ctypes.c_int64] * 2]
    )
    for x, y in [(5, 3), (70_000, 2), (9, 1 << 40)]:
        one, other = np.arange(12), np.arange(12)
        assert compiled(one.ctypes.data, x, y) == policies(other, x, y)
        assert one.tolist() == other.tolist()


def with_float(x: int) -> int:
    """Say something that has no translation."""
    return x + len("abc")


def with_list(x: int) -> int:
    """Say something that has no translation."""
    y = [x]
    return y[0]


def with_chain(x: int) -> int:
    """Say something that has no translation."""
    return 1 if 0 < x < 5 else 0


@pytest.mark.parametrize("routine", [with_float, with_list, with_chain])
def test_what_has_no_translation_is_refused(routine: Callable[[int], int]) -> None:
    """The message names the module, the line and the words."""
    line = routine.__code__.co_firstlineno
    with pytest.raises(Untranslatable, match=rf"test_compiling:{line + 2}: no translation for"):
        module_of(routine)
