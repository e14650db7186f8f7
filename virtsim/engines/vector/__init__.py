"""The vector engine: packet streams as columns, played without a clock where that is exact.

Each kind of Program has a package: what it accepts, and how it plays it. ``tandem`` goes hop by hop
over columns, ``pair`` item by item, ``pollers`` burst by burst, ``driver`` and ``servers`` act by
act.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from virtsim.engines.vector import chain, driver, pair, pollers, servers, tandem
from virtsim.errors import EngineRefusal
from virtsim.outcome import Job, Outcome, Prices
from virtsim.program import Program

NAME = "vector"
KINDS = (tandem, pair, pollers, driver, servers)
"""The first of these that accepts a Program plays it."""


def refusals(program: Program, prices: Prices | None = None) -> list[str]:
    """Return why the engine cannot play a Program, at these prices; none means that it can."""
    common = [*chain.reasons(program)]
    if common or any(_accepts(kind, program, prices) for kind in KINDS):
        return common
    polls = any(row.wait == "poll" for row in program.threads)
    alike = pollers if polls else driver if driver.roles(program) else servers
    return [*_reasons(alike, program, prices)]


def run(program: Program, job: Job) -> Outcome:
    """Play a Program and return what happened.

    Raises
    ------
    EngineRefusal
        If it is none of the kinds that this engine plays exactly, or the job asks for more.
    """
    kind = kind_of(program, job)
    reasons = _job_reasons(job)
    if kind is None or reasons:
        raise EngineRefusal(
            program.name,
            "engine 'vector' cannot play it exactly",
            "one chain of pollers and devices, of servers, or a driver and its worker; cores apart",
            "engine 'stepper' plays every Program",
            [*reasons, *refusals(program, job.prices)],
        )
    outcome: Outcome = kind.run(program, job)
    return outcome


def kind_of(program: Program, job: Job) -> ModuleType | None:
    """Return the package that plays a Program, None if there is none."""
    if any(chain.reasons(program)):
        return None
    return next((kind for kind in KINDS if _accepts(kind, program, job.prices)), None)


def _accepts(kind: ModuleType, program: Program, prices: Prices | None) -> bool:
    return not any(_reasons(kind, program, prices))


def _reasons(kind: ModuleType, program: Program, prices: Prices | None) -> Iterator[str]:
    """Yield what keeps a Program, at these prices, from being of a kind."""
    found = False
    for why in kind.reasons(program):
        found = True
        yield why
    if prices and not found and hasattr(kind, "price_reasons"):
        yield from kind.price_reasons(program, prices)


def _job_reasons(job: Job) -> list[str]:
    """Return what a job asks for that this engine does not do."""
    reasons = []
    if job.trace:
        reasons.append("a trace is asked for, and there are no events to note")
    if not len(job.packets):
        reasons.append("there are no packets")
    return reasons
