"""Publishing, deciding to notify, paying for it, and delivering."""

from __future__ import annotations

from virtsim.engines.reference.cores import pay
from virtsim.engines.reference.polling import found
from virtsim.engines.reference.waiting import begin_wake, enqueue, look
from virtsim.engines.reference.world import UNBOUNDED, Channel, Ring, Stage, Steps, Thread, World
from virtsim.program import NONE, ArmRow
from virtsim.semantics import (
    DUE,
    MASK,
    UNBLOCK,
    event_next,
    event_off,
    event_share,
    moderate,
    need_event,
    passed,
)

WAITS_FOR_NOTHING = ("core", "waking", "claimed", "hit", "asleep")
"""Modes in which a thread sees a delivery as soon as it runs, without an interruption."""


def counter(w: World, channel: Channel) -> int:
    """Return the free-running counter whose progress the channel announces."""
    ring = w.rings[channel.row.ring]
    return ring.visible if channel.row.forward else ring.returned


def decide(w: World, channel: Channel) -> bool:
    """Decide whether what was published since the last decision is announced."""
    mode = channel.row.mode
    new = counter(w, channel) & MASK
    old, channel.old = channel.old, new
    send = mode == "always" or (mode == "flags" and channel.armed)
    if mode == "event":
        send = need_event(channel.event, new, old)
        channel.triggered = channel.triggered or send
    elif mode == "once":
        send, channel.armed = channel.armed, False
    elif mode == "latch":
        send = channel.armed and not channel.raised
        channel.latched = channel.latched or not channel.armed
        channel.raised = channel.raised or send
    elif mode == "call":
        send = w.rings[channel.row.ring].waiting > 0
    w.note("decide", ring=w.rings[channel.row.ring], forward=int(channel.row.forward),
           event=channel.event, new=new, old=old, send=int(send))  # fmt: skip
    return send


def arm(w: World, row: ArmRow, thread: Thread) -> bool:
    """Change a channel; the stage's ``passed`` stage becomes ready if its event lies behind.

    Tell whether a latch held something back that is sent now.
    """
    channel = w.channels[row.channel]
    ring = w.rings[channel.row.ring]
    now_at = counter(w, channel)
    if channel.row.forward:
        position = ring.taken
    else:
        position = ring.freed if ring.row.frees == "reclaim" else ring.returned
    channel.armed = row.value in ("next", "share")
    if row.value == "next":
        channel.event = event_next(position, row.k)
    elif row.value == "share":
        channel.event = event_share(position, ring.published - ring.known, row.num, row.den)
    elif row.value == "off" and not channel.triggered:
        channel.event = event_off(now_at)
    channel.triggered = channel.triggered and not channel.armed
    w.note("arm", thread, ring=ring, forward=int(channel.row.forward), event=channel.event,
           off=int(not channel.armed))  # fmt: skip
    if row.passed != NONE and channel.armed and passed(channel.event, position, now_at):
        enqueue(w, w.stages[row.passed])
    due = channel.latched and channel.armed
    channel.latched, channel.raised = False, due
    return due


def arms(
    w: World, thread: Thread, stage: Stage, when: str, packet: int, *, forward: bool | None = None
) -> Steps:
    """Carry out a stage's arm rules for one occasion: pay, then change the channel.

    With ``forward`` only those of channels in that direction. A stage that asks for work anew at
    each take does so only while it asks for work at all.
    """
    for row in stage.row.arms:
        channel = w.channels[row.channel]
        silent = when == "take" and channel.row.forward and not channel.armed
        mine = forward is None or channel.row.forward == forward
        if row.when == when and mine and not silent:
            yield from pay(w, thread, stage.index, row.uses, packet)
            if arm(w, row, thread):
                # What a latch held back is the device's own message, unless somebody pays for it.
                by = thread if channel.row.send else None
                yield from _send(w, thread, stage, channel, packet, by)


# -- publication -----------------------------------------------------------------------------


def publish(w: World, ring: Ring, packet: int) -> None:
    """Put a packet on a ring; it becomes visible now, or after the ring's delay."""
    ring.items.append(packet)
    ring.published += 1
    w.note("publish", packet=packet, ring=ring, published=ring.published)
    if not ring.row.visible:
        _show(w, ring)
        return
    payer = ring.consumer.index if ring.consumer else 0
    delay = w.book_delays(payer, ring.row.visible, packet)
    at = max(w.now + delay, ring.last_visible_ps)
    ring.last_visible_ps = at
    w.at(at, DUE, ring.rank, lambda: _arrive(w, ring))


