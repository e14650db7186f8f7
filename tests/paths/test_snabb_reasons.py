"""Snabb's reasons as options: each changes its own thing only, and what that is worth."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path as File

import pytest

from virtsim.compose import Host
from virtsim.costs import cost_of, profile, profile_names
from virtsim.experiment import run
from virtsim.model.path import Path
from virtsim.parts import bridge, guest, kvm, nic, snabb, tap, virtqueue
from virtsim.scenario import load
from virtsim.testing import check_laws, isolated, play

SHIPPED = File(__file__).parents[2] / "scenarios" / "snabb-reasons.yaml"
PACKETS = 5
BOTH = pytest.mark.parametrize("direction", ["tx", "rx"])


def path(*outer: object, pacing: str = "busy", **options: object) -> Path:
    """Return Snabb between a guest that does not halt and a NIC, or what is given instead."""
    return Path(
        "reasons",
        guest.linux(idle="poll"),
        virtqueue(suppress="flags", call=kvm.irqfd(by="process")),
        snabb.vhost(pacing=pacing, **options),
        *(outer or (snabb.nic(),)),
    )


def tapped() -> Path:
    """Return the path with Snabb's Tap app in place of its driver."""
    return path(snabb.tap(), tap(), bridge(), nic())


def changed(lab, direction: str, other: Path, host: Host | None = None) -> Counter[str]:
    """Return what an option changes in the counts of an isolated packet, but for polling."""
    found = counted(lab, direction, other, host)
    found.subtract(counted(lab, direction, path(), None))
    return Counter({name: n // PACKETS for name, n in found.items() if n})


def counted(lab, direction: str, made: Path, host: Host | None) -> Counter[str]:
    """Return ops and copies of isolated packets, without what is paid if none comes, too."""
    played = play(made, direction, isolated(PACKETS), host=host)
    check_laws(played.program, played.job, played.outcome)
    found: Counter[str] = Counter()
    for use, n in zip(played.program.uses, played.outcome.count.sum(axis=0), strict=True):
        if use.cause != "poll" and use.op not in ("snabb.breath", "step"):
            found[use.op] += int(n)
    found["copies"], found["copied_bytes"] = (
        played.counters[c] for c in ("copies", "copied_bytes")
    )
    return found


@BOTH
def test_small_pages_add_a_page_walk(lab, direction):
    """Small pages: each packet's buffer is on one page that the TLB does not know, and no more."""
    assert changed(lab, direction, path(pages="small")) == {"mem.dram:walk": 1}


@BOTH
def test_zero_copy_leaves_out_the_copy(lab, direction):
    """In place: the same descriptors, without the fixed part of a copy and without its bytes."""
    queue = {"tx": "snabb.vhost_deq", "rx": "snabb.vhost_enq"}[direction]
    assert changed(lab, direction, path(zero_copy=True)) == {
        queue: -1, f"{queue}:in_place": 1, "snabb.vhost_byte": -1,
        "copies": -1, "copied_bytes": -64,
    }  # fmt: skip


def test_zero_copy_between_guests_is_one_copy(lab):
    """v2v: the NIC has no part in it, so Snabb copies from one guest's buffer to the other's."""
    assert changed(lab, "v2v", path(zero_copy=True)) == {
        "snabb.vhost_deq": -1, "snabb.vhost_deq:in_place": 1, "snabb.vhost_byte": -1,
        "copies": -1, "copied_bytes": -64,
    }  # fmt: skip


def test_zero_copy_leaves_in_the_ring_what_finds_no_room():
    """150 packets at a link of 100: none is lost, 50 stay in the guest's ring for a breath more."""
    slow = path(zero_copy=True, link=100, pacing="fixed", period="10ms")
    played = play(slow.swap("guest", guest.dpdk()), "tx", [50_000_000] * 150, trace=True)
    check_laws(played.program, played.job, played.outcome)
    assert played.delivered == 150
    assert len(played.times("call.check")) == 2


def test_a_tap_is_a_system_call_and_a_copy_out(lab):
    """tx: in place of the NIC's descriptor a write() with a second copy, bridge, kernel driver.

    All of it is paid by Snabb's thread; the doorbell is the kernel's, one for each packet.
    """
    assert changed(lab, "tx", tapped()) == {
        "snabb.nic_tx": -1, "pcie.mmio_read": -1,
        "tap.write": 1, "tap.write_byte": 1, "bridge.fwd": 1, "linux.nic_tx": 1,
        "copies": 1, "copied_bytes": 64,
    }  # fmt: skip
    played = play(tapped(), "tx", isolated(PACKETS))
    snabbs = [row.name for row in played.program.stages if "nic.xmit" in row.name]
    row = next(row for row in played.program.stages if row.name in snabbs)
    assert played.program.threads[row.thread].name == "snabb"


def test_a_tap_is_a_system_call_and_a_copy_in(lab):
    """rx: the kernel's receive path up to the tap, a read() with a copy, one that finds nothing.

    The softirq has a core of its own, which has gone to C1 meanwhile.
    """
    assert changed(lab, "rx", tapped()) == {
        "snabb.nic_rx": -1,
        "cstate.C1": 1, "host.irq": 1, "host.napi_round": 1, "linux.nic_rx": 1,
        "linux.skb_alloc": 1, "linux.gro_netif_rx": 1, "bridge.fwd": 1, "tun.net_xmit": 1,
        "tap.read": 1, "tap.read_byte": 1, "tap.read_empty": 1, "copies": 1, "copied_bytes": 64,
    }  # fmt: skip


def test_a_packet_is_written_before_the_next_is():
    """Each write() goes all the way to the NIC's driver: packets of one breath leave one by one.

    Two packets are apart by a write of 906.4 ns, bridge 400, driver and doorbell, and the
    picosecond of the push; the frame itself takes less.
    """
    book = profile("skylake-2018-mitig")
    slow = path(snabb.tap(), tap(), bridge(), nic(), pacing="fixed", period="10ms")
    played = play(slow, "tx", [50_000_000] * 20, prices=book)
    ops = ("tap.write", "bridge.fwd", "linux.nic_tx", "pcie.doorbell")
    each = sum(book.cost(op).value for op in ops) + 64 * book.cost("tap.write_byte").value
    late = sorted(played.outcome.delivered_ps.tolist())
    apart = {b - a for a, b in pairwise(late)}
    assert apart == {int(each * 1000) + 1}


@BOTH
def test_another_node_adds_its_lines_and_bytes(lab, direction):
    """Snabb far from memory and NIC: two lines of the virtqueue, the bytes of the copy, the NIC's.

    The NIC's are its descriptor, and in rx the first touch of a packet that DDIO put elsewhere.
    """
    found = changed(lab, direction, path(), Host(placement={"snabb_node": 1}))
    lines = {"tx": 3, "rx": 4}[direction]
    assert found == {"line.cross_socket:extra": lines, "mem.dram_remote_add:byte": 1}


@pytest.mark.parametrize(
    ("options", "op", "less"),
    [
        ({"pages": "small"}, "mem.dram", None),
        ({"zero_copy": True}, "copy.fixed", "snabb.vhost_byte"),
    ],
)
def test_an_isolated_packet_is_later_by_the_price(options, op, less):
    """tx: a packet leaves later by a page walk, earlier by a copy: to the picosecond."""
    book = profile("skylake-2018-mitig")
    base, other = (late_ps(made) for made in (path(), path(**options)))
    price = book.cost(op).value + (64 * book.cost(less).value if less else 0)
    assert other - base == int(price * 1000) * (-1 if less else 1)


def late_ps(made: Path) -> int:
    """Return the latency of an isolated packet that is sent."""
    out = play(made, "tx", isolated(1)).outcome
    return int(out.delivered_ps[0] - out.arrived_ps[0])


# -- prices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", profile_names())
def test_prices_of_the_variants(name):
    """A page walk is a load, from L3 at best and two at worst; in place is less copy.fixed.

    All of them are assumed, and say so.
    """
    book = profile(name)
    walk, load = cost_of(book, "mem.dram:walk"), book.cost("mem.dram")
    assert (walk.value, walk.high) == (load.value, 2 * load.high)
    assert walk.low == book.cost("mem.first_touch").low
    for op in ("snabb.vhost_deq", "snabb.vhost_enq"):
        cost = cost_of(book, f"{op}:in_place")
        assert cost.value == book.cost(op).value - book.cost("copy.fixed").value
        assert cost.low <= cost.value <= cost.high
    variants = ("mem.dram:walk", "snabb.vhost_deq:in_place", "snabb.vhost_enq:in_place")
    assert all(cost_of(book, op).assumed for op in variants)


def test_prices_follow_what_they_stand_on(lab):
    """A dearer load makes a walk dearer; a dearer copy what copies, and not what leaves it out."""
    dearer = lab.with_prices({"mem.dram": "200ns", "copy.fixed": "1us"})
    assert cost_of(dearer, "mem.dram:walk").value == 200
    assert cost_of(dearer, "mem.dram:walk").moved_by == ("mem.dram",)
    before = cost_of(lab.prices, "snabb.vhost_deq:in_place").value
    assert cost_of(dearer, "snabb.vhost_deq:in_place").value == before == 90 - 3


# -- the scenario ----------------------------------------------------------------------------------

AXES = ("traffic.size", "traffic.rate", "placement.snabb_node")
SIZES = pytest.mark.parametrize("size", ["64B", "1518B"])
ALL, SLEEPS, SMALL, TAP, ZERO = "all reasons", "it sleeps", "small pages", "tap", "zero copy"


@pytest.fixture(scope="module")
def shipped() -> dict[tuple[str, ...], dict]:
    """Return the runs of the scenario with fewer packets, by direction, label and point."""
    result = run(load(SHIPPED).but({"traffic.packets": 2000}), workers=1)
    rows = [record.summary for record in result.records]
    return {(r["direction"], r["label"], *(str(r["point"][a]) for a in AXES)): r for r in rows}


@BOTH
@SIZES
def test_what_a_core_moves_without_a_reason(shipped, direction, size):
    """Offered more than it can move: less with small pages, less than half through a tap.

    A core on another node moves less whatever it does. It moves more without a copy. That it would
    sleep if there were nothing to do costs no more than a short run's beginning can hide.
    """

    def moves(label: str, node: str = "0") -> float:
        return shipped[direction, label, size, "8Mpps", node]["delivered_pps"]

    assert moves(TAP) < moves(ALL) / 2
    assert moves(TAP) < moves(SMALL) < moves(ALL) < moves(ZERO)
    assert moves(SLEEPS) > 0.9 * moves(ALL)
    assert all(moves(label, "1") < moves(label) for label in (ALL, SLEEPS, SMALL, TAP, ZERO))


@BOTH
@SIZES
def test_what_a_packet_waits_without_a_reason(shipped, direction, size):
    """At 400 kpps all carry the load: later by a page walk, a tap, a node; earlier without a copy.

    A copy of 64 B is less than the chance of a breath's phase leaves to see. Sleeping makes a
    packet tens of microseconds later, and spares core time.
    """

    def median(label: str, node: str = "0") -> float:
        return shipped[direction, label, size, "400kpps", node]["latency_ns"]["p50"]

    def core(label: str) -> float:
        return shipped[direction, label, size, "400kpps", "0"]["per_packet"]["core_ns"]

    assert median(ALL) < median(SMALL) < median(TAP)
    assert size == "64B" or median(ZERO) < median(ALL)
    assert median(ALL) < median(ALL, "1")
    assert median(ALL) + 10_000 < median(SLEEPS) < median(ALL) + 100_000
    assert core(SLEEPS) < 0.8 * core(ALL)


def test_copies_and_calls_of_the_scenario(shipped):
    """One copy, two through a tap, none in place; nobody is kicked, called or left."""
    for (_, label, *_), row in shipped.items():
        copies = {TAP: 2, ZERO: 0}.get(label, 1)
        at_least = row["per_packet"]["copies"]  # of those delivered; some are lost after the copy
        assert at_least == pytest.approx(copies, rel=0.1)
        assert row["per_packet"]["kicks"] == row["per_packet"]["calls"] == 0
        assert row["per_packet"]["exits"] == 0
