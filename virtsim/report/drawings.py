"""The figures of a report: which there are, what they are called, and what stands under them."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from virtsim.figures import Plots
from virtsim.figures.data import DIRECTION_NAMES, Cell
from virtsim.figures.kinds import kind_of
from virtsim.report.evidence import Evidence, Isolated
from virtsim.report.svg import inline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from virtsim.equation import Equation

CAPTIONS = {
    "lanes": (
        "The paths as chains",
        "Where each part of a path runs and on whose thread; a heavy frame: that thread polls. "
        "Above a line what it takes to hand a packet outwards (tx), below it inwards (rx); a place "
        "that the line passes is bypassed. At the right, the copies that the host makes.",
    ),
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
        "suppressed because the other side is still awake is not among them. The access to a "
        "register of an emulated NIC is an exit, the doorbell of a virtual function none of them.",
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
        "What one packet that meets a system at rest waits for, gathered by part and split by kind "
        "of work.",
    ),
    "crossings": (
        "Context switches and crossings",
        "Host context switches (left) and user/kernel crossings (right: system calls, and exits to "
        "user space in a paler colour) for one isolated packet that is sent.",
    ),
}
"""Title and caption of each figure, but of the waterfalls, of which there is one per direction."""

WALK = "walk-"
"""What the names of waterfalls begin with; a direction follows."""


WORTH_A_PROCESS = 4
"""Figures from which on starting a process takes less time than it saves."""

Draw = Callable[[], "Figure"]


@dataclass(frozen=True)
class Picture:
    """A figure with its caption, ready for the page."""

    name: str
    svg: str
    caption: str


def pictures_of(plots: Plots, cells: Sequence[Cell], found: Evidence) -> dict[str, Picture]:
    """Return a report's figures by name, leaving out those that nothing is known for."""
    draws: dict[str, Draw] = {}
    if any(cell.delivered for cell in cells):
        draws |= {"breakdown": plots.breakdown, "latency": plots.latency}
    if plots.sweep():
        draws |= {"events": plots.events, "core_time": plots.core_time}
        draws["throughput"] = plots.throughput
    return _side_by_side(draws | _draws_of(plots, found))


def figures_of(plots: Plots, found: Evidence) -> dict[str, Figure]:
    """Return the figures that the evidence beside a result draws, by name."""
    return {name: draw() for name, draw in _draws_of(plots, found).items()}


def _draws_of(plots: Plots, found: Evidence) -> dict[str, Draw]:
    draws: dict[str, Draw] = {}
    if found.chains:
        draws["lanes"] = partial(plots.lanes, found.chains)
    ways = [(one.label, one.direction, one.walk.way) for one in found.isolated if one.walk]
    if ways:
        draws["isolated"] = partial(plots.isolated, ways)
    draws |= dict(_falls(plots, found.isolated))
    if found.crossings:
        draws["crossings"] = partial(plots.crossings, found.crossings)
    return draws


def _side_by_side(draws: Mapping[str, Draw]) -> dict[str, Picture]:
    """Draw figures in two processes, as it is what takes a report its time."""
    if len(draws) < WORTH_A_PROCESS or (os.cpu_count() or 1) == 1:
        return _pictures(draws)
    # Loaded here, it need not be loaded, nor fonts be looked for, in either process.
    import matplotlib.backends.backend_svg  # noqa: F401

    named, no_interrupts = list(draws.items()), (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(1, initializer=signal.signal, initargs=no_interrupts) as pool:
        others = pool.submit(_pictures, dict(named[1::2]))
        made = _pictures(dict(named[::2])) | others.result()
    return {name: made[name] for name in draws}


def _pictures(draws: Mapping[str, Draw]) -> dict[str, Picture]:
    return {name: _picture(draw(), name) for name, draw in draws.items()}


def _picture(figure: Figure, name: str) -> Picture:
    title, caption = _walk_words(name[len(WALK) :]) if name.startswith(WALK) else CAPTIONS[name]
    return Picture(name, inline(figure, name, title, caption), caption)


def _walk_words(direction: str) -> tuple[str, str]:
    """Return title and caption of a direction's waterfalls."""
    return (
        f"What happens to one packet? {DIRECTION_NAMES.get(direction, direction)}",
        f"One packet in a system at rest ({direction}), a lane for each thread. Framed: what the "
        "packet waits for; low and pale: what is done beside it or after it.",
    )


def _falls(plots: Plots, found: Sequence[Isolated]) -> Iterator[tuple[str, Draw]]:
    """Yield one drawing per direction: the waterfalls of all paths on one time axis."""
    for direction in dict.fromkeys(one.direction for one in found):
        walks = [
            (_headed(one.label, one.walk.way), one.walk)
            for one in found
            if one.direction == direction and one.walk is not None
        ]
        if walks:
            title, _ = _walk_words(direction)
            yield f"{WALK}{direction}", partial(plots.waterfalls, walks, title)


def _headed(label: str, way: Equation) -> str:
    """Return a waterfall's title: what takes the largest share of the packet's time."""
    spent: Counter[str] = Counter()
    for term in way.terms:
        spent[kind_of(term.op, term.cause).name] += term.ps
    if not way.value_ps:
        return label
    name, ps = spent.most_common(1)[0]
    return f"{label}: {ps / 1e6:.3g} of {way.value_ps / 1e6:.3g} µs are {name}"
