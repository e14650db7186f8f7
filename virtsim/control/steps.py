"""The vocabulary of a control plane: steps, who takes them, and what they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal

from virtsim.costing import cost_of
from virtsim.costs import Profile

Count = Literal["exits", "syscalls", "messages", "commands"]
PRICED: Mapping[Count, str] = MappingProxyType(
    {
        "exits": "ctrl.reg",
        "syscalls": "sys.syscall",
        "messages": "vhostuser.msg",
        "commands": "ctrl.cvq_cmd",
    }
)
"""The op that one of each costs."""

COUNTS = (*PRICED, "answers", "fds", "regions")


@dataclass(frozen=True)
class Step:
    """One thing that has to happen before the first packet.

    Parameters
    ----------
    phase
        Which chapter of the set-up it belongs to.
    who, what
        The guest's driver, QEMU or the back end, and what it does.
    exits
        Trapped accesses to registers or configuration space, each an exit to QEMU.
    syscalls
        System calls of QEMU, such as ioctls; those that carry messages are not among them.
    messages
        Messages on the vhost-user socket.
    commands
        Commands on the control virtqueue.
    answers
        Messages that the sender waits for an answer to.
    fds, regions
        File descriptors handed over, and memory regions mapped by who receives them.
    wait_ps
        Time that passes by a timer or a delay loop, not by work.
    """

    phase: str
    who: str
    what: str
    exits: int = 0
    syscalls: int = 0
    messages: int = 0
    commands: int = 0
    answers: int = 0
    fds: int = 0
    regions: int = 0
    wait_ps: int = 0
    note: str = ""
    source: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the step in JSON's own types, counts of zero left out."""
        texts = {"phase": self.phase, "who": self.who, "what": self.what}
        counts = {name: getattr(self, name) for name in (*COUNTS, "wait_ps")}
        more = {"note": self.note, "source": self.source}
        return texts | {k: v for k, v in (counts | more).items() if v}


@dataclass(frozen=True)
class Price:
    """What all accesses, calls, messages or commands of a plan cost (ns)."""

    op: str
    count: int
    low: Fraction
    value: Fraction
    high: Fraction


@dataclass(frozen=True)
class Plan:
    """All steps of a path's set-up, and what was assumed in counting them."""

    path: str
    steps: tuple[Step, ...]
    assumptions: tuple[str, ...] = ()

    def total(self, count: str) -> int:
        """Return the sum of one count over all steps."""
        return sum(getattr(step, count) for step in self.steps)

    @property
    def totals(self) -> dict[str, int]:
        """Every count, and the waits (ps), summed over all steps."""
        return {count: self.total(count) for count in (*COUNTS, "wait_ps")}

    def prices(self, profile: Profile) -> tuple[Price, ...]:
        """Return the price of each kind of work, in the order of `PRICED`, without the waits.

        System calls are priced as empty ones: a lower bound.
        """
        rows = []
        for count, op in PRICED.items():
            n, cost = self.total(count), cost_of(profile, op)
            if n:
                rows.append(Price(op, n, n * cost.low, n * cost.value, n * cost.high))
        return tuple(rows)

    def as_dict(self, profile: Profile) -> dict[str, Any]:
        """Return the plan in JSON's own types; times in ns."""
        prices = self.prices(profile)
        bounds = ("low", "value", "high")
        return {
            "steps": [step.as_dict() for step in self.steps],
            "totals": self.totals,
            "prices": [
                {"op": p.op, "count": p.count, **{b: float(getattr(p, b)) for b in bounds}}
                for p in prices
            ],
            "cost_ns": {b: float(sum(getattr(p, b) for p in prices)) for b in bounds},
            "assumptions": list(self.assumptions),
        }
