"""Which Programs are servers, one stage to a thread, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from virtsim.program import NONE, ArmRow, ChannelRow, Program, StageRow, ThreadRow, Uses

PROCESS = 2


def reasons(program: Program) -> Iterator[str]:
    """Yield what keeps a Program from being played packet by packet."""
    crowded = [t for t, n in Counter(row.thread for row in program.stages).items() if n > 1]
    for t in crowded:
        yield f"{program.threads[t].name} runs several stages"
    for thread in program.threads:
        yield from _thread(thread)
    if not crowded:
        for i, stage in enumerate(program.stages):
            yield from _stage(program, i, stage)
    for i, channel in enumerate(program.channels):
        yield from _channel(program, i, channel)
    for ring in program.rings:
        if ring.visible or ring.frees == "reclaim":
            yield f"{ring.name} is seen late, or reclaimed"
    yield from _per_byte(program)


def _thread(row: ThreadRow) -> Iterator[str]:
    if row.wait == "poll":
        yield f"{row.name} polls"
    if row.spin is not None or row.pace is not None or row.loop or row.softirq:
        yield f"{row.name} spins, has a loop or is a softirq"


def _stage(program: Program, index: int, row: StageRow) -> Iterator[str]:
    """Yield what makes a stage more than a server of one packet at a time."""
    told = [i for i, c in enumerate(program.channels) if c.target == index and c.forward]
    asked = [i for i, c in enumerate(program.channels) if c.target == index and not c.forward]
    if len(told) != 1 or len(asked) > 1 or row.ring == NONE:
        yield f"{row.name} is not told of packets in one way"
        return
    plain = StageRow(
        row.name, row.thread, PROCESS, row.side, row.ring, entry=row.entry, turn=row.turn,
        batch_uses=row.batch_uses, lead=row.lead, item=row.item, empty_uses=row.empty_uses,
        poll=row.poll, done=row.done, out=row.out, full=row.full, room=row.room,
        retries=row.retries, arms=row.arms, flush=row.flush, refill=row.refill,
        refill_uses=row.refill_uses,
    )  # fmt: skip
    if row != plain or row.done == "never" or row.flush == "after_rearm":
        yield f"{row.name} is more than a server of one packet at a time"
    if row.full not in ("drop", "wait", "block", "hold"):
        yield f"{row.name}: '{row.full}' when the ring ahead is full"
    if row.full in ("wait", "hold") and (row.out == NONE or not asked):
        yield f"{row.name} waits for room that it is not told of"
    if not _is_usual(row.arms, told[0], asked[0] if asked else NONE):
        yield f"{row.name} arms its channels in its own way"


def _is_usual(arms: tuple[ArmRow, ...], told: int, asked: int) -> bool:
    """Tell whether a stage is told of packets while it has none, and of room when it lacks it."""
    usual = {(told, "entry", "off"), (told, "empty", "next")}
    if asked != NONE:
        usual.add((asked, "stop", "next"))
    found = [(row.channel, row.when, row.value) for row in arms]
    found = [arm for arm in found if arm != (asked, "entry", "off") or asked == NONE]
    plain = all(row.passed == NONE and row.k > 0 for row in arms)
    silent = all(not row.uses for row in arms if row.when == "entry")
    return plain and silent and len(found) == len(usual) and set(found) == usual


def _channel(program: Program, index: int, row: ChannelRow) -> Iterator[str]:
    bare = ChannelRow(
        row.name, row.ring, row.forward, row.mode, row.target, send=row.send, intrude=row.intrude,
        entry=row.entry, armed=row.armed,
    )  # fmt: skip
    if row != bare or row.mode in ("latch", "call"):
        yield f"{row.name} is delayed, moderated, relayed, a latch or a call"
    ring, target = program.rings[row.ring], program.stages[row.target]
    if index != (ring.forward if row.forward else ring.reverse):
        yield f"{row.name} is not its ring's own"
    if (target.ring if row.forward else target.out) != row.ring:
        yield f"{row.name} tells somebody else"


def _per_byte(program: Program) -> Iterator[str]:
    """Yield uses that cost by the byte but are not paid packet by packet."""
    lists: list[Uses] = []
    for thread in program.threads:
        lists += [thread.signal, thread.wake, thread.idle, thread.block, thread.resume]
    for core in program.cores:
        lists += [(use,) for _, use in core.idle_states]
    for stage in program.stages:
        lists += [stage.entry, stage.turn, stage.empty_uses, *(row.uses for row in stage.arms)]
    for channel in program.channels:
        lists += [channel.send, channel.intrude, channel.entry]
    for use in {u for uses in lists for u in uses}:
        if program.uses[use].per_byte:
            yield f"{program.uses[use].op} costs by the byte, but not by the packet"
