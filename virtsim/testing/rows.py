"""Building raw Programs, with their prices and packets, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from virtsim.outcome import Job, Packets, Prices
from virtsim.program import (
    ArmRow,
    ChannelRow,
    CoreRow,
    Program,
    RingRow,
    SourceRow,
    StageRow,
    ThreadRow,
    Use,
    Uses,
)

HARDIRQ, SOFTIRQ, PROCESS = range(3)


@dataclass(frozen=True)
class Case:
    """A Program and a job to play on it."""

    program: Program
    job: Job

    def traced(self) -> Case:
        """Return the same case with a trace."""
        return Case(self.program, replace(self.job, trace=True))


class Rows:
    """Tables of a Program under construction. Each method appends a row and returns its number."""

    def __init__(self, name: str = "raw") -> None:
        self.name = name
        self.uses: list[Use] = []
        self.columns: list[Sequence[int]] = []
        self.cores: list[CoreRow] = []
        self.threads: list[ThreadRow] = []
        self.rings: list[RingRow] = []
        self.channels: list[ChannelRow] = []
        self.stages: list[StageRow] = []
        self.sources: list[SourceRow] = []
        self.interruptions: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []

    def use(
        self, op: str, price: int | Sequence[int], cause: str = "work", *, busy: bool = True
    ) -> Uses:
        """Append a use with its price: one for all packets, or one for each."""
        self.uses.append(Use(op, cause, busy))
        self.columns.append([price] if isinstance(price, int) else price)
        return (len(self.uses) - 1,)

    def core(self, **fields: Any) -> int:
        """Append a core."""
        self.cores.append(CoreRow(f"core{len(self.cores)}", **fields))
        return len(self.cores) - 1

    def thread(self, core: int | None = None, wait: str = "sleep", **fields: Any) -> int:
        """Append a thread, on a core of its own unless one is given."""
        name = f"t{len(self.threads)}"
        at = self.core() if core is None else core
        self.threads.append(ThreadRow(name, "raw", at, wait, **fields))  # type: ignore[arg-type]
        return len(self.threads) - 1

    def ring(self, capacity: int = 0, **fields: Any) -> int:
        """Append a ring."""
        self.rings.append(RingRow(f"r{len(self.rings)}", capacity, **fields))
        return len(self.rings) - 1

    def channel(self, ring: int, target: int, forward: bool = True, **fields: Any) -> int:
        """Append a channel and join it to its ring."""
        mode = fields.pop("mode", "event")
        fields.setdefault("armed", forward)
        name = f"c{len(self.channels)}"
        self.channels.append(ChannelRow(name, ring, forward, mode, target, **fields))
        at = len(self.channels) - 1
        row = self.rings[ring]
        self.rings[ring] = replace(row, forward=at) if forward else replace(row, reverse=at)
        return at

    def stage(self, thread: int, ring: int, item: Uses = (), **fields: Any) -> int:
        """Append a stage."""
        level = fields.pop("level", PROCESS)
        name = f"s{len(self.stages)}"
        self.stages.append(StageRow(name, thread, level, "host", ring, item=item, **fields))
        return len(self.stages) - 1

    def change(self, stage: int, **fields: Any) -> None:
        """Change fields of a stage."""
        self.stages[stage] = replace(self.stages[stage], **fields)

    def arm(self, stage: int, *arms: ArmRow) -> None:
        """Give a stage more arm rules."""
        self.change(stage, arms=(*self.stages[stage].arms, *arms))

    def woken(self, stage: int, ring: int, *, rearm: Uses = (), k: int = 1, **fields: Any) -> int:
        """Let a stage be told of packets on its ring: off while it works, on when it is empty."""
        channel = self.channel(ring, stage, **fields)
        self.arm(
            stage,
            ArmRow(channel, "entry", "off"),
            ArmRow(channel, "empty", "next", k, uses=rearm),
        )
        return channel

    def source(self, ring: int = 0, **fields: Any) -> int:
        """Append a source."""
        self.sources.append(SourceRow(f"src{len(self.sources)}", ring, **fields))
        return len(self.sources) - 1

    def program(self) -> Program:
        """Return the Program."""
        return Program(
            self.name, "tx", tuple(self.uses), tuple(self.cores), tuple(self.threads),
            tuple(self.rings), tuple(self.channels), tuple(self.stages), tuple(self.sources),
            tuple(self.interruptions),
        )  # fmt: skip

    def prices(self) -> Prices:
        """Return the prices."""
        lengths = [len(column) for column in self.columns]
        flat = np.array([p for column in self.columns for p in column], dtype=np.int64)
        offset = np.cumsum([0, *lengths], dtype=np.int64)[:-1]
        return Prices(flat, offset, np.array([int(n > 1) for n in lengths], dtype=np.int64))

    def case(
        self, at_ps: Sequence[int], source: Sequence[int] | None = None, *, warmup: int = 0
    ) -> Case:
        """Return the Program with packets of 64 bytes that arrive at these times."""
        n = len(at_ps)
        packets = Packets(
            np.array(at_ps, dtype=np.int64),
            np.full(n, 64, dtype=np.int64),
            np.array([0] * n if source is None else source, dtype=np.int64),
        )
        return Case(self.program(), Job(self.prices(), packets, warmup))


# -- small Programs ----------------------------------------------------------------------------


def producer_consumer(
    n: int, slots: int, work: tuple[int, int], notify: tuple[int, int] = (0, 0),
    start: tuple[int, int] = (0, 0), k: tuple[int, int] = (1, 1),
) -> Case:  # fmt: skip
    """Return n items made by a producer for a consumer, each on a core of its own.

    Pairs are (producer's, consumer's): work per item, cost of a notification sent, delay of a
    start, and the threshold of a notification. A slot is freed at the end of consumption.
    """
    rows = Rows("producer-consumer")
    made, eaten = (rows.use(f"work{i}", w) for i, w in enumerate(work))
    kick, call = (rows.use(f"notify{i}", p, "kick") for i, p in enumerate(notify))
    wakes = [rows.use(f"start{i}", s, "wake", busy=False) for i, s in enumerate(start)]
    producer, consumer = (rows.thread(wake=wake) for wake in wakes)
    send, queue = rows.ring(), rows.ring(slots, frees="done")
    make = rows.stage(producer, send, made, out=queue, full="wait")
    eat = rows.stage(consumer, queue, eaten)
    rows.woken(make, send, mode="flags")
    rows.woken(eat, queue, send=kick, k=k[0])
    back = rows.channel(queue, make, forward=False, send=call)
    rows.arm(make, ArmRow(back, "stop", "next", k[1]))
    rows.source(send, kind="saturate")
    return rows.case([0] * n)


def tandem(services: Sequence[int | Sequence[int]], at_ps: Sequence[int], room: int = 0) -> Case:
    """Return servers in a row, each with a core and a ring; a ring with room drops when full.

    The server itself is a place more: a ring frees a slot when its packet is taken.
    """
    rows = Rows("tandem")
    rings = [rows.ring(room) for _ in services]
    for i, service in enumerate(services):
        out = rings[i + 1] if i + 1 < len(rings) else -1
        stage = rows.stage(rows.thread(), rings[i], rows.use(f"serve{i}", service), out=out)
        rows.woken(stage, rings[i], mode="flags")
    rows.source()
    return rows.case(at_ps)


def closed_loop(n: int, outstanding: int, services: Sequence[int], think: int = 0) -> Case:
    """Return n requests in a closed loop through servers that share the rings between them."""
    case = tandem(services, [0] * n)
    source = SourceRow("loop", 0, "closed", outstanding, think)
    return Case(replace(case.program, sources=(source,)), case.job)


def shared_core(services: Sequence[int], switch: int, at_ps: Sequence[int], quantum: int) -> Case:
    """Return servers in a row whose threads share one core, with a cost of switching."""
    rows = Rows("shared-core")
    core = rows.core(switch=rows.use("switch", switch, "switch"), quantum_ps=quantum)
    rings = [rows.ring() for _ in services]
    for i, service in enumerate(services):
        out = rings[i + 1] if i + 1 < len(rings) else -1
        item = rows.use(f"serve{i}", service)
        rows.woken(rows.stage(rows.thread(core), rings[i], item, out=out), rings[i], mode="flags")
    rows.source()
    return rows.case(at_ps)


def one_stage(
    at_ps: Sequence[int], item: int | Sequence[int] = 10, *, entry: int = 0, wake: int = 0,
    channel: dict[str, Any] | None = None, **fields: Any,
) -> Case:  # fmt: skip
    """Return one sleeping server; ``channel`` and the other fields go to its channel and stage.

    ``timer_ps=`` makes it wait for its timer, ``channel={"gap_ps": ...}`` moderates and
    ``channel={"hold_n": ..., "hold_ps": ...}`` coalesces what it is told.
    """
    rows = Rows("one-stage")
    thread = rows.thread(wake=rows.use("wake", wake, "wake", busy=False))
    ring = rows.ring()
    paid = rows.use("entry", entry, "entry")
    stage = rows.stage(thread, ring, rows.use("serve", item), entry=paid, **fields)
    rows.woken(stage, ring, **(channel or {}))
    rows.source()
    return rows.case(at_ps)
