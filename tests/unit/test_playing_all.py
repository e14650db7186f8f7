"""All runs of a scenario: in which process each is played changes nothing."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from virtsim import experiment, tasks
from virtsim.scenario import from_compare

CALLS = list[tuple[int, int]]


def played(told: CALLS, workers: int | None = None) -> list[dict[str, object]]:
    """Play two paths, each at three levels of prices, and keep what is told of the progress."""
    scenario = from_compare(("vhost-net", "sriov"), rate="200kpps", packets=200)
    return experiment.run(
        scenario, workers=workers, on_progress=lambda done, total: told.append((done, total))
    ).summaries


@pytest.mark.parametrize(("moment_s", "short"), [(0.0, 5000), (1e9, 5000), (1e9, 100)])
def test_the_process_changes_no_result(
    monkeypatch: pytest.MonkeyPatch, moment_s: float, short: int
) -> None:
    """All in others, all in this one (they are short), or in others as they are not."""
    alone = played([], workers=1)
    monkeypatch.setattr(tasks, "MOMENT_S", moment_s)
    monkeypatch.setattr(tasks, "SHORT", short)
    told: CALLS = []
    assert played(told, workers=2) == alone
    assert {total for _, total in told} == {1200}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1200, 1200)


def test_short_runs_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over in a moment is played where it is asked for."""
    monkeypatch.setattr(tasks, "ProcessPoolExecutor", None)
    monkeypatch.setattr(tasks, "MOMENT_S", 1e9)
    assert len(played([], workers=2)) == 2


def test_when_the_moment_is_over_others_play_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second at each look, two of six runs are played here."""
    alone = played([], workers=1)
    handed: list[int] = []
    others = tasks._side_by_side

    def side_by_side(some: list[tasks.Task], *rest: Any) -> Any:
        handed.append(len(some))
        return others(some, *rest)

    monkeypatch.setattr(tasks, "_side_by_side", side_by_side)
    monkeypatch.setattr(tasks.time, "monotonic", itertools.count().__next__)
    monkeypatch.setattr(tasks, "MOMENT_S", 2.5)
    assert played([], workers=2) == alone
    assert handed == [4]


def test_an_error_in_the_middle_ends_all_of_it(tmp_path: Path) -> None:
    """A run that fails among many ends the command: one message, its code, and no process left."""
    wanted = sorted(f"{i:04d}-x-{d}.parquet" for i, d in enumerate(["tx"] * 40))
    (tmp_path / "p" / f"{wanted[12]}.part").mkdir(parents=True)
    scenario = tmp_path / "many.yaml"
    scenario.write_text(MANY)
    command = [
        sys.executable, "-c", "from virtsim.cli import main; main()", "run", str(scenario),
        "--no-bounds", "--packets-to", str(tmp_path / "p"), "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    assert wanted[12] in done.stderr
    assert "Traceback" not in done.stderr
    left = [file.name for file in (tmp_path / "p").iterdir() if file.is_file()]
    assert not [name for name in left if name.endswith(".part")]


MANY = """
virtsim: 1
name: many
profile: modern-2022
direction: tx
traffic: {kind: poisson, rate: 300kpps, size: 64B, packets: 6000}
paths: [{path: vhost-net, label: x}]
seed: 1
sweep: {traffic.rate: {from: 100kpps, to: 490kpps, steps: 40}}
"""
