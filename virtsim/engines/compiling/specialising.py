"""Routines for one Program: copies in which what is known beforehand is worked out.

Most words of a table of rows are written once, before a run: what mode a channel has, which ring a
stage takes from. Where a routine is called with the rows that it is about, all that depends on such
words alone can be decided when it is translated: a branch that is never taken is left out, a loop
over a list of known length is laid out, a call with other known rows is a call of another copy.

What remains is again a routine in the form that ``ir`` translates. It never says anything else than
the routine itself would: a word that is not known to be fixed is read.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType

from virtsim.engines.compiling.known import Copy, Known, Loop
from virtsim.engines.compiling.residue import Body
from virtsim.engines.compiling.routines import Piece, parameters, parsed

Copies = Mapping[str, Iterable[Known]]
Choices = Callable[[FunctionType, Known, Copies], Iterable[int]]
"""Which rows a dispatched routine may be called with, given what else is known of its call, and
the copies that there are so far: by the names of their routines, what each knows."""


@dataclass
class Dispatch:
    """A routine that calls the copy for a parameter's value; ``by`` has those there are so far."""

    copy: Copy
    parameter: str
    by: dict[int, ast.stmt] = field(default_factory=dict)


class Specialiser:
    """Makes the copies that an entry calls, and those that they call.

    Parameters
    ----------
    fixed
        The words of the array that never change, by their index.
    array
        The parameter that is that array, wherever it is passed.
    choices
        Tells which rows may come where a routine is dispatched (see :func:`words.dispatched`).
    """

    def __init__(self, fixed: Mapping[int, int], array: str, choices: Choices) -> None:
        self.fixed, self.array, self.choices = fixed, array, choices
        self.copies: dict[tuple[FunctionType, tuple[tuple[str, int], ...]], Copy] = {}
        self.known: dict[str, list[Known]] = {}
        self.dispatches: list[Dispatch] = []

    def pieces(self, entry: FunctionType) -> list[Piece]:
        """Return the entry and all copies that it comes to call."""
        self.copy(entry, {})
        while self._new_choices():
            pass
        for each in self.dispatches:
            # What is left when all others are excluded needs no question.
            cases = list(each.by.values())
            last = cases.pop() if cases else ast.Return(ast.Constant(0))
            each.copy.tree.body = [*cases, *(last.body if isinstance(last, ast.If) else [last])]
        return [
            Piece(c.routine, c.tree, c.symbol, outside=c.routine is entry)
            for c in self.copies.values()
            if c.value is None
        ]

    def _new_choices(self) -> bool:
        found = False
        for each in self.dispatches:  # grows as it goes
            copy = each.copy
            for value in self.choices(copy.routine, copy.known, self.known):
                if value not in each.by:
                    found = True
                    each.by[value] = self._case(each, value)
        return found

    def _case(self, each: Dispatch, value: int) -> ast.stmt:
        copy = each.copy
        there = self.copy(copy.routine, copy.known | {each.parameter: value})
        test = ast.Compare(ast.Name(each.parameter, ast.Load()), [ast.Eq()], [ast.Constant(value)])
        if there.value is not None:
            return ast.If(test, [ast.Return(ast.Constant(there.value))], [])
        rest = [
            ast.Name(arg.arg, ast.Load())
            for arg in parameters(copy.tree)
            if arg.arg != each.parameter
        ]
        return ast.If(
            test, [ast.Return(ast.Call(ast.Name(there.symbol, ast.Load()), [*rest], []))], []
        )

    def loop_copy(self, routine: FunctionType, loop: Loop, known: Known) -> Copy:
        """Return the copy of a loop, and of what follows it, for what is known where it begins."""
        key = (routine, (("the loop at line", loop.node.lineno), *sorted(known.items())))
        if key not in self.copies:
            given = {arg.arg: arg for arg in parameters(parsed(routine)[0])}
            args = [given.get(name, ast.arg(name)) for name in sorted(loop.needed - set(known))]
            copy = self.copies[key] = self._new(routine, known, args)
            copy.tree.body = Body(self, routine).of_loop(copy, loop, known)
        return self.copies[key]

    def _new(self, routine: FunctionType, known: Known, args: list[ast.arg]) -> Copy:
        name, all_args = routine.__name__, ast.arguments([], args, None, [], [], None, [])
        symbol = f'@"{routine.__module__}.{name}.{len(self.copies)}"'
        return Copy(routine, known, symbol, ast.FunctionDef(name, all_args, [], []))

    def copy(self, routine: FunctionType, known: Known) -> Copy:
        """Return a routine's copy for what is known of its parameters."""
        key = (routine, tuple(sorted(known.items())))
        if key in self.copies:
            return self.copies[key]
        tree = parsed(routine)[0]
        args = [arg for arg in parameters(tree) if arg.arg not in known]
        copy = self.copies[key] = self._new(routine, known, args)
        self.known.setdefault(routine.__name__, []).append(known)
        chosen = getattr(routine, "dispatched", None)
        if chosen is not None and chosen not in known:
            self.dispatches.append(Dispatch(copy, chosen))
            return copy
        copy.tree.body = Body(self, routine).of(tree, known)
        match copy.tree.body:
            case []:
                copy.value = 0
            case [ast.Return(value=ast.Constant(value=int(value)))]:
                copy.value = value
        return copy
