"""The guest's virtio-net drivers: Linux's, in two generations, and DPDK's."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.model.stage import Arm
from virtsim.parts.guest_driver import Driver, Pmd

Kernel = Literal["6.15", "5.10"]

PMD = Pmd(("virtiopmd.pkt",), ("virtiopmd.pkt",), ("virtiopmd.burst",), ("virtiopmd.burst",))
"""One index update and one kick check per burst [drivers/net/virtio/virtio_rxtx.c]."""


def driver(kernel: Kernel, napi_tx: bool) -> Driver:
    """Return Linux's virtio_net.

    Raises
    ------
    InputError
        For a kernel that is no generation of it.
    """
    if kernel not in ("6.15", "5.10"):
        raise InputError("guest.kernel", f"no driver of Linux {kernel!r}", "'6.15' or '5.10'")
    return Driver(
        send=("guest.virtio_tx",),
        receive=("guest.virtio_rx",),
        unmask=("notify.rearm",),
        refill=("kick.check",),
        send_arms=_tx_arms(kernel, napi_tx),
        orphans=not napi_tx,
        reclaims=kernel == "5.10" or not napi_tx,
    )


def _tx_arms(kernel: Kernel, napi_tx: bool) -> tuple[Arm, ...]:
    if not napi_tx:
        return (Arm("room", "take", "off"), Arm("room", "stop", "share", passed=True))
    if kernel == "5.10":
        return (Arm("room", "take", "share", passed=True),)
    return (Arm("room", "take", "off"), Arm("room", "publish", "share", passed=True))
