"""The benchmark: who takes part, what is said of those who cannot, and the shape of its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from virtsim import bench
from virtsim.bench import goals, long, memory, native, rows, shipped, start, stream, works
from virtsim.bench.answer import Answer
from virtsim.bench.contest import DIFFERS, Contest, Found, Sizes
from virtsim.bench.players import PLAIN, REFERENCE, Absent, C, Player, players, reason
from virtsim.bench.text import lines
from virtsim.bench.works import Work, work
from virtsim.choosing import ENGINES
from virtsim.cli import app
from virtsim.engines import counting, reference
from virtsim.errors import EngineRefusal, HostError

TINY = Sizes(60, 240, 1, 1, 1e-9)
"""A limit that nobody keeps: all play the small work."""

FIGURES = ("ns_per_packet", "events_per_packet", "ns_per_event", "to_reference")


def quiet(_: str) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def tiny_plan(monkeypatch: pytest.MonkeyPatch) -> bench.Plan:
    """Make the quick form a matter of a second."""
    plan = bench.Plan(TINY, TINY, False, ("works", "paths"))
    monkeypatch.setattr(bench, "QUICK", plan)
    monkeypatch.setattr(rows, "cases", lambda: islice(shipped.cases(), 1))
    return plan


# -- output ------------------------------------------------------------------------------------


def test_json_has_a_row_for_everybody(tiny_plan: bench.Plan) -> None:
    """``--json`` gives all rows by section: every work by C, every engine and plain SimPy."""
    done = CliRunner().invoke(app, ["bench", "--quick", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"machine", "works", "paths"}
    who = {(row["work"], row["by"]) for row in found["works"]}
    assert who == {(w, by) for w in ("W1", "W2", "W3", "W4") for by in (C, *ENGINES, PLAIN)}
    assert {row["engine"] for row in found["paths"]} == set(ENGINES)
    for row in found["works"] + found["paths"]:
        assert row["why"] or all(row[name] > 0 for name in FIGURES), row
        assert isinstance(row["goals"], list)


def test_text_has_the_same_rows(tiny_plan: bench.Plan) -> None:
    """As text, progress goes to stderr and the tables to stdout."""
    done = CliRunner().invoke(app, ["bench", "--quick", "--only", "works"])
    assert done.exit_code == 0, done.output
    assert "bench: W1: CPU time" in done.stderr
    assert "bench:" not in done.stdout
    table = [line.split() for line in done.stdout.splitlines() if line.startswith("W4")]
    assert [words[1] for words in table] == [C, *ENGINES, "plain"]
    assert "path " not in done.stdout


def test_paths_are_compared_with_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path's row says how much faster than the reference an engine is; the reference, 1."""
    monkeypatch.setattr(rows, "cases", lambda: islice(shipped.cases(), 1))
    found = rows.paths(TINY, (REFERENCE,), quiet)
    assert [row["to_reference"] for row in found] == [1]
    assert found[0]["path"] == "e1000"
    assert found[0]["packets"] == TINY.small


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["--only", "work"], "--only: there is no section 'work'"),
        (["--packets", "1"], "--packets"),
        (["--packets", "many"], "--packets"),
    ],
)
def test_bad_input_is_one_message(arguments: list[str], where: str) -> None:
    """What cannot be measured is one message and exit code 2."""
    code = "from virtsim.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert where in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_takes_what_it_is_given() -> None:
    """``packets`` are the reference's on a path; ``long`` adds a section, ``only`` replaces all."""
    assert bench.plan(packets=700).paths.small == 700
    assert bench.plan(long=True).sections == (*bench.FULL.sections, "long")
    assert bench.plan(quick=True, only=["start"]).sections == ("start",)
    assert bench.plan() == bench.FULL


