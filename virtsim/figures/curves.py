"""Curves: latency distributions, and what changes with the offered load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from virtsim.breakeven import BreakEven
from virtsim.figures.bars import WIDTH_IN, note
from virtsim.figures.data import DIRECTION_NAMES, Cell, curve
from virtsim.figures.style import Style, styled
from virtsim.units import format_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Sweep = Mapping[str, Sequence[Sequence[Cell]]]
"""By direction, the cells of each path along the load axis."""

Looks = Mapping[str, Style]
"""The style of every label of a result, whether a figure draws it or not."""

PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
OFFERED = "Offered load (packets per second)"
EVENTS = ("exits", "kicks", "interrupts")
SHARES = (
    ("p50", 0.5), ("p90", 0.1), ("p99", 0.01), ("p99.9", 1e-3), ("p99.99", 1e-4),
    ("p99.9999", 1e-6),
)  # fmt: skip


@styled
def latency(cells: Sequence[Cell], looks: Looks) -> Figure:
    """Draw which share of the packets took longer than a time, one curve per path."""
    known = [cell for cell in cells if cell.latencies()[1]]
    figure, panels = _panels(list(dict.fromkeys(c.direction for c in known)), 3.3)
    for direction, axes in panels.items():
        mine = [c for c in known if c.direction == direction]
        for cell in mine:
            _exceedance(axes, cell, looks[cell.label])
        axes.set(xscale="log", yscale="log")
        most = max((sum(c.latencies()[1]) for c in mine), default=1000)
        axes.set_ylim(0.7 / max(most, 10), 1.3)
        axes.yaxis.set_major_formatter(lambda y, _at: _percent(y))
        axes.yaxis.set_minor_formatter(lambda _y, _at: "")
        for name, share in SHARES:
            if share > 1 / max(most, 10):
                axes.axhline(share, color="#b5b5b5", linewidth=0.6, zorder=0)
                note(axes, name, (1.0, share), 4, xycoords=axes.get_yaxis_transform(),
                     fontsize=7.5, color="#555555")  # fmt: skip
    _label(panels, "Latency (µs)", "Share of packets that take longer")
    _ticks(_first(panels).xaxis, lambda x, _at: f"{x:,g}")
    _title(figure, "How long do packets take, and how bad is the tail?", looks, known)
    return figure


def _percent(share: float) -> str:
    """Return a share as a percentage without an exponent."""
    return f"{100 * share:.9f}".rstrip("0").rstrip(".") + " %"


@styled
def events(sweep: Sweep, looks: Looks) -> Figure:
    """Draw exits, kicks and interrupts per packet against the load."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, 0.7 + 2.2 * len(sweep)))
    grid = figure.subplots(len(sweep), len(EVENTS), squeeze=False, sharex=True, sharey="row")
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
    _title(figure, title, looks, [cells[0] for rows in sweep.values() for cells in rows])
    return figure


@styled
def core_time(sweep: Sweep, found: Sequence[tuple[str, BreakEven]], looks: Looks) -> Figure:
    """Draw core time per packet against the load, and the rates at which a polled core pays."""

    def draw(axes: Axes, direction: str) -> None:
        axes.set_yscale("log")
        _ticks(axes.yaxis, lambda y, _at: f"{y:g}")
        rates = sorted((b.rate_pps, b) for d, b in found if d == direction and b.rate_pps)
        lines = []
        low, high = axes.xaxis.get_data_interval()
        for i, (pps, one) in enumerate(rates, start=1):
            axes.axvline(pps, color="#555555", linewidth=0.7, linestyle=(0, (2, 2)), zorder=0)
            # One above the other, as two rates may be close, and away from curves that fall.
            rise = 0.035 + 0.05 * (i - 1)
            spot = (pps, 1 - rise if pps * pps > low * high else rise)
            note(axes, str(i), spot, 2, xycoords=axes.get_xaxis_transform(), fontsize=7.5,
                 fontweight="bold", bbox=PAPER)  # fmt: skip
            lines.append(f"{i}  {one.polled} pays against {one.other}: {format_rate(pps)}")
        _below(axes, lines)

    return _against_load(
        sweep, "per_packet.core_ns", "From which load on does a burnt core pay?",
        "Core time per packet, polling included (µs)", looks, draw, 1000.0,
    )  # fmt: skip


