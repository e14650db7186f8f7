"""What the driver and the device of a path agree on."""

from __future__ import annotations

from virtsim.errors import InputError
from virtsim.model.features import (
    LINUX_ACCEPTS,
    QEMU_OFFERS,
    Feature,
    Features,
    Negotiated,
    negotiate,
)
from virtsim.model.path import Part, Path
from virtsim.model.ring import Virtqueue

ALWAYS: Features = frozenset(
    {
        *(Feature.CSUM, Feature.GUEST_CSUM, Feature.GUEST_TSO4, Feature.CTRL_VQ),
        *(Feature.ANY_LAYOUT, Feature.VERSION_1),
    }
)
"""Features that QEMU's properties switch on unless told otherwise; no option here does. With one
queue pair MQ stays off [hw/net/virtio-net.c: virtio_net_properties]."""


def agreed(path: Path, queue: str = "") -> Negotiated | None:
    """Return what the two sides of a path's virtqueue agree on; None if it has no virtqueue.

    The driver is the neighbour that holds an application, the device the other one. A device
    that names no features offers QEMU's, a driver that names none accepts those of Linux.

    Parameters
    ----------
    queue
        Name of the part with the virtqueue; by default the first one, guest outwards.

    Raises
    ------
    InputError
        If a packed ring of a size that is no power of two falls back to a split one.
    """
    part = next((p for p in path.parts if has_virtqueue(p) and queue in ("", p.name)), None)
    if part is None:
        return None
    driver, device = sides(path, part)
    offered = device.features if device is not None else frozenset()
    accepted = driver.features if driver is not None else frozenset()
    offered, accepted = offered or QEMU_OFFERS, accepted or LINUX_ACCEPTS
    # QEMU takes up a back end's protocol features whenever it has any.
    asked = wanted(virtqueue_of(part)) | (offered & {Feature.PROTOCOL_FEATURES})
    deal = negotiate(asked, offered, accepted)
    _check_size(part, deal)
    return deal


def _check_size(part: Part, deal: Negotiated) -> None:
    """Refuse a size that only a packed ring has where the rings turn out to be split."""
    size = virtqueue_of(part).size
    if deal.ring == "split" and size & (size - 1):
        why = next(each.why for each in deal.dropped if each.feature is Feature.RING_PACKED)
        raise InputError(
            f"{part.name}.size",
            f"a split ring of {size} descriptors, as packed rings are {why}",
            "a power of two",
        )


def sides(path: Path, queue: Part) -> tuple[Part | None, Part | None]:
    """Return the driver's and the device's part of a virtqueue: its neighbours in the path."""
    at = path.parts.index(queue)
    before = path.parts[at - 1] if at else None
    after = path.parts[at + 1] if at + 1 < len(path.parts) else None
    return (after, before) if _has_app(after) else (before, after)


def has_virtqueue(part: Part) -> bool:
    """Whether a part is a virtqueue."""
    return any(isinstance(e, Virtqueue) for e in (*part.tx, *part.rx))


def wanted(queue: Virtqueue) -> Features:
    """Return the features that a virtqueue's options ask the device for."""
    asked = {
        Feature.RING_PACKED: queue.ring == "packed",
        Feature.EVENT_IDX: queue.suppress == "event_idx",
        Feature.MRG_RXBUF: queue.mergeable,
        Feature.INDIRECT_DESC: queue.indirect,
        Feature.IN_ORDER: queue.in_order,
    }
    return ALWAYS | {feature for feature, on in asked.items() if on}


def virtqueue_of(part: Part) -> Virtqueue:
    """Return the virtqueue of a part that has one."""
    return next(e for e in (*part.tx, *part.rx) if isinstance(e, Virtqueue))


def _has_app(part: Part | None) -> bool:
    return part is not None and "app" in (part.inner, part.outer)
