"""virtio-net served by the vhost-net kernel worker: QEMU is off the data path."""

from virtsim.model.path import Path
from virtsim.parts import bridge, guest, kvm, nic, tap, virtqueue
from virtsim.parts.vhost_net import worker


def vhost_net() -> Path:
    """Return virtio-net served by the vhost-net kernel worker behind a tap."""
    return Path(
        "vhost-net",
        guest.linux(),  # socket, stack, driver, NAPI: one vCPU
        virtqueue(kick=kvm.ioeventfd(), call=kvm.irqfd()),
        worker(),  # one kernel thread, both halves
        tap(),
        bridge(),
        nic(),
        summary="virtio-net in the vhost-net kernel worker, over tap",
    )
