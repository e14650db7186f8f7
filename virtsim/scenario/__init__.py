"""Scenarios: the file that says what to run, checked, and resolved to one description per run."""

from virtsim.scenario.document import COMMAND_LINE
from virtsim.scenario.loading import Scenario, from_compare, load, resolved_yaml, to_yaml
from virtsim.scenario.models import json_schema
from virtsim.scenario.resolving import RunSpec, resolve
from virtsim.scenario.streams import Traffic

__all__ = [
    "COMMAND_LINE",
    "RunSpec",
    "Scenario",
    "Traffic",
    "from_compare",
    "json_schema",
    "load",
    "resolve",
    "resolved_yaml",
    "to_yaml",
]
