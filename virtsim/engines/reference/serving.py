"""A stage's turn: entry, batches, the inline stages behind it, and what it does on empty."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from virtsim.engines.reference.cores import pay
from virtsim.engines.reference.devices import admit
from virtsim.engines.reference.handing import emit, finish_batch, held_first
from virtsim.engines.reference.notifying import (
    arms,
    freed,
    notify,
    reclaim,
    relay,
    room,
    take,
    take_back,
)
from virtsim.engines.reference.waiting import enqueue, nothing_ready, spin_and_look
from virtsim.engines.reference.world import Stage, Steps, Thread, World
from virtsim.program import LEVELS, NONE
from virtsim.semantics import DUE, burst_take

HARDIRQ, SOFTIRQ, PROCESS = range(len(LEVELS))
Count = Generator[simpy.Event, Any, tuple[int, int]]
Answer = Generator[simpy.Event, Any, bool]


def run_one(w: World, thread: Thread) -> Steps:
    """Run the most urgent thing that is ready: a stage's entry or its turn."""
    level = thread.top
    stage, is_entry = thread.ready[level].popleft()
    saved, thread.level = thread.level, level
    thread.turns += 1
    soft = level == SOFTIRQ or thread.row.softirq
    if soft and thread.softirq_since < 0:
        thread.softirq_since, thread.softirq_n = w.now, 0
    if is_entry:
        yield from entry(w, thread, stage)
    else:
        stage.turn_queued = False
        yield from turn(w, thread, stage)
    thread.level = saved
    thread.turns -= 1
    if thread.row.softirq:
        _host_softirq_limit(w, thread)
    elif level == SOFTIRQ:
        _softirq_limit(w, thread)
    elif thread.ksoftirqd:
        thread.ksoftirqd = any(s.row.level == SOFTIRQ for s, _ in thread.ready[PROCESS])


def _over(w: World, thread: Thread) -> bool:
    row = thread.row
    longest = w.now - thread.softirq_since >= row.softirq_ps
    return longest or thread.softirq_n >= row.softirq_packets


def _softirq_limit(w: World, thread: Thread) -> None:
    """End a vCPU's softirq round; what is left after its limits goes on at process level."""
    queue = thread.ready[SOFTIRQ]
    if queue and not _over(w, thread):
        return
    thread.softirq_since = -1
    if queue:
        thread.ksoftirqd = True
        thread.ready[PROCESS].extend(queue)
        queue.clear()


def _host_softirq_limit(w: World, thread: Thread) -> None:
    """End a host softirq's round; after its limits it competes as a process and yields first."""
    if nothing_ready(thread):
        thread.softirq_since, thread.ksoftirqd = -1, False
    elif not thread.ksoftirqd and _over(w, thread):
        thread.ksoftirqd = True
        thread.core.slice_since = w.now - thread.core.row.quantum_ps


def call(w: World, thread: Thread, stage: Stage) -> Steps:
    """Run a called stage on its caller's thread, now, at the more urgent of their levels."""
    if stage.stopped or stage.turn_queued:
        return
    saved, thread.level = thread.level, min(thread.level, stage.row.level)
    yield from turn(w, thread, stage)
    thread.level = saved


def entry(w: World, thread: Thread, stage: Stage) -> Steps:
    """Serve a delivery: pay what it costs, then let the stage have its turn."""
    if stage.row.role == "relay":
        yield from relay(w, thread, stage)
        return
    stage.entry_queued = False
    landed, stage.landed = stage.landed, []
    for channel, intruded in landed:
        if intruded:
            yield from pay(w, thread, stage.index, channel.row.intrude, 0)
        yield from pay(w, thread, stage.index, channel.row.entry, 0)
    yield from pay(w, thread, stage.index, stage.row.entry, 0)
    if stage.row.full == "hold" and not any(channel.row.forward for channel, _ in landed):
        yield from _room(w, thread, stage)
        return
    if stage.row.full in ("wait", "hold"):
        stage.stopped = False
    yield from arms(w, thread, stage, "entry", 0)
    if stage.row.timer_ps:
        _timer(w, stage)
    elif stage.row.defer:
        enqueue(w, stage)
    elif not stage.turn_queued:
        yield from turn(w, thread, stage)


def _room(w: World, thread: Thread, stage: Stage) -> Steps:
    """Serve the packet in hand; packets behind are another event's business, and stay armed."""
    stage.stopped = False
    yield from arms(w, thread, stage, "entry", 0, forward=False)
    if stage.held is None:
        return
    yield from held_first(w, thread, stage)
    if not stage.stopped:
        enqueue(w, stage)


def _timer(w: World, stage: Stage) -> None:
    """First delivery: start the timer. A second one while it runs: have the turn now."""
    stage.timer_serial += 1
    if stage.timer_running:
        stage.timer_running = False
        enqueue(w, stage)
        return
    _start_timer(w, stage)


def _start_timer(w: World, stage: Stage) -> None:
    serial = stage.timer_serial
    stage.timer_running = True

    def expire() -> bool:
        if not stage.timer_running or stage.timer_serial != serial:
            return False
        stage.timer_running = False
        enqueue(w, stage)
        return True

    w.at(w.now + stage.row.timer_ps, DUE, w.program.rank_of_timer(stage.index), expire)


