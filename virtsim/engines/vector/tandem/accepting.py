"""Which rows of servers cost nothing but their work."""

from __future__ import annotations

from collections.abc import Iterator

from virtsim.engines.vector.servers import accepting
from virtsim.program import NONE, Program


def reasons(program: Program) -> Iterator[str]:
    """Yield what keeps a Program from being played hop by hop."""
    if any(source.kind != "open" for source in program.sources):
        yield "packets that arrive when their sender starts them"
    for row in program.threads:
        if row.signal or row.wake or row.idle or row.block or row.resume:
            yield f"{row.name} pays for its sleep"
        if program.cores[row.core].idle_states:
            yield f"{row.name} has a core with idle states"
    for channel in program.channels:
        if not channel.armed or channel.mode == "never" or not channel.forward:
            yield f"{channel.name} is silent at first, or tells of room"
        if channel.send or channel.intrude or channel.entry:
            yield f"{channel.name} costs something"
    for stage in program.stages:
        if stage.entry or stage.turn or stage.empty_uses or any(arm.uses for arm in stage.arms):
            yield f"{stage.name} pays for more than its packets"
        if any(arm.k != 1 for arm in stage.arms):
            yield f"{stage.name} waits for several packets"
        if not stage.item:
            yield f"{stage.name} takes no time over a packet"
        if stage.out != NONE and stage.full != "drop":
            yield f"{stage.name}: '{stage.full}' when the ring ahead is full"
    for ring in program.rings:
        if ring.capacity and ring.frees != "take":
            yield f"{ring.name} frees its slots late"
    yield from accepting.reasons(program)
