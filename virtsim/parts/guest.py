"""The guest: its applications, its network stack, and the driver of whatever NIC it has.

A guest is one vCPU. Which driver it runs follows from the NIC that stands next to it in the path:
``nic="virtio"`` (the default), ``"e1000"`` or ``"vf"`` (a virtual function of the host's NIC).
"""

from __future__ import annotations

from virtsim.errors import InputError, did_you_mean
from virtsim.model.features import DPDK_PMD_ACCEPTS, LINUX_ACCEPTS
from virtsim.model.path import Part, Seam, part
from virtsim.model.ring import Notify, Ring
from virtsim.model.stage import Stage
from virtsim.model.thread import Poll, Thread
from virtsim.parts import guest_e1000, guest_vf, guest_virtio
from virtsim.parts.guest_driver import Driver, Nic, Pmd
from virtsim.parts.guest_e1000 import Refill
from virtsim.parts.guest_virtio import Kernel
from virtsim.parts.kvm import Idle, vcpu

SOCKET = 277
"""Small datagrams that fit a default receive buffer: 212992 B at 768 B each (derived)."""

QDISC = 1000
"""Packets that wait for a stopped queue: txqueuelen of an Ethernet device [net/ethernet/eth.c]."""

SEAMS: dict[str, Seam] = {"virtio": "virtqueue", "e1000": "register", "vf": "dma"}


@part
def linux(
    *,
    nic: Nic = "virtio",
    idle: Idle = "halt",
    halt_poll: str | None = None,
    halt_poll_shrink: int = 2,
    kernel: Kernel = "6.15",
    napi_tx: bool = True,
    refill: Refill = "batch",
    socket: int = SOCKET,
) -> Part:
    """Return a Linux guest: an application with a UDP socket, on one vCPU.

    Between two links it bridges: what its NIC receives goes out again in the same softirq.

    Parameters
    ----------
    nic
        The NIC it has, and so its driver.
    kernel
        Generation of virtio-net's transmit path: "6.15" leaves reclaim to NAPI, "5.10" (up to 6.14)
        reclaims in every start_xmit.
    napi_tx
        virtio-net's completions interrupt (the default since Linux 5.3); off: only when the queue
        was stopped.
    refill
        e1000's writes of RDT: "batch", for 16 receive buffers at a time; "poll", also for what
        is left at the end of each NAPI poll, as Linux does.
    socket
        Packets that the receiving socket holds before it drops.
    """
    thread = vcpu(idle=idle, halt_poll=halt_poll, halt_poll_shrink=halt_poll_shrink)
    driver = _driver(nic, kernel, napi_tx, refill)
    send = driver.sender("guest.send", thread, ("guest.sock_send",), burst=1)
    return _guest(nic, send, thread, driver, socket, forwards=True)


