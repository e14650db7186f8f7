"""From a result to the page: every section's figures, tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

from virtsim.figures import Plots
from virtsim.figures.data import DIRECTION_NAMES, Cell, directions, headline, load_axis
from virtsim.ledger import POLL
from virtsim.report import phrases, prices, tables, words
from virtsim.report.drawings import WALK, pictures_of
from virtsim.report.evidence import Evidence, Isolated, gather

if TYPE_CHECKING:
    from virtsim.equation import Equation
    from virtsim.result import Result


@dataclass(frozen=True)
class Direction:
    """What the page says about one direction's headline runs."""

    key: str
    name: str
    findings: dict[str, list[str]]
    labels: tuple[str, ...]
    blocks: tuple[tables.Block, ...]
    kinds: tuple[tables.Row, ...]
    threads: tuple[tables.Row, ...]


@dataclass(frozen=True)
class Lone:
    """What the page says about one isolated packet."""

    title: str
    total: str
    agrees: str
    steps: tuple[tuple[str, tuple[str, ...], str], ...]
    refusal: str


@dataclass(frozen=True)
class PriceList:
    """One machine's prices, as far as the runs use them."""

    name: str
    machine: str
    year: int
    rows: tuple[prices.Price, ...]
    n_assumed: int
    n_overridden: int
    sensitivity: tuple[prices.Sensitivity, ...]


def render(result: Result, found: Evidence | None = None) -> str:
    """Return the report of a result as one HTML page that needs no network.

    Parameters
    ----------
    found
        Prices, walks and crossings, if they are at hand; by default they are made anew from the
        resolved scenario in the result.

    Raises
    ------
    InputError
        If the resolved scenario cannot be resolved again (a capture is gone, say).
    """
    # Imported here: an import of virtsim alone stays quick.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = resources.files(__package__).joinpath("template.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(context(result, found or gather(result)))


def context(result: Result, found: Evidence) -> dict[str, Any]:
    """Return everything that the template shows."""
    plots, cells = Plots(result), headline(result)
    axis = load_axis(result)
    pictures = pictures_of(plots, cells, found)
    return {
        "name": result.name,
        "fingerprint": result.fingerprint,
        "traffic": _traffic(cells),
        "point": _point(cells, axis),
        "axis": axis,
        "directions": [_direction(result, plots, d) for d in directions(result)],
        "replications": max((len(cell.records) for cell in cells), default=0),
        "pictures": pictures,
        "lone": [_lone(one) for one in found.isolated],
        "lone_words": list(words.isolated(found.isolated)),
        "falls": [picture for name, picture in pictures.items() if name.startswith(WALK)],
        "crossings": found.crossings,
        "claim": words.claim(found.crossings),
        "lists": [_price_list(p, cells, found) for p in found.profiles],
        "weak": prices.WEAK,
        "reconciled": reconciliation(result),
        "notes": result.notes,
        "bounded": any(summary.get("bounds") for summary in result.summaries),
        "provenance": _provenance(result),
        "resolved": result.resolved,
    }


def _traffic(cells: Sequence[Cell]) -> str:
    """Say what the headline runs were offered."""
    rates = sorted(rate for c in cells if (rate := c.value("offered_pps")))
    sizes = [
        goodput / 8 / delivered
        for c in cells
        if (goodput := c.value("goodput_bps")) and (delivered := c.value("delivered_pps"))
    ]
    parts = [f"{max((c.packets // len(c.records) for c in cells), default=0):,} packets a run"]
    if rates:
        low, high = phrases.rate(rates[0]), phrases.rate(rates[-1])
        parts.insert(0, f"{low} offered" if low == high else f"{low} to {high} offered")
    if sizes:
        low, high = f"{min(sizes):.0f}", f"{max(sizes):.0f}"
        parts.append(f"frames of {low if low == high else f'{low} to {high}'} bytes on average")
    return ", ".join(parts)