@styled
def throughput(sweep: Sweep, looks: Looks) -> Figure:
    """Draw delivered against offered packets."""

    def draw(axes: Axes, direction: str) -> None:
        _nest(axes.lines)
        offered = [x for rows in sweep[direction] for x, _ in curve(rows, "delivered_pps")]
        if offered:
            ends = [min(offered), max(offered)]
            axes.plot(ends, ends, color="#999999", linewidth=0.8, marker="", zorder=0)
            axes.annotate("all delivered", (ends[1], ends[1]), (-4, 5), fontsize=7.5, ha="right",
                          textcoords="offset points", color="#666666")  # fmt: skip
        axes.set_yscale("log")
        _ticks(axes.yaxis, _rate)

    return _against_load(
        sweep, "delivered_pps", "How much of the offered load arrives?",
        "Delivered (packets per second)", looks, draw,
    )  # fmt: skip


def _against_load(
    sweep: Sweep,
    name: str,
    title: str,
    unit: str,
    looks: Looks,
    draw: Callable[[Axes, str], None],
    scale: float = 1.0,
) -> Figure:
    figure, panels = _panels(list(sweep), 3.9)
    for direction, axes in panels.items():
        _curves(axes, sweep[direction], name, looks, scale)
        draw(axes, direction)
    _label(panels, OFFERED, unit)
    _title(figure, title, looks, [cells[0] for rows in sweep.values() for cells in rows])
    return figure


def _nest(lines: Sequence[Line2D]) -> None:
    """Draw each curve thinner than the one below it, so that curves on one line are all seen."""
    for i, line in enumerate(lines):
        above = len(lines) - 1 - i
        line.set_linewidth(1.3 + 0.75 * above)
        line.set_markersize(4.0 + 1.0 * above)


def _below(axes: Axes, lines: Sequence[str]) -> None:
    """Write lines under an axis and its label, where they cover nothing."""
    axes.annotate("\n".join(lines), (0, 0), (0, -34), xycoords="axes fraction", va="top",
                  textcoords="offset points", fontsize=7.5, annotation_clip=False)  # fmt: skip


def _curves(
    axes: Axes,
    rows: Sequence[Sequence[Cell]],
    name: str,
    looks: Looks,
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
    """Return a figure with one panel per direction, two side by side, all on one scale."""
    from matplotlib.figure import Figure

    names = list(found) or [""]
    columns = min(2, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(WIDTH_IN, height * lines + 0.6))
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    panels = dict(zip(names, grid.flat, strict=False))
    for name, axes in panels.items():
        axes.set_title(DIRECTION_NAMES.get(name, name), fontsize=9)
        axes.xaxis.set_tick_params(labelbottom=True)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    return figure, panels


def _first(panels: Mapping[str, Axes]) -> Axes:
    return next(iter(panels.values()))


def _label(panels: Mapping[str, Axes], x: str, y: str) -> None:
    """Name the horizontal axis of every panel, the vertical one of those at the left."""
    for i, axes in enumerate(panels.values()):
        axes.set_xlabel(x)
        if i % 2 == 0:
            axes.set_ylabel(y)


def _title(figure: Figure, title: str, looks: Looks, drawn: Sequence[Cell]) -> None:
    from matplotlib.lines import Line2D

    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10.5)
    names = dict.fromkeys(cell.label for cell in drawn)
    handles = [Line2D([], [], label=label, **looks[label].line) for label in names]
    if handles:
        columns = len(handles) if len(handles) <= 4 else min(4, -(-len(handles) // 2))
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, handlelength=3.2)


WIDE = 60.0
"""Ratio of the ends of a logarithmic axis from which on only powers of ten are named."""


def _ticks(axis: Axis, write: Callable[[float, float], str]) -> None:
    """Set ticks at 1, 2 and 5 of each decade of a logarithmic axis, at 1 if there are many."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_data_interval()
    axis.set_major_locator(LogLocator(subs=(1,) if high > WIDE * max(low, 1e-9) else (1, 2, 5)))
    axis.set_minor_locator(LogLocator(subs=tuple(range(2, 10))))
    axis.set_major_formatter(write)
    axis.set_minor_formatter(NullFormatter())
