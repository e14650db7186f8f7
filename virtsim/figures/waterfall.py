"""One packet's waterfall: what each thread did for it, and what it had to wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from virtsim.figures.bars import WIDTH_IN, edge, legend, note
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
    from matplotlib.figure import Figure

    steps = [step for step in walk.bars if step.end_ps > step.start_ps]
    last = max((step.end_ps for step in steps), default=walk.latency_ps)
    end = max(1, min(last, int(walk.latency_ps * AFTERMATH)))
    steps = [step for step in steps if step.start_ps < end]
    lanes = list(dict.fromkeys(step.thread for step in steps)) or [""]
    figure = Figure(figsize=(WIDTH_IN, 1.3 + 0.62 * len(lanes)))
    axes = figure.subplots()
    for step in steps:
        _step(axes, step, lanes.index(step.thread), end)
    _names(axes, [s for s in steps if s.critical], lanes, end)
    _delivery(axes, walk.latency_ps / 1e6)
    axes.set_yticks(range(len(lanes)), lanes)
    axes.set_ylim(len(lanes) - 0.55, -0.95)
    axes.set_xlim(0, end / 1e6)
    axes.set_xlabel("Time since the packet's arrival (µs)")
    axes.set_title(title)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    legend(figure, {kind_of(step.op, step.cause) for step in steps})
    return figure


def _delivery(axes: Axes, at_us: float) -> None:
    axes.axvline(at_us, color="#222222", linewidth=0.9, linestyle=(0, (2, 2)))
    note(axes, f"delivered: {at_us:.3g} µs", (at_us, -0.78), 4, fontsize=8)


def _step(axes: Axes, step: Step, lane: int, end: int) -> None:
    """Draw a step: tall and framed if the packet waits for it, low and pale if not."""
    kind = kind_of(step.op, step.cause)
    begin, width = step.start_ps / 1e6, (min(step.end_ps, end) - step.start_ps) / 1e6
    height = 0.5 if step.critical else 0.2
    axes.barh(
        lane + (0 if step.critical else 0.15), width, height, left=begin, facecolor=kind.colour,
        hatch=kind.hatch, edgecolor=edge(kind), linewidth=0, alpha=1.0 if step.critical else 0.6,
    )  # fmt: skip
    if step.critical:
        axes.barh(lane, width, height, left=begin, fill=False, edgecolor="#222222", linewidth=0.8)


def _names(axes: Axes, steps: Sequence[Step], lanes: Sequence[str], end: int) -> None:
    """Name the longer steps above their lane, as far as the names do not overlap."""
    taken = dict.fromkeys(lanes, -1.0)
    for step in sorted(steps, key=lambda s: s.start_ps):
        at, width = step.start_ps / end, (step.end_ps - step.start_ps) / end
        if width >= LABELLED and at >= taken[step.thread]:
            axes.text(step.start_ps / 1e6, lanes.index(step.thread) - 0.27, step.op,
                      fontsize=7, va="bottom", clip_on=True)  # fmt: skip
            taken[step.thread] = at + 0.0088 * len(step.op)
