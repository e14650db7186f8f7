"""The machine form of a path: tables of integers that every engine reads.

A :class:`Program` holds no prices and no packets. It can be printed, compared and hashed; the
position of a row in its table is its rank (see :mod:`virtsim.semantics`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

NONE = -1
"""A reference to no row."""

Uses = tuple[int, ...]
Mode = Literal["never", "always", "once", "flags", "event", "latch", "call"]
Full = Literal["drop", "block", "stop", "wait", "hold", "retry"]
Level = Literal["hardirq", "softirq", "process"]
LEVELS: tuple[Level, ...] = ("hardirq", "softirq", "process")


@dataclass(frozen=True, slots=True)
class Use:
    """One op of one part for one reason: what the ledger books and the price table prices.

    ``exit`` marks work that KVM or QEMU does on a vCPU thread while its guest stands still.
    """

    op: str
    cause: str
    busy: bool
    part: str = ""
    per_byte: bool = False
    exit: bool = False


@dataclass(frozen=True, slots=True)
class CoreRow:
    """A core: its switch use, quantum, idle states as (residency, exit use), and NUMA node."""

    name: str
    switch: Uses = ()
    quantum_ps: int = 3_000_000_000
    idle_states: tuple[tuple[int, int], ...] = ()
    node: int = 0


@dataclass(frozen=True, slots=True)
class SpinRow:
    """How long a thread looks before it gives up its core.

    ``armed`` spins sit after the re-arm and are ended by a delivery (halt polling); the others sit
    before it and are ended by a look at the ring every ``turn`` use (vhost busy polling).
    """

    max_ps: int
    armed: bool
    turn: Uses = ()
    adaptive: bool = False
    start_ps: int = 0
    grow: int = 2
    shrink: int = 2


@dataclass(frozen=True, slots=True)
class PaceRow:
    """How long a poller sleeps between two iterations.

    After an iteration that served fewer than ``few`` packets on every ring the sleep grows by
    ``step_ps`` up to ``max_ps`` and is slept; after another it is divided by ``relax`` (0: back to
    nothing) and is not. With ``period_ps`` iterations start that far apart instead. ``uses`` are
    paid to fall asleep, ``late`` passes after the sleep.
    """

    step_ps: int = 0
    max_ps: int = 0
    few: int = 1
    relax: int = 2
    period_ps: int = 0
    uses: Uses = ()
    late: Uses = ()


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread: its core, its way of waiting, and what sleeping and waking cost.

    ``signal`` is paid by whoever wakes it, ``wake`` passes before it runs, ``idle`` is paid when it
    has nothing left to do, ``block`` when its spin found nothing, ``resume`` when it runs again,
    ``hit`` passes when an armed spin is ended by a delivery, ``loop`` opens each iteration (of a
    poller that found nothing: ``idle_loop``).
    """

    name: str
    kind: str
    core: int
    wait: Literal["sleep", "poll", "always"]
    host_cpu: bool = True
    softirq: bool = False
    loop: Uses = ()
    idle_loop: Uses = ()
    signal: Uses = ()
    wake: Uses = ()
    idle: Uses = ()
    spin: SpinRow | None = None
    block: Uses = ()
    resume: Uses = ()
    hit: Uses = ()
    pace: PaceRow | None = None
    softirq_packets: int = 300
    softirq_ps: int = 8_000_000_000


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One direction of notification of one ring.

    ``entry`` is paid by the target at each delivery, before its stage's own entry uses. ``running``
    passes before a running target sees it, ``intrude`` is busy time of a running target; neither
    applies to a target that sleeps or is inside one of its own exits. A delivery goes through the
    relay stage ``via`` always, when its target is asleep, or when it was put off (late).
    """

    name: str
    ring: int
    forward: bool
    mode: Mode
    target: int
    send: Uses = ()
    running: Uses = ()
    intrude: Uses = ()
    entry: Uses = ()
    gap_ps: int = 0
    hold_ps: int = 0
    hold_n: int = 1
    armed: bool = True
    via: int = NONE
    via_when: Literal["always", "asleep", "late"] = "always"


@dataclass(frozen=True, slots=True)
class RingRow:
    """A shared queue. ``capacity`` 0 means unbounded; ``frees`` says when a slot is free again."""

    name: str
    capacity: int
    frees: Literal["take", "done", "reclaim"] = "take"
    visible: Uses = ()
    drop: str = ""
    forward: int = NONE
    reverse: int = NONE
    virtqueue: bool = False


@dataclass(frozen=True, slots=True)
class ArmRow:
    """A change of a channel by a stage: when, and to which event index.

    ``off`` is a driver's: an event that was crossed already stays where it is, another is moved out
    of reach. ``still`` is a device's: it writes nothing, its event index just stops moving.
    ``passed`` names the stage that becomes ready when the armed event lies behind already.
    """

    channel: int
    when: Literal["entry", "take", "publish", "stop", "empty", "clean"]
    value: Literal["next", "share", "off", "still"]
    k: int = 1
    num: int = 3
    den: int = 4
    uses: Uses = ()
    passed: int = NONE


@dataclass(frozen=True, slots=True)
class StageRow:
    """A handler. See :mod:`virtsim.semantics` for the order in which its fields act.

    With ``servers`` (a device's) so many packets are in service side by side, each for its item
    uses, which are delays; 0 is the thread itself, one packet at a time. A ``called`` stage runs on
    its caller's thread when the channel of its ring says so; a ``relay`` passes deliveries on, to
    the relay behind it (``inline``) if there is one.
    ``cleans`` names the reclaiming stage whose work each turn of this one does first.
    """

    name: str
    thread: int
    level: int
    side: str
    ring: int
    role: Literal["take", "reclaim", "inline", "called", "relay"] = "take"
    entry: Uses = ()
    turn: Uses = ()
    batch_uses: Uses = ()
    lead: Uses = ()
    item: Uses = ()
    empty_uses: Uses = ()
    poll: Uses = ()
    gather: Literal["fill", "burst"] = "fill"
    batch: int = 1
    budget: int = 1 << 30
    budget_b: int = 1 << 60
    inline: int = NONE
    done: Literal["before", "after", "never"] = "after"
    out: int = NONE
    publish: Literal["each", "batch"] = "each"
    decide: Literal["each", "batch"] = "each"
    full: Full = "drop"
    room: int = 1
    servers: int = 0
    retries: int = 0
    on_empty: Literal["rearm", "serve_armed", "leave"] = "rearm"
    arms: tuple[ArmRow, ...] = ()
    recheck: Literal["continue", "requeue", "none"] = "continue"
    flush: Literal["before_rearm", "after_rearm"] = "before_rearm"
    defer: bool = False
    timer_ps: int = 0
    refill: int = 0
    refill_uses: Uses = ()
    reclaims: bool = False
    restarts: int = NONE
    restart: Uses = ()
    cleans: int = NONE


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Where packets come from: an arrival column, or a closed loop of ``outstanding`` packets."""

    name: str
    ring: int
    kind: Literal["open", "saturate", "closed"] = "open"
    outstanding: int = 0
    think_ps: int = 0


def _columns(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in dataclasses.fields(row)}


@dataclass(frozen=True)
class Program:
    """All tables of one path in one direction."""

    name: str
    direction: str
    uses: tuple[Use, ...]
    cores: tuple[CoreRow, ...]
    threads: tuple[ThreadRow, ...]
    rings: tuple[RingRow, ...]
    channels: tuple[ChannelRow, ...]
    stages: tuple[StageRow, ...]
    sources: tuple[SourceRow, ...]
    interruptions: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the tables."""
        tables = {name: table for name, table in vars(self).items() if name != "notes"}
        text = json.dumps(tables, sort_keys=True, default=_columns)
        return hashlib.sha256(text.encode()).hexdigest()

    def lines(self) -> Iterator[str]:
        """Yield the tables as text, one row a line, for reading and diffing."""
        for table in ("sources", "channels", "threads", "cores", "rings", "stages", "uses"):
            for i, row in enumerate(getattr(self, table)):
                shown = ", ".join(
                    f"{f.name}={getattr(row, f.name)}"
                    for f in dataclasses.fields(row)
                    if f.default is dataclasses.MISSING or getattr(row, f.name) != f.default
                )
                yield f"{table}[{i}]: {shown}"

    def problems(self) -> list[str]:
        """Return what the tables say that no engine could play as meant; none is the rule."""
        return [*self._stage_problems(), *self._thread_problems()]

    def _stage_problems(self) -> Iterator[str]:
        for row in self.stages:
            batched = row.gather == "burst" or row.publish == "batch"
            if row.full in ("hold", "stop") and batched:
                yield f"{row.name}: '{row.full}' cannot stop inside a batch"
            polls = self.threads[row.thread].wait == "poll"
            if row.full in ("stop", "hold") and polls:
                yield f"{row.name}: '{row.full}' waits for a notification, its thread polls"
            if row.full == "wait" and polls and row.gather != "burst":
                yield f"{row.name}: a poller sizes a burst by the room ahead, it does not fill one"
            if row.role == "relay" and polls:
                yield f"{row.name}: a relay is told of deliveries, its thread polls"
            if row.servers and (
                any(self.uses[u].busy for u in row.item) or self.threads[row.thread].host_cpu
            ):
                yield f"{row.name}: servers side by side are a device's, their uses are delays"
        retrying = [row.out for row in self.stages if row.full == "retry"]
        polled = [
            row.out
            for row in self.stages
            if row.full == "wait" and self.threads[row.thread].wait == "poll"
        ]
        for ring in {*retrying, *polled}:
            if sum(row.out == ring for row in self.stages) > 1:
                yield f"{self.rings[ring].name}: a ring that is retried has one producer"
        yield from self._call_problems()

    def _call_problems(self) -> Iterator[str]:
        for channel in self.channels:
            target, ring = self.stages[channel.target], self.rings[channel.ring]
            callers = [row for row in self.stages if self.hands_to(row) == channel.ring]
            called = channel.mode == "call"
            if channel.forward and called != (target.role == "called"):
                yield f"{channel.name}: a called stage is called, and nothing else is"
            if called and {row.thread for row in callers} != {target.thread}:
                yield f"{target.name}: a called stage runs on the one thread that calls it"
            if called and any(row.level < target.level for row in callers):
                yield f"{target.name}: a called stage is as urgent as its caller, or more"
            if called and (ring.visible or channel.hold_n > 1 or channel.gap_ps):
                yield f"{channel.name}: a call is at once"
            relays = [channel.via, *(r.inline for r in self.stages if r.role == "relay")]
            for stage in (self.stages[r] for r in relays if r != NONE):
                if stage.role != "relay":
                    yield f"{channel.name}: '{stage.name}' relays nothing"

    def hands_to(self, row: StageRow) -> int:
        """Ring that a stage and its inline stages hand on to; NONE for an inline one."""
        if row.role == "inline":
            return NONE
        while row.inline != NONE:
            row = self.stages[row.inline]
        return row.out

    def _thread_problems(self) -> Iterator[str]:
        for row in self.threads:
            if row.spin is not None and row.spin.armed and not row.idle:
                yield f"{row.name}: an armed spin follows the idle uses, and there are none"

    def rank_of_channel(self, channel: int) -> int:
        """Rank of a channel's deliveries (sources come first)."""
        return len(self.sources) + channel

    def rank_of_timer(self, stage: int) -> int:
        """Rank of a stage's start timer (after all channels)."""
        return len(self.sources) + len(self.channels) + stage

    def rank_of_ring(self, ring: int) -> int:
        """Rank of a ring's delayed publications (after all stage timers)."""
        return len(self.sources) + len(self.channels) + len(self.stages) + ring

    def rank_of_thread(self, thread: int) -> int:
        """Rank of a thread: the last group."""
        return self.rank_of_ring(len(self.rings)) + thread
