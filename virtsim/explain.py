"""Show before run: the resolved scenario, its points, prices, programs and engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path as File
from typing import Any

from virtsim import costs
from virtsim.choosing import ENGINES, check_length, choose_engine, held, refusals
from virtsim.compose import DIRECTIONS, STEP, WIRE, Host, compose
from virtsim.control import plan
from virtsim.control.text import features, features_text, plan_text
from virtsim.costs import Profile
from virtsim.errors import EngineRefusal, InputError, did_you_mean
from virtsim.model.path import Path
from virtsim.paths import all_paths
from virtsim.program import Program
from virtsim.scenario import RunSpec, Scenario, from_compare, load, resolve, resolved_yaml
from virtsim.scenario.building import with_driver
from virtsim.scenario.models import GUESTS
from virtsim.text import table


def directions_of(path: Path, prices: Profile) -> tuple[str, ...]:
    """Return the directions in which a path can be played: those in which it composes."""
    found: list[str] = []
    for direction in DIRECTIONS:
        with suppress(InputError):
            compose(path, direction, Host(), prices)
            found.append(direction)
    return tuple(found)


def coverage(path: Path, prices: Profile) -> dict[str, dict[str, list[str]]]:
    """Return where each engine plays a path exactly: by guest driver, the directions."""
    found: dict[str, dict[str, list[str]]] = {engine: {} for engine in ENGINES}
    for driver in GUESTS:
        swapped = with_driver(path, driver)
        for direction in directions_of(swapped, prices):
            program = compose(swapped, direction, Host(), prices)
            for engine in ENGINES:
                if not refusals(engine, program):
                    found[engine].setdefault(driver, []).append(direction)
    return found


def coverage_text(covered: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Return in one line which engine plays what, those that play everything first."""
    every = covered["reference"]
    said = [", ".join(engine for engine, where in covered.items() if where == every)]
    for engine, where in covered.items():
        if where and where != every:
            places = [f"{driver} ({', '.join(where[driver])})" for driver in where]
            said.append(f"{engine} with guest {', '.join(places)}")
    return "; ".join(said)


def subject(given: str) -> Scenario:
    """Return the scenario that a file holds, or that of a path alone, in all its directions.

    Raises
    ------
    InputError
        If it is neither a path nor a file that can be read.
    """
    known = all_paths()
    if given in known:
        prices = costs.profile(from_compare((given,)).fields.profile)
        return from_compare((given,), direction=directions_of(known[given](), prices))
    if not File(given).exists():
        want = f"a scenario file, or one of {', '.join(known)}"
        got = "there is no such file, nor a path of that name"
        raise InputError(given, got, want, did_you_mean(given, known))
    return load(given)


def explain(scenario: Scenario, engine: str = "auto") -> dict[str, Any]:
    """Return all that a scenario comes to, without playing it."""
    specs = resolve(scenario)
    distinct = _distinct(specs)
    by_label: dict[str, RunSpec] = {}
    for spec in distinct:
        by_label.setdefault(spec.label, spec)
    return {
        "name": scenario.name,
        "resolved": resolved_yaml(scenario),
        "runs": [_run(spec, engine) for spec in specs],
        "programs": {
            f"{spec.label} ({spec.direction})": list(spec.program().lines()) for spec in distinct
        },
        "placement": {
            f"{spec.label} ({spec.direction})": placement(spec.program()) for spec in distinct
        },
        "ranks": {f"{spec.label} ({spec.direction})": ranks(spec.program()) for spec in distinct},
        "prices": prices(specs),
        "features": {label: features(spec.path) for label, spec in by_label.items()},
        "control": {
            label: plan(spec.path).as_dict(spec.profile) for label, spec in by_label.items()
        },
        "notes": list(dict.fromkeys(note for spec in specs for note in spec.notes)),
    }


