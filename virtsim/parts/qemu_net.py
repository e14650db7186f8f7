"""QEMU's userspace virtio-net: the main loop moves every packet itself."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.model.features import QEMU_OFFERS
from virtsim.model.path import Part, part
from virtsim.model.stage import Arm, Stage
from virtsim.model.thread import sleeper
from virtsim.units import time_ps

TX_BURST = 256
TAP_READS = 50
TX_TIMER = "150us"
"""x-txburst, the packets of one tap_send callback, x-txtimer [hw/net/virtio-net.c, net/tap.c]."""


@part
def net(
    *,
    tx: Literal["bh", "timer"] = "bh",
    tx_burst: int = TX_BURST,
    tx_timer: str = TX_TIMER,
    tap_reads: int = TAP_READS,
) -> Part:
    """Return QEMU's virtio-net device on the main loop.

    Parameters
    ----------
    tx
        After a kick the queue is flushed by a bottom half in the next iteration ("bh"), or when a
        timer expires ("timer"; a second kick flushes at once).
    tx_burst
        Packets of one flush.
    tx_timer
        Length of that timer.
    tap_reads
        Packets of one callback of the tap's descriptor.
    """
    if tx not in ("bh", "timer"):
        raise InputError("qemu.tx", f"{tx!r} is not a way to flush", "'bh' or 'timer'")
    if not (1 <= tx_burst <= 1024 and 1 <= tap_reads <= 10_000):
        raise InputError("qemu.tx_burst", f"bursts of {tx_burst}/{tap_reads}", "1 to 1024 packets")
    main = sleeper("qemu", "main_loop", loop=("qemu.loop",))
    send = Stage(
        "qemu.tx",
        main,
        ops=("qemu.net_tx", "tap.write", "tap.write_byte"),
        entry=("sys.eventfd_read",),
        rearm=("notify.rearm",),
        budget=tx_burst,
        on_empty="serve_armed",
        defer=True,
        timer_ps=time_ps(tx_timer, "qemu.tx_timer") if tx == "timer" else 0,
    )
    receive = Stage(
        "qemu.rx",
        main,
        ops=("tap.read", "tap.read_byte", "qemu.net_rx", "copy.l3"),
        room_entry=("sys.eventfd_read",),
        empty_ops=("tap.read_empty",),
        budget=tap_reads,
        full="hold",
        arms=(Arm("room", "stop", "next", ("notify.rearm",)), Arm("room", "entry", "still")),
    )
    return Part("qemu", "virtqueue", "skb", tx=(send,), rx=(receive,), features=QEMU_OFFERS)
