"""Routines as they stand in their modules: their trees, what they call, and what they name."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any


class Untranslatable(Exception):  # noqa: N818 - a sentence about a line, not a class of failures
    """A routine says something that has no translation."""


@dataclass(frozen=True)
class Piece:
    """What becomes one function: a routine's tree, or what is left of it in one of its copies."""

    routine: FunctionType
    tree: ast.FunctionDef
    symbol: str
    outside: bool


def calls(routine: FunctionType) -> Iterator[FunctionType]:
    """Yield the routines that one calls by their names."""
    for name in routine.__code__.co_names:
        called = routine.__globals__.get(name)
        if isinstance(called, FunctionType):
            yield called


def symbol(routine: FunctionType) -> str:
    """Return the name of a routine in the module."""
    return f'@"{routine.__module__}.{routine.__name__}"'


@functools.cache
def parsed(routine: FunctionType) -> tuple[ast.FunctionDef, int]:
    """Return a routine's tree, and the line before its first.

    What is read or written of an array by the name of a row's word (``a[t + thread.MODE]``) keeps
    the row's kind: words of different kinds are never the same.
    """
    lines, first = inspect.getsourcelines(routine)
    tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            node.row = row_of(routine, node.slice)  # type: ignore[attr-defined]
    return tree, first - 1


def row_of(routine: FunctionType, index: ast.expr) -> str | None:
    """Return the kind of row whose word an index names, if its package keeps kinds APART."""
    match index:
        case ast.Attribute(value=ast.Name(id=name), attr=word) if word != "SIZE":
            kind = routine.__globals__.get(name)
            package = sys.modules.get(getattr(kind, "__package__", ""))
            return (
                kind.__name__
                if isinstance(kind, ModuleType) and package and getattr(package, "APART", False)
                else None
            )
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return row_of(routine, right) or row_of(routine, left)
    return None


def parameters(tree: ast.FunctionDef) -> list[ast.arg]:
    """Return all parameters of a routine."""
    return [*tree.args.args, *tree.args.kwonlyargs]


def constant(routine: FunctionType, node: ast.expr) -> int:
    """Return the value of a module's constant."""
    found: Any = None
    match node:
        case ast.Name(id=name):
            found = routine.__globals__.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            module = routine.__globals__.get(name)
            found = getattr(module, attr, None) if isinstance(module, ModuleType) else None
    if not isinstance(found, int):
        raise Untranslatable(f"{routine.__module__}: no constant {ast.unparse(node)!r}")
    return int(found)
