"""The seam between driver and device: one virtqueue each way, kicks and calls."""

from __future__ import annotations

from virtsim.model.features import Layout
from virtsim.model.path import Part, part
from virtsim.model.ring import NEVER, Notify, Suppress, Virtqueue


@part
def virtqueue(
    *,
    size: int = 256,
    suppress: Suppress = "event_idx",
    kick: Notify = NEVER,
    call: Notify = NEVER,
    ring: Layout = "split",
    mergeable: bool = True,
    indirect: bool = True,
    in_order: bool = False,
) -> Part:
    """Return a pair of virtqueues.

    Parameters
    ----------
    size
        Descriptors of each queue: a power of two, unless the ring is packed.
    suppress
        How each side asks not to be notified: by event index, by flags, or not at all.
    kick, call
        How driver and device notify; see :mod:`virtsim.parts.kvm`.
    ring, mergeable, indirect, in_order
        What the device is asked to offer: packed rings, receive buffers that a long packet can
        share, tables of descriptors in one slot, one used entry for a batch. What comes of it
        depends on both sides; see :func:`virtsim.model.negotiation.agreed`.
    """
    queue = Virtqueue(size, suppress, kick, call, ring, mergeable, indirect, in_order)
    return Part("virtqueue", "virtqueue", "virtqueue", tx=(queue,), rx=(queue,))
