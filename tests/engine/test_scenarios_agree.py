"""No figure of a shipped scenario depends on the engine that played it."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtsim.engines.compiling.machine import available
from virtsim.running import play
from virtsim.scenario import Scenario, load
from virtsim.scenario.resolving import RunSpec, resolve
from virtsim.testing import check_same

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
PACKETS = 150


def one_of_each(scenario: Scenario) -> list[RunSpec]:
    """Return the last point of the sweep, once for each path and direction."""
    return list({(spec.label, spec.direction): spec for spec in resolve(scenario)}.values())


@pytest.mark.skipif(not available(), reason="numba is not installed")
@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_shipped_scenario_is_the_same_on_every_engine(file: Path) -> None:
    """Stamps, counters, ledger and thread shares agree integer for integer, whatever the path."""
    scenario = load(file).but({"traffic.packets": PACKETS, "replications": 1})
    for spec in one_of_each(scenario):
        found = [
            play(
                spec.path, spec.direction, spec.profile, spec.host, spec.stream(),
                warmup=spec.warmup, engine=engine, seed=spec.seed,
            )
            for engine in ("reference", "stepper")
        ]  # fmt: skip
        check_same(found[0].outcome, found[1].outcome, f"{spec.label} ({spec.direction}): stepper")
