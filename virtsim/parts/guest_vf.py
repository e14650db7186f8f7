"""The guest's drivers of a virtual function: registers are mapped, a store to one is no exit."""

from __future__ import annotations

from virtsim.parts.guest_driver import Driver, Pmd

RX_BUFFER_WRITE = 16
"""Descriptors posted per write of the tail register [ixgbevf.h: IXGBEVF_RX_BUFFER_WRITE]."""

ROOM = 21
"""The tx queue stops below MAX_SKB_FRAGS + 4 free slots [ixgbevf.h: DESC_NEEDED]."""

REARM = 32
"""Buffers that the poll-mode driver posts at a time
[drivers/net/intel/ixgbe/ixgbe_rxtx.h: RTE_IXGBE_RXQ_REARM_THRESH]."""

DRIVER = Driver(
    send=("guest.vf_tx",),
    receive=("guest.vf_rx",),
    unmask=("pcie.doorbell",),
    doorbell=("pcie.doorbell",),
    refill=("pcie.doorbell",),
    refill_at=RX_BUFFER_WRITE,
    room=ROOM,
    latches=True,
)
"""An interrupt masks itself (EIAM); NAPI complete writes VTEIMS, a posted store like a doorbell
[ixgbevf_main.c: ixgbevf_poll, ixgbevf_irq_enable_queues]."""

PMD = Pmd(
    ("nicpmd.tx",),
    ("nicpmd.rx",),
    ("nicpmd.tx_burst", "pcie.doorbell"),
    ("nicpmd.rx_burst",),
    ("pcie.doorbell",),
    REARM,
)
