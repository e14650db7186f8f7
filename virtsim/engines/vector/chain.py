"""The way of a packet through a Program: one chain of rings from the source on."""

from __future__ import annotations

from collections.abc import Iterator

from virtsim.program import NONE, Program, StageRow


def reasons(program: Program) -> Iterator[str]:
    """Yield what every kernel needs and a Program does not have: one chain, cores of one's own."""
    yield from program.problems()
    if len(program.sources) != 1:
        yield f"{len(program.sources)} sources"
    else:
        source = program.sources[0]
        if source.kind == "closed":
            yield "a closed loop"
        if source.kind == "saturate" and program.rings[source.ring].capacity:
            yield "a sender that saturates a ring of limited size"
    if any(at for _, at, _ in program.interruptions):
        yield "interrupted cores"
    cores = [row.core for row in program.threads]
    if len(set(cores)) < len(cores):
        yield "threads that share a core"
    for i, ring in enumerate(program.rings):
        if sum(row.ring == i and row.role in ("take", "called") for row in program.stages) > 1:
            yield f"{ring.name} has several consumers"
        feeders = [row for row in program.stages if row.out == i]
        if len(feeders) + sum(source.ring == i for source in program.sources) > 1:
            yield f"{ring.name} is filled from several sides"
    inlined = [row.inline for row in program.stages if row.inline != NONE]
    if len(set(inlined)) < len(inlined):
        yield "an inline stage of two stages"
    for row in program.stages:
        if row.inline != NONE and program.stages[row.inline].thread != row.thread:
            yield f"{row.name} is inlined on another thread"
    if len(program.sources) == 1 and len(set(order := rings_in_order(program))) < len(order):
        yield "packets that go in a circle"


def consumer(program: Program, ring: int) -> int:
    """Return the stage that takes from a ring, NONE if there is none."""
    for i, row in enumerate(program.stages):
        if row.ring == ring and row.role in ("take", "called"):
            return i
    return NONE


def run_of(program: Program, stage: int) -> list[int]:
    """Return a stage and the inline stages behind it."""
    found = [stage]
    while program.stages[found[-1]].inline != NONE and len(found) <= len(program.stages):
        found.append(program.stages[found[-1]].inline)
    return found


def last_of(program: Program, stage: int) -> StageRow:
    """Return the stage that hands on for a stage: itself, or its last inline one."""
    return program.stages[run_of(program, stage)[-1]]


def rings_in_order(program: Program) -> list[int]:
    """Return the rings in the order in which a packet meets them (a circle, until it closes)."""
    order = [program.sources[0].ring]
    while (stage := consumer(program, order[-1])) != NONE:
        out = last_of(program, stage).out
        if out == NONE:
            break
        order.append(out)
        if order.count(out) > 1:
            break
    return order
