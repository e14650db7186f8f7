"""Which Programs are one producer and one consumer, and nobody pays for telling of room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from virtsim.engines.vector.servers import accepting
from virtsim.outcome import Prices
from virtsim.program import NONE, ArmRow, ChannelRow, Program, StageRow, ThreadRow


def reasons(program: Program) -> Iterator[str]:
    """Yield what keeps a Program from being played item by item."""
    if len(program.stages) != 2 or len(program.rings) != 2 or len(program.channels) != 3:
        yield "more than a producer, a consumer, and the ring between them"
        return
    first = program.sources[0].ring
    make, eat = sorted(program.stages, key=lambda row: row.ring != first)
    ring = program.rings[make.out] if make.out != NONE else None
    if ring is None or eat.ring != make.out or eat.out != NONE or make.ring != first:
        yield "stages that are not a producer and its consumer"
        return
    if program.sources[0].kind != "saturate":
        yield "a producer that waits for packets"
    if make.full != "hold" or not ring.capacity or ring.frees != "done":
        yield f"{make.name} does not hold an item until one is eaten"
    if make.thread > eat.thread:
        yield f"{make.name} comes after {eat.name} in one instant"
    yield from _prices(program, make, eat)
    yield from _channels(program, make, eat)
    yield from accepting.reasons(program)


def _prices(program: Program, make: StageRow, eat: StageRow) -> Iterator[str]:
    """Yield what costs something that costs nothing here."""
    for row in (make, eat):
        thread = program.threads[row.thread]
        bare = ThreadRow(thread.name, thread.kind, thread.core, "sleep", thread.host_cpu,
                         wake=thread.wake)  # fmt: skip
        if thread != bare or not thread.host_cpu or program.cores[thread.core].idle_states:
            yield f"{thread.name} pays for its sleep, or stands by"
        if row.entry or row.turn or row.empty_uses or row.batch_uses or row.lead:
            yield f"{row.name} pays for more than its items"
        if len(row.item) != 1:
            yield f"{row.name} does not take one use for an item"
    if any(arm.uses for arm in make.arms) or any(arm.k != 1 for arm in make.arms + eat.arms):
        yield f"{make.name} pays for being told, or for several items"
    asked = [arm.uses for arm in eat.arms if arm.when == "empty"]
    if any(len(uses) > 1 for uses in asked):
        yield f"{eat.name} asks in several uses"


def _channels(program: Program, make: StageRow, eat: StageRow) -> Iterator[str]:
    begin, kick = (program.rings[row.ring].forward for row in (make, eat))
    room = program.rings[eat.ring].reverse
    for i, row in enumerate(program.channels):
        bare = ChannelRow(row.name, row.ring, row.forward, "once", row.target, armed=i != room)
        if i == kick:
            bare = replace(bare, send=row.send)
        if row != bare or len(row.send) > 1:
            yield f"{row.name} costs something, or is not 'once'"
    usual = {ArmRow(room, "entry", "off"), ArmRow(room, "stop", "next")}
    if begin == NONE or not usual <= set(make.arms):
        yield f"{make.name} is told of room in its own way"


def price_reasons(program: Program, prices: Prices) -> Iterator[str]:
    """Yield what prices must not be: of those that belong to no item."""
    for row in program.threads:
        if any(prices.step[use] for use in row.wake):
            yield f"{row.name} wakes up at prices that differ"
    make = min(program.stages, key=lambda row: row.ring != program.sources[0].ring)
    wake = program.threads[make.thread].wake
    if sum(int(prices.flat[prices.offset[use]]) for use in wake) < 1:
        yield f"{program.threads[make.thread].name} wakes up in no time"
