"""What a guest's NIC drivers have in common: how a Linux driver sends, receives and completes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from virtsim.model.stage import Arm, Ops, Stage
from virtsim.model.thread import CALLER, Thread

Nic = Literal["virtio", "e1000", "vf"]

STOP_ROOM = 19
"""A tx queue stops below 2 + MAX_SKB_FRAGS free slots [drivers/net/virtio_net.c: tx_may_stop]."""

REGISTER = ("exit.user_mmio", "exit.user_dev_extra")
"""One access to a register of a device that QEMU emulates."""

NAPI_WEIGHT = 64


@dataclass(frozen=True)
class Driver:
    """A Linux NIC driver, as its ops and its ways.

    ``interrupt`` is paid per interrupt beyond what every one costs, ``unmask`` when NAPI is done;
    ``doorbell`` per transmit batch, ``refill`` at the end of a poll that finds ``refill_at``
    receive buffers missing; a driver that ``posts_rest`` does it every ``refill_at`` packets inside
    the poll and at its end for what is left. The tx queue stops below ``room`` free slots. An
    interrupt with a mask latches what it may not send (``latches``): NAPI does not look again.
    """

    send: Ops
    receive: Ops
    interrupt: Ops = ()
    unmask: Ops = ()
    doorbell: Ops = ()
    refill: Ops = ()
    refill_at: int = 0
    posts_rest: bool = False
    room: int = STOP_ROOM
    latches: bool = False
    send_arms: tuple[Arm, ...] = ()
    orphans: bool = False
    reclaims: bool = False

    def sender(self, name: str, thread: Thread, lead: Ops, *, burst: int) -> Stage:
        """Return the driver's transmit behind an application, a notification per burst."""
        each = self.doorbell if burst == 1 else ()
        return replace(
            self.transmitter(),
            name=name,
            thread=thread,
            level="process",
            lead=lead,
            ops=(*self.send, *each),
            batch_ops=self.doorbell if burst > 1 else (),
            batch=burst,
            decide="batch" if burst > 1 else "each",
            budget=64 * burst,
            on_empty="rearm",
        )

    def transmitter(self) -> Stage:
        """Return ndo_start_xmit on whatever thread calls it, with what restarts it."""
        return Stage(
            "guest.xmit",
            CALLER,
            "softirq",
            ops=(*self.send, *self.doorbell),
            full="stop",
            room=self.room,
            reclaims=self.reclaims,
            arms=self.send_arms,
            on_empty="leave",
            completion=self._completion(),
            restart=("guest.queue_wake",),
        )

    def _completion(self) -> Stage:
        """TX NAPI: reclaim all, wake the queue, re-arm. An orphaning driver only wakes it.

        An interrupt that was under way before the queue stopped may come too early: then the
        orphaning driver asks for another, as it does when start_xmit stops the queue once more.
        """
        entry = ("irq.guest_entry", *self.interrupt)
        mask = Arm("room", "entry", "off")
        if self.orphans:
            more = Arm("room", "empty", "share", passed=True)
            return Stage("guest.txdone", CALLER, "softirq", entry=entry, defer=True,
                         on_empty="leave", arms=(mask, more))  # fmt: skip
        again = () if self.latches else (Arm("room", "clean", "share"),)
        return Stage(
            "guest.txdone",
            CALLER,
            "softirq",
            entry=entry,
            turn=("guest.napi_round",),
            recheck="none" if self.latches else "requeue",
            defer=True,
            arms=(mask, *again, Arm("room", "empty", "next", self.unmask)),
        )

    def receiver(self, thread: Thread, after: Ops) -> Stage:
        """Return NAPI receive: the driver's share of each packet and what comes ``after``."""
        napi = Stage(
            "guest.napi",
            thread,
            "softirq",
            ops=(*self.receive, *after),
            entry=("irq.guest_entry", *self.interrupt),
            turn=("guest.napi_round",),
            rearm=self.unmask,
            budget=NAPI_WEIGHT,
            recheck="none" if self.latches else "requeue",
            defer=True,
            cleans=not self.orphans,
        )
        if self.posts_rest:
            return replace(napi, batch=self.refill_at, batch_ops=self.refill)
        return replace(napi, done="never", refill=self.refill, refill_at=self.refill_at)


@dataclass(frozen=True)
class Pmd:
    """A DPDK poll-mode driver of the guest: what it pays per packet and per burst, each way.

    Receive buffers are posted anew at the end of each burst, or, for ``refill``, once ``refill_at``
    of them are missing.
    """

    send: Ops
    receive: Ops
    send_burst: Ops
    receive_burst: Ops
    refill: Ops = ()
    refill_at: int = 0
