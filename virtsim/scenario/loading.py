"""From a file, or from the options of a command, to a checked scenario, and back to text."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from virtsim.errors import InputError, did_you_mean
from virtsim.model.ops import ops
from virtsim.scenario.document import COMMAND_LINE, Document, read
from virtsim.scenario.faults import first_fault
from virtsim.scenario.models import Model
from virtsim.scenario.sweeping import values


@dataclass(frozen=True)
class Scenario:
    """A checked scenario: ``fields`` are what it says, ``document`` where it says it."""

    document: Document
    fields: Model

    @property
    def name(self) -> str:
        """Its name, which is also that of its result directory."""
        return self.fields.name

    @classmethod
    def of(cls, data: Mapping[str, Any], folder: str | Path = ".") -> Scenario:
        """Check a scenario given as a mapping, as a file would spell it.

        Parameters
        ----------
        folder
            What relative file names in it are relative to.

        Raises
        ------
        InputError
            For the first thing that is wrong.
        """
        return checked(Document(data, "scenario", Path(folder)))

    def but(
        self, changes: Mapping[str, Any], places: Mapping[str, str] | None = None, point: str = ""
    ) -> Scenario:
        """Return the scenario with other values at dotted keys, checked again.

        Parameters
        ----------
        changes
            Such as {"seed": 2, "traffic.rate": "2Mpps", "costs.exit.light": "900ns"}; a key
            ``but.vhost.spin`` changes an option in every path.
        places
            Where values come from, by key, for the errors; by default from the command line.
        point
            The point of a sweep that this is, for the errors.

        Raises
        ------
        InputError
            If the scenario does not take them.
        """
        return checked(self.document.changed(changes, places or {}, point))


def load(path: str | Path) -> Scenario:
    """Read and check a scenario file.

    Raises
    ------
    InputError
        For the first thing that is wrong, at its line and column; it says how many more there are.
        What only shows in a path or a price is said by :func:`virtsim.scenario.resolve`.
    """
    return checked(read(path))


def from_compare(
    paths: Sequence[str],
    *,
    rate: str | None = None,
    size: str = "64B",
    packets: int = 10_000,
    kind: str = "poisson",
    direction: Sequence[str] = ("tx",),
    profile: str = "skylake-2018-mitig",
    seed: int = 1,
    replications: int = 1,
    sets: Mapping[str, Any] | None = None,
) -> Scenario:
    """Return the scenario of a comparison asked for on the command line.

    Parameters
    ----------
    rate, size, packets, kind
        The traffic; without a rate the sender saturates.
    sets
        Changes by the name of an op (exit.light) or by a dotted key (guest.queue).
    """
    traffic: dict[str, Any] = {"kind": kind, "rate": rate, "size": size, "packets": packets}
    if rate is None:
        traffic = {"kind": "saturate", "size": size, "packets": packets}
    data = {
        "virtsim": 1,
        "name": "compare",
        "profile": profile,
        "direction": list(direction),
        "traffic": traffic,
        "paths": list(paths),
        "seed": seed,
        "replications": replications,
    }
    scenario = checked(Document(data))
    if not sets:
        return scenario
    known = ops()
    changes = {f"costs.{key}" if key in known else key: value for key, value in sets.items()}
    for key in changes:
        if key.partition(".")[0] not in Model.model_fields and not key.startswith("but."):
            got = f"'{key}' is neither an operation nor a key of a scenario"
            want = "an op of 'virtsim costs', or a key such as guest.queue"
            raise InputError(COMMAND_LINE, got, want, did_you_mean(key, known))
    return scenario.but(changes)


def to_yaml(scenario: Scenario) -> str:
    """Return the scenario as it was written or asked for."""
    return _dump(scenario.document.data)


def resolved_yaml(scenario: Scenario, folder: str | Path | None = None) -> str:
    """Return the scenario with every default filled in and every sweep spelt out.

    What is absent is as each path says. Loaded again it resolves to the same runs.

    Parameters
    ----------
    folder
        Where the text will stand: a capture is named relative to it; None names it absolutely.
    """
    fields = scenario.fields
    data = fields.model_dump(by_alias=True, exclude_none=True)
    data["paths"] = [
        {"path": entry, "but": {}} if isinstance(entry, str) else entry for entry in data["paths"]
    ]
    data["sweep"] = {key: values(key, axis) for key, axis in fields.sweep.items()}
    if "file" in data["traffic"]:
        data["traffic"]["file"] = _named_from(
            scenario.document.folder / data["traffic"]["file"], folder
        )
    return _dump(data)


def _named_from(file: Path, folder: str | Path | None) -> str:
    return os.path.abspath(file) if folder is None else os.path.relpath(file, folder)


def _dump(data: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml, text = YAML(typ="safe", pure=True), StringIO()
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    yaml.dump(data, text)
    return text.getvalue()


def checked(document: Document) -> Scenario:
    """Return the scenario that a document says.

    Raises
    ------
    InputError
        For the first thing that is wrong with it.
    """
    from pydantic import ValidationError

    try:
        return Scenario(document, Model.model_validate(document.data))
    except ValidationError as error:
        raise first_fault(error, document) from None