def _arrive(w: World, ring: Ring) -> None:
    _show(w, ring)
    if ring.row.forward != NONE:
        announce(w, w.channels[ring.row.forward])


def _show(w: World, ring: Ring) -> None:
    ring.visible += 1
    stage = ring.consumer
    if stage is None:
        return
    thread = w.threads[stage.row.thread]
    if thread.mode == "parked":
        if w.can_work(stage):
            found(w, thread, stage)
    elif thread.mode == "spin_look":
        look(w, thread)


def take(w: World, ring: Ring) -> int:
    """Take the oldest visible packet off a ring."""
    ring.taken += 1
    packet = ring.items.popleft()
    w.note("take", packet=packet, ring=ring, taken=ring.taken)
    if ring.row.frees == "take":
        freed(w, ring)
    return packet


def give_back(w: World, ring: Ring, n: int) -> None:
    """Give back n slots: used-ring entries in tx, fresh buffers in rx."""
    ring.done += n
    w.note("done", ring=ring, done=ring.done)
    if ring.row.frees == "done":
        freed(w, ring)
    elif ring.row.frees == "reclaim":
        _look_for_room(w, ring)


def freed(w: World, ring: Ring) -> None:
    """Let producers that are blocked on a ring go on in phase 2."""
    if ring.blocked:
        w.at(w.now, UNBLOCK, ring.index, lambda: _unblock(ring))
    _look_for_room(w, ring)


def _look_for_room(w: World, ring: Ring) -> None:
    """Let parked pollers that wait for room on a ring look when they come by."""
    for stage in ring.lookers:
        thread = w.threads[stage.row.thread]
        if thread.mode == "parked" and w.can_work(stage):
            found(w, thread, stage)


def _unblock(ring: Ring) -> None:
    while ring.blocked and ring.free > 0:
        ring.blocked.pop(0)()


def reclaim(w: World, ring: Ring, thread: Thread, stage: Stage) -> int:
    """Take back the used slots of a ring and return how many they were."""
    n = ring.done - ring.freed
    if n:
        ring.freed = ring.done
        w.note("reclaim", thread, stage.index, ring=ring, freed=ring.freed)
        freed(w, ring)
    return n


def take_back(w: World, thread: Thread, stage: Stage) -> None:
    """Let a producer that reclaims by itself take back the used slots of the ring ahead."""
    if stage.row.reclaims:
        reclaim(w, w.rings[stage.row.out], thread, stage)


# -- delivery --------------------------------------------------------------------------------


def announce(w: World, channel: Channel) -> None:
    """Decide and deliver for a publisher that is no thread (a source, a device's DMA)."""
    if decide(w, channel) and _hold(w, channel):
        target = _deliver(w, channel)
        if target is not None:
            begin_wake(w, target)


def notify(
    w: World, thread: Thread, stage: Stage, channel: Channel, packet: int, *, room: bool = False
) -> Steps:
    """Decide, pay for sending, and deliver, on the publisher's thread (``room``: on slots)."""
    later = not room and w.rings[channel.row.ring].row.visible
    if later or not decide(w, channel):
        return
    if channel.row.mode == "call":
        yield from pay(w, thread, stage.index, channel.row.send, packet)
        yield from w.call(w, thread, w.stages[channel.row.target])
        return
    yield from _send(w, thread, stage, channel, packet, thread)


def _send(
    w: World, thread: Thread, stage: Stage, channel: Channel, packet: int, by: Thread | None
) -> Steps:
    """Pay for a notification and start its delivery; one that is put off its relay pays for."""
    if not (_relays(channel, "late") and _put_off(w, channel)):
        yield from pay(w, thread, stage.index, channel.row.send, packet)
    w.note("notify", thread, stage.index, packet=packet, ring=w.rings[channel.row.ring],
           forward=int(channel.row.forward))  # fmt: skip
    if not _hold(w, channel):
        return
    if by is not None and not by.row.host_cpu:
        by = None  # a device pays nothing for telling anybody
    target = _deliver(w, channel, sender=by)
    if target is not None:
        if by is not None:
            yield from pay(w, thread, stage.index, target.row.signal, packet)
        begin_wake(w, target)


def _relays(channel: Channel, when: str) -> bool:
    return channel.row.via != NONE and channel.row.via_when == when


def _put_off(w: World, channel: Channel) -> bool:
    return moderate(w.now, channel.last_ps, channel.row.gap_ps) > w.now


