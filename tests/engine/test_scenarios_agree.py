"""No figure of a shipped scenario depends on the engine that played it."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtsim.choosing import ENGINES, refusals
from virtsim.engines.compiling.machine import available
from virtsim.running import Played, play
from virtsim.scenario import Scenario, load
from virtsim.scenario.resolving import RunSpec, resolve
from virtsim.summary import summarize
from virtsim.testing import check_same

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
PACKETS = 150


def one_of_each(scenario: Scenario) -> list[RunSpec]:
    """Return the last point of the sweep, once for each path and direction."""
    return list({(spec.label, spec.direction): spec for spec in resolve(scenario)}.values())


@pytest.mark.skipif(not available(), reason="numba is not installed")
@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_shipped_scenario_is_the_same_on_every_engine(file: Path) -> None:
    """Stamps, counters, ledger and thread shares agree integer for integer, whatever the path.

    So do the figures that are printed: but for the engine's name, nothing tells who played.
    """
    scenario = load(file).but({"traffic.packets": PACKETS, "replications": 1})
    for spec in one_of_each(scenario):
        engines = [name for name in ENGINES if not refusals(name, spec.program())]
        first, *others = [played(spec, engine) for engine in engines]
        assert first.engine == "reference"
        for other in others:
            what = f"{spec.label} ({spec.direction}): {other.engine}"
            check_same(first.outcome, other.outcome, what)
            assert first.tally == other.tally, what
            assert summarize(first) == summarize(other), what


def test_every_engine_plays_some_shipped_scenario() -> None:
    """The stepper plays all of them, and 'vector' those whose threads serve one stream each."""
    specs = [spec for file in SCENARIOS for spec in one_of_each(load(file))]
    able = [[e for e in ENGINES if not refusals(e, spec.program())] for spec in specs]
    assert all("reference" in engines for engines in able)
    if available():
        assert all("stepper" in engines for engines in able)
    assert any("vector" in engines for engines in able)


def played(spec: RunSpec, engine: str) -> Played:
    """Play a run on one engine."""
    return play(
        spec.path, spec.direction, spec.profile, spec.host, spec.stream(),
        warmup=spec.warmup, engine=engine, seed=spec.seed,
    )  # fmt: skip