def requeue(w: World, stage: Stage) -> None:
    """Let a stage go on later: at the end of its queue, or when its timer says so."""
    if stage.row.timer_ps:
        stage.timer_serial += 1
        _start_timer(w, stage)
    else:
        enqueue(w, stage)


def turn(w: World, thread: Thread, stage: Stage) -> Steps:
    """Run a stage once."""
    yield from pay(w, thread, stage.index, stage.row.turn, 0)
    if stage.row.cleans != NONE:
        yield from _clean(w, thread, w.stages[stage.row.cleans])
    if stage.row.role == "reclaim":
        yield from _reclaim(w, thread, stage)
        return
    if stage.row.servers:
        yield from admit(w, thread, stage)
        return
    served = served_b = 0
    while True:
        n, n_b = yield from _batch(w, thread, stage, served, served_b)
        served, served_b = served + n, served_b + n_b
        if thread.row.wait == "poll" and stage.row.role != "called":
            thread.most = max(thread.most, served)
            yield from _refill(w, thread, stage)
            return
        if stage.stopped:
            yield from _refill(w, thread, stage)
            return
        if served >= stage.row.budget or served_b >= stage.row.budget_b:
            yield from _refill(w, thread, stage)
            requeue(w, stage)
            return
        yield from w.check(thread)
        if not stage.rearmed and w.rings[stage.row.ring].waiting:
            continue
        yield from _refill(w, thread, stage)
        if stage.rearmed:
            stage.rearmed = False
            return
        again = yield from _empty(w, thread, stage)
        if not again:
            return


def _batch(w: World, thread: Thread, stage: Stage, served: int, served_b: int) -> Count:
    """Take and serve one batch; return its packets and bytes."""
    yield from w.check(thread)
    ring, row = w.rings[stage.row.ring], stage.row
    yield from held_first(w, thread, stage)
    if stage.stopped:
        return 0, 0
    left = row.budget - served
    packets: list[int] = []
    n_b = 0
    if row.gather == "burst":
        take_back(w, thread, stage)
        most = row.batch if row.full != "wait" else min(row.batch, room(w, stage))
        packets = [take(w, ring) for _ in range(burst_take(ring.waiting, most, left))]
        if packets:
            yield from pay(w, thread, stage.index, row.batch_uses, packets[0])
        for packet in packets:
            yield from _serve(w, thread, stage, packet)
        n_b = sum(w.size_b[p] for p in packets)
    else:
        while len(packets) < min(row.batch, left) and served_b + n_b < row.budget_b:
            if not ring.waiting and not (yield from _rearm_early(w, thread, stage, packets)):
                break
            if stage.stopped or not (yield from _may_take(w, thread, stage, len(packets))):
                break
            packet = take(w, ring)
            if w.arrived[packet] < 0:
                w.arrive(packet)
            packets.append(packet)
            n_b += w.size_b[packet]
            if len(packets) == 1:
                yield from pay(w, thread, stage.index, row.batch_uses, packet)
            yield from _serve(w, thread, stage, packet)
            if len(packets) < row.batch:
                yield from w.check(thread)
    if packets:
        thread.softirq_n += len(packets) * (row.level == SOFTIRQ or thread.row.softirq)
        yield from finish_batch(w, thread, stage, packets)
    return len(packets), n_b


def _rearm_early(w: World, thread: Thread, stage: Stage, packets: list[int]) -> Answer:
    """Re-arm before the batch in hand is flushed (vhost-net variant A); tell of late arrivals."""
    spin = thread.row.spin
    spins = spin is not None and not spin.armed  # before a spin the batch is flushed
    if stage.row.flush == "before_rearm" or spins or not packets:
        return False
    yield from arms(w, thread, stage, "empty", packets[-1])
    yield from w.check(thread)
    if w.rings[stage.row.ring].waiting:
        yield from arms(w, thread, stage, "entry", packets[-1])
        return True
    stage.rearmed = True
    return False


def _may_take(w: World, thread: Thread, stage: Stage, in_hand: int) -> Answer:
    """Tell whether there is a slot ahead; if not, ask to be told of one and look once more.

    A batch that is published at its end has not taken its slots yet; it is flushed before asking.
    """
    if stage.row.full != "wait":
        return True
    unpublished = in_hand if stage.row.publish == "batch" else 0
    if room(w, stage) > unpublished:
        return True
    if in_hand:
        return False
    yield from arms(w, thread, stage, "stop", 0)
    yield from w.check(thread)
    if room(w, stage) > 0:
        yield from arms(w, thread, stage, "entry", 0)
        return True
    stage.stopped = True
    w.stops[stage.index] += 1
    return False


