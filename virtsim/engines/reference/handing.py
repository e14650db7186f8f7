"""Handing a batch on: to inline stages, to the ring ahead, and back to the ring behind."""

from __future__ import annotations

from virtsim.engines.reference.cores import give_way, must_yield, over_at_quantum, pay
from virtsim.engines.reference.notifying import (
    arms,
    counter,
    give_back,
    notify,
    publish,
    take_back,
)
from virtsim.engines.reference.world import BUSY, POLLING, Gate, Ring, Stage, Steps, Thread, World
from virtsim.program import NONE
from virtsim.semantics import MASK


def finish_batch(w: World, thread: Thread, stage: Stage, packets: list[int]) -> Steps:
    """Hand a served batch on, and give its slots back before or after."""
    if stage.row.done == "before":
        yield from _done(w, thread, stage, packets)
    if stage.row.inline != NONE:
        yield from run_inline(w, thread, w.stages[stage.row.inline], packets)
    elif stage.row.publish == "batch":
        yield from emit(w, thread, stage, packets)
    yield from _decide_for_batch(w, thread, stage, packets)
    if stage.row.done == "after":
        yield from _done(w, thread, stage, packets)


def _done(w: World, thread: Thread, stage: Stage, packets: list[int]) -> Steps:
    ring = w.rings[stage.row.ring]
    give_back(w, ring, len(packets))
    if ring.row.reverse != NONE:
        channel = w.channels[ring.row.reverse]
        yield from notify(w, thread, stage, channel, packets[-1], room=True)


def run_inline(w: World, thread: Thread, stage: Stage, packets: list[int]) -> Steps:
    """Run a stage on the caller's thread, on the caller's batch."""
    take_back(w, thread, stage)
    if stage.row.full == "retry":
        yield from _retry(w, thread, stage, packets)
    else:
        yield from pay(w, thread, stage.index, stage.row.batch_uses, packets[0])
        for packet in packets:
            yield from pay(w, thread, stage.index, stage.row.item, packet)
            if stage.row.publish == "each" and stage.row.inline == NONE:
                yield from emit(w, thread, stage, [packet])
        if stage.row.publish == "batch" and stage.row.inline == NONE:
            yield from emit(w, thread, stage, packets)
    if stage.row.inline != NONE:
        yield from run_inline(w, thread, w.stages[stage.row.inline], packets)
    yield from _decide_for_batch(w, thread, stage, packets)


def _decide_for_batch(w: World, thread: Thread, stage: Stage, packets: list[int]) -> Steps:
    """One decision for a batch that was published packet by packet."""
    if stage.row.decide == "batch" and stage.row.out != NONE and stage.row.full != "retry":
        channel = w.rings[stage.row.out].row.forward
        if channel != NONE:
            yield from notify(w, thread, stage, w.channels[channel], packets[-1])
        yield from arms(w, thread, stage, "publish", packets[-1])


def _retry(w: World, thread: Thread, stage: Stage, packets: list[int]) -> Steps:
    """Offer a burst again while the last try placed something; drop what is left."""
    ring, left = w.rings[stage.row.out], packets
    for _ in range(stage.row.retries + 1):
        take_back(w, thread, stage)
        yield from pay(w, thread, stage.index, stage.row.batch_uses, left[0])
        fits = left[: max(0, ring.free)]
        for packet in fits:
            yield from pay(w, thread, stage.index, stage.row.item, packet)
        for packet in fits:
            publish(w, ring, packet)
        left = left[len(fits) :]
        if fits and ring.row.forward != NONE:
            yield from notify(w, thread, stage, w.channels[ring.row.forward], fits[-1])
        if not left or not fits:
            break
    for packet in left:
        w.finish(packet, ring.index)


def emit(w: World, thread: Thread, stage: Stage, packets: list[int]) -> Steps:
    """Put packets on the ring ahead, or end their life if there is none."""
    if stage.row.out == NONE:
        for packet in packets:
            w.finish(packet)
        return
    ring = w.rings[stage.row.out]
    placed = NONE
    for packet in packets:
        if ring.free > 0:
            publish(w, ring, packet)
            placed = packet
        elif stage.row.full == "block":
            yield from _announce_placed(w, thread, stage, ring, packet)
            if ring.free > 0:
                publish(w, ring, packet)
            else:
                yield from _blocked(w, thread, ring, packet)
            placed = packet
        elif stage.row.full == "hold":
            yield from _hold(w, thread, stage, ring, packet)
            if stage.held is None:
                placed = packet
        else:
            w.finish(packet, ring.index)
    if placed != NONE and stage.row.decide == "each":
        if ring.row.forward != NONE:
            yield from notify(w, thread, stage, w.channels[ring.row.forward], placed)
        yield from arms(w, thread, stage, "publish", placed)
    if stage.row.full == "stop" and ring.free < stage.row.room and not stage.stopped:
        stage.stopped = True
        w.stops[stage.index] += 1
        w.note("stop", thread, stage.index, ring=ring)
        yield from arms(w, thread, stage, "stop", packets[-1])


def _blocked(w: World, thread: Thread, ring: Ring, packet: int) -> Steps:
    """Wait on the core for a slot; publish in phase 2, go on in the next check.

    A blocked thread loses its core after its quantum like any other, but not its place.
    """
    mode, placed = thread.mode, False

    def publish_now() -> None:
        nonlocal placed
        placed = True
        publish(w, ring, packet)
        if thread.mode == "blocked" and thread.gate is not None:
            thread.gate.open()

    ring.blocked.append(publish_now)
    while not placed:
        w.set_state(thread, POLLING)
        thread.mode = "blocked"
        thread.gate = gate = Gate(w.env)
        over_at_quantum(w, thread, gate)
        yield gate
        thread.mode = mode
        while not placed and must_yield(w, thread):
            yield from give_way(w, thread)
    w.set_state(thread, BUSY)
    yield from w.check(thread)


def _announce_placed(w: World, thread: Thread, stage: Stage, ring: Ring, packet: int) -> Steps:
    """Before it blocks, a stage decides on what it has published but not decided on yet."""
    if ring.row.forward != NONE:
        channel = w.channels[ring.row.forward]
        if channel.old != counter(w, channel) & MASK:
            yield from notify(w, thread, stage, channel, packet)


def _hold(w: World, thread: Thread, stage: Stage, ring: Ring, packet: int) -> Steps:
    """Keep one packet in hand, ask to be told of a slot, and look once more."""
    yield from arms(w, thread, stage, "stop", packet)
    yield from w.check(thread)
    if ring.free > 0:
        yield from arms(w, thread, stage, "entry", packet)
        publish(w, ring, packet)
        return
    stage.held, stage.stopped = packet, True
    w.stops[stage.index] += 1


def held_first(w: World, thread: Thread, stage: Stage) -> Steps:
    """Place the packet that a stage holds before it takes another."""
    if stage.held is None or stage.stopped:
        return
    packet, stage.held = stage.held, None
    yield from emit(w, thread, stage, [packet])
    if not stage.stopped:
        yield from _decide_for_batch(w, thread, stage, [packet])
