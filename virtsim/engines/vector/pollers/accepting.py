"""Which Programs are pollers and devices on cores of their own, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from virtsim.engines.vector.chain import rings_in_order
from virtsim.program import NONE, ArmRow, ChannelRow, Program, StageRow, ThreadRow, Uses

PROCESS = 2


def reasons(program: Program) -> Iterator[str]:
    """Yield what keeps a Program from being played burst by burst."""
    for thread in program.threads:
        yield from _thread(thread)
    for i, row in enumerate(program.stages):
        if program.threads[row.thread].wait == "poll":
            yield from _stage(program, i, row)
        else:
            yield from device_reasons(program, i, row)
    yield from _channels(program)
    yield from _rings(program)
    yield from _per_byte(program)


def _thread(row: ThreadRow) -> Iterator[str]:
    if row.wait == "sleep":
        yield f"{row.name} sleeps"
    if row.wait == "always" and (row.host_cpu or row.loop):
        yield f"{row.name} stands by on a host CPU"
    if row.softirq:
        yield f"{row.name} is a softirq"
    pace = row.pace
    if pace is None:
        return
    if not pace.period_ps and (pace.step_ps < 1 or pace.max_ps < 1 or pace.few < 1):
        yield f"{row.name}: a pace of naps that may last no time"


def _stage(program: Program, index: int, row: StageRow) -> Iterator[str]:
    """Yield what is special about a poller's stage."""
    name = row.name
    if row.role not in ("take", "inline"):
        yield f"{name}: a poller's stage of role '{row.role}'"
        return
    if row.role == "take":
        if row.gather != "burst":
            yield f"{name} fills a batch, looking again after every packet"
        if not row.item:
            yield f"{name} takes no time over a packet"
        if row.batch < 1 or row.budget < 1:
            yield f"{name}: bursts of nothing"
        if row.full == "wait" and (row.out == NONE or row.inline != NONE):
            yield f"{name} waits for room that is not its own"
    elif row.full == "wait":
        yield f"{name} waits inside a burst"
    if row.full not in ("drop", "retry", "wait"):
        yield f"{name}: '{row.full}' when the ring ahead is full"
    if row.full == "retry" and (row.role == "take" or row.inline != NONE or row.out == NONE):
        yield f"{name} retries, but does not end a burst"
    if row.arms or row.cleans != NONE or row.restarts != NONE or row.servers:
        yield f"{name} arms, cleans, restarts or serves side by side"
    if row.done == "never" and row.role != "take":
        yield f"{name} refills inside a burst"
    ahead = program.rings[row.out] if row.out != NONE else None
    each = row.publish == "each" and row.inline == NONE
    if ahead and each and row.decide == "batch" and ahead.forward != NONE and not ahead.visible:
        yield f"{name} hands on packet by packet, but tells of a burst"
    if row.reclaims and row.out == NONE:
        yield f"{name} reclaims from no ring"
    if program.threads[row.thread].pace is not None:
        others = [s for s in program.stages if s.ring in set(rings_in_order(program))]
        threads = Counter(s.thread for s in others if s.role == "take")
        crowded = [t for t, n in threads.items() if n > 1 and program.threads[t].pace is None]
        if any(program.threads[t].wait == "poll" for t in crowded):
            yield f"{name} is paced beside a poller of several rings"


PLAIN = StageRow("", 0, PROCESS, "", 0)
BARE = ChannelRow("", 0, True, "once", 0)


def device_reasons(program: Program, index: int, row: StageRow) -> Iterator[str]:
    """Yield what makes a device more than a FIFO server."""
    thread = program.threads[row.thread]
    if sum(other.thread == row.thread for other in program.stages) > 1:
        yield f"{thread.name} runs several stages"
    channel = program.rings[row.ring].forward if row.ring != NONE else NONE
    if channel == NONE:
        yield f"{row.name} is never told of packets"
        return
    plain = replace(
        PLAIN, name=row.name, thread=row.thread, side=row.side, ring=row.ring, item=row.item,
        out=row.out, arms=woken_by(channel), poll=row.poll, retries=row.retries, room=row.room,
        decide=row.decide, publish=row.publish, reclaims=False,
    )  # fmt: skip
    if row != plain or not row.item:
        yield f"{row.name} is more than a FIFO server"
    if any(source.ring == row.ring for source in program.sources):
        yield f"{row.name} is a device that takes from the source"
    if row.out != NONE:
        ahead = [s for s in program.stages if s.ring == row.out and s.role == "take"]
        if any(program.threads[s.thread].wait != "poll" for s in ahead):
            yield f"{row.name} hands on to what does not poll"


def woken_by(channel: int) -> tuple[ArmRow, ...]:
    """Return the arms of a stage that is told of packets only while its ring is empty."""
    return ArmRow(channel, "entry", "off"), ArmRow(channel, "empty", "next")


def _channels(program: Program) -> Iterator[str]:
    for i, row in enumerate(program.channels):
        target = program.stages[row.target]
        if program.threads[target.thread].wait == "poll" or not row.forward:
            yield f"{row.name} notifies a poller, or of room"
            continue
        bare = replace(BARE, name=row.name, ring=row.ring, mode=row.mode, target=row.target)
        if row != bare or row.mode not in ("once", "flags", "event", "always"):
            yield f"{row.name} is more than a device's notice"
        if program.rings[row.ring].forward != i:
            yield f"{row.name} is not its ring's own"


def _rings(program: Program) -> Iterator[str]:
    for i, row in enumerate(program.rings):
        feeders = [s for s in program.stages if s.out == i]
        if row.reverse != NONE:
            yield f"{row.name} tells of room"
        if row.frees == "reclaim" and not all(s.reclaims for s in feeders):
            yield f"{row.name} is reclaimed by nobody"
        if row.frees == "reclaim" and any(s.ring == i for s in program.sources):
            yield f"{row.name} is reclaimed by nobody"


def _per_byte(program: Program) -> Iterator[str]:
    """Yield uses that cost by the byte but are not paid packet by packet."""
    lists: list[Uses] = []
    for row in program.threads:
        pace = (row.pace.uses, row.pace.late) if row.pace else ()
        lists += [row.loop, row.idle_loop, *pace]
    for stage in program.stages:
        lists += [stage.turn, stage.poll, stage.batch_uses, stage.refill_uses]
    for use in {u for uses in lists for u in uses}:
        if program.uses[use].per_byte:
            yield f"{program.uses[use].op} costs by the byte, but not by the packet"
