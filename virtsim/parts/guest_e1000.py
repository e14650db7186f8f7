"""The guest's drivers of an emulated e1000: every register access is an exit to QEMU."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.parts.guest_driver import REGISTER, Driver, Pmd

Refill = Literal["batch", "poll"]

RX_BUFFER_WRITE = 16
"""Descriptors posted per write of RDT [drivers/net/ethernet/intel/e1000: E1000_RX_BUFFER_WRITE]."""

ROOM = 24
"""The tx queue stops below MAX_SKB_FRAGS + 7 free slots [e1000_main.c: e1000_xmit_frame]."""

PMD = Pmd(("nicpmd.tx",), ("nicpmd.rx",), ("nicpmd.tx_burst",), ("nicpmd.rx_burst", *REGISTER))
"""A receive burst posts its buffers by one write of RDT (rx_free_thresh 0, the PMD's default)
[drivers/net/intel/e1000/em_rxtx.c: eth_em_recv_pkts]; the write of TDT is the device's kick."""


def driver(refill: Refill) -> Driver:
    """Return Linux's e1000.

    Handler: read ICR (which lowers the line), write IMC, read STATUS; NAPI complete: write IMS,
    read STATUS [e1000_main.c: e1000_intr, e1000_irq_enable]. ITR is written only when the adaptive
    rate changes, and left out.

    Parameters
    ----------
    refill
        "batch": RDT is written at the end of a poll that finds 16 buffers missing. "poll": after
        every 16th packet of a poll and for the rest at its end, so once for an isolated packet
        [e1000_main.c: e1000_clean_rx_irq].

    Raises
    ------
    InputError
        For another way to post buffers.
    """
    if refill not in ("batch", "poll"):
        raise InputError("guest.refill", f"{refill!r} posts nothing", "'batch' or 'poll'")
    return Driver(
        send=("guest.e1000_tx",),
        receive=("guest.e1000_rx",),
        interrupt=(*REGISTER, "irq.line_lower", *REGISTER, *REGISTER),
        unmask=(*REGISTER, *REGISTER),
        refill=REGISTER,
        refill_at=RX_BUFFER_WRITE,
        posts_rest=refill == "poll",
        room=ROOM,
        latches=True,
    )
