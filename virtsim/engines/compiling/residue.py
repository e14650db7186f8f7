"""What is left of a routine when some of what it depends on is known (see ``specialising``)."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from types import FunctionType
from typing import TYPE_CHECKING

from virtsim.engines.compiling.known import (
    LONGEST,
    OPERATORS,
    STEP,
    Copy,
    Known,
    Loop,
    Rest,
    breaks,
    folded,
    indexed,
    stored,
    variable,
)
from virtsim.engines.compiling.routines import Untranslatable, constant, parameters, parsed

if TYPE_CHECKING:
    from virtsim.engines.compiling.specialising import Specialiser


class Body:
    """The body of one copy, statement by statement: ``env`` holds the names that are known."""

    def __init__(self, made: Specialiser, routine: FunctionType) -> None:
        self.made, self.routine = made, routine
        self.locals: set[str] = set()
        self.loops: list[set[str]] = []
        self.here: Copy | None = None
        self.loop: Loop | None = None
        self.again = False

    def of(self, tree: ast.FunctionDef, known: Known) -> list[ast.stmt]:
        """Return what is left of a routine's body."""
        self.locals = {arg.arg for arg in parameters(tree)} | stored(tree.body)
        return self.block(tree.body, dict(known), [])[0]

    def of_loop(self, here: Copy, loop: Loop, known: Known) -> list[ast.stmt]:
        """Return what is left of a loop that is entered at a known step, and of what follows it."""
        self.here, self.locals = here, loop.names
        env = dict(known)
        test = self.truth(loop.node.test, env)
        if isinstance(test, ast.Constant) and not test.value:
            return self.block(loop.rest, env, [])[0]
        if not isinstance(test, ast.Constant) or STEP not in known:
            out: list[ast.stmt] = []
            self.statement(loop.node, env, out, None)
            return out + self.block(loop.rest, env, [])[0]
        self.loop = loop
        left, _ = self.block([*loop.node.body, ast.Continue()], env, [])
        return [ast.While(ast.Constant(1), left, [])] if self.again else left

    # -- statements --------------------------------------------------------------------------------

    def block(self, body: list[ast.stmt], env: Known, after: Rest) -> tuple[list[ast.stmt], bool]:
        """Return what is left of statements, and whether what follows them is never reached.

        ``after`` is all that follows, which is done with if there are two ways to go on from here.
        """
        out: list[ast.stmt] = []
        for i, node in enumerate(body):
            rest = None if after is None else [*body[i + 1 :], *after]
            if self.statement(node, env, out, rest):
                return out, True
        return out, False

    def statement(self, node: ast.stmt, env: Known, out: list[ast.stmt], rest: Rest) -> bool:
        """Append what is left of a statement; tell whether it leaves the block."""
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                return False
            case ast.Expr(value=value):
                left = self.value(value, env)
                if not isinstance(left, ast.Constant):
                    out.append(ast.Expr(left))
            case ast.Return(value=value):
                out.append(ast.Return(self.value(value, env) if value else ast.Constant(0)))
                return True
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.IfExp(test, yes, no)) if (
                name == STEP
            ):
                ways: list[list[ast.stmt]] = [[ast.Assign(node.targets, x)] for x in (yes, no)]
                return self.branch(ast.If(test, *ways), env, out, rest)
            case ast.Assign(targets=targets, value=value):
                self.assign(targets, value, env, out)
            case ast.AnnAssign(target=target, value=value) if value:
                self.assign([target], value, env, out)
            case ast.AugAssign(target=target, op=op, value=value):
                self.change(target, op, value, env, out)
            case ast.If():
                return self.branch(node, env, out, rest)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(args=args)):
                return self.count(name, args, node.body, env, out)
            case ast.While(body=body) if (
                self.loop is None and rest is not None and STEP in env and STEP in stored(body)
            ):
                self.enter(Loop(node, rest, self.locals), env, out)
                return True
            case ast.While(test=test, body=body):
                names = stored(body)
                self.settle(names, env, out)
                left = self.truth(test, env)
                if not (isinstance(left, ast.Constant) and not left.value):
                    out.append(ast.While(left, self.round(body, names, env), []))
            case ast.Continue() if self.loop and not self.loops:
                self.enter(self.loop, env, out)
                return True
            case ast.Break() if self.loop and not self.loops:
                loop, self.loop = self.loop, None
                out += [*self.block(loop.rest, env, [])[0], ast.Return(ast.Constant(0))]
                self.loop = loop
                return True
            case ast.Break() | ast.Continue():
                self.settle(self.loops[-1], env, out)
                out.append(node)
                return True
            case _:
                raise self.refuse(node)
        return False

    def settle(self, names: Iterable[str], env: Known, out: list[ast.stmt]) -> None:
        """From here on these names are variables: give those that are known their values."""
        mine = [name for name in sorted(names) if name in env]
        out += [ast.Assign([variable(name)], ast.Constant(env.pop(name))) for name in mine]

    def assign(
        self, targets: list[ast.expr], value: ast.expr, env: Known, out: list[ast.stmt]
    ) -> None:
        """Assign to one or several places at once: names that get known values are known."""
        if isinstance(targets[0], ast.Tuple):
            assert isinstance(value, ast.Tuple)
            pairs = [
                (self.place(at, env), self.value(v, env))
                for at, v in zip(targets[0].elts, value.elts, strict=True)
            ]
        else:
            new = self.value(value, env)
            pairs = [(self.place(at, env), new) for at in targets]
        left = []
        for at, new in pairs:
            if isinstance(at, ast.Name):
                env.pop(at.id, None)
            if isinstance(at, ast.Name) and isinstance(new, ast.Constant):
                env[at.id] = int(new.value)  # type: ignore[arg-type]
            else:
                left.append((at, new))
        if len(left) == 1:
            out.append(ast.Assign([left[0][0]], left[0][1]))
        elif left:
            places, values = ([pair[i] for pair in left] for i in (0, 1))
            out.append(ast.Assign([ast.Tuple(places, ast.Store())], ast.Tuple(values, ast.Load())))

    def change(
        self, target: ast.expr, op: ast.operator, value: ast.expr, env: Known, out: list[ast.stmt]
    ) -> None:
        """Change a place by a value."""
        if isinstance(target, ast.Name):
            self.assign([target], ast.BinOp(ast.Name(target.id, ast.Load()), op, value), env, out)
        else:
            out.append(ast.AugAssign(self.place(target, env), op, self.value(value, env)))  # type: ignore[arg-type]

    def enter(self, loop: Loop, env: Known, out: list[ast.stmt]) -> None:
        """Enter a round of a loop at the step that is known: it has a copy of its own."""
        changed = stored(loop.node.body) - {STEP}
        needed = loop.needed
        known = {name: env[name] for name in needed if name in env and name not in changed}
        there = self.made.loop_copy(self.routine, loop, known)
        if there is self.here:
            self.settle(needed & changed, env, out)
            out.append(ast.Continue())
            self.again = True
            return
        args = [self.value(ast.Name(arg.arg, ast.Load()), env) for arg in there.tree.args.args]
        out.append(ast.Return(ast.Call(ast.Name(there.symbol, ast.Load()), args, [])))

    def branch(self, node: ast.If, env: Known, out: list[ast.stmt], rest: Rest) -> bool:
        """Take the branch that is known, or leave both; what only one of them knows is a variable.

        If they go on at different steps, what follows is done with in each.
        """
        test = self.truth(node.test, env)
        if isinstance(test, ast.Constant):
            left, ended = self.block(node.body if test.value else node.orelse, env, rest)
            out += left
            return ended
        envs = [dict(env), dict(env)]
        (yes, yes_ended), (no, no_ended) = (
            self.block(body, each, rest)
            for body, each in zip((node.body, node.orelse), envs, strict=True)
        )
        steps = {each.get(STEP) for each in envs} if rest is not None else set()
        if len(steps) == 2 and None not in steps and not yes_ended and not no_ended:
            assert rest is not None
            for left, each in ((yes, envs[0]), (no, envs[1])):
                left += [*self.block(rest, each, [])[0], ast.Return(ast.Constant(0))]
            out.append(ast.If(test, yes, no))
            return True
        if not yes_ended and not no_ended:
            alike = {name for name in envs[0] if envs[0][name] == envs[1].get(name)}
            for left, each in ((yes, envs[0]), (no, envs[1])):
                self.settle(set(each) - alike, each, left)
        if yes or no:
            out.append(ast.If(test, yes or [ast.Pass()], no))
        elif any(isinstance(x, ast.Call) for x in ast.walk(test)):
            out.append(ast.Expr(test))
        env.clear()
        env.update(envs[1] if yes_ended else envs[0])
        return yes_ended and no_ended

    def count(
        self, name: str, args: list[ast.expr], body: list[ast.stmt], env: Known,
        out: list[ast.stmt],
    ) -> bool:  # fmt: skip
        """Lay a loop out round by round if its length is known and small, else leave it."""
        span = [self.value(arg, env) for arg in args]
        if all(isinstance(x, ast.Constant) for x in span) and not breaks(body):
            rounds = range(*(int(x.value) for x in span))  # type: ignore[attr-defined]
            if len(rounds) <= LONGEST:
                for i in rounds:
                    env[name] = i
                    left, ended = self.block(body, env, None)
                    out += left
                    if ended:
                        return True
                return False
        names = stored(body) | {name}
        self.settle(names, env, out)
        call = ast.Call(ast.Name("range", ast.Load()), span, [])
        out.append(ast.For(variable(name), call, self.round(body, names, env), []))
        return False

    def round(self, body: list[ast.stmt], names: set[str], env: Known) -> list[ast.stmt]:
        """Return what is left of a loop's body, at whose end these names are variables."""
        inside = dict(env)
        self.loops.append(names)
        left, ended = self.block(body, inside, None)
        self.loops.pop()
        if not ended:
            self.settle(names, inside, left)
        return left or [ast.Pass()]

    def place(self, node: ast.expr, env: Known) -> ast.expr:
        """Return where something is stored."""
        if isinstance(node, ast.Name):
            return node
        assert isinstance(node, ast.Subscript)
        index = self.value(node.slice, env)
        assert isinstance(node.value, ast.Name)
        mine = isinstance(index, ast.Constant) and node.value.id == self.made.array
        if mine and index.value in self.made.fixed:  # type: ignore[attr-defined]
            raise self.refuse(node)
        return indexed(node, index)

    # -- expressions -------------------------------------------------------------------------------

    def value(self, node: ast.expr, env: Known) -> ast.expr:
        """Return what is left of an expression: a constant, if all of it is known."""
        match node:
            case ast.Constant(value=value):
                return ast.Constant(int(value))  # type: ignore[arg-type]
            case ast.Name(id=name) if name in env:
                return ast.Constant(env[name])
            case ast.Name(id=name) if name in self.locals:
                return node
            case ast.Name() | ast.Attribute():
                return ast.Constant(constant(self.routine, node))
            case ast.Subscript(value=ast.Name(id=name), slice=at):
                index = self.value(at, env)
                if name == self.made.array and isinstance(index, ast.Constant):
                    known = self.made.fixed.get(int(index.value))  # type: ignore[arg-type]
                    return indexed(node, index) if known is None else ast.Constant(known)
                return indexed(node, index)
            case ast.BinOp(left=left, op=op, right=right):
                return folded(op, self.value(left, env), self.value(right, env))
            case ast.UnaryOp(op=ast.USub(), operand=x):
                return folded(ast.Sub(), ast.Constant(0), self.value(x, env))
            case ast.UnaryOp(op=ast.Invert(), operand=x):
                return folded(ast.BitXor(), self.value(x, env), ast.Constant(-1))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                left = self.truth(test, env)
                if isinstance(left, ast.Constant):
                    return self.value(body if left.value else orelse, env)
                return ast.IfExp(left, self.value(body, env), self.value(orelse, env))
            case ast.Call():
                return self.call(node, env)
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()) | ast.Compare():
                left = self.truth(node, env)
                is_truth = isinstance(left, ast.Constant | ast.Compare | ast.BoolOp | ast.UnaryOp)
                return left if is_truth else ast.Compare(left, [ast.NotEq()], [ast.Constant(0)])
        raise self.refuse(node)

    def truth(self, node: ast.expr, env: Known) -> ast.expr:
        """Return what is left of a question."""
        match node:
            case ast.BoolOp(op=op, values=values):
                return self.both_or_either(op, values, env)
            case ast.UnaryOp(op=ast.Not(), operand=x):
                left = self.truth(x, env)
                if isinstance(left, ast.Constant):
                    return ast.Constant(0 if left.value else 1)
                return ast.UnaryOp(ast.Not(), left)
            case ast.Compare(left=left, ops=[ast.In()], comparators=[ast.Tuple(elts=each)]):
                equal: list[ast.expr] = [ast.Compare(left, [ast.Eq()], [one]) for one in each]
                return self.both_or_either(ast.Or(), equal, env)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                x, y = self.value(left, env), self.value(right, env)
                if isinstance(x, ast.Constant) and isinstance(y, ast.Constant):
                    return ast.Constant(int(OPERATORS[type(op)](x.value, y.value)))  # type: ignore[arg-type]
                return ast.Compare(x, [op], [y])
        return self.value(node, env)

    def both_or_either(self, op: ast.boolop, values: list[ast.expr], env: Known) -> ast.expr:
        """Return what is left of a question with several parts, asked one after the other."""
        either = isinstance(op, ast.Or)
        asked: list[ast.expr] = []
        for each in values:
            left = self.truth(each, env)
            if isinstance(left, ast.Constant):
                if bool(left.value) is not either:
                    continue
                if not any(isinstance(x, ast.Call) for one in asked for x in ast.walk(one)):
                    return ast.Constant(int(either))
                return ast.BoolOp(op, [*asked, ast.Constant(int(either))])
            asked.append(left)
        if len(asked) < 2:
            return asked[0] if asked else ast.Constant(int(not either))
        return ast.BoolOp(op, asked)

    def call(self, node: ast.Call, env: Known) -> ast.expr:
        """Return a call of the copy for what is known of the arguments, or what it comes to."""
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name in ("max", "min"):
            values = [self.value(arg, env) for arg in node.args]
            if all(isinstance(x, ast.Constant) for x in values):
                choose = max if name == "max" else min
                return ast.Constant(choose(x.value for x in values))  # type: ignore[attr-defined]
            return ast.Call(node.func, values, [])
        routine = self.routine.__globals__.get(name)
        if not isinstance(routine, FunctionType):
            raise self.refuse(node)
        names = [arg.arg for arg in parameters(parsed(routine)[0])]
        given = dict(zip(names, node.args, strict=False))
        given |= {str(keyword.arg): keyword.value for keyword in node.keywords}
        known: Known = {}
        rest: list[ast.expr] = []
        for each in names:
            left = self.value(given[each], env)
            if isinstance(left, ast.Constant) and not hasattr(routine, "alike"):
                known[each] = int(left.value)  # type: ignore[arg-type]
            else:
                rest.append(left)
        copy = self.made.copy(routine, known)
        if copy.value is not None and not any(
            isinstance(x, ast.Call) for arg in rest for x in ast.walk(arg)
        ):
            return ast.Constant(copy.value)
        return ast.Call(ast.Name(copy.symbol, ast.Load()), rest, [])

    def refuse(self, node: ast.AST) -> Untranslatable:
        """Return what to say of something that has no translation."""
        return Untranslatable(f"{self.routine.__module__}: no copy of {ast.unparse(node)!r}")
