"""Curves: latency distributions, and what changes with the offered load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from virtsim.breakeven import BreakEven
from virtsim.figures.bars import WIDTH_IN, note
from virtsim.figures.data import DIRECTION_NAMES, Cell, curve
from virtsim.figures.style import Style, styled, styles
from virtsim.units import format_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Sweep = Mapping[str, Sequence[Sequence[Cell]]]
"""By direction, the cells of each path along the load axis."""

PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
OFFERED = "Offered load (packets per second)"
EVENTS = ("exits", "kicks", "interrupts")
SHARES = (("p50", 0.5), ("p90", 0.1), ("p99", 0.01), ("p99.9", 0.001))


@styled
def latency(cells: Sequence[Cell]) -> Figure:
    """Draw which share of the packets took longer than a time, one curve per path."""
    known = [cell for cell in cells if cell.latencies()[1]]
    figure, panels = _panels(list(dict.fromkeys(c.direction for c in known)), 3.3)
    looks = styles(c.label for c in cells)
    for direction, axes in panels.items():
        mine = [c for c in known if c.direction == direction]
        for cell in mine:
            _exceedance(axes, cell, looks[cell.label])
        axes.set(xscale="log", yscale="log")
        most = max((sum(c.latencies()[1]) for c in mine), default=1000)
        axes.set_ylim(0.7 / max(most, 10), 1.3)
        axes.set_xlabel("Latency (µs)")
        axes.yaxis.set_major_formatter(lambda y, _at: f"{100 * y:g} %")
        axes.yaxis.set_minor_formatter(lambda _y, _at: "")
        _plain_numbers(axes)
        for name, share in SHARES:
            if share > 1 / max(most, 10):
                axes.axhline(share, color="#b5b5b5", linewidth=0.6, zorder=0)
                note(axes, name, (1.0, share), 4, xycoords=axes.get_yaxis_transform(),
                     fontsize=7.5, color="#555555")  # fmt: skip
    _first(panels).set_ylabel("Share of packets that take longer")
    _finish(figure, panels, "How long do packets take, and how bad is the tail?", looks, known)
    return figure


@styled
def events(sweep: Sweep) -> Figure:
    """Draw exits, kicks and interrupts per packet against the load."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, 0.7 + 2.2 * len(sweep)))
    grid = figure.subplots(len(sweep), len(EVENTS), squeeze=False, sharex=True, sharey="row")
    looks = styles(cells[0].label for rows in sweep.values() for cells in rows)
    for line, (direction, rows) in zip(grid, sweep.items(), strict=True):
        for axes, event in zip(line, EVENTS, strict=True):
            _curves(axes, rows, f"per_packet.{event}", looks)
            axes.set_title(f"{event}, {direction}", fontsize=9)
        # After all curves of the row: a limit set before would hide what a later panel adds.
        line[0].set_ylim(bottom=0)
        line[0].set_ylabel("Events per packet")
    for axes in grid[-1]:
        axes.set_xlabel(OFFERED, fontsize=8)
    title = "Do exits, kicks and interrupts get rarer as the load grows?"
    _title(figure, title, looks, [cells[0].label for r in sweep.values() for cells in r])
    return figure


@styled
def core_time(sweep: Sweep, found: Sequence[tuple[str, BreakEven]]) -> Figure:
    """Draw core time per packet against the load, and the rates at which a polled core pays."""

    def draw(axes: Axes, direction: str) -> None:
        axes.set_yscale("log")
        _ticks(axes.yaxis, lambda y, _at: f"{y:g}")
        rates = [b for d, b in found if d == direction and b.rate_pps is not None]
        for i, one in enumerate(sorted(rates, key=lambda b: b.rate_pps or 0.0), start=1):
            assert one.rate_pps is not None
            axes.axvline(one.rate_pps, color="#222222", linewidth=0.8, linestyle=(0, (2, 2)))
            note(axes, str(i), (one.rate_pps, 0.03), 3, xycoords=axes.get_xaxis_transform(),
                 fontsize=8, fontweight="bold")  # fmt: skip
            words = f"{i}  {one.polled} pays against {one.other}: {format_rate(one.rate_pps)}"
            axes.text(0.99, 1.0 - 0.06 * i, words, fontsize=7.5, ha="right", va="center",
                      transform=axes.transAxes, bbox=PAPER)  # fmt: skip

    return _against_load(
        sweep, "per_packet.core_ns", "From which load on does a burnt core pay?",
        "Core time per packet, polling included (µs)", draw, 1000.0,
    )  # fmt: skip


