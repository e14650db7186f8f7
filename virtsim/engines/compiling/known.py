"""What is known beforehand: copies of routines, loops at a step, and what can be worked out."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType

OPERATORS: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
LONGEST = 16
"""Loops of known length are laid out up to so many rounds."""

STEP = "step"
"""The name of where a routine goes on: a loop is followed from step to step while it is known."""

Known = dict[str, int]
Rest = list[ast.stmt] | None
"""All that follows a statement; None inside a loop that is left as it is."""


@dataclass
class Copy:
    """A routine with some of its parameters known; ``value`` is all that it does, if so little."""

    routine: FunctionType
    known: Known
    symbol: str
    tree: ast.FunctionDef
    value: int | None = None


@dataclass(frozen=True)
class Loop:
    """A loop from step to step: its statement, what follows it, and the routine's names."""

    node: ast.While
    rest: list[ast.stmt]
    names: set[str]

    @functools.cached_property
    def needed(self) -> set[str]:
        """Return the names whose values matter where it begins."""
        return read_first([self.node, *self.rest], set()) & self.names


def folded(op: ast.operator, x: ast.expr, y: ast.expr) -> ast.expr:
    """Return an operation, or what it comes to."""
    if isinstance(x, ast.Constant) and isinstance(y, ast.Constant):
        return ast.Constant(OPERATORS[type(op)](x.value, y.value))  # type: ignore[arg-type]
    return ast.BinOp(x, op, y)


def variable(name: str) -> ast.Name:
    """Return a name that is assigned to."""
    return ast.Name(name, ast.Store())


def indexed(node: ast.Subscript, index: ast.expr) -> ast.Subscript:
    """Return the same word by what is left of its index, which still says what row it is of."""
    left = ast.Subscript(node.value, index, node.ctx)
    left.row = getattr(node, "row", None)  # type: ignore[attr-defined]
    return left


def stored(body: list[ast.stmt]) -> set[str]:
    """Return the names that statements assign to."""
    return set().union(*map(_stored, body))


@functools.cache
def _stored(node: ast.AST) -> frozenset[str]:
    return _names(node, ast.Store)


@functools.cache
def loaded(node: ast.AST) -> frozenset[str]:
    """Return the names that something reads."""
    return _names(node, ast.Load)


def _names(node: ast.AST, how: type) -> frozenset[str]:
    names = (x for x in ast.walk(node) if isinstance(x, ast.Name))
    return frozenset(x.id for x in names if isinstance(x.ctx, how))


def breaks(body: list[ast.stmt]) -> bool:
    """Tell whether a loop's body leaves it, or a round of it, half-way."""
    for node in body:
        if isinstance(node, ast.Break | ast.Continue):
            return True
        if isinstance(node, ast.If) and (breaks(node.body) or breaks(node.orelse)):
            return True
    return False


def read_first(body: list[ast.stmt], written: set[str]) -> set[str]:
    """Return the names that statements may read before they write them; note what is written."""
    found: set[str] = set()
    for node in body:
        match node:
            case ast.If(test=test, body=yes, orelse=no):
                found |= loaded(test) - written
                ways = [set(written), set(written)]
                found |= read_first(yes, ways[0]) | read_first(no, ways[1])
                written |= ways[0] & ways[1]
            case ast.While(test=test, body=inside):
                found |= (loaded(test) - written) | read_first(inside, set(written))
            case ast.For(iter=span, body=inside, target=ast.Name(id=name)):
                found |= (loaded(span) - written) | read_first(inside, written | {name})
            case ast.AugAssign():
                found |= (loaded(node) | stored([node])) - written
            case _:
                found |= loaded(node) - written
                written |= stored([node])
    return found
