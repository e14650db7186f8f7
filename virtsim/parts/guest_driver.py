"""What a guest's NIC drivers have in common: how a Linux driver sends, receives and completes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from virtsim.model.stage import Arm, Ops, Stage
from virtsim.model.thread import CALLER, Thread

Nic = Literal["virtio", "e1000", "vf"]

STOP_ROOM = 19
"""A tx queue stops below 2 + MAX_SKB_FRAGS free slots [drivers/net/virtio_net.c: tx_may_stop;
drivers/net/ethernet/intel: the maybe_stop of their xmit_frame]."""

NAPI_WEIGHT = 64


@dataclass(frozen=True)
class Driver:
    """A Linux NIC driver, as its ops and its ways.

    ``interrupt`` is paid per interrupt beyond what every one costs, ``unmask`` when NAPI is done;
    ``doorbell`` per transmit batch, ``refill`` per ``refill_at`` receive buffers posted. An
    interrupt with a mask latches what it may not send (``latches``): NAPI does not look again.
    """

    send: Ops
    receive: Ops
    interrupt: Ops = ()
    unmask: Ops = ()
    doorbell: Ops = ()
    refill: Ops = ()
    refill_at: int = 0
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
            room=STOP_ROOM,
            reclaims=self.reclaims,
            arms=self.send_arms,
            on_empty="leave",
            completion=self._completion(),
            restart=("guest.queue_wake",),
        )

    def _completion(self) -> Stage:
        """TX NAPI: reclaim all, wake the queue, re-arm. An orphaning driver only wakes it."""
        entry = ("irq.guest_entry", *self.interrupt)
        again = () if self.latches else (Arm("room", "clean", "share"),)
        masks = (Arm("room", "entry", "off"), *again)
        if self.orphans:
            return Stage("guest.txdone", CALLER, "softirq", entry=entry, defer=True,
                         on_empty="leave", arms=masks)  # fmt: skip
        return Stage(
            "guest.txdone",
            CALLER,
            "softirq",
            entry=entry,
            turn=("guest.napi_round",),
            recheck="none" if self.latches else "requeue",
            defer=True,
            arms=(*masks, Arm("room", "empty", "next", self.unmask)),
        )

    def receiver(self, thread: Thread, after: Ops) -> Stage:
        """Return NAPI receive: the driver's share of each packet and what comes ``after``."""
        return Stage(
            "guest.napi",
            thread,
            "softirq",
            ops=(*self.receive, *after),
            entry=("irq.guest_entry", *self.interrupt),
            turn=("guest.napi_round",),
            rearm=self.unmask,
            budget=NAPI_WEIGHT,
            done="never",
            refill=self.refill,
            refill_at=self.refill_at,
            recheck="none" if self.latches else "requeue",
            defer=True,
            cleans=True,
        )


@dataclass(frozen=True)
class Pmd:
    """A DPDK poll-mode driver of the guest: what it pays per packet and per burst, each way."""

    send: Ops
    receive: Ops
    send_burst: Ops
    receive_burst: Ops
