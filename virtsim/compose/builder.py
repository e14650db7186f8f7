"""From a path to its Program: threads and stages get numbers, neighbours get joined."""

from __future__ import annotations

from dataclasses import replace

from virtsim.compose.agreement import as_agreed
from virtsim.compose.chain import (
    Draft,
    Driven,
    Step,
    chain_of,
    groups,
    idle_of,
    poller_of,
    refill_at,
    stage_numbers,
)
from virtsim.compose.channels import Channels
from virtsim.compose.distance import at_distance
from virtsim.compose.hosting import Host, Hosting
from virtsim.compose.placement import check
from virtsim.compose.uses import STEP, UseTable
from virtsim.costs import Profile
from virtsim.errors import InputError
from virtsim.model.path import Path
from virtsim.model.ring import DescriptorRing, Ring, Virtqueue
from virtsim.model.stage import Stage
from virtsim.model.thread import CALLER, THE_POLLER, Thread
from virtsim.program import LEVELS, NONE, ArmRow, Program, SourceRow, StageRow, Uses

HARDIRQ, PROCESS = LEVELS.index("hardirq"), LEVELS.index("process")
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
        "tx" (guest to link), "rx" (link to guest), "pvp" (link through the guest to link) or "v2v"
        (a guest to another of the same kind).
    profile
        Only its parameters are read (idle-state residencies, the halt-poll ceiling), no price.
    source
        How packets arrive; by default from a column of times.

    Raises
    ------
    InputError
        If the path has nothing to play in that direction, a part cannot stand where it does, or
        the placement contradicts itself.
    """
    check(host.placement, path)
    path, notes = as_agreed(path)
    program = _Builder(path, direction, host, profile).program(source or SourceRow("source", 0))
    return replace(program, notes=notes)


class _Builder:
    def __init__(self, path: Path, direction: str, host: Host, profile: Profile) -> None:
        self.path, self.direction, self.host, self.profile = path, direction, host, profile
        self.where = f"{path.name} ({direction})"
        self._use = UseTable(path.name)
        self.channels = Channels(self.where, self._use)
        self.threads: dict[Thread, int] = {}
        self.thread_parts: dict[Thread, str] = {}
        self.stages: list[StageRow] = []

    # -- the chain ---------------------------------------------------------------------------

    def program(self, source: SourceRow) -> Program:
        """Lay the chain out, give everything its number, and fill the rows."""
        drafts = self._drafts(chain_of(self.path, self.direction))
        for draft in drafts:
            self._thread(draft.thread, draft.part)
        at = stage_numbers(drafts)
        for i, draft in enumerate(drafts):
            self._rows(i, draft, drafts, at)
        self._clean(drafts, at)
        self._idle_rows(drafts)
        self._relay_rows()
        hosting = Hosting(self.path.name, self.host, self.profile, self._use)
        cores, threads = hosting.rows(self.thread_parts)
        program = Program(
            self.path.name,
            self.direction,
            self._use.rows,
            cores,
            threads,
            tuple(self.channels.rings),
            tuple(self.channels.rows),
            tuple(self.stages),
            (replace(source, ring=0),),
        )
        return at_distance(program, self.host.placement, self._use)

    def _drafts(self, chain: list[Step]) -> list[Draft]:
        if not chain or isinstance(chain[0].element, Stage):
            raise InputError(
                self.where,
                "the path has nowhere for packets to arrive",
                "a first part with a ring: a guest in tx, a NIC in rx",
                "a path that ends at the tap can only be played in tx",
            )
        drafts: list[Draft] = []
        before: Ring | Driven | None = None
        ring = NONE
        for step in chain:
            if not isinstance(step.element, Stage):
                if before is not None:
                    got = f"two rings in a row at '{step.part}'"
                    raise InputError(self.where, got, "a stage between")
                before, ring = step.element, self.channels.ring(step)
                if drafts:
                    drafts[-1].ahead, drafts[-1].out = step.element, ring
            elif step.element.thread is None:
                self._inline(drafts, step.part, step.element)
            elif before is None:
                got = f"'{step.part}' has no ring before it"
                raise InputError(self.where, got, "a ring between")
            else:
                drafts.append(self._draft(step.part, step.element, ring, drafts))
                drafts[-1].taken, before = before, None
        if before is not None:
            got = f"the path ends in the ring of '{chain[-1].part}'"
            raise InputError(self.where, got, "a stage after it")
        return drafts

    def _draft(self, part: str, stage: Stage, ring: int, drafts: list[Draft]) -> Draft:
        assert stage.thread is not None
        called = stage.thread == CALLER
        if called and not drafts:
            raise InputError(self.where, f"nobody calls '{part}'", "a thread before it")
        thread = drafts[-1].thread if called else self._known(stage.thread, part)
        return Draft(stage, part, thread, ring, called=called)

    def _known(self, thread: Thread, part: str) -> Thread:
        """Return a thread, or the poller that stands for it."""
        if thread != THE_POLLER:
            return thread
        poller = poller_of(self.path)
        if poller is None:
            hint = "ovs.port and snabb.vhost bring one"
            raise InputError(self.where, f"nobody polls for '{part}'", "a poll-mode switch", hint)
        return poller

    def _inline(self, drafts: list[Draft], part: str, stage: Stage) -> None:
        if not drafts or drafts[-1].out != NONE:
            got = f"'{part}' runs inline but nobody calls it"
            raise InputError(self.where, got, "a thread before it")
        drafts[-1].inline.append((part, stage))

    # -- stages ------------------------------------------------------------------------------

    def _rows(self, i: int, draft: Draft, drafts: list[Draft], at: dict[int, int]) -> None:
        """Append the rows of one stage with a thread: itself, its inline stages, its completion."""
        mine = at[i]
        inline_stages = groups(draft.inline)
        arms = self.channels.of_work(mine, draft)
        if i:
            room = self.channels.of_room(drafts[i - 1], draft.ring, at[i - 1])
            self._more_arms(at[i - 1], room)
        line = self.channels.line(draft)
        row = self._stage_row(draft.stage, draft.part, draft.ring, draft.thread, draft.called)
        inline = mine + 1 if inline_stages else NONE
        out = NONE if inline_stages else draft.out
        direct = line is not None and line.direct
        self.stages.append(
            replace(
                row, item=row.item + self._mapping(draft), arms=arms,
                entry=row.entry + self.channels.entry(line, draft.part), inline=inline, out=out,
                refill=refill_at(draft), defer=row.defer and not direct,
            )
        )  # fmt: skip
        for k, group in enumerate(inline_stages):
            last = k == len(inline_stages) - 1
            self.stages.append(
                replace(
                    self._inline_row(group, draft),
                    inline=NONE if last else mine + k + 2,
                    out=draft.out if last else NONE,
                )
            )
        self._ahead(draft, mine, inline_stages)

    def _mapping(self, draft: Draft) -> Uses:
        """Return what a driver pays to let its device reach a packet's buffer.

        A poll-mode driver maps its memory once, beforehand.
        """
        if draft.polls:
            return ()
        sides = ((draft.ring, draft.taken, "rx"), (draft.out, draft.ahead, "tx"))
        for ring, queue, half in sides:
            if isinstance(queue, DescriptorRing) and self.channels.halves[ring] == half:
                return self._use(queue.mapping, "work", draft.part)
        return ()

    def _more_arms(self, stage: int, arms: tuple[ArmRow, ...]) -> None:
        row = self.stages[stage]
        self.stages[stage] = replace(row, arms=(*row.arms, *arms))

    def _ahead(self, draft: Draft, mine: int, inline: list[list[tuple[str, Stage]]]) -> None:
        """Check what a stage does when the ring ahead is full, and add its completion."""
        stage = draft.stage
        if inline and stage.full in ("stop", "wait", "hold"):
            raise InputError(
                f"{self.path.name}.{draft.part}",
                f"'{stage.full}' behind inline parts",
                "a ring ahead",
            )
        if stage.completion is None or not isinstance(draft.ahead, Driven):
            return
        if stage.full == "stop" and draft.ahead.size < MIN_LINUX_TX_RING:
            raise InputError(
                _length_of(draft.ahead, self.channels.parts[draft.out]),
                f"a Linux tx ring of {draft.ahead.size} descriptors, which could never restart",
                f"at least {MIN_LINUX_TX_RING}",
                f"it stops below {stage.room} free slots",
            )
        completion = stage.completion
        row = self._stage_row(completion, draft.part, draft.out, draft.thread, step=())
        done = len(self.stages)
        channel = self.channels.of_completion(draft, done)
        entry = row.entry + self.channels.entry(draft.ahead.call, draft.part)
        restart = self._use(stage.restart, "restart", draft.part)
        room = [(completion, done), (stage, mine)] if channel != NONE else []
        self.stages.append(
            replace(row, role="reclaim", entry=entry, restarts=mine, restart=restart)
        )
        for armed, at in room:
            self._more_arms(at, self.channels.room_arms(armed.arms, channel, done, draft.part))

    def _stage_row(
        self, s: Stage, part: str, ring: int, thread: Thread, called: bool = False,
        *, step: tuple[str, ...] = (STEP,),
    ) -> StageRow:  # fmt: skip
        """Return a stage's row; one without ops of its own still takes a picosecond."""
        vcpu = thread.kind == "vcpu"
        stands = called and s.level == "hardirq"
        policies = {name: getattr(s, name) for name in _POLICIES}
        return StageRow(
            s.name,
            self.threads[thread],
            LEVELS.index(s.level) if vcpu else PROCESS,
            "guest" if vcpu and not stands else "host",
            ring,
            role="called" if called else "take",
            entry=self._use(s.entry, "entry", part, stands),
            turn=self._use(s.turn, "turn", part, stands),
            batch_uses=self._use(s.batch_ops, "batch", part, stands),
            lead=self._use(s.lead, "work", part, stands),
            refill_uses=self._use(s.refill, "kick", part, stands),
            item=self._use(s.ops or step, "work", part, stands),
            empty_uses=self._use(s.empty_ops, "drain", part, stands),
            poll=self._use(s.poll, "poll", part, stands),
            **policies,
        )

    def _inline_row(self, group: list[tuple[str, Stage]], draft: Draft) -> StageRow:
        """One row for inline stages that take each packet all the way together."""
        (part, _), (_, last) = group[0], group[-1]
        stands = draft.called and draft.stage.level == "hardirq"
        bare = replace(last, ops=(), batch_ops=(), name="+".join(s.name for _, s in group))
        row = self._stage_row(bare, part, NONE, draft.thread, step=())
        item = tuple(u for name, s in group for u in self._use(s.ops, "work", name, stands))
        batch = tuple(u for name, s in group for u in self._use(s.batch_ops, "batch", name, stands))
        side = "host" if stands else row.side
        return replace(
            row, role="inline", level=PROCESS, item=item, batch_uses=batch, side=side
        )  # fmt: skip

    # -- what belongs to no packet of this direction ---------------------------------------------

    def _clean(self, drafts: list[Draft], at: dict[int, int]) -> None:
        """Let stages that clean do the work of the reclaiming stage of their thread, if any."""
        for i, draft in enumerate(drafts):
            mine = [
                k for k, row in enumerate(self.stages)
                if row.role == "reclaim" and row.thread == self.threads[draft.thread]
            ]  # fmt: skip
            if draft.stage.cleans and mine:
                self.stages[at[i]] = replace(self.stages[at[i]], cleans=mine[0])

    def _idle_rows(self, drafts: list[Draft]) -> None:
        """Append the queues of the way back that this direction's pollers look at all the same."""
        pollers = {d.thread for d in drafts if d.polls}
        busy = {(d.part, d.stage) for d in drafts}
        for step in idle_of(self.path, self.direction) if pollers else ():
            stage = step.element
            if not isinstance(stage, Stage) or stage.thread in (None, CALLER):
                continue
            assert stage.thread is not None
            thread = self._known(stage.thread, step.part)
            if thread not in pollers or (step.part, stage) in busy:
                continue
            bare = replace(stage, full="drop", reclaims=False, done="after", cleans=False)
            ring = self.channels.idle_ring(stage.name)
            self.stages.append(self._stage_row(bare, step.part, ring, thread))

    def _relay_rows(self) -> None:
        """Append the stages that pass deliveries on, and join their channels to them."""
        known: dict[tuple[tuple[Stage, ...], str], int] = {}
        for channel, stages, part in self.channels.relays:
            if (stages, part) not in known:
                known[stages, part] = len(self.stages)
                for i, stage in enumerate(stages):
                    self.stages.append(self._relay_row(stage, part, last=i == len(stages) - 1))
            rows = self.channels.rows
            rows[channel] = replace(rows[channel], via=known[stages, part])

    def _relay_row(self, stage: Stage, part: str, *, last: bool) -> StageRow:
        assert stage.thread is not None
        self._thread(stage.thread, part)
        row = self._stage_row(stage, part, NONE, stage.thread, step=())
        behind = NONE if last else len(self.stages) + 1
        return replace(row, role="relay", inline=behind)

    def _thread(self, thread: Thread, part: str) -> None:
        """Give a thread its number, and its own uses to the first part that names it."""
        if any(t.name == thread.name and t != thread for t in self.threads):
            raise InputError(self.path.name, f"two different threads named '{thread.name}'", "one")
        self.threads.setdefault(thread, len(self.threads))
        self.thread_parts.setdefault(thread, part)


def _length_of(ring: Driven, part: str) -> str:
    """Return the option that sets the length of a ring."""
    return f"{part}.{'size' if isinstance(ring, Virtqueue) else 'ring'}"
