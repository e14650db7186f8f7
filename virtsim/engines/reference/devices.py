"""A device with several servers: packets are in service side by side, on no host CPU."""

from __future__ import annotations

from virtsim.engines.reference.notifying import announce, arms, give_back, publish, take
from virtsim.engines.reference.waiting import enqueue
from virtsim.engines.reference.world import Ring, Stage, Steps, Thread, World
from virtsim.program import NONE
from virtsim.semantics import DUE


def admit(w: World, thread: Thread, stage: Stage) -> Steps:
    """Put waiting packets into free servers; ask to be told of more once none waits."""
    ring = w.rings[stage.row.ring]
    while True:
        yield from w.check(thread)
        while _waits(ring) and stage.in_service < stage.row.servers:
            _start(w, stage, take(w, ring))
        if _waits(ring):
            return
        yield from arms(w, thread, stage, "empty", 0)
        yield from w.check(thread)
        if not _waits(ring):
            return
        yield from arms(w, thread, stage, "entry", 0)


def _waits(ring: Ring) -> bool:
    return ring.waiting > 0


def _start(w: World, stage: Stage, packet: int) -> None:
    if w.arrived[packet] < 0:
        w.arrive(packet)
    stage.in_service += 1
    service = max(1, w.book_delays(stage.index, stage.row.item, packet))
    rank = w.program.rank_of_timer(stage.index)
    w.at(w.now + service, DUE, rank, lambda: _complete(w, stage, packet))


def _complete(w: World, stage: Stage, packet: int) -> None:
    """Hand a packet on, give its slot back, and let the next one be admitted."""
    stage.in_service -= 1
    behind = w.rings[stage.row.ring]
    if stage.row.out == NONE:
        w.finish(packet)
    elif (ahead := w.rings[stage.row.out]).free > 0:
        publish(w, ahead, packet)
        if not ahead.row.visible:
            _tell(w, ahead, ahead.row.forward)
    else:
        w.finish(packet, stage.row.out)
    give_back(w, behind, 1)
    _tell(w, behind, behind.row.reverse)
    if behind.waiting:
        enqueue(w, stage)


def _tell(w: World, ring: Ring, channel: int) -> None:
    if channel != NONE:
        announce(w, w.channels[channel])
