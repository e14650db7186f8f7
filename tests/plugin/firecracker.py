"""Firecracker's virtio-net, as a package of a third party adds it to virtsim: all in this file.

One VMM thread waits in epoll and serves the queues [src/vmm/src/devices/virtio/net/device.rs]. Out,
it writes each frame to tap from guest memory until the queue is empty, with one interrupt decision
for all of them; in, it reads from tap straight into guest buffers until tap or the buffers are
exhausted, and decides once as well. There is no limit of 256 or 50 packets a turn as in QEMU, so a
busy queue can starve the other.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

import virtsim
from virtsim.costs import Profile
from virtsim.errors import InputError
from virtsim.model.features import Feature
from virtsim.model.path import part
from virtsim.model.stage import Arm, Stage
from virtsim.model.thread import sleeper
from virtsim.parts import bridge, guest, kvm, nic, tap, virtqueue
from virtsim.traffic import PacketStream

OFFERS = frozenset(
    {
        *(Feature.CSUM, Feature.GUEST_CSUM, Feature.GUEST_TSO4, Feature.MRG_RXBUF),
        *(Feature.EVENT_IDX, Feature.VERSION_1),
    }
)
"""What the device offers: no packed ring and no indirect descriptors."""

ALL = 32768
"""A batch without a limit of its own."""

CHAIN = "qemu.net_tx"
"""A chain of buffers popped, mapped and pushed, which is as much work in either direction."""


@part
def net(*, batch: int = ALL) -> virtsim.Part:
    """Return Firecracker's network device on the VMM thread.

    Parameters
    ----------
    batch
        Most packets between two interrupt decisions.
    """
    if not 1 <= batch <= ALL:
        raise InputError("firecracker.batch", f"batches of {batch}", f"1 to {ALL}")
    vmm = sleeper("vmm", "main_loop", loop=("qemu.loop",))  # an epoll_wait is as much as a ppoll
    send = Stage(
        "firecracker.tx",
        vmm,
        ops=(CHAIN, "tap.write", "tap.write_byte"),
        entry=("sys.eventfd_read",),
        rearm=("notify.rearm",),
        batch=batch,
    )
    receive = Stage(
        "firecracker.rx",
        vmm,
        ops=(CHAIN, "tap.read", "tap.read_byte"),  # one copy: no bounce buffer
        room_entry=("sys.eventfd_read",),
        empty_ops=("tap.read_empty",),
        batch=batch,
        publish="batch",
        full="wait",
        arms=(Arm("room", "stop", "next", ("notify.rearm",)), Arm("room", "entry", "still")),
    )
    return virtsim.Part(
        "firecracker", "virtqueue", "skb", tx=(send,), rx=(receive,), features=OFFERS
    )


def firecracker() -> virtsim.Path:
    """Return virtio-net in a Firecracker microVM."""
    return virtsim.Path(
        "firecracker",
        guest.linux(),
        virtqueue(kick=kvm.ioeventfd(), call=kvm.irqfd(by="process")),
        net(),
        tap(),
        bridge(),
        nic(),
        summary="virtio-net in Firecracker's VMM thread, over tap",
    )


def microvm_host() -> Profile:
    """Return the prices of a host whose halted vCPUs wake sooner."""
    base = virtsim.profile("modern-2022")
    return replace(base.override({"wake.sched": "1us"}, "microvm-host"), machine="a tuned host")


def staircase(packets: int, seed: int, replication: int, *, steps: int = 4) -> PacketStream:
    """Return small frames whose rate doubles from step to step, from 50 kpps; nothing is drawn."""
    each = -(-packets // steps)
    rates = [Fraction(50_000 * 2**step) for step in range(steps)]
    gaps = np.concatenate([np.full(each, int(10**12 / rate)) for rate in rates])[:packets]
    at_ps = np.cumsum(gaps).astype(np.int64)
    return PacketStream(
        at_ps, np.full(packets, 64, np.int64), np.zeros(packets, np.int64), label="staircase"
    )
