"""The guest: its application, its network stack and the Linux virtio-net driver."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.model.path import Part, part
from virtsim.model.ring import Notify, Ring
from virtsim.model.stage import Arm, Stage
from virtsim.model.thread import Thread
from virtsim.parts.kvm import Idle, vcpu

STOP_ROOM = 19
"""A tx queue stops below 2 + MAX_SKB_FRAGS free slots [drivers/net/virtio_net.c: tx_may_stop]."""

NAPI_WEIGHT = 64
SOCKET = 277
"""Small datagrams that fit a default receive buffer: 212992 B at 768 B each (derived)."""

Kernel = Literal["6.15", "5.10"]


@part
def linux(
    *,
    idle: Idle = "halt",
    halt_poll: str | None = None,
    halt_poll_shrink: int = 2,
    kernel: Kernel = "6.15",
    napi_tx: bool = True,
    socket: int = SOCKET,
) -> Part:
    """Return a Linux guest: an application with a UDP socket over virtio-net, on one vCPU.

    Parameters
    ----------
    kernel
        Generation of the driver's transmit path: "6.15" leaves reclaim to NAPI, "5.10" (up to 6.14)
        reclaims in every start_xmit.
    napi_tx
        Completions interrupt (the default since Linux 5.3); off: only when the queue was stopped.
    socket
        Packets that the receiving socket holds before it drops.
    """
    thread = vcpu(idle=idle, halt_poll=halt_poll, halt_poll_shrink=halt_poll_shrink)
    send = _sender("guest.send", thread, ("guest.sock_send",), kernel, napi_tx)
    return _guest(send, thread, socket)


@part
def pktgen(
    *,
    burst: int = 32,
    idle: Idle = "poll",
    halt_poll: str | None = None,
    halt_poll_shrink: int = 2,
    kernel: Kernel = "6.15",
    napi_tx: bool = True,
    socket: int = SOCKET,
) -> Part:
    """Return a guest that sends with the in-kernel packet generator: no socket, a kick a burst.

    The generator spins on a stopped queue, so its vCPU does not halt unless told to (``idle``).
    """
    thread = vcpu(idle=idle, halt_poll=halt_poll, halt_poll_shrink=halt_poll_shrink)
    send = _sender("guest.pktgen", thread, ("guest.pktgen",), kernel, napi_tx, burst=burst)
    return _guest(send, thread, socket)


def _guest(send: Stage, thread: Thread, socket: int) -> Part:
    """Return a guest that sends from an unbounded queue and receives into a socket."""
    queue = Ring("guest.queue", 0)
    return Part("guest", "app", "virtqueue", tx=(queue, send), rx=_receive(thread, socket))


def _sender(
    name: str, thread: Thread, ops: tuple[str, ...], kernel: Kernel, napi_tx: bool, burst: int = 1
) -> Stage:
    """Return start_xmit behind an application, with the completion that restarts it."""
    if kernel not in ("6.15", "5.10"):
        raise InputError("guest.kernel", f"no driver of Linux {kernel!r}", "'6.15' or '5.10'")
    if not 1 <= burst <= 256:
        raise InputError("guest.burst", f"bursts of {burst}", "1 to 256 packets")
    return Stage(
        name,
        thread,
        lead=ops,
        ops=("guest.virtio_tx",),
        batch=burst,
        decide="batch" if burst > 1 else "each",
        budget=64 * burst,
        full="stop",
        room=STOP_ROOM,
        reclaims=kernel == "5.10" or not napi_tx,
        arms=_tx_arms(kernel, napi_tx),
        completion=_completion(thread, napi_tx),
        restart=("guest.queue_wake",),
    )


def _tx_arms(kernel: Kernel, napi_tx: bool) -> tuple[Arm, ...]:
    if not napi_tx:
        return (Arm("room", "take", "off"), Arm("room", "stop", "share", passed=True))
    if kernel == "5.10":
        return (Arm("room", "take", "share", passed=True),)
    return (Arm("room", "take", "off"), Arm("room", "publish", "share", passed=True))


def _completion(thread: Thread, napi_tx: bool) -> Stage:
    """TX NAPI: reclaim all, wake the queue, re-arm. In orphan mode only the queue is woken."""
    if not napi_tx:
        return Stage("guest.txdone", thread, "softirq", entry=("irq.guest_entry",), defer=True,
                     on_empty="leave", arms=(Arm("room", "entry", "off"),))  # fmt: skip
    return Stage(
        "guest.txdone",
        thread,
        "softirq",
        entry=("irq.guest_entry",),
        turn=("guest.napi_round",),
        rearm=("notify.rearm",),
        recheck="requeue",
        defer=True,
        arms=(Arm("room", "entry", "off"), Arm("room", "empty", "next", ("notify.rearm",))),
    )


def _receive(thread: Thread, socket: int) -> tuple[Stage, Ring, Stage]:
    """Return NAPI receive, the socket, and the application that reads it."""
    if socket < 1:
        raise InputError("guest.socket", f"a socket for {socket} packets", "at least 1")
    napi = Stage(
        "guest.napi",
        thread,
        "softirq",
        ops=("guest.virtio_rx", "linux.ip_udp_rx"),
        entry=("irq.guest_entry",),
        turn=("guest.napi_round",),
        rearm=("notify.rearm",),
        budget=NAPI_WEIGHT,
        done="never",
        refill=("kick.check",),
        recheck="requeue",
        defer=True,
    )
    queue = Ring("guest.socket", socket, notify=Notify("task_wake", send=("guest.task_wake",)))
    return napi, queue, Stage("guest.recv", thread, ops=("guest.sock_recv",), budget=64)
