"""The two sides of a comparison: a path by its name, a scenario file, or a result directory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from virtsim import result as results
from virtsim.diff.runs import reading
from virtsim.diff.settings import Value, settings
from virtsim.errors import InputError, did_you_mean
from virtsim.experiment import headline
from virtsim.model.path import Path as PacketPath
from virtsim.paths import all_paths
from virtsim.result import Result
from virtsim.scenario import Scenario, load, resolve, resolved_yaml
from virtsim.scenario.sweeping import values

Kind = Literal["path", "scenario", "result"]

NOUNS: Mapping[Kind, str] = {
    "path": "path",
    "scenario": "scenario file",
    "result": "result directory",
}


@dataclass(frozen=True)
class Side:
    """One side as it was given, and what was found there."""

    given: str
    kind: Kind
    scenario: Scenario | None = None
    result: Result | None = None

    @cached_property
    def settings(self) -> dict[str, Value]:
        """What its resolved scenario says, by dotted keys, besides the paths."""
        if self.result is not None:
            with reading(self.given):
                digests = dict(self.result.provenance.get("inputs") or {})
                return settings(self.result.resolved, digests, self.given)
        assert self.scenario is not None
        return settings(resolved_yaml(self.scenario), _digests(self.scenario), self.given)

    @property
    def labels(self) -> list[str]:
        """Labels of its paths."""
        if self.result is not None:
            return list(dict.fromkeys(str(run["label"]) for run in self.result.summaries))
        return list(self.paths)

    @cached_property
    def paths(self) -> dict[str, PacketPath]:
        """Its paths by label, as they are at the headline.

        `InputError` if they cannot be made: a scenario is wrong, or a result's is not one of this
        virtsim.
        """
        scenario = self.scenario or load(Path(self.given) / "resolved.yaml")
        return {spec.label: spec.path for spec in resolve(at_headline(scenario))}


def side(given: str) -> Side:
    """Find out what a side is, and read it.

    Raises
    ------
    InputError
        If it is neither a path nor a file nor a directory, or cannot be read.
    """
    known = all_paths()
    if given in known:
        return Side(given, "path")
    place = Path(given)
    if place.is_dir():
        return Side(given, "result", result=results.load(place))
    if place.exists():
        return Side(given, "scenario", load(place))
    raise InputError(
        given,
        "there is no file, directory or path of that name",
        f"a scenario file, a result directory of 'virtsim run', or one of {', '.join(known)}",
        did_you_mean(given, known),
    )


def at_headline(scenario: Scenario) -> Scenario:
    """Return the scenario with its sweep narrowed to the point that stands for it."""
    with scenario.document.placing():
        wanted = headline(scenario)
        sweep = {
            key: [v for v in values(key, axis) if wanted[key] in (v, json.dumps(v))]
            for key, axis in scenario.fields.sweep.items()
        }
    if not sweep:
        return scenario
    return scenario.but({"sweep": sweep}, {"sweep": scenario.document.place("sweep")})


def _digests(scenario: Scenario) -> dict[str, str]:
    """Return the SHA-256 of each file that a scenario reads, by the file's name."""
    file = getattr(scenario.fields.traffic, "file", None)
    if file is None:
        return {}
    try:
        content = (scenario.document.folder / file).read_bytes()
    except OSError:
        return {}  # what resolves the scenario says it at its line
    return {Path(file).name: hashlib.sha256(content).hexdigest()}
