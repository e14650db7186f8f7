"""From a Program and a job to the arena: rows of words that refer to one another by offset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType

import numpy as np

from virtsim.engines.stepper.rows import (
    arm,
    cell,
    channel,
    core,
    event,
    frame,
    leaf,
    node,
    packet,
    queue,
    ring,
    source,
    stage,
    thread,
    world,
)
from virtsim.outcome import Ints, Job
from virtsim.program import (
    NONE,
    ChannelRow,
    CoreRow,
    Program,
    RingRow,
    StageRow,
    ThreadRow,
    Uses,
)
from virtsim.semantics import MASK

MOST = 1 << 60
"""Stands for anything longer or larger: no run lasts so long or counts so far."""
BLOCK = 4096
NODES = 256
EVENTS = 256
FRAMES = 24
"""More frames than one turn stacks at one level, without inline stages."""

WAITS = ("sleep", "poll", "always")
ROLES = ("take", "reclaim", "inline", "called", "relay")
FULLS = ("drop", "block", "stop", "wait", "hold", "retry")
MODES = ("never", "always", "once", "flags", "event", "latch", "call")
VIAS = ("always", "asleep", "late")
FREES = ("take", "done", "reclaim")
VALUES = ("next", "share", "off", "still")
OCCASIONS = ("entry", "take", "publish", "stop", "empty", "clean")
GIVES = ("before", "after", "never")
ON_EMPTY = ("rearm", "serve_armed", "leave")
RECHECKS = ("continue", "requeue", "none")
KINDS = ("open", "saturate", "closed")
PAID_BY_THREADS = ("loop", "idle_loop", "signal", "wake", "idle", "block", "resume", "hit")


def packet_table(program: Program, job: Job) -> tuple[Ints, list[int]]:
    """Return the words of all packets, and each source's first packet.

    A block at a time: what is written of a packet lies together, and stays in the cache.
    """
    n, packets = len(job.packets), job.packets
    table = np.empty((max(n, 1), packet.WORDS), dtype=np.int64)
    follower, first = followers(program, job)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        block = table[rows]
        block.fill(-1)
        block[:, packet.AT] = packets.at_ps[rows]
        block[:, packet.SIZE_B] = packets.size_b[rows]
        block[:, packet.SOURCE] = packets.source[rows]
        block[:, packet.FOLLOWER] = follower[rows]
    return table.reshape(-1), first


def followers(program: Program, job: Job) -> tuple[Ints, list[int]]:
    """Return the packet behind each one in its source (-1: none), and each source's first."""
    n, source = len(job.packets), job.packets.source
    ends = np.append(np.flatnonzero(np.diff(source)), n - 1) if n else np.zeros(0, dtype=np.int64)
    together = len(ends) <= len(program.sources)
    if together and len(set(source[ends].tolist())) == len(ends):
        # Each source's packets lie together.
        follower = np.arange(1, n + 1, dtype=np.int64)
        follower[ends] = -1
        begin = dict(zip(source[ends].tolist(), [0, *(ends + 1).tolist()], strict=False))
        return follower, [begin.get(i, -1) for i in range(len(program.sources))]
    follower, first = np.full(n, -1, dtype=np.int64), []
    for i in range(len(program.sources)):
        mine = np.flatnonzero(source == i)
        follower[mine[:-1]] = mine[1:]
        first.append(int(mine[0]) if len(mine) else -1)
    return follower, first


def arena(program: Program, job: Job, first: Sequence[int]) -> Ints:
    """Return the arena of a run that has not begun."""
    return Writer(program, job).write(first)


