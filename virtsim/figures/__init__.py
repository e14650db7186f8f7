"""Figures of a result, as matplotlib Figures without any global state.

Every path has one colour, hatch, marker and dash, every kind of work one colour and hatch, the same
in all figures; all of them can be read in grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from virtsim.breakeven import BreakEven, compared
from virtsim.errors import HostError, InputError
from virtsim.figures import bars, curves, lanes
from virtsim.figures import waterfall as falls
from virtsim.figures.chain import Chain
from virtsim.figures.data import Cell, by_load, directions, headline, labels
from virtsim.figures.style import Style, styles
from virtsim.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from virtsim.equation import Equation


class Plots:
    """Figures of one result.

    Those about the load (events, core_time, throughput) need a sweep over the rate or the speed
    of a capture; without one they raise InputError.
    """

    def __init__(self, result: Result) -> None:
        self.result = result

    @cached_property
    def looks(self) -> Mapping[str, Style]:
        """Style of every label of the result: the same in all its figures."""
        return styles(labels(self.result))

    def sweep(self) -> curves.Sweep:
        """Return the cells of each path along the load axis, by direction."""
        found = {
            d: [by_load(self.result, cell) for cell in headline(self.result, d)]
            for d in directions(self.result)
        }
        full = {d: [cells for cells in rows if cells] for d, rows in found.items()}
        return {d: rows for d, rows in full.items() if rows}

    def break_evens(self) -> list[tuple[str, BreakEven]]:
        """Return, by direction, where each polled path starts to pay against each other path."""
        return [
            (direction, found)
            for direction, rows in self.sweep().items()
            for polled in rows
            for other in rows
            if (found := _break_even(polled, other)) is not None
        ]

    def _loads(self) -> curves.Sweep:
        sweep = self.sweep()
        if not sweep:
            raise InputError(
                "plot", "the scenario has one load only", "a sweep over the load",
                "Add sweep: {traffic.rate: [100kpps, 200kpps, 400kpps]}",
            )  # fmt: skip
        return sweep

    def breakdown(self) -> Figure:
        """Show where a packet's CPU time goes: per packet by part and kind of work."""
        return bars.breakdown(headline(self.result))

    def isolated(self, equations: Iterable[tuple[str, str, Equation]]) -> Figure:
        """Show what an isolated packet waits for: (label, direction, equation) of each path."""
        return bars.isolated(equations)

    def latency(self) -> Figure:
        """Draw the share of the packets that take longer than a time, on logarithmic axes."""
        return curves.latency(headline(self.result), self.looks)

    def events(self) -> Figure:
        """Draw exits, kicks and interrupts per packet against the offered load."""
        return curves.events(self._loads(), self.looks)

    def core_time(self) -> Figure:
        """Draw core time per packet against the offered load, break-even rates marked."""
        return curves.core_time(self._loads(), self.break_evens(), self.looks)

    def throughput(self) -> Figure:
        """Draw delivered against offered packets per second."""
        return curves.throughput(self._loads(), self.looks)

    def waterfall(self, walk: falls.Walked, title: str = "What is done for one packet") -> Figure:
        """Draw one packet's steps in one lane per thread; what it waits for is drawn strongly."""
        return falls.waterfall(walk, title)

    def waterfalls(self, walks: Sequence[tuple[str, falls.Walked]], title: str) -> Figure:
        """Draw several packets' steps, each under its name, on one time axis."""
        return falls.waterfalls(walks, title)

    def lanes(self, chains: Sequence[Chain]) -> Figure:
        """Draw each path as a chain of boxes from guest to link, with what is crossed."""
        return lanes.lanes(chains, self.looks)

    def save(self, folder: Path, more: Mapping[str, Figure] | None = None) -> list[Path]:
        """Write each figure that the result alone can draw as a PNG, and return their files.

        Parameters
        ----------
        more
            Other figures to write, by name.

        Raises
        ------
        HostError
            If the folder cannot be written.
        """
        drawn = {"breakdown": self.breakdown(), "latency": self.latency()}
        if self.sweep():
            drawn |= {"events": self.events(), "core_time": self.core_time()}
            drawn["throughput"] = self.throughput()
        drawn |= more or {}
        files = [folder / f"{name}.png" for name in drawn]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for figure, file in zip(drawn.values(), files, strict=True):
                figure.savefig(file, dpi=130)
        except OSError as error:
            got, want = f"cannot be written: {error.strerror}", "a folder that can be written"
            raise HostError(str(folder), got, want) from error
        return files

    def crossings(self, rows: Sequence[bars.Crossing]) -> Figure:
        """Draw host context switches beside user/kernel crossings of an isolated packet."""
        return bars.crossings(rows)


def _break_even(polled: Sequence[Cell], other: Sequence[Cell]) -> BreakEven | None:
    if not polled[0].polled or other[0].polled:
        return None
    mine, theirs = ([cell.first for cell in cells] for cells in (polled, other))
    return compared(polled[0].label, mine, other[0].label, theirs)


__all__ = ["Plots"]
