"""Which Programs are a driver and a worker with a ring between them, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from virtsim.engines.vector.chain import consumer, rings_in_order
from virtsim.engines.vector.pollers.accepting import BARE, device_reasons
from virtsim.outcome import Ints, Prices
from virtsim.program import NONE, ChannelRow, Program, RingRow, StageRow, ThreadRow, Uses

PROCESS = 2


@dataclass(frozen=True)
class Roles:
    """Which rows of a Program are what: stages, and the ring and the channels between them."""

    sender: int
    handler: int
    worker: int
    inline: int
    device: int
    ring: int
    queue: int
    kick: int
    call: int


def roles(program: Program) -> Roles | None:
    """Return which row of a Program is what, None if they do not come to a driver and a worker."""
    order = rings_in_order(program)
    if not 2 <= len(order) <= 3:
        return None
    rows = program.rings[order[0]], program.rings[order[1]]
    takers = [consumer(program, at) for at in order]
    reclaim = [i for i, s in enumerate(program.stages) if s.role == "reclaim"]
    worker = program.stages[takers[1]]
    found = Roles(
        takers[0], reclaim[0] if reclaim else NONE, takers[1], worker.inline,
        takers[2] if len(order) > 2 else NONE, order[1], rows[0].forward, rows[1].forward,
        rows[1].reverse,
    )  # fmt: skip
    stages = {found.sender, found.handler, found.worker, found.inline, found.device} - {NONE}
    needed = found.sender, found.handler, found.worker, found.queue, found.kick, found.call
    if NONE in needed or len(stages) != len(program.stages) or len(reclaim) != 1:
        return None
    return found if len(order) < 3 or found.device != NONE else None


def reasons(program: Program) -> Iterator[str]:
    """Yield what keeps a Program from being played as a driver and its worker."""
    found = roles(program)
    if found is None:
        yield "no driver, its interrupt, and one worker behind a ring that is reclaimed"
        return
    sender, handler, worker = (
        program.stages[i] for i in (found.sender, found.handler, found.worker)
    )
    if sender.thread != handler.thread or sender.thread == worker.thread:
        yield f"{handler.name} does not interrupt {sender.name}"
        return
    yield from _driver(program, program.threads[sender.thread], handler)
    yield from _worker(program.threads[worker.thread])
    yield from _sender(program, found, sender)
    yield from _handler(found, handler)
    yield from _behind(program, found, worker)
    yield from _rings(program, found)
    yield from _channels(program, found)
    yield from _per_byte(program, found)
    threads = {sender.thread, worker.thread}
    if found.device != NONE:
        device = program.stages[found.device]
        threads.add(device.thread)
        row = program.threads[device.thread]
        if row.wait != "always" or row.host_cpu or row.loop or row.softirq:
            yield f"{row.name} is no device"
        yield from device_reasons(program, found.device, device)
    if len(threads) < len(program.threads):
        yield "threads without work"


def _driver(program: Program, row: ThreadRow, handler: StageRow) -> Iterator[str]:
    if row.wait == "poll" or not row.host_cpu or row.softirq or row.loop or row.pace:
        yield f"{row.name} polls, is a softirq, or no CPU of the host's"
    if row.spin is not None and not row.spin.armed:
        yield f"{row.name} spins before it asks to be told"
    for uses in (row.idle, row.block, row.resume, handler.entry):
        if len({program.uses[use].exit for use in uses}) > 1:
            yield f"{row.name} is in its guest for part of a list of uses"


def _worker(row: ThreadRow) -> Iterator[str]:
    bare = ThreadRow(row.name, row.kind, row.core, row.wait, loop=row.loop, signal=row.signal,
                     wake=row.wake, resume=row.resume, spin=row.spin)  # fmt: skip
    if replace(row, softirq_packets=bare.softirq_packets, softirq_ps=bare.softirq_ps) != bare:
        yield f"{row.name} halts, naps, or is a softirq"
    if row.spin is not None and row.spin.armed:
        yield f"{row.name} spins after it has asked to be told"
    if row.wait == "poll":
        yield f"{row.name} polls"


def _sender(program: Program, found: Roles, row: StageRow) -> Iterator[str]:
    plain = StageRow(
        row.name, row.thread, PROCESS, row.side, row.ring, entry=row.entry, turn=row.turn,
        lead=row.lead, item=row.item, empty_uses=row.empty_uses, poll=row.poll, batch=row.batch,
        budget=row.budget, out=row.out, decide=row.decide, full="stop", room=row.room,
        retries=row.retries, arms=row.arms, flush=row.flush, refill=row.refill,
        refill_uses=row.refill_uses,
    )  # fmt: skip
    if row != plain or row.flush == "after_rearm" or row.room < 1:
        yield f"{row.name} is more than a sender that stops"
    if len(row.item) != 1:
        yield f"{row.name} does not take one use for a packet"
    lists = [row.entry, row.turn, row.lead, row.empty_uses]
    signal = program.threads[program.stages[found.worker].thread].signal
    if any(len(uses) > 1 for uses in (*lists, signal, program.channels[found.kick].send)):
        yield f"{row.name} can be interrupted between two uses"
    told = {"entry": (found.queue,), "empty": (found.queue,)}
    yield from _arms(row, {**told, "take": (found.call,), "publish": (found.call,),
                           "stop": (found.call,)}, found)  # fmt: skip


def _handler(found: Roles, row: StageRow) -> Iterator[str]:
    plain = StageRow(
        row.name, row.thread, row.level, row.side, found.ring, role="reclaim", entry=row.entry,
        turn=row.turn, arms=row.arms, recheck=row.recheck, defer=row.defer, restarts=found.sender,
        restart=row.restart, poll=row.poll,
    )  # fmt: skip
    if row != plain or row.level < 1:
        yield f"{row.name} is more than a handler that reclaims"
    entry = row.entry if not row.defer or row.level > 1 else ()
    if any(len(uses) > 1 for uses in (entry, row.turn, row.restart)):
        yield f"{row.name} can be interrupted between two uses"
    yield from _arms(row, {"entry": (found.call,), "empty": (found.call,)}, found, ("clean",))


def _behind(program: Program, found: Roles, row: StageRow) -> Iterator[str]:
    """Yield what makes a worker, with what it does inline, more than one that takes batches."""
    out = row.out if row.inline == NONE else NONE
    plain = StageRow(
        row.name, row.thread, row.level, row.side, found.ring, entry=row.entry, turn=row.turn,
        lead=row.lead, item=row.item, empty_uses=row.empty_uses, poll=row.poll, batch=row.batch,
        budget=row.budget, budget_b=row.budget_b, inline=found.inline, out=out, room=row.room,
        retries=row.retries, arms=row.arms, defer=row.defer, on_empty=row.on_empty,
        flush=row.flush,
    )  # fmt: skip
    early = row.flush == "after_rearm" and row.on_empty != "rearm"
    if row != plain or not row.item or row.on_empty == "leave" or row.level != PROCESS or early:
        yield f"{row.name} is more than a worker that takes batches"
    if found.inline != NONE:
        behind = program.stages[found.inline]
        bare = StageRow(behind.name, row.thread, behind.level, behind.side, NONE, "inline",
                        item=behind.item, out=behind.out, room=behind.room,
                        retries=behind.retries)  # fmt: skip
        if behind != bare:
            yield f"{behind.name} is more than work on packet after packet"
    taking = {"take": (found.kick,)} if not row.lead else {}
    yield from _arms(row, {"entry": (found.kick,), "empty": (found.kick,), **taking}, found)


def _arms(
    row: StageRow, usual: dict[str, tuple[int, ...]], found: Roles, never: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield arm rules of other occasions or channels, or that are paid in several places."""
    rules = [arm for arm in row.arms if arm.when not in never]
    paid = [arm for arm in rules if arm.uses]
    first = next((arm for arm in rules if arm.when == "empty"), None)
    if any(arm.channel not in usual.get(arm.when, ()) for arm in rules):
        yield f"{row.name} arms its channels in its own way"
    if any(arm is not first or len(arm.uses) > 1 for arm in paid):
        yield f"{row.name} pays for arming in its own way"
    if any(arm.passed not in (NONE, found.handler) or arm.den < 1 for arm in rules):
        yield f"{row.name} makes others ready"