class Writer:
    """Writes the rows of one Program. Rows are placed first, so that all can refer to all."""

    def __init__(self, program: Program, job: Job) -> None:
        self.program, self.job = program, job
        self.words: list[int] = [0] * world.SIZE
        self.nothing = self.room(1)
        self.lists: dict[Uses, int] = {}
        self.arm_lists: list[int] = []
        self.threads = self.place(thread, len(program.threads))
        self.stages = self.place(stage, len(program.stages))
        self.rings = self.place(ring, len(program.rings))
        self.channels = self.place(channel, len(program.channels))
        self.cores = self.place(core, len(program.cores))
        self.sources = self.place(source, len(program.sources))
        self.leaves = self.place(leaf, len(program.threads) + len(program.sources) + 1)
        self.line = len(program.uses) * cell.SIZE
        self.ledger = self.room((len(self.stages) + len(self.threads)) * self.line)

    # -- placing and filling ---------------------------------------------------------------------

    def room(self, n: int) -> int:
        """Return the offset of so many new words."""
        self.words += [0] * n
        return len(self.words) - n

    def place(self, kind: ModuleType, n: int) -> list[int]:
        """Return the offsets of so many new rows."""
        size: int = kind.SIZE
        at = self.room(n * size)
        return [at + i * size for i in range(n)]

    def fill(self, row: int, kind: ModuleType, **fields: int) -> None:
        """Fill fields of a row by their names."""
        for name, value in fields.items():
            self.words[row + getattr(kind, name)] = min(int(value), MOST)

    def array(self, values: Iterable[int]) -> int:
        """Return the offset of new words that hold these values."""
        filled = [min(int(v), MOST) for v in values]
        at = self.room(len(filled))
        self.words[at : at + len(filled)] = filled
        return at

    def uses(self, uses: Uses) -> int:
        """Return the offset of a list of uses: how many, then each."""
        if not uses:
            return self.nothing
        if uses not in self.lists:
            each = [word for u in uses for word in self.use(u)]
            each[-1] = 1
            self.lists[uses] = self.array([len(uses), *each])
        return self.lists[uses]

    def use(self, u: int) -> list[int]:
        """Return the words of a use."""
        row, prices = self.program.uses[u], self.job.prices
        at, mask = int(prices.offset[u]), -int(prices.step[u])
        return [at, mask, u * cell.SIZE, int(row.per_byte), int(row.exit), 0]

    def price(self, uses: Uses) -> int:
        """Return the price of uses on the first packet."""
        prices = self.job.prices
        return sum(int(prices.flat[prices.offset[u]]) for u in uses)

    def ref(self, rows: Sequence[int], i: int) -> int:
        """Return the offset of a row, 0 for none."""
        return 0 if i == NONE else rows[i]

    # -- the rows ----------------------------------------------------------------------------------

    def write(self, first: Sequence[int]) -> Ints:
        """Write everything and return the arena."""
        program = self.program
        for i, core_row in enumerate(program.cores):
            self.core(i, self.cores[i], core_row)
        for i, begins, lengths in program.interruptions:
            self.fill(
                self.cores[i], core, STOPS=len(begins), STOPS_AT=self.array(begins),
                STOPS_FOR=self.array(lengths),
            )  # fmt: skip
        for i, thread_row in enumerate(program.threads):
            self.thread(i, self.threads[i], thread_row)
        for i, ring_row in enumerate(program.rings):
            self.ring(i, self.rings[i], ring_row)
        for i, channel_row in enumerate(program.channels):
            self.channel(i, self.channels[i], channel_row)
        for i, stage_row in enumerate(program.stages):
            self.stage(i, self.stages[i], stage_row)
        for i, source_row in enumerate(program.sources):
            self.fill(
                self.sources[i], source, RANK=i, RING=self.rings[source_row.ring],
                LEAF=self.leaves[len(self.threads) + i], KIND=KINDS.index(source_row.kind),
                OUTSTANDING=source_row.outstanding, THINK_PS=source_row.think_ps,
                UPCOMING=first[i],
            )  # fmt: skip
        for at, owner in zip(self.leaves, [*self.threads, *self.sources, 0], strict=True):
            self.words[at + leaf.AT], self.words[at + leaf.OWNER] = world.NEVER, owner
        return np.concatenate([*self.world()])

    def world(self) -> tuple[Ints, Ints, Ints]:
        """Write the world's row; return all rows, and the memory that grows behind them."""
        program, n, low = self.program, len(self.job.packets), self.most_at_once()
        flooded = self.floods(n)
        nodes, heap = low + NODES, low + EVENTS + flooded
        pool = len(self.words)
        at = pool + nodes * node.SIZE
        self.fill(
            0, world, LAST=0, LEAVES=self.leaves[0], N_LEAVES=len(self.leaves),
            HEAP=at, HEAP_MOST=heap, HEAP_LEAF=self.leaves[-1],
            SOURCE_LEAVES=self.leaves[len(self.threads)],
            NODES=pool, FREE_NODE=pool, N_FREE=nodes, LOW=low,
            N=n, WARMUP=self.job.warmup,
            THREADS=self.threads[0] if self.threads else 0, N_THREADS=len(self.threads),
            STAGES=self.stages[0] if self.stages else 0, N_STAGES=len(self.stages),
            SOURCES=self.sources[0] if self.sources else 0, N_SOURCES=len(self.sources),
            CORES=self.cores[0] if self.cores else 0, N_CORES=len(self.cores),
            HAS_LOOPS=any(row.kind == "closed" for row in program.sources),
        )  # fmt: skip
        free = np.zeros((nodes, node.SIZE), dtype=np.int64)
        free[:-1, node.NEXT] = np.arange(pool + node.SIZE, at, node.SIZE)
        rows = np.array(self.words, dtype=np.int64)
        return rows, free.reshape(-1), np.zeros(heap * event.SIZE, dtype=np.int64)

    def most_at_once(self) -> int:
        """Return how many events or landings a thread can cause before it has to wait."""
        n = len(self.job.packets)
        batches = sum(min(row.batch, row.budget, n) for row in self.program.stages)
        return 64 + 2 * batches + len(self.program.channels)

    def floods(self, n: int) -> int:
        """Return how many late publications a saturating source, or closed loops, make at once."""
        at_once = 0
        for row in self.program.sources:
            if row.kind == "saturate" and self.program.rings[row.ring].visible:
                at_once = n
            elif row.kind == "closed":
                at_once += min(row.outstanding, n)
        return at_once

    def core(self, i: int, at: int, row: CoreRow) -> None:
        """Write a core."""
        mine = sum(thread_row.core == i for thread_row in self.program.threads)
        states = [w for reach, u in row.idle_states for w in (reach, *self.use(u))]
        self.fill(
            at, core, QUEUE=self.room(len(self.threads)), SHARED=mine > 1, QUANTUM=row.quantum_ps,
            SWITCH=self.uses(row.switch), STATES=self.array(states),
            N_STATES=len(row.idle_states),
        )  # fmt: skip

    def thread(self, i: int, at: int, row: ThreadRow) -> None:
        """Write a thread, its queues, its cycle and its stack."""
        program = self.program
        mine = [
            s
            for s, stage_row in enumerate(program.stages)
            if stage_row.thread == i and stage_row.role in ("take", "reclaim")
        ]
        costs = [self.price(row.idle_loop), *(self.price(program.stages[s].poll) for s in mine)]
        ready = 1
        while ready < 2 * sum(stage_row.thread == i for stage_row in program.stages):
            ready *= 2
        queues = [self.room(queue.SIZE - 1 + ready) for _ in range(3)]
        called = sum(stage_row.role == "called" for stage_row in program.stages)
        inline = sum(stage_row.role == "inline" for stage_row in program.stages)
        frames = 3 * (1 + called) * (FRAMES + inline)
        bottom = self.room((frames + 1) * frame.SIZE)
        self.fill(
            at, thread, INDEX=i, RANK=program.rank_of_thread(i), CORE=self.cores[row.core],
            LEAF=self.leaves[i], LEDGER=self.ledger + (len(self.stages) + i) * self.line,
            WAIT=WAITS.index(row.wait), HOST_CPU=row.host_cpu, SOFTIRQ=row.softirq,
            HAS_SOFTIRQS=any(s.thread == i and s.level == 1 for s in program.stages),
            SOFTIRQ_PACKETS=row.softirq_packets, SOFTIRQ_PS=row.softirq_ps,
            STAGES=self.array(self.stages[s] for s in mine), N_STAGES=len(mine),
            CYCLE=self.array([sum(costs[:k]) for k in range(len(costs) + 1)]),
            PERIOD=max(1, sum(costs)), QUEUES=queues[0],
            QUEUES_1=queues[1], QUEUES_2=queues[2], QUEUE_MASK=ready - 1,
            STATE=thread.ASLEEP, ACC=self.room(12), LEVEL=-1, STOLEN_FROM=-1, DUE_PS=-1, FOUND=-1,
            UNEVEN=row.pace is not None or any(k == row.core for k, *_ in program.interruptions),
            SOFTIRQ_SINCE=-1, BOTTOM=bottom, TOP=bottom, HIGHEST=bottom + frames * frame.SIZE,
            **{
                name.upper(): self.uses(getattr(row, name))
                for name in PAID_BY_THREADS
            },
        )  # fmt: skip
        self.waiting(at, row)

    def waiting(self, at: int, row: ThreadRow) -> None:
        """Write how a thread spins and paces."""
        self.fill(at, thread, SPIN_TURN=self.nothing, NAP_USES=self.nothing, LATE=self.nothing)
        if (spin := row.spin) is not None:
            self.fill(
                at, thread, SPINS_ARMED=spin.armed, SPINS_LOOKING=not spin.armed,
                SPIN_MAX=spin.max_ps, SPIN_TURN=self.uses(spin.turn), ADAPTIVE=spin.adaptive,
                START=spin.start_ps, GROW=spin.grow, SHRINK=spin.shrink,
            )  # fmt: skip
        if (pace := row.pace) is not None:
            self.fill(
                at, thread, PACED=1, STEP_PS=pace.step_ps, MAX_PS=pace.max_ps, FEW=pace.few,
                RELAX=pace.relax, PERIOD_PS=pace.period_ps, NAP_USES=self.uses(pace.uses),
                LATE=self.uses(pace.late),
            )  # fmt: skip

    def ring(self, i: int, at: int, row: RingRow) -> None:
        """Write a ring."""
        rows = self.program.stages
        takers = [s for s, r in enumerate(rows) if r.ring == i and r.role in ("take", "called")]
        lookers = [
            self.stages[s]
            for s, r in enumerate(rows)
            if r.out == i and r.full == "wait" and self.program.threads[r.thread].wait == "poll"
        ]
        self.fill(
            at, ring, INDEX=i, RANK=self.program.rank_of_ring(i), CAPACITY=row.capacity or MOST,
            FREES=FREES.index(row.frees), VISIBLE_USES=self.uses(row.visible),
            FORWARD=self.ref(self.channels, row.forward),
            REVERSE=self.ref(self.channels, row.reverse),
            CONSUMER=self.stages[takers[-1]] if takers else 0, LOOKERS=self.array(lookers),
            N_LOOKERS=len(lookers), BLOCKED=self.room(len(self.threads)),
        )  # fmt: skip

    def channel(self, i: int, at: int, row: ChannelRow) -> None:
        """Write a channel."""
        self.fill(
            at, channel, RANK=self.program.rank_of_channel(i), RING=self.rings[row.ring],
            FORWARD=row.forward, MODE=MODES.index(row.mode), TARGET=self.stages[row.target],
            SEND=self.uses(row.send), RUNNING=self.uses(row.running),
            INTRUDE=self.uses(row.intrude), ENTRY=self.uses(row.entry), GAP=row.gap_ps,
            HOLD_PS=row.hold_ps, HOLD_N=row.hold_n, VIA=self.ref(self.stages, row.via),
            VIA_WHEN=VIAS.index(row.via_when), EVENT=0 if row.armed else MASK, ARMED=row.armed,
            LAST=-1,
        )  # fmt: skip

    def stage(self, i: int, at: int, row: StageRow) -> None:
        """Write a stage."""
        here, inline, each = row.out != NONE, row.inline != NONE, row.publish == "each"
        by_name = (
            "entry", "turn", "batch_uses", "lead", "item", "empty_uses", "poll", "refill_uses",
            "restart",
        )  # fmt: skip
        mine = [s for s in range(i) if self.program.stages[s].thread == row.thread]
        before = sum(self.program.stages[s].role in ("take", "reclaim") for s in mine)
        spin = self.program.threads[row.thread].spin
        flushed = row.flush == "before_rearm" or (spin is not None and not spin.armed)
        self.fill(
            at, stage, INDEX=i, THREAD=self.threads[row.thread],
            POSITION=before + 1 if row.role in ("take", "reclaim") else 0,
            LEDGER=self.ledger + i * self.line, LEVEL=row.level,
            RING=self.ref(self.rings, row.ring), ROLE=ROLES.index(row.role),
            OUT=self.ref(self.rings, row.out), INLINE=self.ref(self.stages, row.inline),
            CLEANS=self.ref(self.stages, row.cleans), RESTARTS=self.ref(self.stages, row.restarts),
            BURST=row.gather == "burst", BATCH=row.batch, BUDGET=row.budget,
            BUDGET_B=row.budget_b, GIVES=GIVES.index(row.done),
            EMITS=each and not inline, EMITS_BATCH=not each and not inline,
            EMITTED=each and not inline and (row.decide == "each" or not here),
            LATE_SLOTS=not each, CHAINS=inline or not each, DECIDES_EACH=row.decide == "each",
            DECIDES_BATCH=row.decide == "batch" and here and row.full != "retry",
            FULL=FULLS.index(row.full), ROOM=row.room, SERVERS=row.servers, RETRIES=row.retries,
            WHEN_EMPTY=ON_EMPTY.index(row.on_empty), RECHECK=RECHECKS.index(row.recheck),
            LATE_FLUSH=not flushed, DEFER=row.defer, TIMER_PS=row.timer_ps,
            TIMER_RANK=self.program.rank_of_timer(i), REFILL=row.refill, RECLAIMS=row.reclaims,
            HELD=-1, **{name.upper(): self.uses(getattr(row, name)) for name in by_name},
            **{f"ON_{when.upper()}": self.arms(row, when) for when in OCCASIONS},
        )  # fmt: skip

    def arms(self, row: StageRow, when: str) -> int:
        """Return the offset of a stage's arm rules for an occasion: how many, then each."""
        rules = [rule for rule in row.arms if rule.when == when]
        if not rules:
            return self.nothing
        at = self.array([len(rules)])
        self.arm_lists.append(at)
        for rule, here in zip(rules, self.place(arm, len(rules)), strict=True):
            forward = self.program.channels[rule.channel].forward
            self.fill(
                here, arm, CHANNEL=self.channels[rule.channel], SILENT=forward and when == "take",
                VALUE=VALUES.index(rule.value), K=rule.k, NUM=rule.num, DEN=rule.den,
                USES=self.uses(rule.uses), PASSED=self.ref(self.stages, rule.passed),
                LAST=rule is rules[-1],
            )  # fmt: skip
        return at
