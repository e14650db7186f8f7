"""W4 in plain SimPy: virtio-net with a vhost worker for both rings and one vCPU."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator
from typing import Any, Literal

import simpy

from virtsim.bench.works import BUDGET, PLACES, QDISC, TAP, Work

Steps = Generator[simpy.Event, Any, None]
Side = Literal["tx", "rx"]
Task = Literal["xmit", "napi"]


class VirtioNet:
    """All of it; its processes start when it is made."""

    def __init__(self, work: Work) -> None:
        self.env = env = simpy.Environment()
        self.work = work
        self.received = int((work.job.packets.source == 0).sum())
        self.at_ps = work.job.packets.at_ps.tolist()
        self.cost = {use.op: work.column(i).tolist() for i, use in enumerate(work.program.uses)}
        self.fate = [-1] * len(work)
        self.count: Counter[str] = Counter()
        # rings
        self.tap: deque[int] = deque()
        self.qdisc: deque[int] = deque()
        self.sent: deque[int] = deque()
        self.come: deque[int] = deque()
        self.in_flight = 0  # sent packets whose slots the sender has not taken back
        self.used = self.used_for = 0  # slots given back, and how many are waited for
        self.unread = 0  # received packets whose buffers the guest has not given back
        self.room_at = -1
        # who wants to be told
        self.tap_armed = self.qdisc_armed = self.kick_armed = self.irq_armed = True
        # the worker
        self.turns: deque[Side] = deque()
        self.worker_sleeps: simpy.Event | None = None
        # the vCPU
        self.tx_irq = self.rx_irq = False
        self.stopped = False
        self.tasks: deque[Task] = deque()
        self.vcpu_waits: simpy.Event | None = None
        for process in (
            self.rx_source(), self.tx_source(), self.worker(), self.vcpu(),
        ):  # fmt: skip
            env.process(process)

    def pay(self, op: str, packet: int = 0) -> simpy.Event:
        """Return the end of an op."""
        self.count[op] += 1
        cost = self.cost[op]
        return self.env.timeout(cost[packet] if len(cost) > 1 else cost[0])

    # -- sources -------------------------------------------------------------------------------

    def rx_source(self) -> Steps:
        """Let packets come from the wire to the tap."""
        for packet in range(self.received):
            yield self.env.timeout(self.at_ps[packet] - self.env.now)
            if len(self.tap) == TAP:
                self.fate[packet] = -2
                continue
            self.tap.append(packet)
            if self.tap_armed:
                self.tap_armed = False
                self.tell_worker("rx")

    def tx_source(self) -> Steps:
        """Let the guest's application put packets on the qdisc."""
        for packet in range(self.received, len(self.at_ps)):
            yield self.env.timeout(self.at_ps[packet] - self.env.now)
            if len(self.qdisc) == QDISC:
                self.fate[packet] = -3
                continue
            self.qdisc.append(packet)
            if self.qdisc_armed:
                self.qdisc_armed = False
                self.tasks.append("xmit")
                self.rouse_vcpu()

    # -- the worker ----------------------------------------------------------------------------

    def tell_worker(self, side: Side) -> None:
        """Give the worker a turn of one side, and wake it."""
        if side not in self.turns:
            self.turns.append(side)
        if self.worker_sleeps is not None:
            self.worker_sleeps.succeed()
            self.worker_sleeps = None

    def worker(self) -> Steps:
        """Serve both sides in turn, and sleep when neither has its turn."""
        while True:
            if not self.turns:
                self.worker_sleeps = self.env.event()
                yield self.worker_sleeps
                yield self.pay("wake")
            if self.turns.popleft() == "tx":
                yield from self.serve_tx()
            else:
                yield from self.serve_rx()

    def serve_tx(self) -> Steps:
        """Send up to a budget; ask for kicks when there is nothing left."""
        for _ in range(BUDGET):
            if not self.sent:
                yield self.pay("rearm")
                self.kick_armed = True
                if not self.sent:
                    return
                self.kick_armed = False
            packet = self.sent.popleft()
            yield self.pay("tx", packet)
            self.fate[packet] = int(self.env.now)
            self.used += 1
            if self.used == self.used_for:
                self.env.process(self.interrupt_tx())
        self.turns.append("tx")

    def serve_rx(self) -> Steps:
        """Receive up to a budget, while the guest has buffers; interrupt it if it wants to be."""
        for _ in range(BUDGET):
            if not self.tap:
                self.tap_armed = True
                return
            if self.unread == PLACES:
                self.count["no_room"] += 1
                self.room_at = PLACES // 2
                return
            packet = self.tap.popleft()
            yield self.pay("rx", packet)
            self.come.append(packet)
            self.unread += 1
            if self.irq_armed:
                self.irq_armed = False
                yield self.pay("call", packet)
                self.env.process(self.interrupt_rx())
        self.turns.append("rx")

    # -- interrupts ----------------------------------------------------------------------------

    def interrupt_rx(self) -> Steps:
        """Carry an interrupt for received packets to the vCPU."""
        yield self.pay("rx_irq")
        self.rx_irq = True
        self.rouse_vcpu()

    def interrupt_tx(self) -> Steps:
        """Carry an interrupt for used slots to the vCPU."""
        yield self.pay("tx_irq")
        self.tx_irq = True
        self.rouse_vcpu()

    def rouse_vcpu(self) -> None:
        """Let the vCPU go on if it waits."""
        if self.vcpu_waits is not None:
            self.vcpu_waits.succeed()
            self.vcpu_waits = None

    # -- the vCPU ------------------------------------------------------------------------------

    def vcpu(self) -> Steps:
        """Serve interrupts, then whoever's turn it is."""
        while True:
            yield from self.interrupts()
            if not self.tasks:
                self.vcpu_waits = self.env.event()
                yield self.vcpu_waits
            elif self.tasks.popleft() == "xmit":
                yield from self.xmit()
            else:
                yield from self.napi()

    def interrupts(self) -> Steps:
        """Serve what may cut in between two ops of the sender."""
        while self.tx_irq or self.rx_irq:
            yield from self.hard_interrupts()
            if self.rx_irq:
                self.rx_irq = False
                yield from self.hard_interrupts()
                yield self.pay("entry")
                yield from self.napi()

    def hard_interrupts(self) -> Steps:
        """Serve what may cut in between any two ops: take back slots, start a stopped sender."""
        while self.tx_irq:
            self.tx_irq = False
            yield self.pay("entry")
            self.take_back()
            if self.stopped and self.in_flight < PLACES:
                self.stopped = False
                self.tasks.append("xmit")

    def take_back(self) -> None:
        """Take back the slots that were used."""
        self.in_flight -= self.used
        self.used_for -= self.used
        self.used = 0

    def xmit(self) -> Steps:
        """Send until there is nothing left, or no slot."""
        while self.qdisc:
            packet = self.qdisc.popleft()
            self.take_back()
            yield from self.interrupts()
            yield self.pay("xmit", packet)
            self.sent.append(packet)
            self.in_flight += 1
            if self.kick_armed:
                self.kick_armed = False
                yield from self.interrupts()
                yield self.pay("kick", packet)
                self.tell_worker("tx")
            if self.in_flight == PLACES:
                self.count["stop"] += 1
                self.stopped = True
                self.used_for = PLACES - BUDGET
                return
        self.qdisc_armed = True

    def napi(self) -> Steps:
        """Poll up to a budget, then queue behind the sender; ask for interrupts at the end."""
        for _ in range(BUDGET):
            if not self.come:
                yield from self.hard_interrupts()
                yield self.pay("complete")
                self.irq_armed = True
                if not self.come:
                    return
                self.irq_armed = False
            packet = self.come.popleft()
            yield from self.hard_interrupts()
            yield self.pay("napi", packet)
            self.fate[packet] = int(self.env.now)
            self.unread -= 1
            if self.unread == self.room_at:
                self.room_at = -1
                self.tell_worker("rx")
        self.tasks.append("napi")

    # -- the end -------------------------------------------------------------------------------

    def counters(self) -> list[int]:
        """Return ops paid, wake-ups, stops, and the end of the run (ps)."""
        paid = [self.count[use.op] for use in self.work.program.uses]
        stops = [0, self.count["no_room"], self.count["stop"], 0, 0]
        return [*paid, self.count["wake"], 0, *stops, int(self.env.now)]
