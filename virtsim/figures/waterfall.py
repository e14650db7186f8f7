"""One packet's waterfall: what each thread did for it, and what it had to wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from virtsim.figures.bars import WIDTH_IN, draw_bar, edge, legend, note
from virtsim.figures.kinds import kind_of
from virtsim.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELLED = 0.02
"""Share of the time axis from which on a critical step is named."""

AFTERMATH = 1.6
"""The time axis ends at the latest at so many latencies; what comes later is cut off."""


class Step(Protocol):
    """One interval of a walk, in ps since the packet's arrival."""

    @property
    def thread(self) -> str:
        """Who spends it, or is held up by it."""

    @property
    def start_ps(self) -> int:
        """When it begins."""

    @property
    def end_ps(self) -> int:
        """When it ends."""

    @property
    def op(self) -> str:
        """What is done."""

    @property
    def cause(self) -> str:
        """Why."""

    @property
    def critical(self) -> bool:
        """Whether the packet waits for it."""


class Walked(Protocol):
    """One packet's walk: its latency, and what each thread spent or waited for."""

    @property
    def latency_ps(self) -> int:
        """Delivered minus arrived."""

    @property
    def bars(self) -> Sequence[Step]:
        """Steps of all threads, by start."""


@styled
def waterfall(walk: Walked, title: str) -> Figure:
    """Draw a walk in one lane per thread against the time since the packet's arrival."""
    return _falls([(title, walk)], 0.62)


@styled
def waterfalls(walks: Sequence[tuple[str, Walked]], title: str) -> Figure:
    """Draw several walks, each in lanes of its own, on one time axis."""
    figure = _falls(walks, 0.42)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10.5)
    return figure


def _falls(walks: Sequence[tuple[str, Walked]], lane_in: float) -> Figure:
    from matplotlib.figure import Figure

    shown = [_shown(walk) for _, walk in walks]
    lanes = [_lanes(steps) for steps in shown]
    end = max((step.end_ps for steps in shown for step in steps), default=1)
    heights = [0.45 + lane_in * len(mine) for mine in lanes]
    figure = Figure(figsize=(WIDTH_IN, 0.85 + sum(heights)))
    grid = figure.subplots(len(walks), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axes, (name, walk), steps, mine in zip(grid, walks, shown, lanes, strict=True):
        _fall(axes, steps, mine, end)
        _delivery(axes, walk.latency_ps / 1e6, end / 1e6)
        axes.set_title(name)
    grid[-1].set_xlim(0, end / 1e6)
    grid[-1].set_xlabel("Time since the packet's arrival (µs)")
    legend(figure, {kind_of(step.op, step.cause) for steps in shown for step in steps})
    return figure


def _shown(walk: Walked) -> list[Step]:
    """Return the steps of a walk from its packet's arrival on, without the late aftermath."""
    steps = [step for step in walk.bars if step.end_ps > max(0, step.start_ps)]
    last = max((step.end_ps for step in steps), default=walk.latency_ps)
    end = max(1, min(last, int(walk.latency_ps * AFTERMATH)))
    return [_cut(step, end) for step in steps if step.start_ps < end]


def _lanes(steps: Sequence[Step]) -> list[str]:
    """Return the threads in the order in which the packet waits for them, then the others."""
    ordered = sorted(steps, key=lambda step: (not step.critical, step.start_ps))
    return list(dict.fromkeys(step.thread for step in ordered)) or [""]


@dataclass(frozen=True)
class _Cut:
    """A step as far as it is drawn."""

    thread: str
    start_ps: int
    end_ps: int
    op: str
    cause: str
    critical: bool


def _cut(step: Step, end: int) -> Step:
    times = max(0, step.start_ps), min(step.end_ps, end)
    return _Cut(step.thread, *times, step.op, step.cause, step.critical)


def _fall(axes: Axes, steps: Sequence[Step], lanes: Sequence[str], end: int) -> None:
    for step in steps:
        _step(axes, step, lanes.index(step.thread))
    _names(axes, [s for s in steps if s.critical], lanes, end)
    axes.set_yticks(range(len(lanes)), lanes)
    axes.set_ylim(len(lanes) - 0.55, -0.95)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def _delivery(axes: Axes, at_us: float, end_us: float) -> None:
    """Mark the end of the packet's way, on the side of the line where there is room."""
    axes.axvline(at_us, color="#222222", linewidth=0.9, linestyle=(0, (2, 2)))
    text = f"delivered: {at_us:.{1 if at_us >= 10 else 2}f} µs"
    late = at_us > 0.8 * end_us
    note(axes, text, (at_us, -0.78), -4 if late else 4, ha="right" if late else "left", fontsize=8)


def _step(axes: Axes, step: Step, lane: int) -> None:
    """Draw a step: tall and framed if the packet waits for it, low and pale if not."""
    kind = kind_of(step.op, step.cause)
    begin, width = step.start_ps / 1e6, (step.end_ps - step.start_ps) / 1e6
    height = 0.5 if step.critical else 0.2
    span = begin, width
    draw_bar(
        axes, lane + (0 if step.critical else 0.15), span, height, facecolor=kind.colour,
        hatch=kind.hatch, edgecolor=edge(kind), linewidth=0, alpha=1.0 if step.critical else 0.6,
    )  # fmt: skip
    if step.critical:
        draw_bar(axes, lane, span, height, fill=False, edgecolor="#222222", linewidth=0.8)


def _names(axes: Axes, steps: Sequence[Step], lanes: Sequence[str], end: int) -> None:
    """Name the longer steps above their lane, as far as the names do not overlap."""
    taken = dict.fromkeys(lanes, -1.0)
    for step in sorted(steps, key=lambda s: s.start_ps):
        at, width = step.start_ps / end, (step.end_ps - step.start_ps) / end
        if width >= LABELLED and at >= taken[step.thread]:
            axes.text(step.start_ps / 1e6, lanes.index(step.thread) - 0.27, step.op,
                      fontsize=7, va="bottom", clip_on=True)  # fmt: skip
            taken[step.thread] = at + 0.0088 * len(step.op)
