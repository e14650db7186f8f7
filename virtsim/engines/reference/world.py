"""The state of a run and its clock: SimPy's heap, ordered inside an instant by our keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from virtsim.errors import EngineRefusal
from virtsim.outcome import STATES, Event, Job
from virtsim.program import NONE, ChannelRow, CoreRow, Program, RingRow, StageRow, ThreadRow, Uses
from virtsim.semantics import CHECK, DUE, MASK, MAX_ROUNDS, SLEEP, interrupted, stretch

Steps = Generator[simpy.Event, Any, None]
Act = Callable[[], bool | None]
BUSY, POLLING, RUNNABLE, ASLEEP = range(len(STATES))
UNBOUNDED = 1 << 60


class Gate(simpy.Event):
    """What a thread waits on. The first to open it wins, later openers do nothing."""

    def open(self) -> bool:
        """Let the waiting thread go on, now. Tell whether it still waited."""
        if self.processed:
            return False
        callbacks, self.callbacks = self.callbacks, None  # type: ignore[assignment]
        self._ok, self._value = True, None
        for callback in callbacks:
            callback(self)
        return True


class Ring:
    """A ring's free-running counters; ``items`` holds what was published and not yet taken."""

    def __init__(self, index: int, row: RingRow) -> None:
        self.index, self.row, self.rank = index, row, 0
        self.capacity = row.capacity or UNBOUNDED
        self.items: deque[int] = deque()
        self.published = self.visible = self.taken = self.done = self.freed = 0
        self.last_visible_ps = 0
        self.blocked: list[Callable[[], None]] = []
        self.consumer: Stage | None = None
        self.lookers: list[Stage] = []

    @property
    def returned(self) -> int:
        """Slots that the consumer has given back, as its reverse channel counts them."""
        return self.taken if self.row.frees == "take" else self.done

    @property
    def known(self) -> int:
        """Slots that the producer knows to be free again."""
        return self.freed if self.row.frees == "reclaim" else self.returned

    @property
    def free(self) -> int:
        """Free slots as the producer sees them."""
        return self.capacity - (self.published - self.known)

    @property
    def waiting(self) -> int:
        """Packets that a look at the ring finds."""
        return self.visible - self.taken


class Channel:
    """One direction of notification."""

    def __init__(self, index: int, row: ChannelRow) -> None:
        self.index, self.row, self.rank = index, row, 0
        self.event = 0 if row.armed else MASK
        self.old = 0
        self.armed = row.armed
        self.in_flight = self.triggered = False
        self.latched = self.raised = False
        self.last_ps: int | None = None
        self.held = 0
        self.hold_serial = 0


class Stage:
    """What changes about a stage."""

    def __init__(self, index: int, row: StageRow) -> None:
        self.index, self.row = index, row
        self.landed: list[tuple[Channel, bool]] = []
        self.relayed: list[Channel] = []
        self.entry_queued = self.turn_queued = False
        self.stopped = self.rearmed = False
        self.held: int | None = None
        self.in_service = 0
        self.timer_serial = 0
        self.timer_running = False


class Core:
    """Who runs, who waits, and since when."""

    def __init__(self, index: int, row: CoreRow) -> None:
        self.index, self.row = index, row
        self.holder: Thread | None = None
        self.queue: deque[Thread] = deque()
        self.idle_since = self.slice_since = 0
        self.stops: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


class Thread:
    """What changes about a thread. ``mode`` says what it is waiting for."""

    def __init__(self, index: int, row: ThreadRow, core: Core) -> None:
        self.index, self.row, self.core, self.rank = index, row, core, 0
        self.mode = "start"
        self.state, self.since = ASLEEP, 0
        self.gate: Gate | None = None
        self.level = -1
        self.in_exit = False
        self.turns = 0
        self.displaced = False
        self.ready: tuple[deque[tuple[Stage, bool]], ...] = (deque(), deque(), deque())
        self.stages: list[Stage] = []
        self.poll_ps = self.hit_ps = 0
        self.position = self.most = 0
        self.nap_ps = self.iteration_ps = 0
        self.parked_ps, self.stolen_from = 0, -1
        self.due_ps = self.found = -1
        self.look_from = self.look_every = 0
        self.softirq_n, self.softirq_since = 0, -1
        self.under_way = (NONE, NONE, NONE, 0)
        self.ksoftirqd = False

    @property
    def soft(self) -> bool:
        """Whether it runs as a softirq, above processes (past its limits it is one of them)."""
        return self.row.softirq and not self.ksoftirqd

    @property
    def top(self) -> int:
        """The highest level with something ready (3: none)."""
        for level, queue in enumerate(self.ready):
            if queue:
                return level
        return 3


