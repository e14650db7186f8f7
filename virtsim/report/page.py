"""From a result to the page: every section's figures, tables and sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

from virtsim.figures import Plots
from virtsim.figures.data import DIRECTION_NAMES, Cell, directions, headline, load_axis
from virtsim.figures.kinds import kind_of
from virtsim.ledger import POLL
from virtsim.report import prices, tables, words
from virtsim.report.evidence import Evidence, Isolated, gather
from virtsim.report.svg import inline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from virtsim.equation import Equation
    from virtsim.result import Result


CAPTIONS = {
    "breakdown": (
        "CPU time per packet",
        "CPU time per delivered packet on all host cores, gathered by the part of the path that it "
        "is spent for and split by kind of work. Polling that finds nothing is not drawn, but "
        "given at the end of each bar.",
    ),
    "latency": (
        "Latency distribution",
        "Share of the measured packets that take longer than a time; the marks are the percentiles "
        "at the right edge. Both axes are logarithmic.",
    ),
    "events": (
        "Events per packet against load",
        "VM exits, kicks and interrupts per delivered packet against the offered load. What is "
        "suppressed because the other side is still awake is not among them.",
    ),
    "core_time": (
        "Core time per packet against load",
        "Core time per delivered packet, polling included, against the offered load. A numbered "
        "line marks the rate above which a polled path takes less than the other.",
    ),
    "throughput": (
        "Delivered against offered load",
        "Delivered against offered packets per second; the thin line is everything delivered.",
    ),
    "isolated": (
        "Latency of an isolated packet",
        "What one packet that meets a system at rest waits for, from its cost equation, gathered "
        "by part and split by kind of work.",
    ),
    "crossings": (
        "Context switches and crossings",
        "Host context switches (left) and user/kernel crossings (right: system calls, and exits to "
        "user space in a paler colour) for one isolated packet that is sent.",
    ),
}
"""Title and caption of each figure."""


@dataclass(frozen=True)
class Picture:
    """A figure with its caption, ready for the page."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Direction:
    """What the page says about one direction's headline runs."""

    key: str
    name: str
    findings: tuple[str, ...]
    labels: tuple[str, ...]
    blocks: tuple[tables.Block, ...]
    kinds: tuple[tables.Row, ...]


@dataclass(frozen=True)
class Lone:
    """What the page says about one isolated packet."""

    title: str
    label: str
    direction: str
    total: str
    agrees: str
    steps: tuple[tuple[str, tuple[str, ...], str], ...]
    refusal: str
    picture: Picture | None


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
    return {
        "name": result.name,
        "fingerprint": result.fingerprint,
        "traffic": _traffic(cells),
        "point": _point(cells, axis),
        "axis": axis,
        "directions": [_direction(result, plots, d) for d in directions(result)],
        "replications": max((len(cell.records) for cell in cells), default=0),
        "pictures": _pictures(plots, cells, found),
        "lone": [_lone(plots, one, i) for i, one in enumerate(found.isolated)],
        "lone_words": list(words.isolated(found.isolated)),
        "crossings": found.crossings,
        "claim": words.claim(found.crossings),
        "lists": [_price_list(p, cells, found) for p in found.profiles],
        "weak": prices.WEAK,
        "reconciled": reconciliation(result),
        "notes": result.notes,
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
        low, high = words.rate(rates[0]), words.rate(rates[-1])
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
    return Direction(
        key,
        DIRECTION_NAMES.get(key, key),
        tuple(words.findings(cells, pays)),
        tuple(cell.label for cell in cells),
        tables.paths_table(cells),
        tables.kinds_table(cells),
    )


def _picture(figure: Figure, name: str, title: str, caption: str) -> Picture:
    return Picture(name, inline(figure, name, title, caption), caption)


def _pictures(plots: Plots, cells: Sequence[Cell], found: Evidence) -> dict[str, Picture]:
    """Return the figures by name, leaving out those that nothing is known for."""
    drawn: dict[str, Figure] = {}
    if any(cell.delivered for cell in cells):
        drawn |= {"breakdown": plots.breakdown(), "latency": plots.latency()}
    if plots.sweep():
        drawn |= {"events": plots.events(), "core_time": plots.core_time()}
        drawn["throughput"] = plots.throughput()
    equations = [(o.label, o.direction, o.equation) for o in found.isolated if o.equation]
    if equations:
        drawn["isolated"] = plots.isolated(equations)
    if found.crossings:
        drawn["crossings"] = plots.crossings(found.crossings)
    return {name: _picture(figure, name, *CAPTIONS[name]) for name, figure in drawn.items()}


def _lone(plots: Plots, one: Isolated, i: int) -> Lone:
    title = f"{one.label}, {one.direction}"
    picture = None
    if one.walk is not None:
        caption = (
            f"One packet on {one.label} ({one.direction}) in a system at rest. Framed: what the "
            "packet waits for; low and pale: what is done beside it or after it."
        )
        figure = plots.waterfall(one.walk, _headed(one))
        picture = _picture(figure, f"walk-{i}", f"Waterfall of {title}", caption)
    equation = one.equation
    return Lone(
        title, one.label, one.direction,
        words.time(equation.value_ps / 1000) if equation else "",
        _agreement(one), _steps(equation) if equation else (), one.refusal, picture,
    )  # fmt: skip


def _headed(one: Isolated) -> str:
    """Return a waterfall's title: what takes the largest share of the packet's time."""
    if one.equation is None or not one.equation.value_ps:
        return f"{one.label}, {one.direction}: what happens to one packet?"
    spent: Counter[str] = Counter()
    for term in one.equation.terms:
        spent[kind_of(term.op, term.cause).name] += term.ps
    name, ps = spent.most_common(1)[0]
    share = f"{ps / 1e6:.3g} of {one.equation.value_ps / 1e6:.3g} µs"
    return f"{one.label}, {one.direction}: {share} are {name}"


def _agreement(one: Isolated) -> str:
    if one.walk is None or one.equation is None:
        return ""
    gap = one.walk.latency_ps - one.equation.value_ps
    if not gap:
        return "The packet that was played took the same time to the picosecond."
    return f"The packet that was played took {words.time(abs(gap) / 1000)} {_side(gap)}."


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
    sums = f"The {entries:,} lines of the ledger add up to {words.time(booked / 1000)} of CPU time"
    if abs(booked - clocks) <= len(result.records):
        return f"{sums}, as the engine's own clocks of the threads do: nothing is unaccounted for."
    gap = words.time(abs(booked - clocks) / 1000)
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