def _rings(program: Program, found: Roles) -> Iterator[str]:
    first, between = program.rings[program.sources[0].ring], program.rings[found.ring]
    bare = RingRow(first.name, 0, first.frees, drop=first.drop, forward=first.forward)
    if replace(first, virtqueue=False) != bare or first.frees == "reclaim":
        yield f"{first.name} is limited, seen late, or tells of room"
    bare = RingRow(between.name, between.capacity, "reclaim", drop=between.drop,
                   forward=between.forward, reverse=between.reverse)  # fmt: skip
    if replace(between, virtqueue=False) != bare or not between.capacity:
        yield f"{between.name} has any number of places, is seen late, or not reclaimed"
    if found.device != NONE:
        ahead = program.rings[program.stages[found.device].ring]
        if ahead.reverse != NONE or ahead.frees == "reclaim":
            yield f"{ahead.name} tells of room, or is reclaimed"


def _channels(program: Program, found: Roles) -> Iterator[str]:
    targets = {found.queue: found.sender, found.kick: found.worker, found.call: found.handler}
    for i, row in enumerate(program.channels):
        if i not in targets:
            bare = replace(BARE, name=row.name, ring=row.ring, mode=row.mode, target=found.device)
            if row != bare or row.mode not in ("once", "flags", "event", "always"):
                yield f"{row.name} is more than a device's notice"
            continue
        forward = i != found.call
        bare = ChannelRow(row.name, row.ring, forward, row.mode, targets[i], send=row.send,
                          running=() if forward else row.running, armed=row.armed)  # fmt: skip
        if row != bare or row.mode in ("latch", "call"):
            yield f"{row.name} is delayed, moderated, relayed, a latch or a call"


