"""virtio-net served by Snabb over vhost-user: one engine loop, and a NIC driven from userspace."""

from virtsim.model.path import Path
from virtsim.parts import guest, kvm, snabb, virtqueue


def vhost_user_snabb() -> Path:
    """Return virtio-net served by Snabb NFV over vhost-user."""
    return Path(
        "vhost-user-snabb",
        guest.linux(),  # socket, stack, driver, NAPI: one vCPU
        virtqueue(suppress="flags", kick=kvm.never(), call=kvm.irqfd(by="process")),
        snabb.vhost(),  # one engine loop, a breath at a time
        snabb.nic(),
        summary="virtio-net in Snabb over vhost-user, polled",
    )
