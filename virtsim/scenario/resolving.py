"""From a scenario to its runs: each path in each direction, at each point, so many times."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from virtsim import units
from virtsim.compose import STEP, WIRE, Host, compose
from virtsim.costing import cost_of
from virtsim.costs import Profile
from virtsim.costs import profile as profile_by_name
from virtsim.errors import InputError, did_you_mean
from virtsim.model.path import Path
from virtsim.model.stage import Stage
from virtsim.program import SourceRow
from virtsim.scenario.building import build
from virtsim.scenario.loading import Scenario
from virtsim.scenario.models import Model, OwnPath, Pcap
from virtsim.scenario.streams import Traffic, capture
from virtsim.scenario.sweeping import values
from virtsim.traffic import PacketStream
from virtsim.traffic.sources import LONGEST_PS

THREADS = ("vcpu0", "vhost", "pmd", "qemu", "softirq")
"""Threads that may be placed though no path of the file has them."""

MOST_RUNS = 100_000


@dataclass(frozen=True)
class RunSpec:
    """One run, complete: it can be sent to another process and played there.

    Parameters
    ----------
    label
        How outputs name the path.
    point
        The values of this point of the sweep, as text, by their keys.
    warmup
        Share of the packets that is played but not measured.
    notes
        What a reader should know about how the traffic was made.
    """

    path: Path
    label: str
    direction: str
    profile: Profile
    host: Host
    traffic: Traffic
    source: SourceRow
    seed: int
    replication: int
    point: Mapping[str, str]
    warmup: float
    packets: int
    notes: tuple[str, ...] = ()

    def stream(self) -> PacketStream:
        """Return the packets of this run."""
        return self.traffic.stream(self.direction, self.host)


def resolve(scenario: Scenario) -> tuple[RunSpec, ...]:
    """Return every run of a scenario: points outermost, then paths, directions, replications.

    Paths are composed and their ops looked up, so that what can be wrong is said before any run.

    Raises
    ------
    InputError
        For the first thing that is wrong, at its place in the file.
    """
    runs: list[RunSpec] = []
    for texts, point in _points(scenario):
        with point.document.placing():
            runs += _runs(point, texts)
    return tuple(runs)


def _points(scenario: Scenario) -> Iterator[tuple[dict[str, str], Scenario]]:
    """Yield the points of the sweep, the last key running fastest, each checked anew."""
    document = scenario.document
    with document.placing():
        axes = {key: values(key, axis) for key, axis in scenario.fields.sweep.items()}
        _check_number(scenario.fields, math.prod(map(len, axes.values())))
    for chosen in itertools.product(*(range(len(axis)) for axis in axes.values())):
        point = {key: axes[key][i] for key, i in zip(axes, chosen, strict=True)}
        places = {
            key: document.place(f"sweep.{key}[{i}]") for key, i in zip(axes, chosen, strict=True)
        }
        texts = {key: _text(value) for key, value in point.items()}
        said = ", ".join(f"{key}={text}" for key, text in texts.items())
        yield texts, scenario.but(point, places, said) if point else scenario


def _check_number(fields: Model, points: int) -> None:
    runs = points * len(fields.paths) * len(fields.direction) * fields.replications
    if runs > MOST_RUNS:
        raise InputError("sweep", f"{runs} runs", f"at most {MOST_RUNS}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _runs(scenario: Scenario, point: Mapping[str, str]) -> Iterator[RunSpec]:
    fields = scenario.fields
    prices = _prices(fields)
    if fields.host.forward == "none" and "rx" in fields.direction:
        got = "with forward: none a path ends at the tap, where nothing comes in"
        raise InputError("host.forward", got, "bridge for rx, or direction: tx")
    paths = _paths(scenario)
    _check_placement(fields, list(paths.values()))
    first = _traffic(scenario)
    warmup = float(units.ratio(fields.warmup, "warmup"))
    for i, (label, path) in enumerate(paths.items()):
        host = _host(fields, path, prices)
        for direction in fields.direction:
            source = first.source(direction)
            _check_plays(scenario, i, path, direction, host, prices, source)
            notes = first.notes(direction, host)
            for replication in range(fields.replications):
                traffic = replace(first, replication=replication)
                yield RunSpec(
                    path, label, direction, prices, host, traffic, source, fields.seed,
                    replication, dict(point), warmup, traffic.packets, notes,
                )  # fmt: skip


def _prices(fields: Model) -> Profile:
    """Return the profile with the scenario's overrides."""
    prices = profile_by_name(fields.profile, "profile")
    for op in fields.costs:
        prices.cost(op, f"costs.{op}")
    return prices.override(fields.costs, "costs")


