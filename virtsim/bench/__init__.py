"""How fast the engines are: the standard works and every shipped path, side by side in one run.

``works`` defines W1 to W4 as Programs; ``native`` plays them by hand-written C, ``plain`` by
hand-written SimPy, ``players`` by engines. ``contest`` lets all of them play the same inputs, first
to compare what they find and then to time them; ``rows`` makes rows of it, ``goals`` says what
was wanted, ``text`` prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from virtsim.bench.contest import Sizes
from virtsim.bench.rows import Tell
from virtsim.choosing import ENGINES

Section = Literal["works", "paths", "start", "long"]
SECTIONS: tuple[Section, ...] = get_args(Section)


@dataclass(frozen=True)
class Plan:
    """What a benchmark measures, and how long it takes over it."""

    works: Sizes
    paths: Sizes
    peaks: bool
    sections: tuple[Section, ...]


FULL = Plan(Sizes(20_000, 1 << 20, 3, 5, 3.0), Sizes(3_000, 200_000, 3, 3, 3.0), True,
            ("works", "paths", "start"))  # fmt: skip
"""Minutes."""

QUICK = Plan(Sizes(2_000, 1 << 17, 1, 3, 0.3), Sizes(500, 20_000, 1, 1, 0.3), False,
             ("works", "paths"))  # fmt: skip
"""Less than a minute, and as much rougher."""


def plan(
    *, quick: bool = False, long: bool = False, packets: int | None = None,
    only: Sequence[Section] = (),
) -> Plan:  # fmt: skip
    """Return a plan.

    Parameters
    ----------
    packets
        Packets of a path's runs by the reference engine.
    only
        Sections to measure, instead of those of the plan.
    """
    base = QUICK if quick else FULL
    if packets is not None:
        base = replace(base, paths=replace(base.paths, small=packets))
    longer: tuple[Section, ...] = ("long",) if long else ()
    return replace(base, sections=tuple(only) or (*base.sections, *longer))


def measure(plan: Plan, tell: Tell, engines: Sequence[str] = ENGINES) -> dict[str, Any]:
    """Measure and return rows by section, and what machine they are of."""
    from virtsim.bench import long, machine, rows, start

    found: dict[str, Any] = {"machine": machine.describe()}
    for section in plan.sections:
        if section == "works":
            found["works"] = rows.works(plan.works, engines, tell, peaks=plan.peaks)
        elif section == "paths":
            found["paths"] = rows.paths(plan.paths, engines, tell)
        elif section == "start":
            found["start"] = start.measure(tell)
        else:
            found["long"] = [long.sweep(tell), long.stream(tell)]
    return found


__all__ = ["FULL", "QUICK", "SECTIONS", "Plan", "Section", "measure", "plan"]
