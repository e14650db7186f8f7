"""Why paths come in the order in which they come: what limits them, and where the order turns.

One would expect the path that does the least to move a packet outside the guest to be the first.
Where it is not, something else is dearer than moving: telling, sleeping, or the guest's own work.
Each sentence stands only on figures of these runs, and is left out where they do not bear it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from virtsim.figures.data import Cell
from virtsim.figures.kinds import CPU_KINDS, EXIT, INTERRUPT, KICK, WORK, Kind, kind_of
from virtsim.ledger import POLL, Row
from virtsim.report.phrases import count, listing, number, percent, rate, span, time

TELLING = frozenset(
    ("kick", "call", "deliver", "entry", "rearm", "hold", "wake", "halt", "switch", "timer")
)
"""Causes of work that moves no packet: it tells another thread, or gives up and takes a core."""

PER_EVENT = (INTERRUPT, EXIT, KICK)
"""Kinds of work for which it is said on how many packets one such event comes."""

ALIKE = 1.005
"""Factor up to which two figures are called the same."""

CLEAR = 1.05
"""Factor from which on one figure is said to be larger than another."""

SATURATED = 0.95
"""Share of the time from which on a busy thread is called the limit, as in the regimes."""

OFTEN = 0.05
"""Events per packet from which on they are worth a sentence."""


@dataclass(frozen=True)
class Spending:
    """A cell's CPU time by who pays, for what and why, in ns per delivered packet."""

    cell: Cell

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """What host CPUs were busy with."""
        return tuple(row for row in self.cell.entries() if row.cause != POLL)

    def ns(self, wanted: Callable[[Row], bool]) -> float:
        """Return the busy time of some lines."""
        return sum(int(r.busy_ps) for r in self.rows if wanted(r)) / 1000 / self.cell.delivered

    def times(self, op: str) -> float:
        """Return how often an op was done per delivered packet, for whatever cause."""
        found = sum(int(row.count) for row in self.cell.entries() if row.op == op)
        return found / self.cell.delivered

    @cached_property
    def moving(self) -> float:
        """To move packets outside the guest: without what notifies, sleeps and wakes."""
        return self.ns(lambda r: not r.part.startswith("guest") and r.cause not in TELLING)

    @cached_property
    def vcpu(self) -> float:
        """All that the guests' vCPU threads do, what QEMU does on them included."""
        return self.ns(_on_vcpu)

    @cached_property
    def emulated(self) -> float:
        """What a vCPU thread does outside its guest: register exits, and the device inside them."""
        return self.ns(lambda r: _on_vcpu(r) and (_outside(r) or kind_of(r.op, r.cause) is EXIT))

    def on_vcpu(self, kind: Kind) -> float:
        """Return what the vCPUs spend on a kind of work."""
        return self.ns(lambda r: _on_vcpu(r) and kind_of(r.op, r.cause) is kind)

    @property
    def rings(self) -> float:
        """How often the guest rings a doorbell per packet."""
        mine = (r for r in self.rows if _on_vcpu(r) and r.part.startswith("guest"))
        return sum(int(r.count) for r in mine if r.op == "pcie.doorbell") / self.cell.delivered

    def share(self, thread: str, state: str) -> float:
        """Return a thread's share of the window in a state, as a mean over the replications."""
        every = [record.summary["threads"].get(thread, {}) for record in self.cell.records]
        return sum(float(one.get(state) or 0.0) for one in every) / len(every)


def _on_vcpu(row: Row) -> bool:
    return row.thread.startswith("vcpu")


def _outside(row: Row) -> bool:
    return not row.part.startswith("guest") and row.cause not in TELLING


def limits(cells: Sequence[Cell]) -> Iterator[str]:
    """Say which thread is saturated on which path, and what the guest's own work is of it."""
    named = [(Spending(c), str(c.first["bottleneck"])) for c in cells if c.first.get("bottleneck")]
    known = [
        (s, name) for s, name in named if s.cell.delivered and s.share(name, "busy") >= SATURATED
    ]
    on_vcpu = [(s, name) for s, name in known if name.startswith("vcpu")]
    emulating = [(s, name) for s, name in on_vcpu if s.emulated > 0.1 * s.vcpu]
    own = [pair for pair in on_vcpu if pair not in emulating]
    if own:
        yield (
            f"The guest's own vCPU is the limit on {listing([s.cell.label for s, _ in own])}: it "
            f"is busy {_busy(own)} of the time, with {_each(own)} of work a packet. A faster back "
            "end alone does not help there."
        )
    for spending, name in emulating:
        yield (
            f"On {spending.cell.label} the vCPU is the limit, busy {_busy([(spending, name)])} of "
            f"the time, but of the {time(spending.vcpu)} that it works on a packet "
            f"{time(spending.emulated)} are spent outside the guest: exits to QEMU, and the device "
            "that runs in them while the guest stands still."
        )
    others = [(s, name) for s, name in known if not name.startswith("vcpu")]
    for spending, name in others:
        busy = percent(spending.share(name, "busy"))
        yield f"On {spending.cell.label} the limit is {name}, busy {busy} of the time."


def _busy(pairs: Sequence[tuple[Spending, str]]) -> str:
    return span([s.share(name, "busy") for s, name in pairs], percent)


def _each(pairs: Sequence[tuple[Spending, str]]) -> str:
    return span([s.vcpu for s, _ in pairs], time)


