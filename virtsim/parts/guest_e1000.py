"""The guest's drivers of an emulated e1000: every register access is an exit to QEMU."""

from __future__ import annotations

from virtsim.parts.guest_driver import Driver, Pmd

REGISTER = ("exit.user_mmio", "exit.user_dev_extra")
"""One access to a register of an emulated device."""

RX_BUFFER_WRITE = 16
"""Descriptors posted per write of RDT [drivers/net/ethernet/intel/e1000: E1000_RX_BUFFER_WRITE]."""

DRIVER = Driver(
    send=("guest.e1000_tx",),
    receive=("guest.e1000_rx",),
    interrupt=(*REGISTER, "irq.line_lower", *REGISTER, *REGISTER),
    unmask=(*REGISTER, *REGISTER),
    refill=REGISTER,
    refill_at=RX_BUFFER_WRITE,
    latches=True,
)
"""Handler: read ICR (which lowers the line), write IMC, read STATUS; NAPI complete: write IMS, read
STATUS [drivers/net/ethernet/intel/e1000: e1000_intr, e1000_irq_enable]."""

PMD = Pmd(("nicpmd.tx",), ("nicpmd.rx",), ("nicpmd.tx_burst",), ("nicpmd.rx_burst", *REGISTER))
"""A receive burst posts its buffers by one write of RDT; the write of TDT is the device's kick."""