@part
def pktgen(
    *,
    nic: Nic = "virtio",
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
    It receives as a Linux guest does, and forwards nothing.
    """
    if not 1 <= burst <= 256:
        raise InputError("guest.burst", f"bursts of {burst}", "1 to 256 packets")
    thread = vcpu(idle=idle, halt_poll=halt_poll, halt_poll_shrink=halt_poll_shrink)
    driver = _driver(nic, kernel, napi_tx)
    send = driver.sender("guest.pktgen", thread, ("guest.pktgen",), burst=burst)
    return _guest(nic, send, thread, driver, socket, forwards=False)


@part
def dpdk(*, nic: Nic = "virtio", burst: int = 32, idle: Idle = "poll") -> Part:
    """Return a guest that runs a DPDK application of the forwarding kind on its polling vCPU.

    It never halts and asks for no interrupt. In tx it sends what it is given as fast as its ring
    has room, in rx it takes and frees, between two links it forwards each burst and drops what the
    transmit ring has no room for, as testpmd does.

    Parameters
    ----------
    nic
        The NIC it has, and so its poll-mode driver.
    burst
        Packets of one receive or transmit call.
    idle
        "poll", and nothing else: there is nothing that could wake it.
    """
    if not 1 <= burst <= 64:
        raise InputError("guest.burst", f"bursts of {burst}", "1 to 64 packets, as the PMD takes")
    if idle != "poll":
        got = "a DPDK guest that halts: its driver asks for no interrupt, so nothing would wake it"
        raise InputError("guest.idle", got, "'poll'", "guest.linux and guest.pktgen can halt")
    _known(nic)
    thread = Thread("vcpu0", "vcpu", Poll())
    pmd = {"virtio": guest_virtio.PMD, "e1000": guest_e1000.PMD, "vf": guest_vf.PMD}[nic]
    queue = Ring("guest.queue", 0)
    receive, send = _pmd_receive(thread, pmd, burst), _pmd_send(pmd)
    generate = Stage(
        "guest.pmd_tx",
        thread,
        ops=("guest.dpdk_app", *pmd.send),
        batch_ops=pmd.send_burst,
        gather="burst",
        batch=burst,
        publish="batch",
        decide="batch",
        full="wait",
        reclaims=True,
        on_empty="leave",
    )
    return Part(
        "guest", "app", SEAMS[nic], tx=(queue, generate), rx=(receive,), through=(receive, send),
        features=DPDK_PMD_ACCEPTS,
    )  # fmt: skip


def _pmd_receive(thread: Thread, pmd: Pmd, burst: int) -> Stage:
    """Return a receive burst: buffers are posted anew at its end, then the application has it."""
    burstwise = pmd.refill_at == 0
    return Stage(
        "guest.pmd_rx",
        thread,
        ops=(*pmd.receive, "guest.dpdk_app"),
        batch_ops=pmd.receive_burst,
        poll=("pmd.empty_poll",),
        gather="burst",
        batch=burst,
        done="before" if burstwise else "never",
        refill=pmd.refill,
        refill_at=pmd.refill_at,
        on_empty="leave",
    )


def _pmd_send(pmd: Pmd) -> Stage:
    """Return a transmit burst; what finds no room is dropped."""
    return Stage(
        "guest.pmd_tx",
        ops=pmd.send,
        batch_ops=pmd.send_burst,
        gather="burst",
        publish="batch",
        decide="batch",
        reclaims=True,
    )


def _known(nic: str) -> None:
    if nic not in SEAMS:
        want, hint = f"one of {', '.join(SEAMS)}", did_you_mean(str(nic), tuple(SEAMS))
        raise InputError("guest.nic", f"no driver for a NIC '{nic}'", want, hint)


def _driver(nic: Nic, kernel: Kernel, napi_tx: bool, refill: Refill = "batch") -> Driver:
    _known(nic)
    virtio, e1000 = guest_virtio.driver(kernel, napi_tx), guest_e1000.driver(refill)
    return {"virtio": virtio, "e1000": e1000, "vf": guest_vf.DRIVER}[nic]


def _guest(
    nic: Nic, send: Stage, thread: Thread, driver: Driver, socket: int, *, forwards: bool
) -> Part:
    """Return a guest that sends from an unbounded queue and receives into a socket."""
    if socket < 1:
        raise InputError("guest.socket", f"a socket for {socket} packets", "at least 1")
    queue = Ring("guest.queue", 0)
    napi = driver.receiver(thread, ("linux.ip_udp_rx",))
    arrived = Ring("guest.socket", socket, notify=Notify("task_wake", send=("guest.task_wake",)))
    read = Stage("guest.recv", thread, ops=("guest.sock_recv",), budget=64)
    through = _bridge(thread, driver) if forwards else ()
    return Part(
        "guest", "app", SEAMS[nic], tx=(queue, send), rx=(napi, arrived, read), through=through,
        features=LINUX_ACCEPTS,
    )  # fmt: skip


def _bridge(thread: Thread, driver: Driver) -> tuple[Stage, Ring, Stage]:
    """Return the way of a packet that the guest bridges: received and sent in one softirq."""
    napi = driver.receiver(thread, ("bridge.fwd",))
    return napi, Ring("guest.qdisc", QDISC), driver.transmitter()
