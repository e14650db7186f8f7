"""What CPU time is spent on, as readers ask: a few kinds of work instead of ops and causes."""

from __future__ import annotations

from dataclasses import dataclass

from virtsim.model.ops import ops


@dataclass(frozen=True)
class Kind:
    """A kind of work: its name, its looks, and the per-packet counters that go with it."""

    name: str
    colour: str
    hatch: str
    ink: str = "white"
    counters: tuple[str, ...] = ()


WORK = Kind("packet work", "#c3ccd6", "", "#222222")
COPY = Kind("copying", "#5f9e8f", "\\\\\\", counters=("copies",))
SYSCALL = Kind("system calls", "#e0a030", "///", counters=("syscalls",))
EXIT = Kind("exits to QEMU", "#6f2a6b", "\\\\///", counters=("exits_user",))
KICK = Kind("kicks", "#b5362b", "xxx", counters=("kicks",))
INTERRUPT = Kind("interrupts", "#eab6a4", "|||", "#222222", counters=("interrupts",))
SLEEP = Kind("sleeping and waking", "#40587c", "---", counters=("context_switches",))
DISTANCE = Kind("NUMA distance", "#8c6d46", "|||---")
POLLING = Kind("polling", "#a894c4", "+++")
WIRE = Kind("device and wire", "#e9e5da", "", "#222222")

KINDS = (WORK, COPY, SYSCALL, EXIT, KICK, INTERRUPT, SLEEP, DISTANCE, POLLING, WIRE)
CPU_KINDS = KINDS[:8]
"""Kinds of which a busy CPU is made."""

BY_CAUSE = {
    "poll": POLLING,
    "poll wait": POLLING,
    "transit": WIRE,
    "kick": KICK,
    "call": INTERRUPT,
    "deliver": INTERRUPT,
    "entry": INTERRUPT,
    "rearm": INTERRUPT,
    "wake": SLEEP,
    "halt": SLEEP,
    "switch": SLEEP,
    "timer": SLEEP,
    "hold": INTERRUPT,
    "numa": DISTANCE,
}
"""Where the reason of an op decides; the others are told by what the op itself is."""


def kind_of(op: str, cause: str) -> Kind:
    """Return the kind of work of an op done for a cause.

    Polling first; then an access to an emulated register is an exit to QEMU for whatever cause it
    is made; so is a system call one, unless it is a kick; then the cause decides; what is left is
    copying (a price per byte), entering an interrupt, or work.
    """
    known = ops().get(op.partition(":")[0])
    if op == "link.wire":
        return WIRE
    if op.startswith("exit.user") and BY_CAUSE.get(cause) is not POLLING:
        return EXIT
    if BY_CAUSE.get(cause) in (POLLING, KICK):
        return BY_CAUSE[cause]
    if known is not None and known.counts.get("syscalls"):
        return SYSCALL
    if cause in BY_CAUSE:
        return BY_CAUSE[cause]
    if known is not None and known.per == "byte":
        return COPY
    if known is not None and (known.counts.get("interrupts") or op.startswith("irq.")):
        return INTERRUPT
    return WORK