# -- who cannot take part ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"PATH": "", "CC": ""}, "no C compiler"),
        ({"CC": "no-such-compiler"}, "no C compiler"),
        ({"CC": "false"}, "false failed: exit code 1"),
    ],
)
def test_without_a_compiler_the_column_says_so(
    environment: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No compiler, or one that fails, is the reason in C's row; all others are timed."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = {(r["work"], r["by"]): r for r in rows.works(TINY, (REFERENCE,), quiet, peaks=False)}
    assert found["W1", C]["why"] == why
    assert found["W1", C]["ns_per_packet"] is None
    assert found["W1", REFERENCE]["to_c"] is None
    assert found["W1", PLAIN]["to_reference"] > 0
    machine = {"cpus": 1, "cpu": "?", "load": None, "compiler": None}
    text = "\n".join(lines({"machine": machine, "works": list(found.values())}))
    assert f"none: {why}" in text


def contest(*others: Player | Absent, sizes: Sizes = TINY) -> dict[str, Found]:
    """Return what is found of some players of W1 beside the reference."""
    truth = Player(REFERENCE, lambda w: lambda: reference.run(w.program, w.job), Answer.of)
    small, large = work("W1", sizes.small), work("W1", sizes.large)
    return Contest(small, large, (*others, truth), sizes).found()


def test_an_engine_that_refuses_gives_its_reasons() -> None:
    """Reasons stand where the figures would."""

    def refuse(_: Work) -> Callable[[], Any]:
        raise EngineRefusal("W1", "it cannot", "another", reasons=["too round", "too blue"])

    found = contest(Player("picky", refuse))["picky"]
    assert found.why == "too round; too blue"
    assert found.ns_per_packet is None
    assert reason(EngineRefusal("W1", "it cannot", "another")) == "it cannot"


@pytest.mark.parametrize("at", [0, 59])
def test_an_answer_that_differs_is_not_timed(at: int) -> None:
    """One stamp that is a picosecond off, and there is no figure."""

    def wrong(given: Work) -> Callable[[], Answer]:
        answer = Answer.of(reference.run(given.program, given.job))
        answer.fate[at] += 1
        return lambda: answer

    assert contest(Player("wrong", wrong))["wrong"] == Found(why=DIFFERS)


def test_an_answer_that_differs_only_at_length_is_not_timed() -> None:
    """The fast are compared on the large work too, with one another."""

    def right(given: Work) -> Callable[[], Answer]:
        answer = Answer.of(reference.run(given.program, given.job))
        return lambda: answer

    def wrong(given: Work) -> Callable[[], Answer]:
        answer = right(given)()
        answer.counters[0] += len(given) > TINY.small
        return lambda: answer

    found = contest(Player("wrong", wrong), sizes=replace(TINY, limit_s=60))
    assert found["wrong"].why == DIFFERS
    found = contest(Player("right", right), sizes=replace(TINY, limit_s=60))
    assert found["right"].packets == TINY.large


def test_a_loop_whose_checksum_is_wrong_is_an_error(loops: native.Loops) -> None:
    """The checksum that a loop returns is held against the stamps it wrote."""
    checksum, answer = loops.prepare(work("W1", 10))()
    assert native.read((checksum, answer)) is answer
    with pytest.raises(HostError, match="its checksum"):
        native.read((checksum + 1, answer))


def test_players_stand_in_order(loops: native.Loops) -> None:
    """C first, then the engines, plain SimPy last; without loops C is absent."""
    assert [p.name for p in players((REFERENCE,), loops)] == [C, REFERENCE, PLAIN]
    assert next(iter(players((), "why not"))) == Absent(C, "why not")


def test_the_checksum_depends_on_every_stamp_and_its_place() -> None:
    """Two stamps that change places change the checksum, and it is taken modulo 2**64."""
    fate, none = np.array([5, 7, -3]), np.array([], dtype=np.int64)
    assert Answer(fate, none).checksum == (5 + 3 * 7 - 5 * 3) % 2**64
    assert Answer(fate[[1, 0, 2]], none).checksum != Answer(fate, none).checksum


# -- goals, memory, first result, the long ones --------------------------------------------------


def test_goals_are_met_or_missed_in_words() -> None:
    """A goal that is missed names the figure; one without a figure says that too."""
    wanted = (goals.at_most("to_c", 1.5, "x C"), goals.at_least("to_reference", 100, "x reference"))
    said = goals.verdicts(wanted, {"to_c": 1.5, "to_reference": 99.0})
    assert said == ["≤1.5x C: met", "≥100x reference: missed (99)"]
    assert goals.verdicts(wanted[:1], {}) == ["≤1.5x C: not measured"]
    assert goals.verdicts(None, {}) == []


def test_every_goal_is_of_a_figure_that_rows_have() -> None:
    """A goal that is never measured would be no goal."""
    figures = set(Found.__dataclass_fields__)
    for wanted in (*goals.OF_WORKS.values(), *goals.OF_PATHS.values()):
        assert {goal.figure for goal in wanted} <= figures


def test_peak_memory_is_that_of_the_play() -> None:
    """A play of ten times the packets adds more to its inputs than a small one."""
    few, many = (memory.peak("W1", PLAIN, n) for n in (1000, 20_000))
    assert few["peak_mb"] is not None
    assert many["peak_mb"] is not None
    assert 0 < few["peak_mb"] < many["peak_mb"]
    if Path("/proc/self/clear_refs").exists():
        assert few["own_mb"] is not None
        assert many["own_mb"] is not None
        assert few["own_mb"] < many["own_mb"]


def test_memory_that_cannot_be_measured_is_none() -> None:
    """A play that fails in its process leaves the figure open."""
    assert memory.peak("W1", "nobody", 10) == {"peak_mb": None, "own_mb": None}


def test_first_result_runs_a_copy_without_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has no compiled code in it, and is what its environment imports."""
    monkeypatch.setattr(start.compileall, "compile_dir", lambda *_, **__: True)
    environment = start._installed(tmp_path)
    assert (tmp_path / "lib" / "virtsim" / "cli.py").exists()
    assert not list((tmp_path / "lib").rglob("__pycache__"))
    assert environment["PYTHONPATH"] == str(tmp_path / "lib")
    assert environment["NUMBA_CACHE_DIR"].startswith(str(tmp_path))


def test_first_result_is_cold_and_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row each, with its goal; warm is the median of several runs."""
    took = map(start.Took, (7, 3, 1, 2), (9, 4, 4, 3), (6, 1, 2, 3))
    monkeypatch.setattr(start, "_installed", lambda place: {})
    monkeypatch.setattr(start, "_run", lambda place, environment: next(took))
    cold, warm = start.measure(quiet)
    assert cold["goals"] == ["≤6 s: missed (7)"]
    assert (warm["seconds"], warm["whole_seconds"], warm["cpu_seconds"]) == (2, 4, 2)


def test_first_result_is_the_first_line(tmp_path: Path) -> None:
    """The table is there before the files and the report, and both before the command ends."""
    (tmp_path / "first.yaml").write_text(start.SCENARIO, encoding="utf-8")
    took = start._run(tmp_path, os.environ)
    assert took.seconds < took.whole_seconds
    assert list(tmp_path.glob("results/first/*/report.html"))


def test_a_first_result_that_fails_is_no_time(tmp_path: Path) -> None:
    """A run that ends in an error is not measured."""
    with pytest.raises(subprocess.CalledProcessError):
        start._run(tmp_path, os.environ)


def test_the_sweep_is_a_thousand_points() -> None:
    """Ten rates, ten sizes, ten lengths of busy polling of vhost-net tx."""
    from virtsim.scenario import resolve

    specs = resolve(long.sweep_of(2))
    assert len({spec.point for spec in map(_frozen, specs)}) == 1000


def _frozen(spec: Any) -> Any:
    return replace(spec, point=tuple(dict(spec.point).items()))


def test_the_sweep_compares_one_worker_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row has both times; with few packets the goal of 60 s is not held against it."""
    monkeypatch.setattr(long, "POINTS", {"traffic.size": ["64B", "1518B"]})
    row = long.sweep(quiet, packets=50)
    assert row["points"] == 2
    assert row["to_one_worker"] == pytest.approx(row["seconds_one_worker"] / row["seconds"])
    assert [said.split(":")[0] for said in row["goals"]] == ["≥1.7x one worker"]


def test_the_long_stream_is_the_work_it_says() -> None:
    """Its draws are W2's own: it drops as many packets, and has the same tail, as W2 in memory."""
    n = 30_000
    given = work("W2", n)
    out = reference.run(given.program, given.job)
    counted = counting.tally(out, given.job.packets.size_b, len(given.program.rings), 0)
    far = counted.latency.percentile(Fraction(9999, 10_000))
    assert far
    assert stream.play(n) == {"drops": sum(counted.drops), "p9999_us": far / works.US}


def test_the_long_stream_says_its_figures_or_why_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With few packets the goal of 40 s is not held against it; without a compiler none is."""
    if long.available():
        row = long.stream(quiet, packets=3000)
        assert row["ns_per_packet"] == pytest.approx(row["seconds"] * 1e9 / 3000)
        assert [said.split(" MB")[0] for said in row["goals"]] == ["≤256"]
    monkeypatch.setattr(long, "available", lambda: False)
    row = long.stream(quiet)
    assert "pip install" in row["why"]
    assert all("not measured" in said for said in row["goals"])
