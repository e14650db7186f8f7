"""virtio-net served by OVS-DPDK over vhost-user: a userspace switch that polls guest memory."""

from virtsim.model.path import Path
from virtsim.parts import guest, kvm, nic_pmd, ovs_dpdk, virtqueue


def vhost_user_ovs() -> Path:
    """Return virtio-net served by a poll-mode thread of OVS-DPDK over vhost-user."""
    return Path(
        "vhost-user-ovs",
        guest.linux(),  # socket, stack, driver, NAPI: one vCPU
        virtqueue(kick=kvm.never(), call=kvm.irqfd(by="process")),
        ovs_dpdk.port(),  # one poll-mode thread for both ports
        nic_pmd(),
        summary="virtio-net in OVS-DPDK over vhost-user, polled",
    )
