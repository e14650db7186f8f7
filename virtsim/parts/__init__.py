"""What the systems do: each part of a path in its own room. A part names ops, never prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from virtsim.model.path import Part
from virtsim.model.ring import Notify
from virtsim.parts import guest, host_net, kvm, ovs_dpdk, qemu_net, vhost_net
from virtsim.parts.host_net import bridge, nic, none, tap
from virtsim.parts.ovs_dpdk import nic_pmd
from virtsim.parts.virtqueue import virtqueue

BY_NAME: Mapping[str, Callable[..., Part]] = MappingProxyType(
    {
        "guest.linux": guest.linux,
        "guest.pktgen": guest.pktgen,
        "virtqueue": virtqueue,
        "qemu.net": qemu_net.net,
        "vhost.worker": vhost_net.worker,
        "ovs.port": ovs_dpdk.port,
        "tap": tap,
        "bridge": bridge,
        "nic": nic,
        "nic.pmd": nic_pmd,
        "none": none,
    }
)
"""The spelling of each part in a scenario."""

NOTIFICATIONS: Mapping[str, Callable[..., Notify]] = MappingProxyType(
    {
        "kvm.ioeventfd": kvm.ioeventfd,
        "kvm.exit_to_qemu": kvm.exit_to_qemu,
        "kvm.irqfd": kvm.irqfd,
        "kvm.signal_msi": kvm.signal_msi,
        "never": kvm.never,
    }
)
"""The spelling of each notification in a scenario."""

__all__ = [
    "BY_NAME",
    "NOTIFICATIONS",
    "bridge",
    "guest",
    "host_net",
    "kvm",
    "nic",
    "nic_pmd",
    "none",
    "ovs_dpdk",
    "qemu_net",
    "tap",
    "vhost_net",
    "virtqueue",
]
