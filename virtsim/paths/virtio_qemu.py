"""virtio-net served by the QEMU process: guest to KVM to QEMU's main loop to tap."""

from virtsim.model.path import Path
from virtsim.parts import bridge, guest, kvm, nic, qemu_net, tap, virtqueue


def virtio_qemu() -> Path:
    """Return virtio-net with its device in the QEMU process."""
    return Path(
        "virtio-qemu",
        guest.linux(),  # socket, stack, driver, NAPI: one vCPU
        virtqueue(kick=kvm.ioeventfd(), call=kvm.signal_msi()),
        qemu_net.net(),  # the main loop: bottom half out, tap reads in
        tap(),
        bridge(),
        nic(),
        summary="virtio-net in the QEMU process, over tap",
    )
