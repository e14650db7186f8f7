"""Passthrough: a virtual function of the host's NIC (SR-IOV), given to the guest by VFIO."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.model.path import Part, part
from virtsim.model.ring import DescriptorRing, Notify
from virtsim.model.stage import Stage
from virtsim.model.thread import device, sleeper, softirq
from virtsim.parts.guest_driver import REGISTER
from virtsim.parts.host_net import WIRE
from virtsim.units import time_ps

RING = 512
Interrupts = Literal["posted", "remapped", "eventfd"]
Viommu = Literal["off", "lazy", "strict"]

MAPPING = {
    "off": (),
    "lazy": ("iommu.lazy_per_io", *REGISTER),
    "strict": ("iommu.strict_per_io", *REGISTER, *REGISTER),
}
"""What mapping and unmapping a buffer costs with an IOMMU that QEMU emulates: it learns of each new
mapping by an invalidation (caching mode), which is a register write and an exit, and of each
unmapping by another unless invalidations are put off [drivers/iommu/intel: qi_submit_sync]."""


@part
def vf(
    *,
    ring: int = RING,
    interrupts: Interrupts = "posted",
    apicv: bool = True,
    moderation: str = "0us",
    iotlb: Literal["hit", "miss"] = "hit",
    viommu: Viommu = "off",
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
        Whether a running vCPU gets interrupts without an exit; without, nothing can be posted.
    moderation
        Least time between two interrupts (ITR).
    iotlb
        Whether the IOMMU finds the pages of each DMA in its cache.
    viommu
        The guest's own IOMMU: a Linux guest maps and unmaps every buffer, whose invalidation is
        put off ("lazy") or waited for ("strict", as Linux insists on with an emulated VT-d). A
        DPDK guest maps its memory once.

    Raises
    ------
    InputError
        For a mode that there is not, or interrupts that are posted without APICv.
    """
    if iotlb not in ("hit", "miss"):
        raise InputError("vf.iotlb", f"{iotlb!r} is no way to find a page", "'hit' or 'miss'")
    if viommu not in MAPPING:
        raise InputError("vf.viommu", f"{viommu!r} is no mode", "'off', 'lazy' or 'strict'")
    if interrupts == "posted" and not apicv:
        got, want = "posted interrupts without APICv", "APICv, or interrupts 'remapped'"
        raise InputError("vf.apicv", got, want, "VT-d posts to a vCPU's APICv page")
    miss = ("iommu.iotlb_miss",) if iotlb == "miss" else ()
    queue = DescriptorRing(
        ring,
        call=_msi(interrupts, apicv),
        fetch=("pcie.dma_rtt", *miss, "nic.latency"),
        land=("nic.latency", *miss, "pcie.dma_write"),
        gap_ps=time_ps(moderation, "vf.moderation"),
        mapping=MAPPING[viommu],
    )
    wire = Stage("link", device("nic"), ops=(WIRE,))
    switch = Stage("nic.switch", device("nic"), ops=(WIRE,))
    return Part("vf", "dma", "link", tx=(queue, wire), rx=(queue,), turn=(queue, switch, queue))


def _msi(interrupts: str, apicv: bool) -> Notify:
    """MSI-X of an assigned device, by the way it takes to the guest.

    [virt/lib/irqbypass.c, drivers/vfio/pci/vfio_pci_intrs.c: vfio_msihandler, hw/vfio/pci.c]
    """
    host = softirq("irq")
    if interrupts == "posted":
        wakeup = Stage("vf.wakeup", host, entry=("vfio.pi_wakeup",))
        return Notify(
            "msi-x", "device", running=("vfio.irq_posted",), entry=("irq.eoi_apicv",),
            relay=(wakeup,), relay_when="asleep",
        )  # fmt: skip
    handler = Stage("vf.handler", host, entry=("vfio.irq_host",))
    signal = Stage("vf.signal", host, entry=("host.irq",))  # it injects nothing itself
    main = sleeper("qemu", "main_loop", loop=("qemu.loop",))
    inject = Stage("vf.inject", main, entry=("sys.eventfd_read", "irq.signal_msi"))
    relays = {"remapped": (handler,), "eventfd": (signal, inject)}
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
