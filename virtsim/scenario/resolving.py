"""From a scenario to its runs: each path in each direction, at each point, so many times."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from virtsim import units
from virtsim.compose import STEP, WIRE, Host, compose
from virtsim.compose.placement import check, check_keys, check_pollers, concerning, threads_of
from virtsim.costing import cost_of
from virtsim.costs import Profile
from virtsim.costs import profile as profile_by_name
from virtsim.errors import InputError, did_you_mean
from virtsim.model.path import Path
from virtsim.program import NONE, Program, SourceRow
from virtsim.scenario.building import QUEUES, build
from virtsim.scenario.loading import Scenario
from virtsim.scenario.models import Mmpp, Model, OwnPath, Pcap, Source
from virtsim.scenario.streams import Traffic, capture
from virtsim.scenario.sweeping import values
from virtsim.traffic import ChunkedStream, PacketStream, mmpp, of_source
from virtsim.traffic.packets import LONGEST_PS, SMALLEST_B

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

    def program(self) -> Program:
        """Return the Program that this run plays."""
        return compose(self.path, self.direction, self.host, self.profile, self.source)

    def stream(self) -> PacketStream:
        """Return the packets of this run."""
        return self.traffic.stream(self.direction, self.host)

    def packets_of(self, held: int) -> PacketStream | ChunkedStream:
        """Return the packets of this run: more than ``held`` are made a chunk at a time."""
        made = self.traffic.chunked(self.direction, self.host) if self.packets > held else None
        return made or self.stream()


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
    _check_forward(fields)
    paths = _paths(scenario)
    _check_placement(fields, list(paths.values()))
    first = _traffic(scenario)
    warmup = float(units.ratio(fields.warmup, "warmup"))
    for i, (label, path) in enumerate(paths.items()):
        host = _host(fields, path, prices)
        for direction in fields.direction:
            source = first.source(direction)
            program = _program(scenario, i, path, direction, host, prices, source)
            notes = (*first.notes(direction, host), *program.notes)
            for replication in range(fields.replications):
                traffic = replace(first, replication=replication)
                yield RunSpec(
                    path, label, direction, prices, host, traffic, source, fields.seed,
                    replication, dict(point), warmup, traffic.packets, notes,
                )  # fmt: skip


def _check_forward(fields: Model) -> None:
    """Refuse directions that need what is behind the tap, if there is nothing."""
    beyond = [each for each in fields.direction if each != "tx"]
    if fields.host.forward == "none" and beyond:
        nothing = {"rx": "nothing comes in", "pvp": "nothing comes in", "v2v": "nobody forwards"}
        got = f"with forward: none a path ends at the tap, where {nothing[beyond[0]]}"
        raise InputError("host.forward", got, f"bridge for {beyond[0]}, or direction: tx")


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


def _program(
    scenario: Scenario, i: int, path: Path, direction: str, host: Host, prices: Profile,
    source: SourceRow,
) -> Program:  # fmt: skip
    """Compose a path and look up its prices; what is wrong with either is said at the path."""
    try:
        program = compose(path, direction, host, prices, source)
        for use in program.uses:
            if use.op not in (WIRE, STEP):
                cost_of(prices, use.op)
    except InputError as error:
        where = _blamed(scenario, i, path, error.where)
        raise InputError(where, error.got, error.want, error.hint) from None
    _check_loop(program, source)
    return program


def _check_loop(program: Program, source: SourceRow) -> None:
    """Refuse a closed loop in which a ring might drop: a request that is lost is never answered.

    A slot of a driver's ring outlives its packet, until it is taken back: half of them count.
    """
    droppers = {row.out for row in program.stages if row.full in ("drop", "retry")} | {source.ring}
    rings = (program.rings[n] for n in sorted(droppers - {NONE}) if program.rings[n].capacity)
    holds = [(r.capacity if r.frees == "take" else r.capacity // 2, r.name) for r in rings]
    most, name = min(holds, key=lambda held: held[0], default=(source.outstanding, ""))
    if source.outstanding > most:
        got = f"{source.outstanding} packets under way at once, of which a ring might drop some"
        want = f"at most {most} in {program.direction} of {program.name}: {name} drops"
        hint = "What is lost would never be answered, and nothing here sends it again"
        raise InputError("traffic.outstanding", got, want, hint)


def _blamed(scenario: Scenario, i: int, path: Path, option: str) -> str:
    """Return the place in the scenario that set an option of path ``i``, or that path."""
    entry, where = scenario.fields.paths[i], f"paths[{i}]"
    spots = [f"{where}.but.{option}"]
    part, _, name = option.partition(".")
    if QUEUES.get(part) == name:
        spots.append("guest.queue")
    if option.endswith("(pvp)") and not path.parts[0].through:
        spots.append("guest.driver")
    if isinstance(entry, OwnPath):
        spots += [f"{where}.parts[{k}].{option}" for k in range(len(entry.parts))]
    return next((spot for spot in spots if scenario.document.has(spot)), where)


# -- host --------------------------------------------------------------------------------------


def _host(fields: Model, path: Path, prices: Profile) -> Host:
    """Return the host of one path: threads that the path does not have are not placed."""
    states = [op.split(".")[1] for op in prices.costs if op.startswith("cstate.")]
    known = list(dict.fromkeys(s for s in states if f"cstate.{s}.residency" in prices.costs))
    for i, state in enumerate(fields.host.cstates):
        if state not in known:
            where = f"host.cstates[{i}]"
            got, want = f"there is no idle state '{state}'", f"some of {', '.join(known)}"
            raise InputError(where, got, want, did_you_mean(state, known))
    placed = concerning(fields.placement, path)
    return Host(units.bitrate_bps(fields.host.nic, "host.nic"), tuple(fields.host.cstates), placed)


def _check_placement(fields: Model, paths: list[Path]) -> None:
    """Refuse a placement that names no thread, or that one of the paths cannot have."""
    check_keys(fields.placement, {name for path in paths for name in threads_of(path)})
    for path in paths:
        check(concerning(fields.placement, path), path)
        check_pollers(fields.placement, path)


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
    if isinstance(fields.traffic, Mmpp):
        given |= _states(said.pop("states"))
    if isinstance(fields.traffic, Source):
        given["source_name"] = said.pop("source")
        of_source(given["source_name"], said["options"], said["packets"], fields.seed, 0)
    if isinstance(fields.traffic, Pcap):
        file = os.path.abspath(scenario.document.folder / said.pop("file"))
        said["packets"] = said["packets"] or len(capture(file))
        said["file"] = file
    traffic = Traffic(kind, seed=fields.seed, replication=0, **said, **given)
    _check_length(traffic)
    return traffic


def _states(states: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the rates and mean stays of a modulated source, which have to make sense together."""
    spots = [f"traffic.states[{i}]" for i in range(len(states))]
    pairs = list(zip(spots, states, strict=True))
    rates = tuple(units.packet_rate(each["rate"], f"{spot}.rate") for spot, each in pairs)
    stays_ps = tuple(units.time_ps(each["stay"], f"{spot}.stay") for spot, each in pairs)
    if 0 in stays_ps:
        spot, each = pairs[stays_ps.index(0)]
        raise InputError(f"{spot}.stay", f"a stay of {each['stay']}", "a mean time above zero")
    try:
        mmpp(rates, stays_ps, SMALLEST_B, 1, seed=0)
    except InputError as error:
        raise InputError("traffic.states", error.got, error.want, error.hint) from None
    return {"rates": rates, "stays_ps": stays_ps}


def _check_length(traffic: Traffic) -> None:
    """Refuse a stream that would take longer than time reaches, at its slowest rate."""
    slowest = min(traffic.rates, default=traffic.rate)
    if slowest and traffic.packets * Fraction(10**12) / slowest > LONGEST_PS:
        got = f"{traffic.packets} packets take {float(traffic.packets / slowest):.4g} s"
        where = "traffic.states" if traffic.rates else "traffic.rate"
        raise InputError(where, got, f"at most {LONGEST_PS // 10**12} s")
