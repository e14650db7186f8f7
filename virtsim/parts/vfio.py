"""Passthrough: a virtual function of the host's NIC (SR-IOV), given to the guest by VFIO."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.model.path import Part, part
from virtsim.model.ring import DescriptorRing, Notify
from virtsim.model.stage import Stage
from virtsim.model.thread import device, sleeper, softirq
from virtsim.parts.host_net import WIRE
from virtsim.units import time_ps

RING = 512
Interrupts = Literal["posted", "remapped", "eventfd"]


@part
def vf(
    *,
    ring: int = RING,
    interrupts: Interrupts = "posted",
    apicv: bool = True,
    moderation: str = "0us",
    iotlb: Literal["hit", "miss"] = "hit",
    viommu: Literal["off", "lazy", "strict"] = "off",
) -> Part:
    """Return a virtual function: the guest's driver and the NIC, and nothing between them.

    Parameters
    ----------
    ring
        Descriptors each way; a full receive ring drops.
    interrupts
        "posted": VT-d delivers to a running vCPU, a host interrupt only wakes one that sleeps.
        "remapped": a host interrupt, whose handler signals the irqfd. "eventfd": that handler wakes
        QEMU, which injects by an ioctl.
    apicv
        Whether a running vCPU gets interrupts that the host injects without an exit.
    moderation
        Least time between two interrupts.
    iotlb
        Whether the IOMMU finds the pages of each DMA in its cache.
    viommu
        The guest's own IOMMU: every buffer is mapped and unmapped, its invalidation put off
        ("lazy") or waited for ("strict").
    """
    if iotlb not in ("hit", "miss"):
        raise InputError("vf.iotlb", f"{iotlb!r} is no way to find a page", "'hit' or 'miss'")
    if viommu not in ("off", "lazy", "strict"):
        raise InputError("vf.viommu", f"{viommu!r} is no mode", "'off', 'lazy' or 'strict'")
    miss = ("iommu.iotlb_miss",) if iotlb == "miss" else ()
    queue = DescriptorRing(
        ring,
        call=_msi(interrupts, apicv),
        fetch=("pcie.dma_rtt", *miss, "nic.latency"),
        land=("nic.latency", *miss, "pcie.dma_write"),
        gap_ps=time_ps(moderation, "vf.moderation"),
        mapping=() if viommu == "off" else (f"iommu.{viommu}_per_io",),
    )
    wire = Stage("link", device("nic"), ops=(WIRE,))
    switch = Stage("nic.switch", device("nic"), ops=(WIRE,))
    return Part("vf", "dma", "link", tx=(queue, wire), rx=(queue,), turn=(queue, switch, queue))


def _msi(interrupts: str, apicv: bool) -> Notify:
    """MSI-X of an assigned device, by the way it takes to the guest."""
    host = softirq("irq")
    if interrupts == "posted":
        wakeup = Stage("vf.wakeup", host, entry=("vfio.pi_wakeup",))
        return Notify(
            "msi-x", "device", running=("vfio.irq_posted",), entry=("irq.eoi_apicv",),
            relay=(wakeup,), relay_when="asleep",
        )  # fmt: skip
    handler = Stage("vf.handler", host, entry=("vfio.irq_host",))
    main = sleeper("qemu", "main_loop", loop=("qemu.loop",))
    inject = Stage("vf.inject", main, entry=("sys.eventfd_read", "irq.signal_msi"))
    relays = {"remapped": (handler,), "eventfd": (handler, inject)}
    if interrupts not in relays:
        want = "'posted', 'remapped' or 'eventfd'"
        raise InputError("vf.interrupts", f"{interrupts!r} is no way to the guest", want)
    return Notify(
        "msi-x",
        "device",
        running=("irq.deliver_apicv",) if apicv else (),
        intrude=() if apicv else ("irq.deliver_noapicv",),
        entry=("irq.eoi_apicv" if apicv else "irq.eoi_noapicv",),
        relay=relays[interrupts],
    )
