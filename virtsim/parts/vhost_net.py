"""vhost-net: the kernel worker that takes QEMU's place on the data path."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.model.features import VHOST_NET_OFFERS
from virtsim.model.path import Part, part
from virtsim.model.stage import Arm, Stage
from virtsim.model.thread import Sleep, sleeper
from virtsim.units import size_b, time_ps

BATCH = 64
WEIGHT = 256
WEIGHT_B = "512KiB"
"""VHOST_NET_BATCH, VHOST_NET_PKT_WEIGHT and VHOST_NET_WEIGHT [drivers/vhost/net.c]."""


@part
def worker(
    *,
    batch: int = BATCH,
    weight: int = WEIGHT,
    weight_b: str = WEIGHT_B,
    spin: str = "0us",
    variant: Literal["A", "C"] = "C",
) -> Part:
    """Return the vhost-net worker: one thread that serves both queues of a pair in turn.

    Parameters
    ----------
    batch
        Packets copied before they go to tap in one sendmsg, and used entries published at once.
    weight, weight_b
        Packets and bytes of one turn, after which the other queue has its own.
    spin
        Busy polling before the worker asks for notifications again (busyloop_timeout, poll-us).
    variant
        End of handle_tx: "C" (Linux 6.17 on) flushes and then re-arms, "A" (up to about 6.15)
        re-arms first, so that the guest may kick while the worker still sends.
    """
    if not 1 <= batch <= weight:
        raise InputError("vhost.batch", f"batches of {batch}", f"1 to the weight ({weight})")
    if variant not in ("A", "C"):
        raise InputError("vhost.variant", f"{variant!r} is no variant of handle_tx", "'A' or 'C'")
    wait = Sleep(time_ps(spin, "vhost.spin"), turn=("vhost.poll_iter",))
    thread = sleeper("vhost", "vhost_worker", wait=wait)
    most = size_b(weight_b, "vhost.weight_b")
    tx = Stage(
        "vhost.tx",
        thread,
        ops=("vhost.tx_pkt", "vhost.tx_byte"),
        turn=("vhost.handle_enter",),
        rearm=("notify.rearm",),
        batch=batch,
        budget=weight,
        budget_b=most,
        flush="before_rearm" if variant == "C" else "after_rearm",
    )
    rx = Stage(
        "vhost.rx",
        thread,
        ops=("vhost.rx_pkt", "vhost.rx_byte"),
        turn=("vhost.handle_enter",),  # includes the tap's wait queue, left and joined again
        batch=batch + 1,
        budget=weight,
        budget_b=most,
        publish="batch",
        full="wait",
        arms=(Arm("room", "stop", "next", ("notify.rearm",)), Arm("room", "entry", "still")),
    )
    return Part(
        "vhost", "virtqueue", "skb", tx=(tx, Stage("vhost.sendmsg", ops=("tun.skb",))), rx=(rx,),
        features=VHOST_NET_OFFERS,
    )  # fmt: skip