def _point(cells: Sequence[Cell], axis: str | None) -> str:
    point = cells[0].first["point"] if cells else {}
    return ", ".join(f"{key} = {value}" for key, value in point.items()) if axis or point else ""


def _direction(result: Result, plots: Plots, key: str) -> Direction:
    cells = headline(result, key)
    pays = [b for d, b in plots.break_evens() if d == key]
    top = [loads[-1] for loads in plots.sweep().get(key, ())]
    return Direction(
        key,
        DIRECTION_NAMES.get(key, key),
        words.findings(cells, pays, top),
        tuple(cell.label for cell in cells),
        tables.paths_table(cells),
        tables.kinds_table(cells),
        tables.threads_table(cells),
    )


def _lone(one: Isolated) -> Lone:
    equation = one.equation
    return Lone(
        f"{one.label}, {one.direction}",
        phrases.time(equation.value_ps / 1000) if equation else "",
        _agreement(one),
        _steps(equation) if equation else (),
        one.refusal,
    )


def _agreement(one: Isolated) -> str:
    if one.walk is None or one.equation is None:
        return ""
    gap = one.walk.latency_ps - one.equation.value_ps
    if not gap:
        return "The packet that was played took the same time to the picosecond."
    return f"The packet that was played took {phrases.time(abs(gap) / 1000)} {_side(gap)}."


def _side(gap: int) -> str:
    return "longer" if gap > 0 else "less"


def _steps(equation: Equation) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """Return the equation as runs of terms of one thread: its name, the terms, their sum (µs)."""
    runs = [(who, list(terms)) for who, terms in groupby(equation.terms, key=lambda t: t.who)]
    return tuple(
        (
            who,
            tuple(f"{_symbol(str(t), t.op, t.times)} {t.ps / 1e6:.3f}" for t in terms),
            f"{sum(t.ps for t in terms) / 1e6:.3f}",
        )
        for who, terms in runs
    )


def _symbol(spelt: str, op: str, times: int) -> str:
    return spelt if times == 1 else f"{times} B × {op}"


def _price_list(profile: Any, cells: Sequence[Cell], found: Evidence) -> PriceList:
    mine = [c for c in cells if c.first["profile"] == profile.name] or list(cells)
    terms = {t.op for one in found.isolated if one.equation for t in one.equation.terms}
    rows = prices.price_list(profile, prices.used_ops(mine, profile, terms))
    return PriceList(
        profile.name, profile.machine, profile.year, tuple(rows),
        sum(row.confidence == "assumed" for row in rows),
        sum(row.confidence == "override" for row in rows),
        tuple(prices.sensitivity(cell, profile) for cell in mine),
    )  # fmt: skip


def reconciliation(result: Result) -> str:
    """Add the ledger up again and say whether it agrees with what the engine's clocks said."""
    entries, booked, clocks = 0, 0, 0
    for record in result.records:
        cell = Cell("", "", "", (record,))
        mine = [int(e.busy_ps) for e in cell.entries() if e.cause != POLL]
        entries += len(record.ledger)
        cpu = cell.value("per_packet.cpu_ns")
        if cpu is not None:
            booked += sum(mine)
            clocks += round(cpu * 1000 * cell.delivered)
    sums = (
        f"The {entries:,} lines of the ledger add up to {phrases.time(booked / 1000)} of CPU time"
    )
    if abs(booked - clocks) <= len(result.records):
        return f"{sums}, as the engine's own clocks of the threads do: nothing is unaccounted for."
    gap = phrases.time(abs(booked - clocks) / 1000)
    return f"{sums}; the engine's own clocks of the threads differ by {gap}."


def _provenance(result: Result) -> list[tuple[str, str]]:
    return [(key, _plain(value)) for key, value in result.provenance.items() if value is not None]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_plain(v)}" for k, v in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(_plain, value))
    return str(value)


__all__ = ["context", "reconciliation", "render"]
