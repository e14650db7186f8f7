"""Variants of operations, spelled ``op:variant``: prices that follow from others of the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from types import MappingProxyType

from virtsim.costs.book import Profile, kick_cost
from virtsim.costs.cost import Cost, widened
from virtsim.errors import InputError, did_you_mean
from virtsim.model.layout import index_lines_saved
from virtsim.model.ops import IN_PLACE, ops

LINE_B = 64
OVERLAP = 10
"""Cache lines that a streaming copy has under way at once: the line fill buffers of a core (10 on
Haswell and Skylake, 12 later) [Intel 64 and IA-32 Architectures Optimization Reference Manual].
Ten misses side by side take longer than one, so this is the most that a copy can hide."""

PACKED = (
    *("virtiopmd.burst", "vhostuser.deq_burst", "vhostuser.enq_burst"),
    *("qemu.net_tx", "qemu.net_rx", "guest.virtio_tx", "guest.virtio_rx"),
)
"""Ops in which one side reads the index that the other side wrote, for a burst or for a packet."""


COPYING = ("snabb.vhost_deq", "snabb.vhost_enq")
"""Ops with a copy, which the zero-copy prototype of 2014 left out."""

SHORT_SLACK = Fraction(1000)


def cost_of(profile: Profile, op: str) -> Cost:
    """Return the price of an operation, or of a variant of one."""
    return variant_cost(profile, op) if ":" in op else profile.cost(op)


def variant_cost(profile: Profile, op: str) -> Cost:
    """Return the price of a variant, such as ``kick.vcpu:mmio``.

    Raises
    ------
    InputError
        If there is no such variant.
    """
    if op not in VARIANTS:
        got, want = f"'{op}' is no variant of an operation", f"one of {', '.join(VARIANTS)}"
        raise InputError("costs", got, want, did_you_mean(op, VARIANTS))
    return VARIANTS[op](profile)


def _kick_by_mmio(profile: Profile) -> Cost:
    return kick_cost(profile, mmio=True)


def _line_extra(profile: Profile) -> Cost:
    """Price what a hand-over between sockets costs beyond the one inside the ring operations."""
    far, near = profile.cost("line.cross_socket"), profile.cost("line.same_socket")
    extra = replace(
        far,
        op="line.cross_socket:extra",
        value=max(Fraction(0), far.value - near.value),
        low=max(Fraction(0), far.low - near.low),
        high=max(Fraction(0), far.high - near.high),
        derivation="line.cross_socket less the line.same_socket that ring operations contain",
        basis=(far.op, near.op),
        moved_by=_overridden(far, near),
    )
    return widened(extra)


def _remote_byte(profile: Profile) -> Cost:
    """Price what each byte costs more if a copy reads or writes memory of another node."""
    line = profile.cost("mem.dram_remote_add")
    return replace(
        line,
        op="mem.dram_remote_add:byte",
        unit="ns/B",
        value=line.value / (LINE_B * OVERLAP),
        low=line.low / (LINE_B * OVERLAP),
        high=line.high / (LINE_B * OVERLAP),
        source="derived",
        derivation=(
            f"mem.dram_remote_add for each line of {LINE_B} B, over the {OVERLAP} lines that a "
            "streaming copy has under way at once, one in each line fill buffer"
        ),
        confidence="assumed",
        basis=(line.op,),
        moved_by=_overridden(line),
    )


def _packed(profile: Profile, op: str) -> Cost:
    """Price an op on a packed ring, where no index line has to come over from the other side.

    Never less than what the op includes. In ops that are paid per packet this is the saving of an
    isolated packet; packets in a burst share the line of a split ring, and save less.
    """
    whole, line = profile.cost(op), profile.cost("line.same_socket")
    known = ops().get(op)
    parts = [profile.cost(name) for name in (known.includes if known else ())]
    saved = index_lines_saved()

    def less(of: Callable[[Cost], Fraction]) -> Fraction:
        inside = sum((of(part) for part in parts), Fraction(0))
        return min(of(whole), max(of(whole) - saved * of(line), inside))

    return widened(
        replace(
            whole,
            op=f"{op}:packed",
            value=less(lambda cost: cost.value),
            low=less(lambda cost: cost.low),
            high=less(lambda cost: cost.high),
            source="derived",
            derivation=(
                f"{op} less {saved} line.same_socket for the index line that a packed ring does "
                "not have, not below what the op includes"
            ),
            confidence="assumed",
            basis=(op, line.op),
            moved_by=_overridden(whole, line, *parts),
        )
    )


def _page_walk(profile: Profile) -> Cost:
    """Price a TLB miss: the walk's upper levels are cached in the core, its last one is a load."""
    cached, load = profile.cost("mem.first_touch"), profile.cost("mem.dram")
    walk = replace(
        load,
        op="mem.dram:walk",
        low=cached.low,
        high=2 * load.high,
        source="derived",
        derivation=(
            "one mem.dram for the last level of the page tables; low: its line is still in L3 "
            "(mem.first_touch), high: the level above is a load, too"
        ),
        confidence="assumed",
        basis=(load.op, cached.op),
        moved_by=_overridden(load, cached),
    )
    return widened(walk)


def _in_place(profile: Profile, op: str) -> Cost:
    """Price the work on a packet's descriptors without its copy.

    The line of its header is touched all the same, and an address is translated for the device
    where a packet is allocated otherwise.
    """
    whole, copy = profile.cost(op), profile.cost("copy.fixed")
    return widened(
        replace(
            whole,
            op=f"{op}:{IN_PLACE}",
            value=whole.value - copy.value,
            low=whole.low - copy.low,
            high=whole.high - copy.high,
            source="derived",
            derivation=f"{op} less copy.fixed",
            confidence="assumed",
            basis=(op, copy.op),
            moved_by=_overridden(whole, copy),
        )
    )


def _slack_of_ovs(profile: Profile) -> Cost:
    """Price how much a thread oversleeps that has asked for a slack of a microsecond."""
    slack = profile.cost("sys.timer_slack")
    return replace(
        slack,
        op="sys.timer_slack:1us",
        value=min(slack.value, SHORT_SLACK),
        low=min(slack.low, SHORT_SLACK),
        high=min(slack.high, SHORT_SLACK),
        derivation=(
            "PMD_TIMER_RES_NS, which OVS sets for its poll-mode threads "
            "[lib/dpif-netdev.c: pmd_thread_main]; not above sys.timer_slack"
        ),
        basis=(slack.op,),
        moved_by=_overridden(slack),
    )


def _overridden(*costs: Cost) -> tuple[str, ...]:
    return tuple(cost.op for cost in costs if cost.overridden)


VARIANTS: Mapping[str, Callable[[Profile], Cost]] = MappingProxyType(
    {
        "kick.vcpu:mmio": _kick_by_mmio,
        "line.cross_socket:extra": _line_extra,
        "mem.dram_remote_add:byte": _remote_byte,
        "mem.dram:walk": _page_walk,
        "sys.timer_slack:1us": _slack_of_ovs,
        **{f"{op}:{IN_PLACE}": partial(_in_place, op=op) for op in COPYING},
        **{f"{op}:packed": partial(_packed, op=op) for op in PACKED},
    }
)
"""Every variant, with the function that prices it."""
