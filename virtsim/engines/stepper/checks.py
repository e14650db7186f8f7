"""What this engine refuses, before a run and during it, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from virtsim.engines.compiling.machine import HINT, available
from virtsim.engines.stepper.rows import world
from virtsim.errors import EngineRefusal
from virtsim.outcome import Ints, Job
from virtsim.program import NONE, Program
from virtsim.semantics import MAX_ROUNDS

DEAREST_PS = 1 << 50
MOST_RANKS = world.PHASE - 2
MOST_STAGES = 62


def reasons(program: Program, *, trace: bool = False) -> list[str]:
    """Return why this engine cannot play a Program; none is the rule."""
    missing = [] if available() else [f"it needs the llvmlite of numba 0.62 or later ({HINT})"]
    traced = ["it keeps no trace"] if trace else []
    return [*missing, *traced, *_program_reasons(program)]


def check_playable(program: Program, job: Job) -> None:
    """Refuse what cannot be played exactly.

    Raises
    ------
    EngineRefusal
        With all reasons.
    """
    problems = program.problems()
    if problems:
        raise EngineRefusal(
            program.name, "its tables cannot be played", "tables that agree", reasons=problems
        )
    found = [*reasons(program, trace=job.trace), *_job_reasons(program, job)]
    if found:
        raise EngineRefusal(
            program.name,
            "engine 'stepper' cannot play it exactly",
            "engine 'reference'",
            reasons=found,
        )


def _program_reasons(program: Program) -> Iterator[str]:
    if program.rank_of_thread(len(program.threads)) > MOST_RANKS:
        yield f"more than {MOST_RANKS} rows"
    for i, row in enumerate(program.threads):
        if sum(stage.thread == i for stage in program.stages) > MOST_STAGES:
            yield f"{row.name}: more than {MOST_STAGES} stages on one thread"
    for stage in program.stages:
        if stage.full == "retry" and stage.inline != NONE:
            yield f"{stage.name}: a burst that was retried goes to no inline stage"
    for core, at, length in program.interruptions:
        ends = [a + n for a, n in zip(at, length, strict=True)]
        if any(b < a for a, b in zip(ends, at[1:], strict=False)):
            yield f"{program.cores[core].name}: its interruptions overlap"


def _job_reasons(program: Program, job: Job) -> Iterator[str]:
    prices, packets = job.prices, job.packets
    n, at_ps = max(len(packets), 1), packets.at_ps
    last = prices.offset + prices.step * (n - 1)
    # Read without a sign, what is negative is larger than anything.
    if len(prices.flat) and int(prices.flat.view(np.uint64).max()) >= DEAREST_PS:
        yield f"a price is negative, or more than {DEAREST_PS} ps"
    if len(last) != len(program.uses) or (last >= len(prices.flat)).any():
        yield "a use has no price"
    if not np.isin(prices.step, (0, 1)).all():
        yield "a column of prices skips packets"
    if len(at_ps) and not 0 <= int(at_ps.min()) <= int(at_ps.max()) < world.LONGEST:
        yield f"a packet arrives before 0, or after {world.LONGEST} ps"
    for i, row in enumerate(program.sources):
        if row.kind == "open" and (np.diff(at_ps[packets.source == i]) < 0).any():
            yield f"{row.name}: its packets are not in the order of their arrival"


def refusal(program: Program, a: Ints) -> EngineRefusal:
    """Return what to say of a run that could not go on."""
    error, row, now = int(a[world.ERROR]), int(a[world.ERROR_AT]), int(a[world.NOW])
    if error == world.TOO_MANY_ROUNDS:
        return EngineRefusal(
            where=program.name,
            got=f"more than {MAX_ROUNDS - 1} rounds at {now} ps, last at rank {row}",
            want="an instant that ends",
            hint="stages that hand packets on in no time form a loop",
        )
    said = {
        world.TOO_LONG: f"it lasts longer than {world.LONGEST} ps",
        world.TOO_DEEP: f"thread {row} runs stages inside stages without an end",
        world.TOO_FULL: f"more happens at {now} ps than there is memory for",
        world.FREE_VISIT: f"stage {row}: a visit costs nothing, and at least 1 ps is a rule",
        world.NOT_POLLED: f"stage {row} is polled, but is none of its thread's own",
    }
    return EngineRefusal(
        program.name, "engine 'stepper' cannot play it exactly", "engine 'reference'",
        reasons=[said[error]],
    )  # fmt: skip