def relay(w: World, thread: Thread, stage: Stage) -> Steps:
    """Pass on what goes through a relay: pay its entry uses, then deliver as its thread."""
    stage.entry_queued = False
    channels, stage.relayed = stage.relayed, []
    for channel in channels:
        yield from pay(w, thread, stage.index, stage.row.entry, 0)
        if stage.row.inline != NONE:
            yield from _to_next(w, thread, stage, channel)
            continue
        channel.in_flight = False
        target = _reach(w, channel, thread)
        if target is not None:
            yield from pay(w, thread, stage.index, target.row.signal, 0)
            begin_wake(w, target)


def _to_next(w: World, thread: Thread, stage: Stage, channel: Channel) -> Steps:
    """Hand a delivery to the relay behind this one, and wake its thread if it sleeps."""
    behind = w.stages[stage.row.inline]
    target = w.threads[behind.row.thread]
    asleep = target.mode == "asleep"
    if asleep:
        target.mode = "claimed"
    _through(w, channel, behind)
    if asleep:
        yield from pay(w, thread, stage.index, target.row.signal, 0)
        begin_wake(w, target)


def _through(w: World, channel: Channel, stage: Stage) -> None:
    """Hand a delivery to a relay."""
    channel.in_flight = True
    stage.relayed.append(channel)
    enqueue(w, stage, entry=True)


def _hold(w: World, channel: Channel) -> bool:
    """Count a decision to send; tell whether it is time to deliver (coalescing)."""
    row = channel.row
    if row.hold_n <= 1 and row.hold_ps == 0:
        return True
    channel.held += 1
    if channel.held >= row.hold_n:
        channel.held = 0
        channel.hold_serial += 1
        return True
    if channel.held == 1:
        serial = channel.hold_serial
        rank = channel.rank
        w.at(w.now + row.hold_ps, DUE, rank, lambda: _hold_over(w, channel, serial))
    return False


def _hold_over(w: World, channel: Channel, serial: int) -> bool:
    if channel.hold_serial != serial:
        return False
    channel.held = 0
    channel.hold_serial += 1
    target = _deliver(w, channel)
    if target is not None:
        begin_wake(w, target)
    return True


def _deliver(w: World, channel: Channel, sender: Thread | None = None) -> Thread | None:
    """Start a delivery. Return the target thread if it sleeps and is now the caller's to wake."""
    if channel.in_flight:
        return None
    due = moderate(w.now, channel.last_ps, channel.row.gap_ps)
    if due > w.now:
        channel.in_flight = True
        rank = channel.rank
        w.at(due, DUE, rank, lambda: _gap_over(w, channel))
        return None
    channel.last_ps = w.now
    if _relays(channel, "always"):
        _through(w, channel, w.stages[channel.row.via])
        return None
    return _reach(w, channel, sender)


def _gap_over(w: World, channel: Channel) -> None:
    channel.in_flight = False
    channel.last_ps = w.now
    if _relays(channel, "always") or _relays(channel, "late"):
        _through(w, channel, w.stages[channel.row.via])
        return
    target = _reach(w, channel, None)
    if target is not None:
        begin_wake(w, target)


def _reach(w: World, channel: Channel, sender: Thread | None) -> Thread | None:
    """Deliver to a thread in the state in which it is."""
    stage = w.stages[channel.row.target]
    thread = w.threads[stage.row.thread]
    if thread.mode == "asleep":
        if _relays(channel, "asleep") and sender is None:
            _through(w, channel, w.stages[channel.row.via])
            return None
        thread.mode = "claimed"
        _land(w, channel, intrude=False)
        return thread
    quiet = thread is sender or thread.in_exit or thread.mode in WAITS_FOR_NOTHING
    if quiet or thread.mode in ("spin_armed", "spin_look"):
        _land(w, channel, intrude=False)
        return None
    delay = w.book_delays(stage.index, channel.row.running, 0)
    if delay == 0:
        _land(w, channel, intrude=True)
    else:
        channel.in_flight = True
        rank = channel.rank
        w.at(w.now + delay, DUE, rank, lambda: _land(w, channel, intrude=True))
    return None


def _land(w: World, channel: Channel, *, intrude: bool) -> None:
    """Make the stage of a delivery that has arrived pending."""
    channel.in_flight = False
    stage = w.stages[channel.row.target]
    stage.landed.append((channel, intrude))
    thread = w.threads[stage.row.thread]
    w.note("deliver_notification", thread, stage.index, ring=w.rings[channel.row.ring])
    if thread.row.wait != "poll":
        enqueue(w, stage, entry=True)


def room(w: World, stage: Stage) -> int:
    """Free slots ahead of a stage (without a ring ahead: any number)."""
    return UNBOUNDED if stage.row.out == NONE else w.rings[stage.row.out].free
