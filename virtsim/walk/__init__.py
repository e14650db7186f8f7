"""One packet's walk: every op and ring step of an isolated packet, played with the trace on.

``walk`` returns a :class:`Walk`: its rows and their text, the bars of a waterfall, the totals of
the whole aftermath, and the cost equation that says the same in one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import Profile
from virtsim.equation import Equation, equation
from virtsim.errors import InputError
from virtsim.ledger import counters
from virtsim.model.path import Path
from virtsim.outcome import Job, Packets
from virtsim.program import Program
from virtsim.units import format_time
from virtsim.walk.descriptors import DescriptorView
from virtsim.walk.rows import Bar, Reader, Row
from virtsim.walk.text import render
from virtsim.walk.virtqueue import Decision, RingView
from virtsim.walk.way import marked, way

AT_PS = 100_000_000
"""All was at rest for 100 us before the packet: asleep, but not as deep as after a long silence."""


@dataclass(frozen=True)
class Walk:
    """What one isolated packet of a path met. Times in ps, since its arrival.

    ``way`` is what it waited for: the equation, or where there is none what the trace says.
    """

    program: Program
    profile: str
    size_b: int
    at_ps: int
    latency_ps: int
    rows: tuple[Row, ...]
    totals: dict[str, int]
    equation: Equation | None
    way: Equation
    refusal: str = ""
    """Why there is no equation."""

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The waterfall: what each thread spent or waited for, by start."""
        return tuple(row.bar for row in self.rows if row.bar is not None)

    @property
    def title(self) -> str:
        """One line that says what was walked, and from when on all rested before."""
        name = f"{self.program.name} {self.program.direction}"
        posted = [r for r in self.program.rings if r.frees == "done"]
        lines = [
            f"{name}: one frame of {self.size_b} B, prices of {self.profile}, "
            f"at rest for {format_time(self.at_ps)} before: {self.latency_ps / 1e6:.3f} us"
        ]
        lines += [f"{r.name}: the driver posted {r.capacity} buffers beforehand" for r in posted]
        return "\n".join(lines)

    def text(self) -> str:
        """Return the walk as a plain text table."""
        return render(self.title, self.rows, self.way, self.refusal, self.totals)

    def as_dict(self) -> dict[str, Any]:
        """Return everything in JSON's own types."""
        return {
            "path": self.program.name,
            "direction": self.program.direction,
            "profile": self.profile,
            "size_b": self.size_b,
            "at_ps": self.at_ps,
            "latency_ps": self.latency_ps,
            "rows": [row.as_dict() for row in self.rows],
            "totals": dict(self.totals),
            "equation": self.equation.as_dict() if self.equation else None,
            "refusal": self.refusal,
        }


def walk(
    path: Path, direction: str, profile: Profile, host: Host, size_b: int, at_ps: int = AT_PS
) -> Walk:
    """Play one isolated packet and return what it met.

    Parameters
    ----------
    size_b
        Frame with its FCS, in bytes.
    at_ps
        When it arrives; everything has been at rest since time 0.

    Raises
    ------
    InputError
        If the path cannot be played in that direction, or a price is missing.
    """
    # Imported here: whoever only reads a walk needs no simulator.
    from virtsim.engines.reference import run

    program = compose(path, direction, host, profile)
    packets = Packets(*(np.array([x], dtype=np.int64) for x in (at_ps, size_b, 0)))
    prices = price(program, profile, packets, host.nic_bps)
    outcome = run(program, Job(prices, packets, trace=True))
    costs, refusal = None, ""
    try:
        costs = equation(program, prices, at_ps, size_b)
    except InputError as error:  # threads that share a core have no equation, but a walk
        refusal = error.got
    rows = Reader(program, prices, size_b, at_ps, costs).rows(outcome.trace)
    waited = costs or way(program, prices, outcome.trace, at_ps, size_b)
    if costs is None:
        rows = marked(rows, waited)
    latency = int(outcome.delivered_ps[0]) - at_ps
    totals = counters(program, outcome)
    return Walk(program, profile.name, size_b, at_ps, latency, rows, totals, costs, waited, refusal)


__all__ = ["AT_PS", "Bar", "Decision", "DescriptorView", "RingView", "Row", "Walk", "walk"]
