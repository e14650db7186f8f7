"""KVM: what carries notifications between guest and host, and what a vCPU thread costs."""

from __future__ import annotations

from typing import Literal

from virtsim.model.ring import NEVER, Notify
from virtsim.model.thread import Always, Sleep, Thread
from virtsim.units import time_ps

Idle = Literal["halt", "poll"]


def ioeventfd(*, by: Literal["mmio", "port"] = "mmio") -> Notify:
    """Return a kick that KVM answers with an eventfd: a light exit, the vCPU is not blocked.

    A modern device is kicked by an MMIO store, a legacy one by a port write; their prices differ by
    the ratio ``exit.fast_mmio``.
    """
    return Notify("ioeventfd", "driver", send=("kick.vcpu:mmio" if by == "mmio" else "kick.vcpu",))


def exit_to_qemu() -> Notify:
    """Return a kick with ioeventfd off: the vCPU thread leaves KVM and runs QEMU's handler.

    QEMU's handler only schedules a bottom half: it writes to the main loop's own eventfd. That
    loop reads it and runs the bottom half in the same iteration.
    """
    return Notify("exit_to_qemu", "driver", send=("kick.user", "sys.eventfd_write"), direct=True)


def irqfd(*, apicv: bool = True, by: Literal["kernel", "process"] = "kernel") -> Notify:
    """Return a call by irqfd, signalled inside the kernel or by a process's write()."""
    write = ("sys.eventfd_write",) if by == "process" else ()
    return _call("irqfd", (*write, "irq.inject_host"), apicv)


def signal_msi(*, apicv: bool = True) -> Notify:
    """Return a call by ioctl(KVM_SIGNAL_MSI) from QEMU."""
    return _call("signal_msi", ("irq.signal_msi",), apicv)


def _call(name: str, send: tuple[str, ...], apicv: bool) -> Notify:
    """With APICv a running vCPU is not left; without, delivery and EOI are an exit each."""
    if apicv:
        return Notify(
            name, "device", send, running=("irq.deliver_apicv",), entry=("irq.eoi_apicv",)
        )
    return Notify(
        name, "device", send, intrude=("irq.deliver_noapicv",), entry=("irq.eoi_noapicv",)
    )


def with_apicv(call: Notify, apicv: bool) -> Notify:
    """Return an interrupt as it is with or without APICv; anything else stays as it is."""
    return _call(call.name, call.send, apicv) if call.entry else call


def never() -> Notify:
    """Return no notification at all: the other side polls."""
    return NEVER


def vcpu(
    name: str = "vcpu0",
    *,
    idle: Idle = "halt",
    halt_poll: str | None = None,
    halt_poll_shrink: int = 2,
) -> Thread:
    """Return a vCPU thread.

    Parameters
    ----------
    idle
        "halt": the guest executes HLT, KVM polls for a while and then blocks the thread. "poll":
        the guest spins (idle=poll) and never exits for want of work.
    halt_poll
        Ceiling of KVM's halt polling, such as "200us" or "0us"; None takes the profile's.
    halt_poll_shrink
        Divisor after a block longer than the ceiling; 0 (before Linux 6.11) resets to nothing.
    """
    if idle == "poll":
        return Thread(name, "vcpu", Always())
    ceiling = "hlt.halt_poll_ns" if halt_poll is None else time_ps(halt_poll, "guest.halt_poll")
    wait = Sleep(
        ceiling, armed=True, adaptive=True, start_ps=10_000_000, grow=2, shrink=halt_poll_shrink
    )
    return Thread(
        name,
        "vcpu",
        wait,
        signal=("wake.signal",),
        wake=("wake.sched",),
        idle=("hlt.exit",),
        block=("hlt.block",),
        resume=("hlt.resume",),
        hit=("hlt.poll_hit",),
    )
