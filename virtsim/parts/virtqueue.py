"""The seam between driver and device: one virtqueue each way, kicks and calls."""

from __future__ import annotations

from virtsim.model.path import Part, part
from virtsim.model.ring import NEVER, Notify, Suppress, Virtqueue


@part
def virtqueue(
    *,
    size: int = 256,
    suppress: Suppress = "event_idx",
    kick: Notify = NEVER,
    call: Notify = NEVER,
) -> Part:
    """Return a pair of split virtqueues.

    Parameters
    ----------
    size
        Descriptors of each queue.
    suppress
        How each side asks not to be notified: by event index, by flags, or not at all.
    kick, call
        How driver and device notify; see :mod:`virtsim.parts.kvm`.
    """
    queue = Virtqueue(size, suppress, kick, call)
    return Part("virtqueue", "virtqueue", "virtqueue", tx=(queue,), rx=(queue,))
