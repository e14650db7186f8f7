"""One packet's waterfall: what each thread did for it, and what it had to wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from virtsim.figures.bars import WIDTH_IN, _edge, _legend
from virtsim.figures.kinds import kind_of
from virtsim.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Step(Protocol):
    """One interval of a walk."""

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


LABELLED = 0.03
"""Share of the time axis from which on a critical step is named."""


@styled
def waterfall(steps: Sequence[Step], title: str, start_ps: int) -> Figure:
    """Draw steps in one lane per thread against the time since the packet's arrival."""
    from matplotlib.figure import Figure

    lanes = list(dict.fromkeys(step.thread for step in steps)) or [""]
    figure = Figure(figsize=(WIDTH_IN, 1.35 + 0.62 * len(lanes)))
    axes = figure.subplots()
    end = max((step.end_ps for step in steps), default=start_ps + 1)
    shown = [s for s in steps if s.end_ps > s.start_ps]
    for step in shown:
        _step(axes, step, lanes.index(step.thread), start_ps)
    _names(axes, [s for s in shown if s.critical], lanes, start_ps, end)
    done = max((s.end_ps for s in steps if s.critical), default=start_ps)
    axes.axvline((done - start_ps) / 1e6, color="#222222", linewidth=0.9, linestyle=(0, (2, 2)))
    axes.text((done - start_ps) / 1e6, -0.72, " delivered", fontsize=8, va="center")
    axes.set_yticks(range(len(lanes)), lanes)
    axes.set_ylim(len(lanes) - 0.45, -0.9)
    axes.set_xlim(0, (end - start_ps) / 1e6 * 1.06)
    axes.set_xlabel("Time since the packet's arrival (µs)")
    axes.set_title(title)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    _legend(figure, {kind_of(step.op, step.cause) for step in shown})
    return figure


def _step(axes: Axes, step: Step, lane: int, start_ps: int) -> None:
    kind = kind_of(step.op, step.cause)
    begin, width = (step.start_ps - start_ps) / 1e6, (step.end_ps - step.start_ps) / 1e6
    height = 0.5 if step.critical else 0.22
    axes.barh(
        lane + (0 if step.critical else 0.14), width, height, left=begin, facecolor=kind.colour,
        hatch=kind.hatch, edgecolor=_edge(kind), linewidth=0, alpha=1.0 if step.critical else 0.55,
    )  # fmt: skip
    if step.critical:
        axes.barh(lane, width, height, left=begin, fill=False, edgecolor="#222222", linewidth=0.8)


def _names(
    axes: Axes, steps: Sequence[Step], lanes: Sequence[str], start_ps: int, end: int
) -> None:
    """Name the longer steps above their lane, as far as the names do not overlap."""
    whole = end - start_ps
    taken = dict.fromkeys(lanes, -1.0)
    for step in sorted(steps, key=lambda s: s.start_ps):
        at = (step.start_ps - start_ps) / whole
        if (step.end_ps - step.start_ps) / whole >= LABELLED and at >= taken[step.thread]:
            axes.text((step.start_ps - start_ps) / 1e6, lanes.index(step.thread) - 0.28,
                      step.op.partition(":")[0], fontsize=7, va="bottom")  # fmt: skip
            taken[step.thread] = at + 0.0085 * len(step.op.partition(":")[0])
