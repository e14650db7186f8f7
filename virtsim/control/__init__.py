"""The control plane of a path: what happens before its first packet, counted and priced.

None of it is played: it does not lie on a packet's way.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtsim.control import emulated, vfio, vhost, virtio
from virtsim.control.steps import PRICED, Plan, Price, Step
from virtsim.errors import InputError
from virtsim.model.features import LINUX_ACCEPTS, Negotiated
from virtsim.model.negotiation import agreed, has_virtqueue, sides, virtqueue_of
from virtsim.model.path import Part, Path
from virtsim.units import time_ps

__all__ = ["PRICED", "Plan", "Price", "Step", "plan"]

BACK_ENDS = {"ovs": vhost.DPDK, "snabb": vhost.SNABB}
"""The vhost-user back ends by the names of their parts."""

MOST_REGIONS = {"vhost": 64, "ovs": 8, "snabb": 8, "vf": 65535}
"""Memory regions that each takes: max_mem_regions [drivers/vhost/vhost.c],
VHOST_MEMORY_MAX_NREGIONS [lib/vhost/vhost_user.h], the descriptors of one message
[docs/interop/vhost-user.rst], and of DMA mappings [hw/vfio/container-legacy.c]."""

ECAM = "an access to PCI configuration space is one exit (PCI Express); it takes two by ports"


def plan(path: Path, regions: int = 1) -> Plan:
    """Return the set-up of a path's devices, in the order in which it happens.

    A device is known by its part's name: what stands outside a virtqueue, or e1000, or vf; that
    of a second guest, such as vhost.b, by what stands before the dot.

    Parameters
    ----------
    regions
        Memory regions of the guest: one, of huge pages, unless its memory reaches beyond the
        hole below 4 GiB.

    Raises
    ------
    InputError
        If there are no regions, or more than a device takes.
    """
    steps: list[Step] = []
    said: list[str] = []
    for part in path.parts:
        kind = _kind(part)
        if has_virtqueue(part):
            driver, device = sides(path, part)
            deal = agreed(path, part.name)
            assert deal is not None
            _check(regions, _kind(device))
            steps += _virtio(part, device, deal, regions)
            said += _assumed(driver, device, regions)
        elif kind == "e1000":
            steps += emulated.e1000()
            said.append("the accesses are those of Linux to an 82540EM, two kinds estimated")
        elif kind == "vf":
            _check(regions, kind)
            steps += vfio.function(regions)
            said += [ECAM, _memory(regions)]
    return Plan(path.name, tuple(steps), tuple(dict.fromkeys(said)))


def _virtio(part: Part, device: Part | None, deal: Negotiated, regions: int) -> Iterator[Step]:
    """Yield the steps of driver, QEMU and back end, as they take turns."""
    queue, kind = virtqueue_of(part), _kind(device)
    handover = vhost.Handover()
    if kind == "vhost" and device is not None:
        spin = time_ps(device.options.get("spin", "0us"), "vhost.spin")
        handover = vhost.kernel(regions, spin > 0)
    elif kind in BACK_ENDS:
        handover = vhost.user(BACK_ENDS[kind], regions, deal)
    yield from handover.start
    yield from virtio.found(deal)
    yield from virtio.status(deal)
    yield from handover.features
    yield from virtio.rings(deal, queue)
    yield virtio.live()
    yield from virtio.wired(deal, queue, by_irqfd=bool(handover.go))
    yield from handover.go
    yield from virtio.up(deal)


def _kind(part: Part | None) -> str:
    return "" if part is None else part.name.partition(".")[0]


def _check(regions: int, kind: str) -> None:
    most = MOST_REGIONS.get(kind, 512)
    if not 1 <= regions <= most:
        raise InputError("regions", f"{regions} memory regions", f"1 to {most}")


def _assumed(driver: Part | None, device: Part | None, regions: int) -> Iterator[str]:
    yield ECAM
    kind = _kind(device)
    if driver is not None and driver.features not in (frozenset(), LINUX_ACCEPTS):
        yield "accesses are counted as those of Linux; the guest has another driver"
    if kind == "vhost" or kind in BACK_ENDS:
        yield _memory(regions)
    elif kind != "qemu":
        yield f"what QEMU and '{kind}' tell each other is not known here: the device alone"
    if kind == "snabb":
        yield "Snabb looks at its socket every 500 ms, so each answer takes that long"


def _memory(regions: int) -> str:
    if regions == 1:
        return "the guest's memory is one region of huge pages; beyond 2 GiB there are more"
    return f"the guest's memory is {regions} regions"
