"""From routines to LLVM: the few forms of Python that the routines are written in, and no others.

A routine is a plain function of integers and of :class:`Words`. Everything is a 64-bit integer: a
name, a word, a constant of a module, a truth (0 or 1). Functions that a routine calls are found
under their names and translated too. What has no translation is an error that names the line.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType

from virtsim.engines.compiling.llvm import (
    BINARY,
    CALLED,
    COMPARED,
    DIVISION,
    EXTREME,
    NEAR,
    aliases,
)
from virtsim.engines.compiling.routines import (
    Piece,
    Untranslatable,
    calls,
    constant,
    parameters,
    parsed,
    symbol,
)

__all__ = ["Untranslatable", "module_of", "text_of"]


def module_of(entry: Callable[..., int]) -> str:
    """Return the LLVM module of a routine and of all that it calls; only it is visible outside."""
    assert isinstance(entry, FunctionType)
    found = [entry]
    for routine in found:  # grows as it goes
        found += [called for called in calls(routine) if called not in found]
    return text_of(Piece(each, parsed(each)[0], symbol(each), each is entry) for each in found)


def text_of(pieces: Iterable[Piece]) -> str:
    """Return the LLVM module of all pieces."""
    rows: dict[str, int] = {}
    functions = [Translation(piece, rows).text() for piece in pieces]
    return "\n".join([DIVISION, *functions, aliases(rows)])


class Translation:
    """One routine's translation. ``rows`` numbers the kinds of rows that all of them name."""

    def __init__(self, piece: Piece, rows: dict[str, int]) -> None:
        self.piece, self.routine, self.tree, self.rows = piece, piece.routine, piece.tree, rows
        self.names: dict[str, str] = {}
        self.words: set[str] = set()
        self.lines: list[str] = []
        self.count = 0
        self.ended = False
        self.loops: list[tuple[str, str]] = []

    def text(self) -> str:
        """Return the function."""
        args = parameters(self.tree)
        head = []
        for arg in args:
            if isinstance(arg.annotation, ast.Name) and arg.annotation.id == "Words":
                self.words.add(arg.arg)
                head.append(f"ptr noalias nocapture %{arg.arg}")
            else:
                head.append(f"i64 %{arg.arg}")
        for name in [a.arg for a in args if a.arg not in self.words] + sorted(self._assigned()):
            self.names.setdefault(name, f"%{name}.at")
        for name, at in self.names.items():
            self._say(f"{at} = alloca i64")
            if any(a.arg == name for a in args):
                self._say(f"store i64 %{name}, ptr {at}")
        self._body(self.tree.body)
        if not self.ended:
            self._say("ret i64 0")
        kind = "" if self.piece.outside else f"internal {NEAR} "
        # Without jump tables there is nothing but code, and all of it is near.
        seldom = " cold noinline" if hasattr(self.routine, "seldom") else ""
        attributes = f'nounwind "no-jump-tables"="true"{seldom}'
        name = f"@{self.tree.name}" if self.piece.outside else self.piece.symbol
        body = "\n".join(self.lines)
        return f"define {kind}i64 {name}({', '.join(head)}) {attributes} {{\n{body}\n}}\n"

    def _assigned(self) -> Iterator[str]:
        found = {
            node.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        return iter(found)

    # -- saying things -----------------------------------------------------------------------------

    def _say(self, line: str) -> None:
        self.lines.append(f"  {line}")

    def _new(self, expression: str) -> str:
        self.count += 1
        self._say(f"%v{self.count} = {expression}")
        return f"%v{self.count}"

    def _label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def _begin(self, label: str) -> None:
        if not self.ended:
            self._say(f"br label %{label}")
        self.lines.append(f"{label}:")
        self.ended = False

    def _go(self, label: str) -> None:
        if not self.ended:
            self._say(f"br label %{label}")
        self.ended = True

    def _refuse(self, node: ast.AST) -> Untranslatable:
        line = parsed(self.routine)[1] + getattr(node, "lineno", 0)
        return Untranslatable(
            f"{self.routine.__module__}:{line}: no translation for {ast.unparse(node)!r}"
        )

    # -- statements --------------------------------------------------------------------------------

    def _body(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if self.ended:
                return
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value=value):
                self._value(value)
            case ast.Return(value=ast.Call(func=ast.Name(id=name)) as value) if name[0] == "@":
                # Copies of a loop's rounds call one another: the stack must not grow with them.
                self._say(f"ret i64 {self._call(value, 'tail ')}")
                self.ended = True
            case ast.Return(value=value):
                self._say(f"ret i64 {self._value(value) if value else 0}")
                self.ended = True
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, value)
            case ast.AnnAssign(target=target, value=value) if value:
                self._assign([target], value)
            case ast.AugAssign(target=target, op=op, value=value):
                at, tag = self._place(target), self._alias(target)
                old = self._new(f"load i64, ptr {at}{tag}")
                new = self._binary(node, op, old, self._value(value))
                self._say(f"store i64 {new}, ptr {at}{tag}")
            case ast.If(test=test, body=body, orelse=orelse):
                yes, no, end = self._label(), self._label(), self._label()
                self._branch(test, yes, no)
                self._begin(yes)
                self._body(body)
                self._go(end)
                self._begin(no)
                self._body(orelse)
                self._begin(end)
            case ast.While(test=test, body=body, orelse=[]):
                again, inside, end = self._label(), self._label(), self._label()
                self._begin(again)
                self._branch(test, inside, end)
                self._begin(inside)
                self._loop(body, again, end)
                self._go(again)
                self._begin(end)
            case ast.For(target=ast.Name(id=name), iter=span, body=body, orelse=[]):
                self._for(name, span, body)
            case ast.Break():
                self._go(self.loops[-1][1])
            case ast.Continue():
                self._go(self.loops[-1][0])
            case _:
                raise self._refuse(node)

    def _loop(self, body: list[ast.stmt], again: str, end: str) -> None:
        self.loops.append((again, end))
        self._body(body)
        self.loops.pop()

    def _for(self, name: str, span: ast.expr, body: list[ast.stmt]) -> None:
        match span:
            case ast.Call(func=ast.Name(id="range"), args=args):
                pass
            case _:
                raise self._refuse(span)
        values = [self._value(arg) for arg in args]
        start, stop = ("0", values[0]) if len(values) == 1 else values[:2]
        step = ast.literal_eval(args[2]) if len(args) == 3 else 1
        self.count += 1
        at, first = f"%i{self.count}", self._label()
        again, inside, onward, end = (self._label() for _ in range(4))
        # Its place is in the entry block, or each round of an outer loop would add to the stack.
        self.lines.insert(0, f"  {at} = alloca i64")
        self._begin(first)
        self._say(f"store i64 {start}, ptr {at}")
        self._begin(again)
        i = self._new(f"load i64, ptr {at}")
        more = self._new(f"icmp {'slt' if step > 0 else 'sgt'} i64 {i}, {stop}")
        self._say(f"br i1 {more}, label %{inside}, label %{end}")
        self.ended = True
        self._begin(inside)
        self._say(f"store i64 {i}, ptr {self.names[name]}")
        self._loop(body, onward, end)
        self._begin(onward)
        self._say(f"store i64 {self._new(f'add i64 {i}, {step}')}, ptr {at}")
        self._go(again)
        self._begin(end)

    def _assign(self, targets: list[ast.expr], value: ast.expr) -> None:
        for target in targets:
            if isinstance(target, ast.Tuple):
                assert isinstance(value, ast.Tuple)
                values = [self._value(each) for each in value.elts]
                for at, new in zip(target.elts, values, strict=True):
                    self._say(f"store i64 {new}, ptr {self._place(at)}{self._alias(at)}")
                return
        new = self._value(value)
        for target in targets:
            self._say(f"store i64 {new}, ptr {self._place(target)}{self._alias(target)}")

    def _place(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return self.names[name]
            case ast.Subscript(value=ast.Name(id=name), slice=index) if name in self.words:
                at = self._value(index)
                return self._new(f"getelementptr inbounds i64, ptr %{name}, i64 {at}")
        raise self._refuse(node)

    def _alias(self, node: ast.expr) -> str:
        """Return the mark of a word that is known to be of a kind of row."""
        row = getattr(node, "row", None)
        return f", !tbaa !{2 * self.rows.setdefault(row, len(self.rows)) + 2}" if row else ""

    # -- expressions -------------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=value) if isinstance(value, int):
                return str(int(value))
            case ast.Name(id=name) if name in self.names:
                return self._new(f"load i64, ptr {self.names[name]}")
            case ast.Name(id=name) if name in self.words:
                return f"%{name}"
            case ast.Name() | ast.Attribute():
                return str(self._constant(node))
            case ast.Subscript():
                return self._new(f"load i64, ptr {self._place(node)}{self._alias(node)}")
            case ast.BinOp(left=left, op=op, right=right):
                x, y = self._value(left), self._value(right)
                return self._binary(node, op, x, y)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._new(f"sub i64 0, {self._value(operand)}")
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return self._new(f"xor i64 {self._value(operand)}, -1")
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(test, body, orelse)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self._choice(node, ast.Constant(1), ast.Constant(0))
            case ast.Call():
                return self._call(node)
        raise self._refuse(node)

    def _binary(self, node: ast.AST, op: ast.operator, x: str, y: str) -> str:
        if type(op) in BINARY:
            return self._new(f"{BINARY[type(op)]} i64 {x}, {y}")
        if type(op) in CALLED:
            return self._new(f"call i64 {CALLED[type(op)]}(i64 {x}, i64 {y})")
        raise self._refuse(node)

    def _constant(self, node: ast.expr) -> int:
        try:
            return constant(self.routine, node)
        except Untranslatable:
            raise self._refuse(node) from None

    def _choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> str:
        self.count += 1
        at = f"%c{self.count}"
        self.lines.insert(0, f"  {at} = alloca i64")
        yes, no, end = self._label(), self._label(), self._label()
        self._branch(test, yes, no)
        for label, value in ((yes, body), (no, orelse)):
            self._begin(label)
            self._say(f"store i64 {self._value(value)}, ptr {at}")
            self._go(end)
        self._begin(end)
        return self._new(f"load i64, ptr {at}")

    def _call(self, node: ast.Call, how: str = "") -> str:
        if not isinstance(node.func, ast.Name):
            raise self._refuse(node)
        name = node.func.id
        if name.startswith("@"):  # a copy: all arguments are there, in order
            values = ", ".join(map(self._argument, node.args))
            return self._new(f"{how}call {NEAR} i64 {name}({values})")
        if name in EXTREME:
            return self._extreme(EXTREME[name], [self._value(arg) for arg in node.args])
        called = self.routine.__globals__.get(name)
        if not isinstance(called, FunctionType):
            raise self._refuse(node)
        code = called.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = dict(zip(names, node.args, strict=False)) | {
            str(keyword.arg): keyword.value for keyword in node.keywords
        }
        if set(given) != set(names):
            raise self._refuse(node)
        values = ", ".join(self._argument(given[each]) for each in names)
        return self._new(f"call {NEAR} i64 {symbol(called)}({values})")

    def _argument(self, node: ast.expr) -> str:
        is_words = isinstance(node, ast.Name) and node.id in self.words
        return f"{'ptr' if is_words else 'i64'} {self._value(node)}"

    def _extreme(self, order: str, values: list[str]) -> str:
        best = values[0]
        for value in values[1:]:
            better = self._new(f"icmp {order} i64 {value}, {best}")
            best = self._new(f"select i1 {better}, i64 {value}, i64 {best}")
        return best

    # -- truths ------------------------------------------------------------------------------------

    def _branch(self, node: ast.expr, yes: str, no: str) -> None:
        """Go on at one of two labels."""
        match node:
            case ast.BoolOp(op=op, values=values):
                for value in values[:-1]:
                    onward = self._label()
                    if isinstance(op, ast.And):
                        self._branch(value, onward, no)
                    else:
                        self._branch(value, yes, onward)
                    self._begin(onward)
                self._branch(values[-1], yes, no)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._branch(operand, no, yes)
            case ast.Constant(value=value):
                self._go(yes if value else no)
            case ast.Compare(left=left, ops=[ast.In()], comparators=[ast.Tuple(elts=each)]):
                equal = [ast.Compare(left, [ast.Eq()], [one]) for one in each]
                self._branch(ast.BoolOp(ast.Or(), [*equal]), yes, no)
            case _:
                self._say(f"br i1 {self._truth(node)}, label %{yes}, label %{no}")
                self.ended = True

    def _truth(self, node: ast.expr) -> str:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARED:
                x, y = self._value(left), self._value(right)
                return self._new(f"icmp {COMPARED[type(op)]} i64 {x}, {y}")
            case ast.Compare():
                raise self._refuse(node)
        return self._new(f"icmp ne i64 {self._value(node)}, 0")