def turns(cells: Sequence[Cell], name: str, best: str) -> Iterator[str]:
    """Say where a path that does less to move a packet comes after one that does more, and why.

    Parameters
    ----------
    name, best
        The figure that they are ordered by, and whether "high" or "low" is good.
    """
    known = [(v, Spending(c)) for c in cells if c.delivered and (v := c.value(name)) is not None]
    score = {id(s): v if best == "high" else -v for v, s in known}
    for value, mine in sorted(known, key=lambda pair: pair[1].moving):
        ahead = [
            (score[id(s)], v, s)
            for v, s in known
            if s.moving > mine.moving * CLEAR and max(v, value) > min(v, value) * CLEAR
            and score[id(s)] > score[id(mine)]
        ]  # fmt: skip
        if not ahead:
            continue
        _, other_value, other = max(ahead, key=lambda each: each[0])
        why = list(_why(mine, other, name))
        if why:
            figures = (value, other_value)
            yield f"{_turn(mine, other, name, figures)}: {'; '.join(why)}."


def _turn(mine: Spending, other: Spending, name: str, values: tuple[float, float]) -> str:
    write = rate if name == "delivered_pps" else time
    what = "delivers less" if name == "delivered_pps" else "takes longer"
    a, b = map(write, values)
    return (
        f"{mine.cell.label} does less outside the guest to move a packet than {other.cell.label} "
        f"({_spent(mine.moving)} against {time(other.moving)}) and yet {what} ({a} against {b})"
    )


def _spent(ns: float) -> str:
    return time(ns) if ns >= 0.5 else "nothing"


def _why(mine: Spending, other: Spending, name: str) -> Iterator[str]:
    """Yield the reasons that the figures of two paths bear."""
    nap = _nap(mine)
    if nap is not None:
        yield f"its poller {nap}, and a packet that comes meanwhile waits"
        return
    if mine.vcpu > other.vcpu * CLEAR:
        yield _vcpu_words(mine, other)
    a, b = (s.cell.value("per_packet.context_switches") or 0.0 for s in (mine, other))
    if name != "delivered_pps" and a > b * CLEAR and a >= OFTEN:
        yield (
            f"its threads sleep and are woken more often, {count(a)} against {count(b)} context "
            "switches a packet, as who is done sooner falls asleep sooner"
        )


def _vcpu_words(mine: Spending, other: Spending) -> str:
    """Say by how much a guest's vCPU is busier, and which kind of work makes most of it."""
    said = f"its guest's vCPU works {time(mine.vcpu)} on a packet, against {time(other.vcpu)}"
    gaps = {kind: mine.on_vcpu(kind) - other.on_vcpu(kind) for kind in CPU_KINDS}
    kind = max(gaps, key=lambda kind: gaps[kind])
    if kind is WORK or gaps[kind] < 0.3 * (mine.vcpu - other.vcpu):
        return said
    said += f", and {time(gaps[kind])} of that are {kind.name}"
    counter = f"per_packet.{kind.counters[0]}" if kind.counters else ""
    a, b = (s.cell.value(counter) for s in (mine, other))
    if a and b is not None and a > b and kind in PER_EVENT:
        rings = kind is INTERRUPT and mine.rings >= 0.5
        bells = f", beside {count(mine.rings)} doorbells a packet," if rings else ""
        said += f", {_events(a)}{bells} where {other.cell.label} has {_events(b)}"
    return said


def _events(times: float) -> str:
    """Write how many packets come on one event that happens so often a packet."""
    if not times:
        return "none"
    if times > ALIKE:
        return f"{count(times)} for every packet"
    packets = 1 / times
    return "one for " + ("every packet" if packets < ALIKE else f"{number(packets)} packets")


def halts(cells: Sequence[Cell]) -> Iterator[str]:
    """Say how often guests halt, and what they pay for it."""
    known = [Spending(cell) for cell in cells if cell.delivered]
    halting = [(s.times("hlt.exit"), s) for s in known]
    halting = [(n, s) for n, s in halting if n >= OFTEN]
    if halting:
        costs = [s.ns(lambda r: _on_vcpu(r) and r.cause == "halt") for _, s in halting]
        labels = [s.cell.label for _, s in halting]
        who = "" if len(halting) == len(known) else f" on {listing(labels)}"
        yield (
            f"The guest halts when it has nothing to do{who}, "
            f"{span([n for n, _ in halting], count)} times a packet; halting and coming back cost "
            f"its vCPU {span(costs, time)} a packet, and the packet that ends a halt waits for it."
        )


def naps(cells: Sequence[Cell], said: Sequence[str]) -> Iterator[str]:
    """Say how pollers sleep between their looks, unless it was said."""
    for spending in (Spending(cell) for cell in cells if cell.delivered):
        nap = _nap(spending)
        if nap is not None and not any(nap in sentence for sentence in said):
            yield (
                f"The poller of {spending.cell.label} {nap}: a packet that comes meanwhile waits "
                "for it to wake."
            )


def _nap(spending: Spending) -> str | None:
    """Say how a poller sleeps between its looks, None if none does."""
    often, pps = spending.times("sys.nanosleep"), spending.cell.value("offered_pps")
    names = {row.thread for row in spending.cell.entries() if row.op == "sys.nanosleep"}
    asleep = max((spending.share(name, "asleep") for name in names), default=0.0)
    if asleep < 0.05 or not often or not pps:
        return None
    each = asleep / (often * pps) * 1e9
    return f"sleeps {percent(asleep)} of the time, about {time(each)} at a stretch"
