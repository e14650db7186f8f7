"""The host's kernel network: tap, bridge, and the physical NIC with its driver."""

from __future__ import annotations

from virtsim.errors import InputError
from virtsim.model.path import Part, part
from virtsim.model.ring import Notify, Ring
from virtsim.model.stage import Stage
from virtsim.model.thread import device, softirq
from virtsim.units import time_ps

TAP_QUEUE = 1000
"""DEFAULT_TX_QUEUE_LEN of a tap device, after ether_setup [drivers/net/tun.c]."""

QDISC = 1000
NIC_RING = 512
NAPI_WEIGHT = 64
WIRE = "link.wire"
"""Serialization: (size + 20) bytes at the link's rate, which no profile prices."""


@part
def tap(*, queue: int = TAP_QUEUE) -> Part:
    """Return a tap device: its receive queue drops when full and wakes a reader that sleeps."""
    if queue < 1:
        raise InputError("tap.queue", f"a queue of {queue}", "at least 1 packet")
    produce = Stage("tap.xmit", ops=("tun.net_xmit",))
    return Part("tap", "skb", "skb", rx=(produce, Ring("tap.queue", queue)))


@part
def bridge() -> Part:
    """Return a Linux bridge; it runs in whatever thread delivers the packet."""
    hop = Stage("bridge", ops=("bridge.fwd",))
    return Part("bridge", "skb", "skb", tx=(hop,), rx=(hop,), turn=(hop,))


@part
def nic(*, ring: int = NIC_RING, qdisc: int = QDISC, moderation: str = "0us") -> Part:
    """Return a NIC with its kernel driver.

    Parameters
    ----------
    ring
        Descriptors each way; a full receive ring drops.
    qdisc
        Packets that wait for a full transmit ring before they are dropped.
    moderation
        Least time between two host interrupts.
    """
    _check_ring("nic.ring", ring)
    xmit = Stage("nic.xmit", ops=("linux.nic_tx", "pcie.doorbell"))
    wire = Stage("link", device("nic"), ops=(WIRE,))
    receive = Stage(
        "nic.napi",
        softirq(),
        ops=("linux.nic_rx", "linux.skb_alloc", "linux.gro_netif_rx"),
        entry=("host.irq",),
        turn=("host.napi_round",),
        budget=NAPI_WEIGHT,
        recheck="requeue",
    )
    return Part(
        "nic",
        "skb",
        "link",
        tx=(xmit, Ring("nic.tx", ring + qdisc, visible=("pcie.dma_rtt", "nic.latency")), wire),
        rx=(_rx_ring(ring, time_ps(moderation, "nic.moderation")), receive),
    )


def _rx_ring(ring: int, gap_ps: int) -> Ring:
    return Ring(
        "nic.rx",
        ring,
        visible=("nic.latency", "pcie.dma_write"),
        notify=Notify("msi-x"),
        gap_ps=gap_ps,
    )


def _check_ring(where: str, ring: int) -> None:
    if not 16 <= ring <= 32768:
        raise InputError(where, f"a ring of {ring} descriptors", "16 to 32768")


@part
def none() -> Part:
    """Return no part at all, to take one out of a path."""
    return Part("none", "any", "any")
