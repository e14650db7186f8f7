"""A kernel made for a Program's form plays what the kernel for all Programs plays."""

from __future__ import annotations

import ast
import copy
import ctypes
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from virtsim.bench.works import work
from virtsim.engines import stepper
from virtsim.engines.compiling import machine
from virtsim.engines.compiling.ir import text_of
from virtsim.engines.compiling.routines import Piece, Untranslatable
from virtsim.engines.compiling.specialising import Specialiser
from virtsim.engines.compiling.words import Words, dispatched
from virtsim.engines.reference import run as reference
from virtsim.engines.stepper import kernels
from virtsim.engines.stepper.form import Form
from virtsim.engines.stepper.kernel import run_slice
from virtsim.outcome import Job, Outcome
from virtsim.program import Program
from virtsim.testing import Case, check_engine, closed_loop, one_stage, programs, tandem


def plainly(pieces: Iterable[Piece]) -> Callable[..., int]:
    """Return what is left of an entry and of all that it calls, as plain Python."""
    names: dict[str, Any] = {}
    body: list[ast.stmt] = []
    entry = ""
    for piece in pieces:
        name = re.sub(r"\W", "_", piece.symbol)
        entry = name if piece.outside else entry
        tree = copy.deepcopy(piece.tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = re.sub(r"\W", "_", node.id)
            elif isinstance(node, ast.arg):
                node.annotation = None
        body.append(ast.FunctionDef(name, tree.args, tree.body or [ast.Pass()], []))
    module = ast.fix_missing_locations(ast.Module(body, []))
    exec(compile(module, "specialised", "exec"), names)
    called: Callable[..., int] = names[entry]
    return called


class Guarded:
    """An array that knows its bounds, and which of its words never change."""

    def __init__(self, array: Any, fixed: Iterable[int] = ()) -> None:
        self.array, self.fixed = array, set(fixed)

    def __getitem__(self, at: int) -> int:
        assert 0 <= at < len(self.array), f"read at {at} of {len(self.array)}"
        return int(self.array[at])

    def __setitem__(self, at: int, value: int) -> None:
        assert 0 <= at < len(self.array), f"write at {at} of {len(self.array)}"
        assert at not in self.fixed, f"word {at} is fixed"
        self.array[at] = value


def specialised_in_python(program: Program, job: Job) -> Outcome:
    """Play on what is left of the routines for a Program's form, with every index checked."""
    form = Form(program, job)
    kernel = plainly(form.pieces(run_slice))  # type: ignore[arg-type]

    def play(a: Any, p: Any, c: Any) -> int:
        return kernel(Guarded(a, form.fixed), Guarded(p), Guarded(c))

    return stepper.play(program, job, play)


def generic_in_python(program: Program, job: Job) -> Outcome:
    """Play on the routines as they stand; what a Program's form says is fixed stays so."""
    fixed = Form(program, job).fixed
    return stepper.play(
        program, job, lambda a, p, c: run_slice(Guarded(a, fixed), Guarded(p), Guarded(c))
    )


# -- kernels -----------------------------------------------------------------------------------

patient = settings(suppress_health_check=list(HealthCheck), deadline=None)


@settings(patient, max_examples=10)
@given(programs(max_stages=3, max_packets=40))
def test_agreement_on_random_programs(case: Case) -> None:
    """What is left of the routines agrees with the reference, and changes no fixed word."""
    check_engine(reference, specialised_in_python, case.program, case.job)


@settings(patient, max_examples=40)
@given(programs(max_stages=5, max_packets=40))
def test_what_is_fixed_stays_so(case: Case) -> None:
    """The routines as they stand never write to a word that a form takes for fixed."""
    check_engine(reference, generic_in_python, case.program, case.job)


@pytest.mark.parametrize("name", ["W3", "W4"])
def test_machine_code_for_a_form_agrees(name: str) -> None:
    """On a standard work both kernels have the same Outcome, over several slices and refills."""
    given = work(name, 60_000)
    code = machine.assemble(run_slice, Form(given.program, given.job))
    call = machine.load(code, "run_slice", [ctypes.c_void_p] * 3)
    outcomes = [
        stepper.play(given.program, given.job, kernel)
        for kernel in (machine.compiled(run_slice), lambda *x: call(*(y.ctypes.data for y in x)))
    ]
    assert outcomes[0].digest() == outcomes[1].digest()


def test_a_long_turn_needs_no_stack() -> None:
    """300 000 packets in one batch are rounds of one loop, also where each step has its copy."""
    n = 300_000
    case = tandem([3], [0] * n)
    stages = (replace(case.program.stages[0], batch=n, budget=n),)
    program = replace(case.program, stages=stages)
    code = machine.assemble(run_slice, Form(program, case.job))
    call = machine.load(code, "run_slice", [ctypes.c_void_p] * 3)
    out = stepper.play(program, case.job, lambda *x: call(*(y.ctypes.data for y in x)))
    assert out.delivered_ps.tolist() == list(range(3, 3 * n + 1, 3))


# -- forms -------------------------------------------------------------------------------------


def test_a_form_holds_neither_prices_nor_packets_nor_sizes() -> None:
    """Points of a sweep over prices, traffic, rings and budgets share one kernel."""
    first = tandem([10, 20], [0, 3, 9], room=4)
    other = tandem([11, 500], [0, 1, 2, 3, 4, 5, 6, 7], room=400)
    assert Form(first.program, first.job) == Form(other.program, other.job)
    stages = tuple(replace(row, budget=7, batch=3) for row in first.program.stages)
    assert Form(replace(first.program, stages=stages), first.job).name == (
        Form(replace(first.program, stages=tuple(
            replace(row, budget=9, batch=5) for row in stages
        )), first.job).name
    )  # fmt: skip


def test_a_form_holds_what_stands_in_the_tables() -> None:
    """Another mode, another chain, a price of every packet instead of one: another kernel."""
    plain = one_stage([0, 1, 2], 5)
    channels = tuple(replace(row, mode="always") for row in plain.program.channels)
    drawn = tandem([[1, 2, 3]], [0, 1, 2])
    forms = [
        Form(plain.program, plain.job),
        Form(replace(plain.program, channels=channels), plain.job),
        Form(drawn.program, drawn.job),
        *(
            Form(c.program, c.job)
            for c in (tandem([3], [0, 1, 2]), closed_loop(9, 4, [7], think=5))
        ),
    ]
    assert len(set(forms)) == len(forms)


# -- the choice --------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note which kernels are asked for: made for a form or not; none is kept before it is made."""
    made: list[bool] = []

    def compiled(entry: Any, form: Form | None = None) -> Any:
        made.append(form is not None)
        return entry

    monkeypatch.setattr(kernels, "compiled", compiled)
    monkeypatch.setattr(kernels, "is_kept", lambda entry, form: any(made))
    monkeypatch.setattr(kernels, "SHORT", 50)
    monkeypatch.setattr(kernels, "PAYS", 125)
    kernels.played.cache_clear()
    return made


def test_a_kernel_is_made_once_it_pays(asked: list[bool]) -> None:
    """From so many packets of one form on, and from then on for all runs that are not short."""
    long, short = tandem([10], list(range(100))), tandem([10], list(range(10)))
    for case in (short, long, long, short, long, long, short):
        kernels.kernel_for(case.program, case.job)
    assert asked == [False, False, False, False, True, True, False]


def test_what_cannot_be_specialised_is_played_all_the_same(
    asked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no kernel can be made for a form, the one for all plays, and nobody tries again."""
    tried: list[int] = []

    def compiled(entry: Any, form: Form | None = None) -> Any:
        if form is not None:
            tried.append(1)
            raise Untranslatable("no")
        return entry

    monkeypatch.setattr(kernels, "compiled", compiled)
    case = tandem([10], list(range(300)))
    for _ in range(3):
        assert kernels.kernel_for(case.program, case.job) is run_slice
    assert tried == [1]


# -- what is left of routines ------------------------------------------------------------------


def summed(a: Words, s: int) -> int:
    """Add up a list, twice if the row says so."""
    total = 0
    for i in range(a[s]):
        total += a[s + 1 + i]
    if a[s + 9]:
        total += total
    return total


@dispatched("s")
def of_row(a: Words, s: int) -> int:
    """Return a row's sum, stepping through it as the routines that wait do."""
    step = 0
    total = 0
    while step < 4:
        if step == 0:
            step = 2 if a[s + 9] else 1
        elif step == 1:
            total = summed(a, s)
            step = 3
        if step == 2:
            step = 3
            if a[0]:
                step = 1
                a[0] = 0
                continue
        if step == 3:
            step = 4
    return total


def both(a: Words, n: int) -> int:
    """Return the sums of two rows, by their number."""
    return of_row(a, 10 + 10 * n) + of_row(a, 20)


def changes_what_is_fixed(a: Words, n: int) -> int:
    """Write to the second row."""
    a[20] = n
    return n


def row(*words: int) -> list[int]:
    """Return a row of ten words."""
    return [*words, *[0] * (10 - len(words))]


WORDS = [1, *[0] * 9, *row(3, 5, 6, 7), *[2, 8, 9, 0, 0, 0, 0, 0, 0, 1]]
FIXED = {i: WORDS[i] for i in (10, 11, 12, 19, 20, 29)}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("n", [0, 1])
def test_what_is_left_says_the_same(n: int, first: int) -> None:
    """Dispatched, laid out and followed from step to step, a routine returns what it returned."""

    def made() -> list[Piece]:
        return Specialiser(FIXED, "a", lambda *_: [10, 20]).pieces(both)  # type: ignore[arg-type]

    expected = both([first, *WORDS[1:]], n)
    assert plainly(made())([first, *WORDS[1:]], n) == expected
    llvm, host = machine._host()
    module = llvm.parse_assembly(text_of(made()))
    module.triple, module.data_layout = host.triple, str(host.target_data)
    call = machine.load(bytes(host.emit_object(module)), "both", [ctypes.c_void_p, ctypes.c_int64])
    assert call(np.array([first, *WORDS[1:]], dtype=np.int64).ctypes.data, n) == expected


def test_known_branches_and_loops_are_gone() -> None:
    """Where all is known, what is left is a sum of words: no loop, no question."""
    pieces = Specialiser(FIXED, "a", lambda *_: [10, 20]).pieces(both)  # type: ignore[arg-type]
    sums = [piece.tree for piece in pieces if piece.tree.name == "summed"]
    assert len(sums) == 2
    assert not [x for tree in sums for x in ast.walk(tree) if isinstance(x, ast.For | ast.If)]


def test_a_routine_that_changes_what_is_fixed_is_refused() -> None:
    """No kernel is made that would write to a word it takes for known."""
    with pytest.raises(Untranslatable, match=r"a\[20\]"):
        Specialiser(FIXED, "a", lambda *_: []).pieces(changes_what_is_fixed)  # type: ignore[arg-type]
