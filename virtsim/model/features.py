"""Virtio features: their bits, who offers and who accepts them, and what an agreement decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Literal

from virtsim.errors import InputError


class Feature(IntEnum):
    """A feature by virtio's own name, without VIRTIO_F, VIRTIO_RING_F or VIRTIO_NET_F; its bit.

    [include/uapi/linux/virtio_config.h, virtio_ring.h, virtio_net.h]
    """

    CSUM = 0
    GUEST_CSUM = 1
    GUEST_TSO4 = 7
    MRG_RXBUF = 15
    CTRL_VQ = 17
    MQ = 22
    ANY_LAYOUT = 27
    INDIRECT_DESC = 28
    EVENT_IDX = 29
    PROTOCOL_FEATURES = 30
    """VHOST_USER_F_PROTOCOL_FEATURES, between front end and back end; no driver sees it."""
    VERSION_1 = 32
    ACCESS_PLATFORM = 33
    RING_PACKED = 34
    IN_ORDER = 35
    NOTIFICATION_DATA = 38
    NOTF_COAL = 53


Features = frozenset[Feature]
Layout = Literal["split", "packed"]
Side = Literal["configuration", "device", "driver"]

F = Feature

NEEDS: Mapping[Feature, tuple[Feature, ...]] = MappingProxyType(
    {
        F.GUEST_TSO4: (F.GUEST_CSUM,),
        F.MQ: (F.CTRL_VQ,),
        # A legacy interface has 32 feature bits, the later ones cannot even be read.
        **{feature: (F.VERSION_1,) for feature in F if feature > F.VERSION_1},
        F.NOTF_COAL: (F.VERSION_1, F.CTRL_VQ),
    }
)
"""What a feature is worth nothing without [virtio 1.3, "Feature bit requirements" of the network
device and "Legacy Interface: A Note on Feature Bits"]."""

# -- what the device sides offer ---------------------------------------------------------------

QEMU_OFFERS: Features = frozenset(
    {
        *(F.CSUM, F.GUEST_CSUM, F.GUEST_TSO4, F.MRG_RXBUF, F.CTRL_VQ, F.MQ, F.ANY_LAYOUT),
        *(F.INDIRECT_DESC, F.EVENT_IDX, F.VERSION_1, F.ACCESS_PLATFORM, F.RING_PACKED, F.IN_ORDER),
    }
)
"""QEMU's virtio-net-pci: all that its properties can switch on, NOTF_COAL and NOTIFICATION_DATA
not among them [hw/net/virtio-net.c: virtio_net_properties; include/hw/virtio/virtio.h:
DEFINE_VIRTIO_COMMON_FEATURES, QEMU 10.2]."""

VHOST_NET_OFFERS: Features = QEMU_OFFERS - {F.RING_PACKED}
"""QEMU's, less what the kernel does not do of the bits that are the kernel's to do: packed rings
(IN_ORDER since Linux 6.17) [net/tap.c: kernel_feature_bits; drivers/vhost/vhost.h:
VHOST_FEATURES; drivers/vhost/net.c: vhost_net_features]."""

DPDK_VHOST_OFFERS: Features = frozenset(
    {
        *(F.CSUM, F.GUEST_CSUM, F.GUEST_TSO4, F.MRG_RXBUF, F.CTRL_VQ, F.MQ, F.ANY_LAYOUT),
        *(F.INDIRECT_DESC, F.EVENT_IDX, F.PROTOCOL_FEATURES),
        *(F.VERSION_1, F.ACCESS_PLATFORM, F.RING_PACKED, F.IN_ORDER),
    }
)
"""DPDK's vhost library [lib/vhost/vhost.h: VIRTIO_NET_SUPPORTED_FEATURES; lib/vhost/vhost_user.h:
VHOST_USER_NET_SUPPORTED_FEATURES, DPDK 26.11-rc0]."""

OVS_OFFERS: Features = DPDK_VHOST_OFFERS - {F.ACCESS_PLATFORM}
"""The library's without a vIOMMU: vhost-iommu-support is off by default [lib/netdev-dpdk.c:
netdev_dpdk_vhost_client_reconfigure; lib/vhost/socket.c: rte_vhost_driver_register]."""

SNABB_OFFERS: Features = frozenset(
    {
        *(F.CSUM, F.MRG_RXBUF, F.CTRL_VQ, F.MQ, F.ANY_LAYOUT, F.INDIRECT_DESC),
        F.PROTOCOL_FEATURES,
    }
)
"""Snabb's VhostUser: no EVENT_IDX and no VERSION_1, so that the device is a legacy one
[src/lib/virtio/net_device.lua: supported_features, v2024.08]."""

# -- what the guests' drivers accept -----------------------------------------------------------

LINUX_ACCEPTS: Features = frozenset(
    {
        *(F.CSUM, F.GUEST_CSUM, F.GUEST_TSO4, F.MRG_RXBUF, F.CTRL_VQ, F.MQ, F.NOTF_COAL),
        *(F.ANY_LAYOUT, F.INDIRECT_DESC, F.EVENT_IDX),
        *(F.VERSION_1, F.ACCESS_PLATFORM, F.RING_PACKED, F.NOTIFICATION_DATA),
    }
)
"""Linux 6.17: virtio_net's own and those of its rings; IN_ORDER is not yet among them
[drivers/net/virtio_net.c: features, features_legacy; drivers/virtio/virtio_ring.c:
vring_transport_features]."""

DPDK_PMD_ACCEPTS: Features = frozenset(
    {
        *(F.MRG_RXBUF, F.CTRL_VQ, F.MQ, F.INDIRECT_DESC),
        *(F.VERSION_1, F.ACCESS_PLATFORM, F.RING_PACKED, F.IN_ORDER, F.NOTIFICATION_DATA),
    }
)
"""DPDK's virtio PMD as it starts, without the offloads that an application may ask for; it polls
and has no use for EVENT_IDX [drivers/net/virtio/virtio_ethdev.h:
VIRTIO_PMD_DEFAULT_GUEST_FEATURES, DPDK 26.11-rc0]."""

# -- the agreement -----------------------------------------------------------------------------

HEADER_B, HEADER_MRG_B = 10, 12
"""The header without and with num_buffers [virtio 1.3, "Device Operation" of the network device].
"""

BIG_SLOTS = 19
"""Descriptors of a buffer for the largest packet, MAX_SKB_FRAGS + 2
[drivers/net/virtio_net.c: add_recvbuf_big]."""


@dataclass(frozen=True)
class Dropped:
    """A feature that was not agreed on: the sides that lack it, or else what it needs in vain.

    With neither it is ANY_LAYOUT, which VERSION_1 stands for.
    """

    feature: Feature
    lacking: tuple[Side, ...] = ()
    needs: tuple[Feature, ...] = ()

    @property
    def why(self) -> str:
        """The reason in words."""
        if self.lacking:
            return ", ".join(_LACKS[side] for side in self.lacking)
        names = " and ".join(feature.name for feature in self.needs)
        return f"it needs {names}" if names else "VERSION_1 stands for it"


_LACKS: Mapping[Side, str] = MappingProxyType(
    {
        "configuration": "not asked for",
        "device": "not offered by the device",
        "driver": "not accepted by the driver",
    }
)


@dataclass(frozen=True)
class Negotiated:
    """What configuration, device and driver come to, and what that decides.

    Parameters
    ----------
    wanted, offered, accepted
        The features that the configuration asks for, the device has and the driver knows.
    agreed
        Those that are used.
    dropped
        Every other one that some side named, in the order of their bits.
    """

    wanted: Features
    offered: Features
    accepted: Features
    agreed: Features
    dropped: tuple[Dropped, ...]

    @property
    def ring(self) -> Layout:
        """The layout of the rings."""
        return "packed" if F.RING_PACKED in self.agreed else "split"

    @property
    def suppress(self) -> Literal["event_idx", "flags"]:
        """How each side asks not to be notified."""
        return "event_idx" if F.EVENT_IDX in self.agreed else "flags"

    @property
    def legacy(self) -> bool:
        """Whether the device is driven through the interface from before virtio 1.0."""
        return F.VERSION_1 not in self.agreed

    @property
    def header_b(self) -> int:
        """Bytes of the header in front of a packet."""
        return HEADER_MRG_B if self.agreed & {F.VERSION_1, F.MRG_RXBUF} else HEADER_B

    def tx_slots(self, segments: int = 1) -> int:
        """Return how many slots of the ring a packet of some segments takes.

        The header goes in front of a single segment where the layout is free, else it is a
        segment of its own; an indirect table takes one slot for all of them
        [drivers/net/virtio_net.c: xmit_skb; drivers/net/virtio/virtio_rxtx.c: virtio_xmit_pkts].
        """
        free = bool(self.agreed & {F.VERSION_1, F.ANY_LAYOUT})
        need = 1 if free and segments == 1 else segments + 1
        return 1 if F.INDIRECT_DESC in self.agreed else need

    def rx_slots(self, length_b: int, buffer_b: int) -> int:
        """Return how many slots a packet of some length fills, in buffers of some size (bytes).

        Without mergeable buffers each buffer holds any packet; one for the packets of GUEST_TSO4
        is a chain [drivers/net/virtio_net.c: virtnet_set_big_packets, virtnet_find_vqs].

        Raises
        ------
        InputError
            If a buffer has no bytes.
        """
        if buffer_b <= 0:
            raise InputError("rx_slots", f"buffers of {buffer_b} bytes", "at least 1")
        if F.MRG_RXBUF in self.agreed:
            return -(-(length_b + self.header_b) // buffer_b)
        chain = F.GUEST_TSO4 in self.agreed and F.INDIRECT_DESC not in self.agreed
        return BIG_SLOTS if chain else 1

    def used_entries(self, batch: int) -> int:
        """Return how many used entries the device writes for a batch of buffers.

        In order, one that names the last of them stands for all [virtio 1.3, "In-order use of
        descriptors"].
        """
        return min(batch, 1) if F.IN_ORDER in self.agreed else batch


def negotiate(wanted: Features, offered: Features, accepted: Features) -> Negotiated:
    """Return what three sides agree on, and why each other feature fell away.

    A feature is agreed on if the configuration wants it, the device offers it and the driver
    accepts it, and so is what it needs. PROTOCOL_FEATURES is settled without the driver. A driver
    that finds VERSION_1 does not ask for ANY_LAYOUT.
    """
    known = accepted | {F.PROTOCOL_FEATURES}
    sides: tuple[tuple[Side, Features], ...] = (
        ("configuration", wanted), ("device", offered), ("driver", known),
    )  # fmt: skip
    common = wanted & offered & known
    dropped: list[Dropped] = []
    for feature in sorted(wanted | offered | accepted):
        needs = tuple(need for need in NEEDS.get(feature, ()) if need not in common)
        if feature not in common:
            lacking = tuple(side for side, has in sides if feature not in has)
            dropped.append(Dropped(feature, lacking))
        elif needs or (feature is F.ANY_LAYOUT and F.VERSION_1 in common):
            dropped.append(Dropped(feature, needs=needs))
    agreed = common - {each.feature for each in dropped}
    return Negotiated(wanted, offered, accepted, agreed, tuple(dropped))
