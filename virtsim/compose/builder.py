"""From a path to its Program: rings, threads and stages get numbers, neighbours get joined."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from virtsim.compose.chain import Draft, chain_of, groups, refill_at, stage_numbers
from virtsim.compose.hosting import Host, Hosting
from virtsim.compose.uses import STEP, UseTable
from virtsim.costs import Profile
from virtsim.errors import InputError
from virtsim.model.path import Element, Part, Path
from virtsim.model.ring import NEVER, Notify, Ring, Virtqueue
from virtsim.model.stage import Arm, Stage
from virtsim.model.thread import Poll, Thread
from virtsim.program import (
    LEVELS,
    NONE,
    ArmRow,
    ChannelRow,
    Mode,
    Program,
    RingRow,
    SourceRow,
    StageRow,
    Uses,
)

PROCESS = LEVELS.index("process")
_POLICIES = (
    *("gather", "batch", "budget", "budget_b", "done", "publish", "decide", "full", "room"),
    *("retries", "on_empty", "recheck", "flush", "defer", "timer_ps", "reclaims"),
)
"""Fields that a stage's row takes over as they are."""

MIN_LINUX_TX_RING = 32


def compose(
    path: Path, direction: str, host: Host, profile: Profile, source: SourceRow | None = None
) -> Program:
    """Return the Program of a path in one direction.

    Parameters
    ----------
    direction
        "tx" (guest to link) or "rx" (link to guest).
    profile
        Only its parameters are read (idle-state residencies, the halt-poll ceiling), no price.
    source
        How packets arrive; by default from a column of times.

    Raises
    ------
    InputError
        If the path has nothing to play in that direction, or a part cannot stand where it does.
    """
    return _Builder(path, direction, host, profile).program(source or SourceRow("source", 0))


