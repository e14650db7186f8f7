"""Bars: where a packet's time goes, and how often an isolated packet crosses a border."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from virtsim.figures.data import DIRECTION_NAMES, Cell
from virtsim.figures.kinds import KINDS, POLLING, Kind, kind_of
from virtsim.figures.style import Style, styled, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from virtsim.equation import Equation

WIDTH_IN = 9.2
"""Width of every figure, in inches."""

WIDE = 7
"""Most kinds of work that the key under a figure names on one line."""

Parts = Mapping[tuple[str, Kind], float]


@dataclass(frozen=True)
class Bar:
    """One stacked bar: times in us by part and kind of work, and the words at its end."""

    label: str
    direction: str
    parts: Parts
    end: str

    @property
    def total(self) -> float:
        """Length of the bar, in us."""
        return sum(self.parts.values())


class Crossing(Protocol):
    """What `crossings` reads: one variant of a path and its counts for an isolated packet."""

    @property
    def label(self) -> str:
        """Name of the variant."""

    @property
    def path(self) -> str:
        """Name of the path that it is a variant of."""

    @property
    def context_switches(self) -> float:
        """Context switches on the host."""

    @property
    def syscalls(self) -> float:
        """System calls on the host."""

    @property
    def exits_user(self) -> float:
        """Exits that reach the VMM's user space."""


@styled
def breakdown(cells: Sequence[Cell]) -> Figure:
    """Draw CPU time per packet by part and kind of work."""
    bars = [
        Bar(c.label, c.direction, _us(c.spent), _spent_words(c))
        for c in cells
        if c.value("per_packet.cpu_ns") is not None
    ]
    return _stacks(bars, "Where does a packet's CPU time go?", "CPU time per delivered packet (µs)")


@styled
def isolated(equations: Iterable[tuple[str, str, Equation]]) -> Figure:
    """Draw the latency of an isolated packet by part and kind of work."""
    bars = []
    for label, direction, equation in equations:
        parts: dict[tuple[str, Kind], float] = {}
        for term in equation.terms:
            key = term.part, kind_of(term.op, term.cause)
            parts[key] = parts.get(key, 0.0) + term.ps / 1e6
        bars.append(Bar(label, direction, parts, f"{equation.value_ps / 1e6:.2f} µs"))
    return _stacks(bars, "What does an isolated packet wait for?", "Latency (µs)")


