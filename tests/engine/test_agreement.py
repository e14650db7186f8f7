"""The long comparison of engines: what it prints, and that it ends at a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from virtsim.engines.compiling.machine import available
from virtsim.outcome import Job, Outcome
from virtsim.program import Program
from virtsim.testing import agreement


def test_every_family_is_played(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each family: how many Programs there were, and how many each engine has played."""
    assert agreement.main(["--programs", "20", "--seed", "5"]) == 0
    head, _, *rows, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["family", "programs", *agreement.ENGINES]
    assert last == "no difference"
    assert [row.split()[:3] for row in rows] == [[f, "20", "20"] for f in agreement.FAMILIES]
    if available():
        assert all(row.split()[3] == "20" for row in rows)
    assert all(int(row.split()[4]) > 10 for row in rows[1:])


def test_it_ends_at_the_first_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine that is a picosecond late once is found, and the message has the Program."""
    honest = agreement.engine_of

    def late(name: str):
        def run(program: Program, job: Job) -> Outcome:
            out = honest(name)(program, job)
            return replace(out, end_ps=out.end_ps + int(len(job.packets) > 3))

        return run if name == "vector" else honest(name)

    monkeypatch.setattr(agreement, "engine_of", late)
    assert agreement.main(["--programs", "100", "--family", "tandem"]) == 1
    said = capsys.readouterr().out
    assert "engine 'vector' differs in {'end_ps'" in said
    assert "case=Case(program=Program(" in said


@pytest.mark.parametrize("words", [["--programs", "0"], ["--family", "none"], ["more"]])
def test_bad_input_ends_with_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One message, no traceback."""
    with pytest.raises(SystemExit) as ended:
        agreement.main(words)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
