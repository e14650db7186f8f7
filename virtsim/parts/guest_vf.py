"""The guest's drivers of a virtual function: registers are mapped, a store to one is no exit."""

from __future__ import annotations

from virtsim.parts.guest_driver import Driver, Pmd

RX_BUFFER_WRITE = 16
"""Descriptors posted per write of the tail register [ixgbevf: IXGBEVF_RX_BUFFER_WRITE]."""

DRIVER = Driver(
    send=("guest.vf_tx",),
    receive=("guest.vf_rx",),
    unmask=("pcie.doorbell",),
    doorbell=("pcie.doorbell",),
    refill=("pcie.doorbell",),
    refill_at=RX_BUFFER_WRITE,
    latches=True,
)

PMD = Pmd(
    ("nicpmd.tx",),
    ("nicpmd.rx",),
    ("nicpmd.tx_burst", "pcie.doorbell"),
    ("nicpmd.rx_burst", "pcie.doorbell"),
)
