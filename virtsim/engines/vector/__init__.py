"""The vector engine: packet streams as columns, played without a clock where that is exact.

Each kind of Program has a package: what it accepts, and how it plays it. ``tandem`` goes hop by hop
over columns, ``pair`` item by item, ``pollers`` burst by burst, and ``servers`` act by act.
"""

from __future__ import annotations

from types import ModuleType

from virtsim.engines.vector import chain, pair, pollers, servers, tandem
from virtsim.errors import EngineRefusal
from virtsim.outcome import Job, Outcome
from virtsim.program import Program

NAME = "vector"
KINDS = (tandem, pair, pollers, servers)
"""The first of these that accepts a Program plays it."""


def refusals(program: Program) -> list[str]:
    """Return why the engine cannot play a Program; none means that it can."""
    common = [*chain.reasons(program)]
    if common or any(not any(kind.reasons(program)) for kind in KINDS):
        return common
    polls = any(row.wait == "poll" for row in program.threads)
    return [*(pollers if polls else servers).reasons(program)]


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
            "one chain of pollers and devices, or of servers, each thread on a core of its own",
            "engine 'stepper' plays every Program",
            [*reasons, *refusals(program)],
        )
    outcome: Outcome = kind.run(program, job)
    return outcome


def kind_of(program: Program, job: Job) -> ModuleType | None:
    """Return the package that plays a Program, None if there is none."""
    if any(chain.reasons(program)):
        return None
    for kind in KINDS:
        accepted = not any(kind.reasons(program))
        if accepted and not (kind is pair and any(pair.price_reasons(program, job.prices))):
            return kind
    return None


def _job_reasons(job: Job) -> list[str]:
    """Return what a job asks for that this engine does not do."""
    reasons = []
    if job.trace:
        reasons.append("a trace is asked for, and there are no events to note")
    if not len(job.packets):
        reasons.append("there are no packets")
    return reasons