class World:
    """Everything that a run changes, and the few verbs that change it."""

    def __init__(self, program: Program, job: Job) -> None:
        self.program, self.job = program, job
        self.env = simpy.Environment()
        self.round, self.phase, self.rank = 0, DUE, -1
        self.flat = job.prices.flat.tolist()
        self.offset = job.prices.offset.tolist()
        self.step = job.prices.step.tolist()
        self.at_ps = job.packets.at_ps.tolist()
        self.size_b = job.packets.size_b.tolist()
        self._build(program)
        n = len(self.at_ps)
        self.arrived, self.delivered = [-1] * n, [-1] * n
        self.dropped = [-1] * n
        shape = (len(program.stages) + len(program.threads), len(program.uses))
        self.count, self.busy, self.delay, self.bytes = (
            [[0] * shape[1] for _ in range(shape[0])] for _ in range(4)
        )
        self.acc = [[0] * len(STATES) for _ in self.threads]
        self.marks: list[tuple[int, list[list[int]]]] = []
        self.wakeups, self.spin_hits = [0] * len(self.threads), [0] * len(self.threads)
        self.stolen = [0] * len(self.threads)
        self.stops = [0] * len(self.stages)
        self.events = self.finished = self.n_arrived = self.last_ps = 0
        self.pending = self.pending_idle = 0
        self.trace: list[Event] = []
        self.on_finish: Callable[[int], None] = lambda _packet: None
        self.rise: Callable[[Thread], Steps]
        self.call: Callable[[World, Thread, Stage], Steps]

    def _build(self, program: Program) -> None:
        self.cores = [Core(i, row) for i, row in enumerate(program.cores)]
        for core, at, length in program.interruptions:
            self.cores[core].stops = (at, length)
        self.rings = [Ring(i, row) for i, row in enumerate(program.rings)]
        self.channels = [Channel(i, row) for i, row in enumerate(program.channels)]
        self.stages = [Stage(i, row) for i, row in enumerate(program.stages)]
        self.threads = [
            Thread(i, row, self.cores[row.core]) for i, row in enumerate(program.threads)
        ]
        for thread in self.threads:
            thread.rank = program.rank_of_thread(thread.index)
        for channel in self.channels:
            channel.rank = program.rank_of_channel(channel.index)
        for ring in self.rings:
            ring.rank = program.rank_of_ring(ring.index)
        for stage in self.stages:
            thread = self.threads[stage.row.thread]
            if stage.row.role in ("take", "reclaim"):
                thread.stages.append(stage)
            if stage.row.role in ("take", "called"):
                self.rings[stage.row.ring].consumer = stage
            if stage.row.full == "wait" and thread.row.wait == "poll":
                self.rings[stage.row.out].lookers.append(stage)

    # -- the clock ---------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The time, in picoseconds."""
        return int(self.env.now)

    def at(self, when: int, phase: int, rank: int, act: Act, *, idle: bool = False) -> None:
        """Do something at a time, in its place inside that instant.

        An act that returns False came too late to change anything (a timer that was overtaken).
        An ``idle`` one only passes a core on, or a paced poller's time: alone it does not keep a
        run alive.
        """
        self.pending += 1
        self.pending_idle += idle
        turn = 0
        if when == self.env.now:
            late = phase == DUE or (phase, rank) <= (self.phase, self.rank)
            # Phase 3 comes after all rounds there can be; what it causes makes rounds behind it.
            last = (self.round // MAX_ROUNDS + 1) * MAX_ROUNDS
            turn = last if phase == SLEEP else self.round + late
            if phase != SLEEP and turn % MAX_ROUNDS == MAX_ROUNDS - 1:
                raise EngineRefusal(
                    where=self.program.name,
                    got=f"more than {MAX_ROUNDS - 1} rounds at {self.now} ps, last at rank {rank}",
                    want="an instant that ends",
                    hint="stages that hand packets on in no time form a loop",
                )
        event = simpy.Event(self.env)
        event._ok, event._value = True, None
        event.callbacks.append(lambda _event: self._enter(turn, phase, rank, act, idle))
        key = (turn << 34) | (phase << 32) | rank
        self.env.schedule(event, key, when - self.env.now)  # type: ignore[arg-type]

    def _enter(self, turn: int, phase: int, rank: int, act: Act, idle: bool) -> None:
        self.pending -= 1
        self.pending_idle -= idle
        self.round, self.phase, self.rank = turn, phase, rank
        self.events += 1
        if act() is not False:
            self.last_ps = self.now

    def play_out(self) -> None:
        """Run until nothing is left to happen but idle threads passing a core back and forth."""
        while (upcoming := self.env.peek()) != float("inf"):
            if self.pending == self.pending_idle > 0 and upcoming > self.env.now:
                waiting = [t for core in self.cores for t in core.queue]
                if not any(map(self.has_work, waiting)) and not any(
                    map(self.sees_work, self.threads)
                ):
                    return
            self.env.step()

    def has_work(self, thread: Thread) -> bool:
        """Tell whether a thread would do more than poll if it had its core."""
        busy = thread.top < len(thread.ready) or thread.turns > 0
        return busy or thread.row.wait == "sleep" or self.sees_work(thread)

    def sees_work(self, thread: Thread) -> bool:
        """Tell whether a poller's next looks will find something."""
        return thread.row.wait == "poll" and any(map(self.can_work, thread.stages))

    def can_work(self, stage: Stage) -> bool:
        """Tell whether a poller's look at a stage finds packets, and room for them."""
        if not self.rings[stage.row.ring].waiting:
            return False
        return stage.row.full != "wait" or self.room_for(stage) > 0

    def room_for(self, stage: Stage) -> int:
        """Free slots ahead of a poller's stage, once it has taken back what is used."""
        ahead = self.rings[stage.row.out]
        known = ahead.done if stage.row.reclaims else ahead.known
        return ahead.capacity - (ahead.published - known)

    def until(self, when: int, phase: int, rank: int, *, idle: bool = False) -> Steps:
        """Wait for a place in time that nothing can bring forward."""
        gate = Gate(self.env)
        self.at(when, phase, rank, gate.open, idle=idle)
        yield gate

    def check(self, thread: Thread) -> Steps:
        """Wait for this instant's phase 1, where free threads look at their rings."""
        rank = thread.rank
        if self.env.peek() > self.env.now and self.phase in (DUE, CHECK):
            self.phase, self.rank = CHECK, max(rank, self.rank)
            return
        mode, thread.mode = thread.mode, "phase"
        yield from self.until(self.now, CHECK, rank)
        thread.mode = mode

    # -- money and time ----------------------------------------------------------------------

    def price(self, use: int, packet: int) -> int:
        """Price of a use on a packet, in picoseconds."""
        return int(self.flat[self.offset[use] + packet * self.step[use]])

    def prices(self, uses: Uses, packet: int) -> int:
        """Sum of prices."""
        return sum(self.price(use, packet) for use in uses)

    def set_state(self, thread: Thread, state: int) -> None:
        """Book the time in the old state and begin another."""
        now, acc = self.now, self.acc[thread.index]
        acc[thread.state] += now - thread.since
        if thread.stolen_from >= 0:
            lost = interrupted(thread.stolen_from, now, *thread.core.stops)
            acc[thread.state] -= lost
            acc[RUNNABLE] += lost
            self.stolen[thread.index] += lost
            thread.stolen_from = now
        thread.state, thread.since = state, now

    def book(self, payer: int, use: int, packet: int, cost: int, times: int = 1) -> None:
        """Book a use to a payer."""
        row = self.program.uses[use]
        self.count[payer][use] += times
        if row.per_byte:
            self.bytes[payer][use] += self.size_b[packet] * times
        (self.busy if row.busy else self.delay)[payer][use] += cost

    def book_delays(self, payer: int, uses: Uses, packet: int) -> int:
        """Book delays to whoever they hold up and return their sum."""
        total = 0
        for use in uses:
            cost = self.price(use, packet)
            self.note("delay", self.thread_of(payer), payer, use, packet, after=total)
            self.book(payer, use, packet, cost)
            total += cost
        return total

    def occupy(self, thread: Thread, payer: int, use: int, packet: int, state: int) -> Steps:
        """Let one use pass on the thread's core, without asking whether it may."""
        cost = self.price(use, packet)
        self.note("pay", thread, payer, use, packet)
        self.book(payer, use, packet, cost)
        if cost == 0:
            return
        if thread.state != state:
            self.set_state(thread, state)
        stops = thread.core.stops
        end = self.now + cost if not stops[0] else stretch(self.now, cost, *stops)
        if end - self.now > cost:
            thread.stolen_from = self.now
        mode, thread.mode = thread.mode, "op"
        thread.under_way = (payer, use, packet, end)
        thread.in_exit = self.program.uses[use].exit
        idle = thread.row.pace is not None and thread.turns == 0 and not self.sees_work(thread)
        yield from self.until(end, DUE, thread.rank, idle=idle)
        thread.in_exit = False
        thread.mode = mode
        if thread.stolen_from >= 0:
            self.set_state(thread, state)
            thread.stolen_from = -1

    def cut_short(self, thread: Thread) -> None:
        """Take back what an op that the end of the run cuts short was booked too much."""
        payer, use, packet, end = thread.under_way
        if thread.mode == "op" and end > self.now:
            left = end - self.now - interrupted(self.now, end, *thread.core.stops)
            self.book(payer, use, packet, -left, times=-1)

    # -- packets -----------------------------------------------------------------------------

    def arrive(self, packet: int) -> None:
        """Stamp an arrival; the first and the last measured one bound the window."""
        self.arrived[packet] = self.now
        self.n_arrived += 1
        if self.n_arrived in (self.job.warmup + 1, len(self.at_ps)):
            for thread in self.threads:
                self.set_state(thread, thread.state)
            self.marks.append((self.now, [list(row) for row in self.acc]))

    def finish(self, packet: int, dropped_at: int = NONE) -> None:
        """Stamp the end of a packet's life: delivered, or dropped at a ring."""
        if dropped_at == NONE:
            self.delivered[packet] = self.now
            self.note("deliver", packet=packet)
        else:
            self.dropped[packet] = dropped_at
            self.note("drop", packet=packet, ring=self.rings[dropped_at])
        self.finished += 1
        if self.job.on_progress and self.finished % 256 == 0:
            self.job.on_progress(self.finished, len(self.at_ps))
        self.on_finish(packet)

    def note(
        self,
        what: str,
        thread: Thread | None = None,
        payer: int = NONE,
        use: int = NONE,
        packet: int = NONE,
        ring: Ring | None = None,
        **detail: int,
    ) -> None:
        """Keep a line of the trace, if one is asked for."""
        if not self.job.trace:
            return
        named = 0 <= payer < len(self.stages)
        self.trace.append(
            Event(
                self.now,
                what,
                thread.row.name if thread else "",
                self.stages[payer].row.name if named else "",
                use,
                packet,
                ring.row.name if ring else "",
                tuple(sorted(detail.items())),
            )
        )

    def thread_of(self, payer: int) -> Thread:
        """Thread of a ledger row."""
        n = len(self.stages)
        return self.threads[payer - n if payer >= n else self.stages[payer].row.thread]

    def payer_of(self, thread: Thread) -> int:
        """Ledger row of a thread's own uses."""
        return len(self.stages) + thread.index


def as_ints(rows: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return nested lists of integers as an int64 array."""
    return np.array(rows, dtype=np.int64)
