"""What the systems do: each part of a path in its own room. A part names ops, never prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from virtsim.model.path import Part
from virtsim.model.ring import Notify
from virtsim.parts import guest, host_net, kvm, ovs_dpdk, qemu_net, snabb, vfio, vhost_net
from virtsim.parts.e1000 import e1000
from virtsim.parts.host_net import bridge, nic, none, tap
from virtsim.parts.ovs_dpdk import nic_pmd
from virtsim.parts.virtqueue import virtqueue
from virtsim.plugins import callable_or, plugged

BY_NAME: Mapping[str, Callable[..., Part]] = MappingProxyType(
    {
        "guest.linux": guest.linux,
        "guest.pktgen": guest.pktgen,
        "guest.dpdk": guest.dpdk,
        "virtqueue": virtqueue,
        "qemu.net": qemu_net.net,
        "vhost.worker": vhost_net.worker,
        "ovs.port": ovs_dpdk.port,
        "snabb.vhost": snabb.vhost,
        "snabb.tap": snabb.tap,
        "e1000": e1000,
        "vf": vfio.vf,
        "tap": tap,
        "bridge": bridge,
        "nic": nic,
        "nic.pmd": nic_pmd,
        "nic.snabb": snabb.nic,
        "none": none,
    }
)
"""The spelling of each part in a scenario."""

_NAMES = tuple(BY_NAME)
_a_part = callable_or("a function that makes a Part")


def all_parts() -> dict[str, Callable[..., Part]]:
    """Return every part by its spelling, those of plugins (``virtsim.parts``) after the shipped."""
    return {**BY_NAME, **plugged("virtsim.parts", _NAMES, _a_part)}


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
    "all_parts",
    "bridge",
    "e1000",
    "guest",
    "host_net",
    "kvm",
    "nic",
    "nic_pmd",
    "none",
    "ovs_dpdk",
    "qemu_net",
    "snabb",
    "tap",
    "vfio",
    "vhost_net",
    "virtqueue",
]