# -- paths -------------------------------------------------------------------------------------


def _paths(scenario: Scenario) -> dict[str, Path]:
    """Return the paths by their labels, in the order of the file."""
    fields = scenario.fields
    found: dict[str, Path] = {}
    for i, entry in enumerate(fields.paths):
        path = build(entry, f"paths[{i}]", fields.guest, fields.host)
        label = path.name if isinstance(entry, str) else entry.label or path.name
        if label in found:
            hint = "Give one of them a label of its own"
            raise InputError(
                f"paths[{i}]", f"a second path called '{label}'", "each label once", hint
            )
        found[label] = path
    return found


def _check_plays(
    scenario: Scenario, i: int, path: Path, direction: str, host: Host, prices: Profile,
    source: SourceRow,
) -> None:  # fmt: skip
    """Compose a path and look up its prices; what is wrong with either is said at the path."""
    try:
        program = compose(path, direction, host, prices, source)
        for use in program.uses:
            if use.op not in (WIRE, STEP):
                cost_of(prices, use.op)
    except InputError as error:
        where = _blamed(scenario, i, error.where)
        raise InputError(where, error.got, error.want, error.hint) from None


def _blamed(scenario: Scenario, i: int, option: str) -> str:
    """Return the place in the scenario that set an option of path ``i``, or that path."""
    entry, where = scenario.fields.paths[i], f"paths[{i}]"
    spots = [f"{where}.but.{option}"]
    if option == "virtqueue.size":
        spots.append("guest.queue")
    if isinstance(entry, OwnPath):
        spots += [f"{where}.parts[{k}].{option}" for k in range(len(entry.parts))]
    return next((spot for spot in spots if scenario.document.has(spot)), where)


# -- host --------------------------------------------------------------------------------------


def _host(fields: Model, path: Path, prices: Profile) -> Host:
    """Return the host of one path: a thread that the path does not have is not placed."""
    states = [op.split(".")[1] for op in prices.costs if op.startswith("cstate.")]
    known = list(dict.fromkeys(s for s in states if f"cstate.{s}.residency" in prices.costs))
    for i, state in enumerate(fields.host.cstates):
        if state not in known:
            where = f"host.cstates[{i}]"
            got, want = f"there is no idle state '{state}'", f"some of {', '.join(known)}"
            raise InputError(where, got, want, did_you_mean(state, known))
    placed = {name: core for name, core in fields.placement.items() if name in _threads(path)}
    return Host(units.bitrate_bps(fields.host.nic, "host.nic"), tuple(fields.host.cstates), placed)


def _check_placement(fields: Model, paths: list[Path]) -> None:
    known = sorted({*THREADS, *(name for path in paths for name in _threads(path))})
    for name in fields.placement:
        if name not in known:
            got, want = f"there is no thread '{name}'", f"some of {', '.join(known)}"
            raise InputError(f"placement.{name}", got, want, did_you_mean(name, known))


def _threads(path: Path) -> set[str]:
    stages = [e for part in path.parts for e in (*part.tx, *part.rx) if isinstance(e, Stage)]
    return {stage.thread.name for stage in stages if stage.thread is not None}


# -- traffic -----------------------------------------------------------------------------------


def _traffic(scenario: Scenario) -> Traffic:
    """Return what is sent in the first replication, its quantities as exact numbers."""
    fields = scenario.fields
    said: dict[str, Any] = fields.traffic.model_dump()
    kind = said.pop("kind")
    readers: Mapping[str, tuple[str, Any]] = {
        "rate": ("rate", units.packet_rate),
        "size": ("size_b", units.size_b),
        "speed": ("speed", units.speed_factor),
        "think": ("think_ps", units.time_ps),
        "burst": ("burst", units.ratio),
        "duty": ("duty", units.ratio),
    }
    given = {
        name: read(said.pop(key), f"traffic.{key}")
        for key, (name, read) in readers.items()
        if key in said
    }
    if isinstance(fields.traffic, Pcap):
        file = os.path.abspath(scenario.document.folder / said.pop("file"))
        said["packets"] = said["packets"] or len(capture(file))
        said["file"] = file
    traffic = Traffic(kind, seed=fields.seed, replication=0, **said, **given)
    _check_length(traffic)
    return traffic


def _check_length(traffic: Traffic) -> None:
    if traffic.rate and traffic.packets * Fraction(10**12) / traffic.rate > LONGEST_PS:
        got = f"{traffic.packets} packets take {float(traffic.packets / traffic.rate):.4g} s"
        raise InputError("traffic.rate", got, f"at most {LONGEST_PS // 10**12} s")
