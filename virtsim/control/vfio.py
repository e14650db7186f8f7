"""A device passed through by VFIO: QEMU's set-up is long, the driver's registers do not trap."""

from __future__ import annotations

from collections.abc import Iterator

from virtsim.control.steps import Step

OPEN, MAP, DRIVE = "QEMU opens the device", "QEMU maps it", "the driver sets it up"
LEGACY = "[hw/vfio/container-legacy.c: {}]"
VECTORS, TABLE = 2, 3
"""Vectors of a VF with one queue pair, mailbox and queues, and those of its table (82599)."""


def function(regions: int) -> Iterator[Step]:
    """Yield the set-up of a virtual function, through a container and its group.

    Parameters
    ----------
    regions
        Memory regions of the guest: each is pinned and mapped in the IOMMU.
    """
    yield Step(OPEN, "QEMU", "finds and opens the device's group, VFIO_GROUP_GET_STATUS",
               syscalls=3, source=LEGACY.format("vfio_group_get"))  # fmt: skip
    yield Step(OPEN, "QEMU", "opens a container, VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION",
               syscalls=3, note="with iommufd it is other calls",
               source=LEGACY.format("vfio_container_connect"))  # fmt: skip
    yield Step(OPEN, "QEMU", "VFIO_GROUP_SET_CONTAINER, VFIO_SET_IOMMU", syscalls=2,
               source=LEGACY.format("vfio_set_iommu"))  # fmt: skip
    yield Step(OPEN, "QEMU", "VFIO_IOMMU_GET_INFO (twice, for its size), VFIO_CHECK_EXTENSION",
               syscalls=3, source=LEGACY.format("vfio_legacy_setup"))  # fmt: skip
    yield Step(OPEN, "QEMU", "tells KVM of the group: KVM_CREATE_DEVICE, KVM_SET_DEVICE_ATTR",
               syscalls=2, fds=1, source="[hw/vfio/helpers.c: vfio_kvm_device_add_fd]")  # fmt: skip
    yield Step(MAP, "QEMU", "VFIO_IOMMU_MAP_DMA of all guest memory", syscalls=regions,
               regions=regions, note="every page is pinned, which takes far longer than the call",
               source=LEGACY.format("vfio_legacy_dma_map_one"))  # fmt: skip
    yield Step(MAP, "QEMU", "VFIO_GROUP_GET_DEVICE_FD, VFIO_DEVICE_GET_INFO", syscalls=2,
               source=LEGACY.format("vfio_device_get"))  # fmt: skip
    yield Step(MAP, "QEMU", "VFIO_DEVICE_GET_REGION_INFO of 6 BARs and configuration space, "
               "GET_IRQ_INFO", syscalls=8, source="[hw/vfio/pci.c: vfio_pci_populate_device]"
               )  # fmt: skip
    yield Step(MAP, "QEMU", "maps the register BAR, aligned, and gives it to the guest",
               syscalls=4 + 1, regions=1, note="KVM_SET_USER_MEMORY_REGION; doorbells never trap",
               source="[hw/vfio/region.c: vfio_region_mmap]")  # fmt: skip
    yield Step(DRIVE, "driver", f"switches MSI-X on and writes {VECTORS} vectors",
               10 + VECTORS + TABLE + 5 * VECTORS,
               note="configuration space and the vector table stay QEMU's, so each traps",
               source="[drivers/pci/msi/msi.c: msix_capability_init; hw/vfio/pci.c]")  # fmt: skip
    yield Step(DRIVE, "QEMU", "VFIO_DEVICE_SET_IRQS; per vector KVM_SET_GSI_ROUTING, KVM_IRQFD, "
               "VFIO_DEVICE_SET_IRQS", syscalls=1 + 3 * VECTORS, fds=2 * VECTORS,
               source="[hw/vfio/pci.c: vfio_msix_enable, vfio_msix_vector_do_use]")  # fmt: skip
    yield Step(DRIVE, "driver", "resets the function, speaks with the PF, sets rings up",
               note="plain loads and stores: no exit")  # fmt: skip
