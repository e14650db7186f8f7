"""Show before run: the resolved scenario, its points, prices, programs and engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from virtsim import costs
from virtsim.compose import STEP, WIRE, compose
from virtsim.program import Program
from virtsim.running import choose_engine
from virtsim.scenario import RunSpec, Scenario, resolve, resolved_yaml
from virtsim.text import table


def program_of(spec: RunSpec) -> Program:
    """Return the Program that a run plays."""
    return compose(spec.path, spec.direction, spec.host, spec.profile, spec.source)


def explain(scenario: Scenario, engine: str = "auto") -> dict[str, Any]:
    """Return all that a scenario comes to, without playing it."""
    specs = resolve(scenario)
    distinct = _distinct(specs)
    return {
        "name": scenario.name,
        "resolved": resolved_yaml(scenario),
        "runs": [_run(spec, engine) for spec in specs],
        "programs": {
            f"{spec.label} ({spec.direction})": list(program_of(spec).lines()) for spec in distinct
        },
        "ranks": {f"{spec.label} ({spec.direction})": ranks(program_of(spec)) for spec in distinct},
        "prices": prices(distinct),
        "notes": list(dict.fromkeys(note for spec in specs for note in spec.notes)),
    }


def _distinct(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Return the first run of each path and direction."""
    first: dict[tuple[str, str], RunSpec] = {}
    for spec in specs:
        first.setdefault((spec.label, spec.direction), spec)
    return list(first.values())


def _run(spec: RunSpec, engine: str) -> dict[str, Any]:
    name, why = choose_engine(engine, program_of(spec))
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
    used = dict.fromkeys(op for spec in specs for op in ops_of(program_of(spec)))
    return costs.table(specs[0].profile, tuple(used))


def ops_of(program: Program) -> list[str]:
    """Return the ops that a Program names and a profile prices, in a packet's order."""
    names = (use.op.partition(":")[0] for use in program.uses)
    return list(dict.fromkeys(n for n in names if n not in (WIRE, STEP)))


def as_text(data: dict[str, Any]) -> Iterator[str]:
    """Yield the explanation as text."""
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
        yield f"# {name}: the tables that are played"
        yield from lines
        yield "order within one instant: " + ", ".join(data["ranks"][name])
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