class _Builder:
    def __init__(self, path: Path, direction: str, host: Host, profile: Profile) -> None:
        self.path, self.direction, self.host, self.profile = path, direction, host, profile
        self._use = UseTable(path.name)
        self.threads: dict[Thread, int] = {}
        self.thread_parts: dict[Thread, str] = {}
        self.rings: list[RingRow] = []
        self.ring_parts: list[str] = []
        self.channels: list[ChannelRow] = []
        self.stages: list[StageRow] = []

    # -- the chain ---------------------------------------------------------------------------

    def program(self, source: SourceRow) -> Program:
        """Lay the chain out, give everything its number, and fill the rows."""
        drafts = self._drafts(chain_of(self.path, self.direction))
        for draft in drafts:
            if draft.stage.thread is not None:
                self._thread(draft.stage.thread, draft.part)
        idle = self._idle_queues(drafts)
        at = stage_numbers(drafts)
        for i, draft in enumerate(drafts):
            self._rows(i, draft, drafts, at)
        for part, stage in idle:
            self._idle_row(part, stage)
        hosting = Hosting(self.path.name, self.host, self.profile, self._use)
        cores, threads = hosting.rows(self.thread_parts)
        return Program(
            self.path.name,
            self.direction,
            self._use.rows,
            cores,
            threads,
            tuple(self.rings),
            tuple(self.channels),
            tuple(self.stages),
            (replace(source, ring=0),),
        )

    def _drafts(self, chain: list[tuple[Part, Element]]) -> list[Draft]:
        where = f"{self.path.name} ({self.direction})"
        if not chain or isinstance(chain[0][1], Stage):
            raise InputError(
                where,
                "the path has nowhere for packets to arrive",
                "a first part with a ring: a guest in tx, a NIC in rx",
                "a path that ends at the tap can only be played in tx",
            )
        drafts: list[Draft] = []
        before: Ring | Virtqueue | None = None
        for part, element in chain:
            if not isinstance(element, Stage):
                if before is not None and (not drafts or drafts[-1].ahead is before):
                    raise InputError(
                        where, f"two rings in a row at '{part.name}'", "a stage between"
                    )
                before = element
                self.rings.append(self._ring_row(element, part.name))
                self.ring_parts.append(part.name)
                if drafts:
                    drafts[-1].ahead, drafts[-1].out = element, len(self.rings) - 1
            elif element.thread is not None:
                if before is None:
                    raise InputError(
                        where, f"'{part.name}' has no ring before it", "a ring between"
                    )
                ring, taken, before = len(self.rings) - 1, before, None
                drafts.append(Draft(element, part.name, ring, taken=taken))
            else:
                self._inline(drafts, part.name, element, where)
        if before is not None:
            raise InputError(
                where, f"the path ends in the ring of '{part.name}'", "a stage after it"
            )
        return drafts

    def _inline(self, drafts: list[Draft], part: str, stage: Stage, where: str) -> None:
        if not drafts or drafts[-1].out != NONE:
            raise InputError(
                where, f"'{part}' runs inline but nobody calls it", "a thread before it"
            )
        drafts[-1].inline.append((part, stage))

    def _ring_row(self, ring: Ring | Virtqueue, part: str) -> RingRow:
        if isinstance(ring, Virtqueue):
            frees = "reclaim" if self.direction == "tx" else "done"
            return RingRow(f"{part}.{self.direction}", ring.size, frees, virtqueue=True)  # type: ignore[arg-type]
        visible = self._use(ring.visible, "transit", part)
        return RingRow(ring.name, ring.capacity, "take", visible, drop=ring.name)

    # -- stages ------------------------------------------------------------------------------

    def _rows(self, i: int, draft: Draft, drafts: list[Draft], at: dict[int, int]) -> None:
        """Append the rows of one stage with a thread: itself, its inline stages, its completion."""
        mine = at[i]
        inline_stages = groups(draft.inline)
        arms = self._work_arms(mine, draft)
        if i:
            self._room_target(drafts[i - 1], draft, at[i - 1])
        row = self._stage_row(draft.stage, draft.part, draft.ring, self.threads[draft.stage.thread])  # type: ignore[index]
        entry = row.entry + self._entry(draft)
        inline = mine + 1 if inline_stages else NONE
        out = NONE if inline_stages else draft.out
        self.stages.append(
            replace(
                row, entry=entry, arms=arms, inline=inline, out=out,
                refill=refill_at(draft), defer=row.defer and not self._direct(draft),
            )
        )  # fmt: skip
        for k, group in enumerate(inline_stages):
            last = k == len(inline_stages) - 1
            self.stages.append(
                replace(
                    self._inline_row(group, self.threads[draft.stage.thread]),  # type: ignore[index]
                    inline=NONE if last else mine + k + 2,
                    out=draft.out if last else NONE,
                )
            )
        self._ahead(draft, mine, inline_stages)

    def _work_arms(self, mine: int, draft: Draft) -> tuple[ArmRow, ...]:
        """Create the forward channel of the ring behind a stage and return the arms for it."""
        thread, ring = draft.stage.thread, draft.taken
        assert thread is not None
        assert ring is not None
        if isinstance(thread.wait, Poll):
            return ()
        if isinstance(ring, Virtqueue):
            line = ring.kick if self.direction == "tx" else ring.call
            mode, gap = ring.mode(line), 0
        else:
            line, mode, gap = ring.notify, "once", ring.gap_ps
        if mode == "never":
            raise InputError(
                f"{self.path.name} ({self.direction})",
                f"'{draft.part}' waits for notifications that never come",
                "a kick (tx) and a call (rx), or a part that polls",
            )
        channel = self._channel(draft.ring, mode, mine, line, forward=True, gap_ps=gap)
        rearm = self._use(draft.stage.rearm, "rearm", draft.part)
        device = isinstance(ring, Virtqueue) and thread.kind != "vcpu"
        armed_serving = draft.stage.on_empty == "serve_armed"
        each_take = (ArmRow(channel, "take", "next"),) if armed_serving else ()
        return (
            ArmRow(channel, "entry", "still" if device else "off"),
            *each_take,
            ArmRow(channel, "empty", "next", uses=rearm),
        )

    def _line(self, draft: Draft) -> Notify | None:
        """Return how a stage is told of packets on the virtqueue that it takes from."""
        if not isinstance(draft.taken, Virtqueue):
            return None
        return draft.taken.kick if self.direction == "tx" else draft.taken.call

    def _entry(self, draft: Draft) -> Uses:
        line = self._line(draft)
        return () if line is None else self._use(line.entry, "entry", draft.part)

    def _direct(self, draft: Draft) -> bool:
        line = self._line(draft)
        return line is not None and line.direct

    def _ahead(self, draft: Draft, mine: int, inline: list[list[tuple[str, Stage]]]) -> None:
        """Check what a stage does when the ring ahead is full, and add its completion."""
        stage = draft.stage
        if inline and stage.full in ("stop", "wait", "hold"):
            raise InputError(
                f"{self.path.name}.{draft.part}",
                f"'{stage.full}' behind inline parts",
                "a ring ahead",
            )
        if stage.completion is None or not isinstance(draft.ahead, Virtqueue):
            return
        if stage.full == "stop" and draft.ahead.size < MIN_LINUX_TX_RING:
            raise InputError(
                "virtqueue.size",
                f"a Linux tx ring of {draft.ahead.size} descriptors, which could never restart",
                f"at least {MIN_LINUX_TX_RING}",
                f"it stops below {stage.room} free slots",
            )
        thread = self.threads[stage.completion.thread]  # type: ignore[index]
        row = self._stage_row(stage.completion, draft.part, draft.out, thread, bare_step=False)
        done = len(self.stages)
        line = draft.ahead.call
        mode = draft.ahead.mode(line)
        channel = self._channel(draft.out, mode, done, line, forward=False)
        entry = row.entry + self._use(line.entry, "entry", draft.part)
        restart = self._use(stage.restart, "restart", draft.part)
        self.stages.append(
            replace(row, role="reclaim", entry=entry, restarts=mine, restart=restart,
                    arms=self._room_arms(stage.completion.arms, channel, NONE, draft.part))
        )  # fmt: skip
        room = self._room_arms(stage.arms, channel, done, draft.part)
        self.stages[mine] = replace(self.stages[mine], arms=self.stages[mine].arms + room)

    def _room_target(self, producer: Draft, draft: Draft, at: int) -> None:
        """Create the refill kick of an rx virtqueue for the device that waits for buffers."""
        if not isinstance(draft.taken, Virtqueue) or producer.stage.completion is not None:
            return
        if producer.stage.full not in ("wait", "hold"):
            return
        line = draft.taken.kick
        if line == NEVER:
            raise InputError(
                f"{self.path.name} (rx)", f"'{producer.part}' waits for buffers", "a kick",
                "give the virtqueue a kick",
            )  # fmt: skip
        mode = draft.taken.mode(line)
        channel = self._channel(draft.ring, mode, at, line, forward=False)
        entry = self._use(producer.stage.room_entry, "entry", producer.part)
        self.channels[channel] = replace(self.channels[channel], entry=entry)
        room = self._room_arms(producer.stage.arms, channel, NONE, producer.part)
        self.stages[at] = replace(self.stages[at], arms=self.stages[at].arms + room)

    def _room_arms(
        self, arms: tuple[Arm, ...], channel: int, done: int, part: str
    ) -> tuple[ArmRow, ...]:
        return tuple(
            ArmRow(
                channel,
                a.when,
                a.value,
                uses=self._use(a.ops, "rearm", part),
                passed=done if a.passed else NONE,
            )
            for a in arms
            if a.of == "room"
        )

    def _channel(
        self,
        ring: int,
        mode: str,
        target: int,
        line: Notify,
        *,
        forward: bool,
        gap_ps: int = 0,
    ) -> int:
        """Create a channel; its uses belong to the part whose ring it is."""
        row, part = self.rings[ring], self.ring_parts[ring]
        cause = "kick" if forward == (self.direction == "tx") else "call"
        cause = cause if row.virtqueue else "wake"
        channel = ChannelRow(
            f"{row.name}.{cause}",
            ring,
            forward,
            cast(Mode, mode),
            target,
            send=self._use(line.send, cause, part),
            running=self._use(line.running, "deliver", part),
            intrude=self._use(line.intrude, "deliver", part),
            gap_ps=gap_ps,
            armed=forward,
        )
        index = len(self.channels)
        self.channels.append(channel)
        self.rings[ring] = replace(row, forward=index) if forward else replace(row, reverse=index)
        return index

    def _stage_row(
        self, s: Stage, part: str, ring: int, thread: int, *, bare_step: bool = True
    ) -> StageRow:
        """Return a stage's row; one without ops of its own still takes a picosecond."""
        vcpu = s.thread is not None and s.thread.kind == "vcpu"
        step = (STEP,) if bare_step else ()
        policies = {name: getattr(s, name) for name in _POLICIES}
        return StageRow(
            s.name,
            thread,
            LEVELS.index(s.level) if vcpu else PROCESS,
            "guest" if vcpu else "host",
            ring,
            entry=self._use(s.entry, "entry", part),
            turn=self._use(s.turn, "turn", part),
            batch_uses=self._use(s.batch_ops, "batch", part),
            lead=self._use(s.lead, "work", part),
            refill_uses=self._use(s.refill, "kick", part),
            item=self._use(s.ops or step, "work", part),
            empty_uses=self._use(s.empty_ops, "drain", part),
            poll=self._use(s.poll, "poll", part),
            **policies,
        )

    def _inline_row(self, group: list[tuple[str, Stage]], thread: int) -> StageRow:
        """One row for inline stages that take each packet all the way together."""
        (part, _), (_, last) = group[0], group[-1]
        bare = replace(last, ops=(), batch_ops=(), name="+".join(s.name for _, s in group))
        row = self._stage_row(bare, part, NONE, thread, bare_step=False)
        item = tuple(u for name, s in group for u in self._use(s.ops, "work", name))
        batch = tuple(u for name, s in group for u in self._use(s.batch_ops, "batch", name))
        return replace(row, role="inline", level=PROCESS, item=item, batch_uses=batch)

    def _idle_queues(self, drafts: list[Draft]) -> list[tuple[str, Stage]]:
        """Queues of the other direction that this direction's pollers look at all the same."""
        other = "rx" if self.direction == "tx" else "tx"
        pollers = {d.stage.thread for d in drafts if isinstance(d.stage.thread.wait, Poll)}  # type: ignore[union-attr]
        chain = chain_of(self.path, other)
        return [
            (p.name, s)
            for p, s in chain
            if isinstance(s, Stage) and s.thread and s.thread in pollers
        ]

    def _idle_row(self, part: str, stage: Stage) -> None:
        self.rings.append(RingRow(f"{stage.name}.idle", 1))
        assert stage.thread is not None
        self.stages.append(
            self._stage_row(stage, part, len(self.rings) - 1, self.threads[stage.thread])
        )

    def _thread(self, thread: Thread, part: str) -> None:
        """Give a thread its number, and its own uses to the first part that names it."""
        if any(t.name == thread.name and t != thread for t in self.threads):
            raise InputError(self.path.name, f"two different threads named '{thread.name}'", "one")
        self.threads.setdefault(thread, len(self.threads))
        self.thread_parts.setdefault(thread, part)