def _distinct(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Return the first run of each path and direction."""
    first: dict[tuple[str, str], RunSpec] = {}
    for spec in specs:
        first.setdefault((spec.label, spec.direction), spec)
    return list(first.values())


def _engine(spec: RunSpec, engine: str) -> tuple[str, str]:
    """Return who plays a run, and why; or why nobody does."""
    program = spec.program()
    name, why = choose_engine(engine, program)
    chunked = spec.traffic.chunked(spec.direction, spec.host) is not None
    try:
        check_length(program, spec.packets, engine, chunked=chunked)
    except EngineRefusal as refusal:
        return name, f"refused: {refusal.got}; {refusal.want}"
    return name, f"{why}; by chunks" if spec.packets > held(name) else why


def _run(spec: RunSpec, engine: str) -> dict[str, Any]:
    name, why = _engine(spec, engine)
    return {
        "label": spec.label,
        "path": spec.path.name,
        "direction": spec.direction,
        "profile": spec.profile.name,
        "replication": spec.replication,
        "point": dict(spec.point),
        "packets": spec.packets,
        "engine": name,
        "why": why,
    }


def placement(program: Program) -> list[dict[str, Any]]:
    """Return where each thread runs: its core (None: a device), its node, its way of waiting."""
    return [
        {
            "thread": row.name,
            "core": program.cores[row.core].name if row.host_cpu else None,
            "node": program.cores[row.core].node,
            "wait": row.wait,
        }
        for row in program.threads
    ]


def ranks(program: Program) -> list[str]:
    """Return who goes first within one instant, in order."""
    named = [f"source {row.name}" for row in program.sources]
    named += [f"channel {row.name}" for row in program.channels]
    named += [f"timer {row.name}" for row in program.stages if row.timer_ps]
    named += [f"ring {row.name}" for row in program.rings if row.visible]
    return named + [f"thread {row.name}" for row in program.threads]


def prices(specs: Sequence[RunSpec]) -> list[dict[str, Any]]:
    """Return the price list of the ops that some runs use, as `virtsim costs` shows it."""
    if not specs:
        return []
    used = dict.fromkeys(op for spec in specs for op in ops_of(spec.program()))
    return costs.table(specs[0].profile, tuple(used))


def ops_of(program: Program) -> list[str]:
    """Return the ops that a Program names and a profile prices, in a packet's order.

    A variant, as it is spelt, follows the op that it is a variant of.
    """
    spelt = (use.op for use in program.uses if use.op not in (WIRE, STEP))
    return list(dict.fromkeys(n for op in spelt for n in (op.partition(":")[0], op)))


def as_text(data: dict[str, Any], *, tables: bool = False) -> Iterator[str]:
    """Yield the explanation as text, with the tables that engines read if asked for."""
    yield "# the scenario, fully resolved"
    yield data["resolved"].rstrip()
    yield ""
    yield f"# {len(data['runs'])} runs"
    yield table(
        ("label", "direction", "point", "packets", "replication", "engine", "why"),
        [
            (
                r["label"],
                r["direction"],
                _point(r["point"]),
                r["packets"],
                r["replication"],
                r["engine"],
                r["why"],
            )
            for r in data["runs"]
        ],
    )
    for note in data["notes"]:
        yield f"note: {note}"
    for name, lines in data["programs"].items():
        yield ""
        yield f"# {name}: who runs where"
        if tables:
            yield from lines
        yield table(
            ("thread", "core", "node", "wait"),
            [(r["thread"], r["core"], r["node"], r["wait"]) for r in data["placement"][name]],
        )
        yield "order within one instant: " + ", ".join(data["ranks"][name])
    for label, agreements in data["features"].items():
        yield ""
        yield f"# {label}: what driver and device agree on"
        yield from features_text(agreements)
        yield ""
        yield f"# {label}: the set-up before the first packet, which is not played"
        yield from plan_text(data["control"][label])
    yield ""
    yield "# prices"
    yield price_table(data["prices"])


def price_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return prices as a text table; assumed and overridden ones are marked."""
    return table(
        ("op", "low", "value", "high", "unit", "confidence", "source"),
        [
            (
                r["op"],
                float(r["low"]),
                float(r["value"]),
                float(r["high"]),
                r["unit"],
                mark(r),
                _short(r),
            )
            for r in rows
        ],
    )


def mark(row: dict[str, Any]) -> str:
    """Return a price's confidence so that an assumed one looks assumed."""
    text = str(row["confidence"])
    return f"** {text.upper()} **" if text in ("assumed", "override") else text


def _short(row: dict[str, Any], width: int = 70) -> str:
    text = " ".join(str(row.get("derivation") or row["source"]).split())
    return text if len(text) <= width else text[: width - 3] + "..."


def _point(point: dict[str, str]) -> str:
    return ", ".join(f"{k}={v}" for k, v in point.items()) or "-"
