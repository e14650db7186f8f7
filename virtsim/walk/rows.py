"""From the trace of one packet to the steps that a reader sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtsim.equation import WAITS, Equation
from virtsim.model.ops import counts_of
from virtsim.outcome import Event, Prices
from virtsim.program import Program
from virtsim.walk.descriptors import Descriptors, DescriptorView, is_descriptors
from virtsim.walk.virtqueue import RingView, Virtqueue

SOURCE, NIC = "source", "nic"
PLAIN = {"publish": "on", "take": "off"}
"""Steps of a ring inside the host or the guest, in words."""

View = RingView | DescriptorView


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time for a waterfall: an op, a delay, or a wait (``op`` is one of ``WAITS``).

    ``critical`` marks what the packet's latency consists of, ``inside`` what KVM or QEMU does
    within an exit while the guest stands still. Times in ps.
    """

    thread: str
    start_ps: int
    end_ps: int
    op: str
    cause: str
    kind: str
    critical: bool
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A step: an op or a delay (``bar``), a step of a ring, or an end.

    A virtqueue or a NIC's descriptor ring shows its state after the step (``view``).
    """

    at_ps: int
    thread: str
    what: str
    bar: Bar | None = None
    ring: str = ""
    view: View | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row in JSON's own types."""
        data: dict[str, Any] = {"at_ps": self.at_ps, "thread": self.thread, "what": self.what}
        if self.bar is not None:
            data |= {"ps": self.bar.end_ps - self.bar.start_ps, "cause": self.bar.cause,
                     "kind": self.bar.kind, "critical": self.bar.critical,
                     "inside_exit": self.bar.inside}  # fmt: skip
        if self.ring:
            data["ring"] = self.ring
        if self.view is not None:
            name = "virtqueue" if isinstance(self.view, RingView) else "descriptors"
            data[name] = self.view.as_dict()
        return data


class Reader:
    """Reads a trace; times in its rows count from the packet's arrival."""

    def __init__(
        self, program: Program, prices: Prices, size_b: int, at_ps: int, equation: Equation | None
    ) -> None:
        self.program, self.prices, self.at_ps = program, prices, at_ps
        self.waits: list[Bar] = []
        self.critical: set[tuple[int, int, str, str]] = set()
        for start, end, term in equation.intervals() if equation else ():
            if term.op in WAITS:
                here = start - at_ps, end - at_ps
                self.waits.append(Bar(term.who, *here, term.op, term.cause, term.kind, True))
            self.critical.add((start - at_ps, end - at_ps, term.op, term.who))
        names = [thread.name for thread in program.threads]
        self.producer = {s.out: names[s.thread] for s in program.stages}
        self.producer[program.sources[0].ring] = SOURCE
        takes = [s for s in program.stages if s.role in ("take", "called")]
        self.consumer = {s.ring: names[s.thread] for s in takes}
        self.index = {row.name: i for i, row in enumerate(program.rings)}
        self.queues: dict[str, Virtqueue | Descriptors] = {}
        for i, row in enumerate(program.rings):
            if row.virtqueue:
                self.queues[row.name] = Virtqueue(program, i, size_b)
            elif is_descriptors(program, i):
                self.queues[row.name] = Descriptors(program, i, size_b)
        self.exits: set[str] = set()

    def rows(self, trace: tuple[Event, ...]) -> tuple[Row, ...]:
        """Return all steps in the order of time."""
        waits = [Row(bar.start_ps, bar.thread, bar.op, bar) for bar in self.waits]
        rows = [row for event in trace for row in self._read(event) if not _before(row)]
        return tuple(sorted([*rows, *waits], key=lambda row: row.at_ps))

    def _read(self, event: Event) -> Iterator[Row]:
        at = event.at_ps - self.at_ps
        if event.what in ("pay", "delay"):
            bar = self._bar(event)
            yield Row(bar.start_ps, bar.thread, bar.op, bar)
        elif event.what in ("deliver", "drop"):
            last = "delivered" if event.what == "deliver" else f"dropped at {event.ring}"
            yield Row(at, "", f"packet {last}")
        elif event.ring in self.queues and event.what != "deliver_notification":
            text, view = self.queues[event.ring].apply(event)
            if text:
                yield Row(at, self._actor(event), text, ring=event.ring, view=view)
        elif event.what in PLAIN:
            step = f"packet {PLAIN[event.what]} the ring"
            yield Row(at, self._actor(event), step, ring=event.ring)

    def _bar(self, event: Event) -> Bar:
        use = self.program.uses[event.use]
        packet = max(0, event.packet)
        offset, step = self.prices.offset[event.use], self.prices.step[event.use]
        ps = int(self.prices.flat[offset + packet * step])
        start = event.at_ps - self.at_ps + dict(event.detail).get("after", 0)
        critical = (start, start + ps, use.op, event.thread) in self.critical
        kind = "busy" if use.busy else "delay"
        inside = use.busy and self._inside(event)
        return Bar(event.thread, start, start + ps, use.op, use.cause, kind, critical, inside)

    def _inside(self, event: Event) -> bool:
        """Tell whether an op is done inside the exit that its thread began last."""
        use = self.program.uses[event.use]
        begins = "exits" in counts_of(use.op)
        inside = use.exit and not begins and event.thread in self.exits and use.cause != "halt"
        if use.exit and (begins or inside):
            self.exits.add(event.thread)
        else:
            self.exits.discard(event.thread)
        return inside

    def _actor(self, event: Event) -> str:
        """Return the thread that did something to a ring."""
        if event.thread:
            return event.thread
        ring = self.index[event.ring]
        forward = dict(event.detail).get("forward", int(event.what == "publish"))
        actor = self.producer[ring] if forward else self.consumer[ring]
        interrupts = actor == SOURCE and event.what == "decide" and event.ring in self.queues
        return NIC if interrupts else actor


def _before(row: Row) -> bool:
    """Tell whether a step was over before the packet came: a poller's sleeps and looks."""
    return row.bar is not None and row.bar.end_ps < 0