@styled
def crossings(rows: Sequence[Crossing]) -> Figure:
    """Draw context switches beside user/kernel crossings of an isolated packet."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.42 * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True)
    looks = styles(row.path for row in rows)
    for y, row in enumerate(rows):
        style = looks[row.path]
        _count(left, y, [row.context_switches], style)
        _count(right, y, [row.syscalls, row.exits_user], style)
    left.set_yticks(range(len(rows)), [row.label for row in rows])
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_title("Host context switches")
    right.set_title("User/kernel crossings")
    left.set_xlabel("Context switches per packet")
    right.set_xlabel("System calls + exits to user space (pale) per packet")
    most = max((max(r.context_switches, r.syscalls + r.exits_user) for r in rows), default=1)
    for axes in (left, right):
        axes.set_xlim(0, max(1.0, most) * 1.15)
        _lie(axes)
    return figure


def _count(axes: Axes, y: float, counts: Sequence[float], style: Style) -> None:
    start = 0.0
    for i, count in enumerate(counts):
        draw_bar(axes, y, (start, count), 0.55, alpha=0.45 if i else 1.0, **style.bar)
        start += count
    note(axes, f"{start:.3g}", (start, y), 5, fontweight="bold")


def _spent_words(cell: Cell) -> str:
    cpu = cell.value("per_packet.cpu_ns") or 0.0
    core = cell.value("per_packet.core_ns") or 0.0
    polling = f" + {(core - cpu) / 1000:.3g} polling" if core - cpu > 0.005 * core else ""
    return f"{cpu / 1000:.3g} µs{polling}"


def _us(spent: Parts) -> dict[tuple[str, Kind], float]:
    return {key: ns / 1000 for key, ns in spent.items() if key[1] is not POLLING}


def _stacks(bars: Sequence[Bar], title: str, unit: str) -> Figure:
    """Draw one panel of bars per direction, on one scale."""
    from matplotlib.figure import Figure

    found = list(dict.fromkeys(bar.direction for bar in bars)) or [""]
    groups = [[b for b in bars if b.direction == d] for d in found]
    height = 0.95 + sum(0.42 + 0.56 * max(1, len(g)) for g in groups)
    figure = Figure(figsize=(WIDTH_IN, height))
    ratios = [max(1, len(g)) + 0.2 for g in groups]
    panels = figure.subplots(len(found), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    longest = max((bar.total for bar in bars), default=1.0) or 1.0
    for axes, direction, group in zip(panels, found, groups, strict=True):
        for y, bar in enumerate(group):
            _stack(axes, y, bar, longest)
        axes.set_yticks(range(len(group)), [bar.label for bar in group])
        axes.set_ylim(max(0, len(group) - 1) + 0.45, -0.65)
        axes.set_xlim(0, longest * 1.22)
        axes.set_title(DIRECTION_NAMES.get(direction, direction), fontsize=9)
        _lie(axes)
    panels[-1].set_xlabel(unit)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10.5)
    legend(figure, {kind for bar in bars for (_, kind), value in bar.parts.items() if value})
    return figure


def _stack(axes: Axes, y: float, bar: Bar, longest: float) -> None:
    """Draw one bar, its segments gathered by part, each part named above its own."""
    start = 0.0
    for part in dict.fromkeys(part for part, _ in bar.parts):
        begin = start
        for kind in KINDS:
            width = bar.parts.get((part, kind), 0.0)
            if width:
                draw_bar(axes, y, (start, width), 0.46, facecolor=kind.colour, hatch=kind.hatch,
                         edgecolor=edge(kind), linewidth=0)  # fmt: skip
                start += width
        _name(axes, y, part, begin, start, longest)
    note(axes, bar.end, (start, y), 5, fontweight="bold", fontsize=8.5)


def _name(axes: Axes, y: float, part: str, begin: float, end: float, longest: float) -> None:
    inset = longest * 0.001
    axes.plot(
        [begin + inset, end - inset], [y - 0.28] * 2, color="#333333", linewidth=0.9, marker=""
    )
    if end - begin > longest * 0.011 * len(part):
        axes.text((begin + end) / 2, y - 0.31, part, ha="center", va="bottom", fontsize=7.5)


def draw_bar(axes: Axes, y: float, span: tuple[float, float], height: float, **looks: Any) -> None:
    """Draw a lying bar about ``y``, from the start of its span, as long as that says.

    It leaves limits alone, which every figure sets itself: `Axes.barh` takes ten times as long.
    """
    from matplotlib.patches import Rectangle

    start, length = span
    axes.add_artist(Rectangle((start, y - height / 2), length, height, **looks))


def note(axes: Axes, text: str, xy: tuple[float, float], points: float, **looks: Any) -> None:
    """Write beside a spot, so many points to its right (SVG swallows leading spaces)."""
    axes.annotate(
        text,
        xy,
        (points, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        **looks,
    )


def edge(kind: Kind) -> str:
    """Return the colour of a kind's hatch: light on dark, dark on light."""
    return "#7a5a4a" if kind.ink != "white" else "white"


def legend(figure: Figure, used: set[Kind]) -> None:
    """Put a key of kinds of work under a figure."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=k.colour, hatch=k.hatch, edgecolor=edge(k), linewidth=0, label=k.name)
        for k in KINDS
        if k in used
    ]
    if handles:
        columns = len(handles) if len(handles) <= WIDE else -(-len(handles) // 2)
        figure.legend(handles=handles, loc="outside lower left", ncols=columns,
                      handlelength=1.6, columnspacing=1.4)  # fmt: skip


def _lie(axes: Axes) -> None:
    """Leave a chart of lying bars only the lines that help to read it."""
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
