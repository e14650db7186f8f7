"""A virtio device over PCI: found, negotiated with and set going by the guest's driver.

Counted as Linux does it; every access to a register or to configuration space traps, for none of
them has an ioeventfd.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtsim.control.steps import Step
from virtsim.model.features import Feature, Negotiated
from virtsim.model.ring import NEVER, Virtqueue

FIND, AGREE, QUEUES, LIVE, UP = (
    *("the driver finds the device", "status and features", "interrupts and queues"),
    *("the device goes live", "the interface comes up"),
)
PROBE = "[drivers/virtio/virtio_pci_modern_dev.c: vp_modern_probe]"
DEV = "[drivers/virtio/virtio.c: register_virtio_device, virtio_dev_probe]"
MSI = "[drivers/pci/msi/msi.c: msix_capability_init, pci_write_msg_msix]"
NET = "[drivers/net/virtio_net.c: virtnet_probe, virtnet_open]"

FEATURE_WORDS = 4
"""32-bit words of features that Linux 6.17 reads and writes; two before
[include/linux/virtio_features.h]."""

TABLE_VECTORS = 4
"""MSI-X vectors of QEMU's virtio-net with one queue pair: 2 x 1 + 2
[hw/virtio/virtio-net-pci.c]."""


def queues(deal: Negotiated) -> int:
    """Return the number of virtqueues: receive, transmit and, if agreed on, control."""
    return 2 + (Feature.CTRL_VQ in deal.agreed)


def vectors(queue: Virtqueue) -> int:
    """Return how many vectors the driver asks for: a polled queue has none, nor has control."""
    return 0 if queue.call == NEVER else 3


def found(deal: Negotiated) -> Iterator[Step]:
    """Yield how the driver finds the structures of the device among its PCI capabilities."""
    if deal.legacy:
        # Status, list pointer, MSI-X: there is no vendor capability behind it.
        yield Step(FIND, "driver", "looks for virtio capabilities in vain: a legacy device", 3,
                   note="behind a PCI Express port QEMU needs disable-legacy=off",
                   source="[drivers/virtio/virtio_pci_legacy_dev.c: vp_legacy_probe]")  # fmt: skip
        return
    # QEMU's list, last added first: MSI-X, access window, notify, device, ISR, common. To the
    # k-th vendor capability it takes status, pointer, MSI-X, the first one's word, type and BAR,
    # and then (pointer, word, type, BAR) each: 6 + 4 (k - 1) for k = 5, 4, 2 and 3.
    walks = sum(6 + 4 * (k - 1) for k in (5, 4, 2, 3))
    yield Step(FIND, "driver", "walks the capability list for four structures: common "
               "configuration, ISR, notification, device configuration", walks,
               note="without the PCI core's own enumeration", source=PROBE)  # fmt: skip
    yield Step(FIND, "driver", "reads where each lies (BAR, offset, length) and the notification "
               "multiplier", 4 * 3 + 3, source=PROBE)  # fmt: skip


def status(deal: Negotiated) -> Iterator[Step]:
    """Yield the status life cycle from the reset to the features that both sides stand by."""
    words = FEATURE_WORDS
    yield Step(AGREE, "driver", "reset: status 0, read back", 2, source=DEV)
    yield Step(AGREE, "driver", "status ACKNOWLEDGE", 2, note="read, then written", source=DEV)
    yield Step(AGREE, "driver", "status DRIVER", 2, note="read, then written", source=DEV)
    if deal.legacy:
        yield Step(AGREE, "driver", "reads the features offered, writes those accepted", 2,
                   note="32 bits; no FEATURES_OK in a legacy device", source=DEV)  # fmt: skip
        return
    yield Step(AGREE, "driver", f"reads the features offered: select and read {words} words",
               2 * words, note="64 bits before Linux 6.17: half of it", source=DEV)  # fmt: skip
    yield Step(AGREE, "driver", f"writes the features accepted: select and write {words} words",
               2 * words, source=DEV)  # fmt: skip
    yield Step(AGREE, "driver", "status FEATURES_OK, read again: does the device agree?", 3,
               source="[drivers/virtio/virtio.c: virtio_features_ok]")  # fmt: skip


def rings(deal: Negotiated, queue: Virtqueue) -> Iterator[Step]:
    """Yield the set-up of interrupts and queues."""
    mq = Feature.MQ in deal.agreed
    # Byte by byte; with the generation before and after, which a legacy device does not have.
    mac = 6 + (0 if deal.legacy else 2)
    pairs = (2 if deal.legacy else 1) if mq else 0
    yield Step(QUEUES, "driver", "reads the MAC address" + (" and the queue pairs" if mq else ""),
               mac + pairs, source=NET)  # fmt: skip
    yield from _vectors(vectors(queue))
    # Modern: number of queues; size, enabled, size, three addresses, notification offset, each
    # with a select; enable. Legacy: size, page number, page number.
    each = 6 if deal.legacy else 1 + 2 + 2 + 2 + 7 + 2 + 2
    n, told = queues(deal), max(0, vectors(queue) - 1)
    source = (
        "[drivers/virtio/virtio_pci_legacy.c: setup_vq]"
        if deal.legacy
        else "[drivers/virtio/virtio_pci_modern.c: setup_vq, vp_active_vq, vp_modern_find_vqs]"
    )
    said = "size, ring address" if deal.legacy else "size, three addresses, notification, enable"
    yield Step(QUEUES, "driver", f"sets up {n} queues: {said}; {told} of them with a vector",
               n * each + told * 3, note=f"{each} accesses a queue, 3 for a vector",
               source=source)  # fmt: skip


def _vectors(n: int) -> Iterator[Step]:
    if not n:
        yield Step(QUEUES, "driver", "asks for no vector: it polls")
        return
    capability = 10  # control word 3 times, table size and offset, number of vectors, INTx
    table = n + TABLE_VECTORS + n * 4 + n
    yield Step(QUEUES, "driver", f"switches MSI-X on and writes {n} vectors: configuration, "
               "receive, transmit", capability + table,
               note="per vector: read, mask, address, data, read back, unmask; the table is "
               "QEMU's, so each traps", source=MSI)  # fmt: skip
    yield Step(QUEUES, "driver", "names the vector of configuration changes, reads it back", 2,
               source="[drivers/virtio/virtio_pci_modern_dev.c: vp_modern_config_vector]"
               )  # fmt: skip


def live() -> Step:
    """Return the step at which the device may begin."""
    return Step(LIVE, "driver", "status DRIVER_OK", 3, note="read, written, read once more",
                source=DEV)  # fmt: skip


def wired(deal: Negotiated, queue: Virtqueue, *, by_irqfd: bool) -> Iterator[Step]:
    """Yield QEMU's calls to KVM at DRIVER_OK: kicks as ioeventfds, vectors as irqfds.

    Parameters
    ----------
    by_irqfd
        Interrupts come from a back end through eventfds, not from QEMU.
    """
    n = queues(deal)
    if queue.kick.name == "exit_to_qemu":
        yield Step(LIVE, "QEMU", "registers no ioeventfd: every kick exits to it")
    else:
        yield Step(LIVE, "QEMU", f"KVM_IOEVENTFD for {n} queues", syscalls=n, fds=n,
                   source="[hw/virtio/virtio-pci.c: virtio_pci_ioeventfd_assign]")  # fmt: skip
    told = vectors(queue)
    if by_irqfd and told:
        yield Step(LIVE, "QEMU", f"KVM_SET_GSI_ROUTING and KVM_IRQFD for {told} vectors",
                   syscalls=2 * told, fds=told,
                   source="[hw/virtio/virtio-pci.c: virtio_pci_set_guest_notifiers]")  # fmt: skip


def up(deal: Negotiated) -> Iterator[Step]:
    """Yield what is left until the interface is up."""
    yield Step(UP, "driver", "reads the link state", 2 if deal.legacy else 1, source=NET)
    if Feature.MQ in deal.agreed:
        yield Step(UP, "driver", "control command VQ_PAIRS_SET", commands=1,
                   note="until then only the first pair works", source=NET)  # fmt: skip
    if Feature.CTRL_VQ in deal.agreed:
        yield Step(UP, "driver", "control commands for the receive mode: promiscuous, "
                   "all-multicast, MAC table", commands=3, note="the guest waits for each answer",
                   source="[drivers/net/virtio_net.c: virtnet_rx_mode_work]")  # fmt: skip
    yield Step(UP, "driver", "fills the receive queue; the first kick may follow")