def _serve(w: World, thread: Thread, stage: Stage, packet: int) -> Steps:
    """Do a stage's work on one packet."""
    if w.arrived[packet] < 0:
        w.arrive(packet)
    yield from pay(w, thread, stage.index, stage.row.lead, packet)
    if stage.row.gather == "fill":
        take_back(w, thread, stage)
    yield from arms(w, thread, stage, "take", packet)
    began = w.now
    yield from pay(w, thread, stage.index, stage.row.item, packet)
    assert w.now > began or not stage.row.item
    if stage.row.publish == "each" and stage.row.inline == NONE:
        yield from emit(w, thread, stage, [packet])


def _refill(w: World, thread: Thread, stage: Stage) -> Steps:
    """Give back consumed receive buffers once more than ``refill`` are missing."""
    ring = w.rings[stage.row.ring]
    if stage.row.done != "never" or ring.taken - ring.done <= stage.row.refill:
        return
    ring.done = ring.taken
    w.note("refill", thread, stage.index, ring=ring, done=ring.done)
    freed(w, ring)
    yield from pay(w, thread, stage.index, stage.row.refill_uses, 0)
    if ring.row.reverse != NONE:
        yield from notify(w, thread, stage, w.channels[ring.row.reverse], 0, room=True)


def _empty(w: World, thread: Thread, stage: Stage) -> Answer:
    """Spin, re-arm and look once more at an empty ring. Tell whether the turn goes on."""
    row, ring = stage.row, w.rings[stage.row.ring]
    spins = thread.row.spin is not None and not thread.row.spin.armed
    if spins and nothing_ready(thread):
        yield from _quiet_spin(w, thread, stage)
        if ring.waiting:
            return True
        if not nothing_ready(thread):
            enqueue(w, stage)
            return False
    yield from pay(w, thread, stage.index, row.empty_uses, 0)
    if row.on_empty == "leave":
        return False
    yield from arms(w, thread, stage, "empty", 0)
    if row.on_empty == "serve_armed":
        yield from _serve_armed(w, thread, stage)
        return False
    if row.recheck == "none":
        return False
    yield from w.check(thread)
    if not ring.waiting:
        return False
    yield from arms(w, thread, stage, "entry", 0)
    if row.recheck == "requeue":
        enqueue(w, stage)
        return False
    return True


def _serve_armed(w: World, thread: Thread, stage: Stage) -> Steps:
    """Serve what there is with notifications on; if that was anything, turn them off and go on."""
    served = served_b = 0
    while True:
        n, n_b = yield from _batch(w, thread, stage, served, served_b)
        served, served_b = served + n, served_b + n_b
        full = served >= stage.row.budget or served_b >= stage.row.budget_b
        if not n or full or stage.stopped:
            break
    if served or stage.stopped:
        yield from arms(w, thread, stage, "entry", 0)
        requeue(w, stage)


def _quiet_spin(w: World, thread: Thread, mine: Stage) -> Steps:
    """Spin with the notifications of the thread's idle stages off, as vhost's busy poll does.

    The stage that spins goes on by itself; the others are made ready, or armed again.
    """
    takers = [s for s in thread.stages if s.row.role == "take"]
    idle = [s for s in takers if not (s.turn_queued or s.entry_queued or s.stopped)]
    for stage in idle:
        yield from arms(w, thread, stage, "entry", 0)
    yield from spin_and_look(w, thread)
    for stage in idle:
        if stage is mine or stage.entry_queued:
            continue
        if not w.rings[stage.row.ring].waiting:
            yield from arms(w, thread, stage, "empty", 0)
        if w.rings[stage.row.ring].waiting:
            enqueue(w, stage)


def _reclaim(w: World, thread: Thread, stage: Stage) -> Steps:
    """Take back used slots, restart a stopped producer, re-arm and look once more."""
    ring = w.rings[stage.row.ring]
    while True:
        yield from w.check(thread)
        for _ in range(reclaim(w, ring, thread, stage)):
            yield from pay(w, thread, stage.index, stage.row.item, 0)
        yield from _restart(w, thread, stage)
        yield from arms(w, thread, stage, "empty", 0)
        if stage.row.recheck == "none":
            return
        yield from w.check(thread)
        if ring.freed == ring.done or stage.row.on_empty == "leave":
            return
        if stage.row.recheck == "requeue":
            yield from arms(w, thread, stage, "entry", 0)
            enqueue(w, stage)
            return


def _clean(w: World, thread: Thread, stage: Stage) -> Steps:
    """Do a reclaiming stage's work in passing, as the receive poll does for its queue's other half.

    [drivers/net/virtio_net.c: virtnet_poll_cleantx]
    """
    for _ in range(reclaim(w, w.rings[stage.row.ring], thread, stage)):
        yield from pay(w, thread, stage.index, stage.row.item, 0)
    yield from _restart(w, thread, stage)
    yield from arms(w, thread, stage, "clean", 0)


def _restart(w: World, thread: Thread, stage: Stage) -> Steps:
    """Let the producer that this stage restarts go on, if there is room again."""
    if stage.row.restarts == NONE:
        return
    producer = w.stages[stage.row.restarts]
    if not producer.stopped or room(w, producer) < producer.row.room:
        return
    producer.stopped = False
    yield from pay(w, thread, stage.index, stage.row.restart, 0)
    enqueue(w, producer)