def _per_byte(program: Program, found: Roles) -> Iterator[str]:
    """Yield uses that cost by the byte but are not paid packet by packet."""
    lists: list[Uses] = []
    for t in {program.stages[i].thread for i in (found.sender, found.worker)}:
        row = program.threads[t]
        lists += [row.signal, row.wake, row.idle, row.block, row.resume, row.hit, row.loop]
        lists += [row.spin.turn] if row.spin else []
        lists += [(use,) for _, use in program.cores[row.core].idle_states]
    for stage in program.stages:
        lists += [stage.entry, stage.turn, stage.empty_uses, stage.restart]
        lists += [arm.uses for arm in stage.arms]
    lists += [uses for row in program.channels for uses in (row.send, row.running)]
    for use in {u for uses in lists for u in uses}:
        if program.uses[use].per_byte:
            yield f"{program.uses[use].op} costs by the byte, but not by the packet"


def price_reasons(program: Program, prices: Prices) -> Iterator[str]:
    """Yield what prices must not be: those of asking early, and those that let a ring overflow.

    A device that serves a packet no slower than the worker passes one has never more to do than a
    batch; as many again may be on their way, and those that come while one is.
    """
    found = roles(program)
    if found is None:
        return
    worker = program.stages[found.worker]
    asking = [use for arm in worker.arms for use in arm.uses]
    spins = program.threads[worker.thread].spin is not None
    early = worker.flush == "after_rearm" and not spins
    if early and any(prices.step[use] for use in asking):
        yield f"{worker.name} asks to be told at prices that differ"
    if found.device == NONE:
        return
    row = program.stages[found.device]
    ring = program.rings[row.ring]
    if not ring.capacity:
        return
    inline = program.stages[found.inline].item if found.inline != NONE else ()
    apart = sum(int(_prices(prices, use).min()) for use in (*worker.lead, *worker.item, *inline))
    served = sum(int(_prices(prices, use).max()) for use in row.item)
    late = sum(int(_prices(prices, use).max()) for use in ring.visible)
    if apart < max(1, served) or 2 * worker.batch + late // apart + 3 >= ring.capacity:
        yield f"{ring.name} may overflow"
    if any(prices.step[use] for use in ring.visible):
        yield f"{ring.name} is seen late, each packet in its own way"


def _prices(prices: Prices, use: int) -> Ints:
    """Return the prices of a use: one, or those of all packets."""
    at = int(prices.offset[use])
    if not prices.step[use]:
        return prices.flat[at : at + 1]
    later = prices.offset[prices.offset > at]
    return prices.flat[at : int(later.min()) if len(later) else None]


__all__ = ["Roles", "price_reasons", "reasons", "roles"]
