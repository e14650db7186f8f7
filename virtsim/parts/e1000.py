"""QEMU's e1000: a whole NIC in software, for a guest that knows of no hypervisor."""

from __future__ import annotations

from virtsim.model.path import Part, part
from virtsim.model.ring import DescriptorRing, Notify
from virtsim.model.stage import Arm, Stage
from virtsim.model.thread import CALLER, Thread, sleeper
from virtsim.parts.guest_driver import REGISTER
from virtsim.parts.qemu_net import TAP_READS
from virtsim.units import time_ps

RING = 256
MITIGATION = "128us"
"""Least time between two raised lines: 500 x 256 ns, the floor of ITR [hw/net/e1000.c]."""


@part
def e1000(*, ring: int = RING, mitigation: str = MITIGATION, apicv: bool = True) -> Part:
    """Return an emulated e1000 over tap: the guest's register writes run QEMU on its own vCPU.

    A write of TDT is an exit in which the vCPU thread fetches every descriptor, copies the frame
    and writes it to tap; the guest stands still meanwhile. Packets come in through the main loop.
    The interrupt is a level: raised by an ioctl, read and lowered by exits, ended by an EOI exit
    even with APICv. Within the mitigation window it is put off, and raised by a timer on the main
    loop [hw/net/e1000.c: start_xmit, e1000_receive_iov, set_interrupt_cause, e1000_mit_timer].
    That timer's wake-ups which find nothing to raise are left out.

    Parameters
    ----------
    ring
        Descriptors each way.
    mitigation
        Least time between two interrupts: "250us" is Linux's adaptive ITR in bulk receive, "0us"
        QEMU up to 1.5, which had none (an interrupt per write of TDT).
    apicv
        Whether a running vCPU gets interrupts without an exit.
    """
    main = sleeper("qemu", "main_loop", loop=("qemu.loop",))
    leave, access = REGISTER
    queue = DescriptorRing(
        ring,
        kick=Notify("register", "driver", send=(leave,), inline=True),
        call=_line(main, apicv),
        gap_ps=time_ps(mitigation, "e1000.mitigation"),
    )
    send = Stage(
        "e1000.tx",
        CALLER,
        "hardirq",  # inside the exit nothing of the guest runs
        turn=(access,),
        ops=("e1000.tx_desc", "copy.l3", "tap.write", "tap.write_byte"),
        on_empty="leave",
    )
    receive = Stage(
        "e1000.rx",
        main,
        ops=("tap.read", "tap.read_byte", "e1000.rx_desc", "copy.l3"),
        empty_ops=("tap.read_empty",),
        budget=TAP_READS,
        full="hold",
        arms=(Arm("room", "stop", "next"), Arm("room", "entry", "still")),
    )
    return Part("e1000", "register", "skb", tx=(queue, send), rx=(receive, queue))


def _line(main: Thread, apicv: bool) -> Notify:
    """INTx: raised at once, or by the mitigation timer once its window is over."""
    timer = Stage("e1000.timer", main, entry=("irq.line",))
    return Notify(
        "intx",
        "device",
        send=("irq.line",),
        running=("irq.deliver_apicv",) if apicv else (),
        intrude=() if apicv else ("irq.deliver_noapicv",),
        entry=("irq.eoi_level",),
        relay=(timer,),
        relay_when="late",
    )