@styled
def throughput(sweep: Sweep) -> Figure:
    """Draw delivered against offered packets."""

    def draw(axes: Axes, direction: str) -> None:
        offered = [x for rows in sweep[direction] for x, _ in curve(rows, "delivered_pps")]
        if offered:
            ends = [min(offered), max(offered)]
            axes.plot(ends, ends, color="#999999", linewidth=0.8, marker="", zorder=0)
            axes.text(ends[1], ends[1], "all delivered ", fontsize=7.5, ha="right", va="bottom",
                      color="#666666")  # fmt: skip
        axes.set_yscale("log")
        _ticks(axes.yaxis, _rate)

    return _against_load(
        sweep, "delivered_pps", "How much of the offered load arrives?",
        "Delivered (packets per second)", draw,
    )  # fmt: skip


def _against_load(
    sweep: Sweep,
    name: str,
    title: str,
    unit: str,
    draw: Callable[[Axes, str], None],
    scale: float = 1.0,
) -> Figure:
    figure, panels = _panels(list(sweep), 3.3)
    looks = styles(cells[0].label for rows in sweep.values() for cells in rows)
    for direction, axes in panels.items():
        _curves(axes, sweep[direction], name, looks, scale)
        draw(axes, direction)
        axes.set_xlabel(OFFERED)
    _first(panels).set_ylabel(unit)
    _finish(figure, panels, title, looks, [cells[0] for rows in sweep.values() for cells in rows])
    return figure


def _curves(
    axes: Axes,
    rows: Sequence[Sequence[Cell]],
    name: str,
    looks: Mapping[str, Style],
    scale: float = 1.0,
) -> None:
    for cells in rows:
        points = curve(cells, name)
        axes.plot(
            [x for x, _ in points], [y / scale for _, y in points], **looks[cells[0].label].line
        )
    axes.set_xscale("log")
    _ticks(axes.xaxis, _rate)


def _rate(pps: float, _at: float) -> str:
    """Write a tick: 200k, 1M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if pps >= size:
            return f"{pps / size:.3g}{letter}"
    return f"{pps:.3g}"


def _exceedance(axes: Axes, cell: Cell, style: Style) -> None:
    values, counts = cell.latencies()
    total = sum(counts)
    above = [1.0, *((total - n) / total for n in accumulate(counts))][:-1]
    axes.plot(values, above, drawstyle="steps-post", color=style.colour, linestyle=style.dash)
    marked = [next(i for i, a in enumerate([*above, 0.0]) if a <= share) for _, share in SHARES]
    spots = [(values[i], above[i]) for i in marked if i < len(values)]
    axes.plot([x for x, _ in spots], [y for _, y in spots], color=style.colour, linestyle="",
              marker=style.marker)  # fmt: skip


def _panels(found: Sequence[str], height: float) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with one panel per direction, side by side, on one scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height + 0.6))
    names = list(found) or [""]
    grid = figure.subplots(1, len(names), squeeze=False, sharex=True, sharey=True)[0]
    for axes, name in zip(grid, names, strict=True):
        axes.set_title(DIRECTION_NAMES.get(name, name), fontsize=9)
    return figure, dict(zip(names, grid, strict=True))


def _first(panels: Mapping[str, Axes]) -> Axes:
    return next(iter(panels.values()))


def _finish(
    figure: Figure,
    panels: Mapping[str, Axes],
    title: str,
    looks: Mapping[str, Style],
    cells: Sequence[Cell],
) -> None:
    _title(figure, title, looks, [cell.label for cell in cells])


def _title(figure: Figure, title: str, looks: Mapping[str, Style], drawn: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10.5)
    handles = [Line2D([], [], label=label, **looks[label].line) for label in dict.fromkeys(drawn)]
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=min(4, len(handles)),
                      handlelength=3.2)  # fmt: skip


def _plain_numbers(axes: Axes) -> None:
    """Write latencies as 5, 10, 50 rather than as powers of ten."""
    _ticks(axes.xaxis, lambda x, _at: f"{x:.3g}")


def _ticks(axis: Axis, write: Callable[[float, float], str]) -> None:
    """Set ticks at 1, 2 and 5 of each decade of a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(write)
    axis.set_minor_formatter(NullFormatter())
