"""Placement: shared cores, NUMA nodes and small rings, each with the direction it must move in."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from virtsim import ledger, paths, traffic
from virtsim.compose import Host, compose
from virtsim.compose.placement import threads_of
from virtsim.costing import cost_of
from virtsim.costs import Profile, profile, profile_names
from virtsim.errors import InputError
from virtsim.experiment import run
from virtsim.explain import explain
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.running import Played
from virtsim.scenario import Scenario
from virtsim.summary import summarize
from virtsim.walk import walk

LINE, BYTE = "line.cross_socket:extra", "mem.dram_remote_add:byte"
SENT, FROM, TO = 1536, 256, 1280
"""Packets of a saturated run, and the slice of them that is timed."""

SHIPPED = [(name, way) for name in paths.SHIPPED for way in ("tx", "rx")]
MODEST = Fraction(100_000)
"""Packets per second that guest and worker carry with ease, on one core or two."""


def on(**placement: int) -> Host:
    """Return a host with a placement."""
    return Host(placement=placement)


TOGETHER, APART = on(vcpu0=1, vhost=1), on(vcpu0=1, vhost=2)


def polling(name: str) -> Path:
    """Return a path whose guest polls when it is idle: isolated packets then repeat exactly."""
    return paths.path(name).but({"guest.idle": "poll"})


def span_ps(lab, path: Path, host: Host, prices: Profile | None = None) -> int:
    """Return how long 1024 packets take in the middle of a saturated run that sends."""
    played = lab.play(path, "tx", traffic.saturate(64, SENT), prices, host=host)
    delivered = np.sort(played.outcome.delivered_ps)
    return int(delivered[TO] - delivered[FROM])


# one core or two ---------------------------------------------------------------------------------


def test_worker_and_vcpu_on_one_core_send_less(lab):
    """On one core guest and worker take turns instead of working at once: saturated, less gets out.

    Two threads of one core are never busy at once, so their busy shares add up to at most 1; apart
    they overlap.
    """
    vhost = paths.path("vhost-net")
    assert span_ps(lab, vhost, TOGETHER) > span_ps(lab, vhost, APART)
    busy = []
    for host in (TOGETHER, APART):
        threads = summarize(lab.play(vhost, "tx", traffic.saturate(64, SENT), host=host))["threads"]
        busy.append(threads["vcpu0"]["busy"] + threads["vhost"]["busy"])
    assert busy[0] <= 1 < busy[1]


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_worker_and_vcpu_on_one_core_are_later(lab, direction):
    """At a modest load a shared core makes packets later: the worker waits until the guest halts.

    Each time one gives the core to the other that is a switch, which is paid and counted; on cores
    of their own they are only woken.
    """
    stream = traffic.poisson(MODEST, 64, 1000, seed=1)
    vhost = paths.path("vhost-net")
    shared, apart = (lab.play(vhost, direction, stream, host=host) for host in (TOGETHER, APART))
    medians = [summarize(played)["latency_ns"]["p50"] for played in (shared, apart)]
    assert medians[0] > medians[1]
    for played, switched in ((shared, True), (apart, False)):
        counts = lab.counts(played)
        assert (counts["sched.ctxsw"] > 0) == switched
        woken = counts["context_switches"] - counts["sched.ctxsw"]
        assert 0 < woken == counts["wake.sched"]


def test_a_poller_keeps_its_core_for_its_quantum(lab):
    """A PMD beside a guest that sleeps is preempted only when its 3 ms quantum is over."""
    ovs = paths.path("vhost-user-ovs")
    stream = traffic.constant(Fraction(1000), 64, 20)
    shared, apart = (
        lab.play(ovs, "tx", stream, host=host).outcome for host in (on(vcpu0=1, pmd=1), Host())
    )
    assert (shared.delivered_ps - shared.arrived_ps).max() > Host().quantum_ps // 2
    assert (apart.delivered_ps - apart.arrived_ps).max() < 200_000_000


# nodes -------------------------------------------------------------------------------------------

EXTRA = [
    # A virtqueue: descriptor and ring entry, and each byte copied. The NIC: a descriptor, and in
    # rx the first touch of the packet, too. Whoever pays them is elsewhere than what it touches.
    ("vhost-user-ovs", "tx", {"pmd_node": 1}, {"pmd ovs": (2, 64), "pmd nic": (1, 0)}),
    ("vhost-user-ovs", "rx", {"pmd_node": 1}, {"pmd ovs": (2, 64), "pmd nic": (2, 0)}),
    ("vhost-user-ovs", "tx", {"nic_node": 1}, {"pmd nic": (1, 0)}),
    ("vhost-user-ovs", "rx", {"nic_node": 1}, {"pmd nic": (2, 0)}),
    ("vhost-user-ovs", "tx", {"vcpu0_node": 1}, {"vcpu0 guest": (2, 0)}),
    ("vhost-user-ovs", "rx", {"vcpu0_node": 1}, {"vcpu0 guest": (2, 0)}),
    (
        "vhost-user-ovs",
        "tx",
        {"memory_node": 1},
        {"vcpu0 guest": (2, 0), "pmd ovs": (2, 64)},
    ),
    ("vhost-user-ovs", "tx", {"pmd_node": 1, "nic_node": 1}, {"pmd ovs": (2, 64)}),
    ("vhost-net", "tx", {"vhost_node": 1}, {"vhost vhost": (2, 64), "vhost nic": (1, 0)}),
    ("vhost-net", "rx", {"vhost_node": 1}, {"vhost vhost": (2, 64)}),
    ("vhost-net", "tx", {"nic_node": 1}, {"vhost nic": (1, 0)}),
    ("vhost-net", "rx", {"nic_node": 1}, {"softirq nic": (2, 0)}),
    ("vhost-net", "rx", {"softirq_node": 1}, {"softirq nic": (2, 0)}),
    ("virtio-qemu", "tx", {"qemu_node": 1}, {"qemu qemu": (2, 64), "qemu nic": (1, 0)}),
    # QEMU copies twice on receive: out of the tap, and into guest memory.
    ("virtio-qemu", "rx", {"qemu_node": 1}, {"qemu qemu": (2, 128)}),
]

WITHOUT_EQUATION = [
    # A virtual function's descriptors are the NIC's; of an emulated NIC's they are one line each,
    # and what is sent is copied twice, in an exit.
    ("vhost-user-snabb", "tx", {"snabb_node": 1}, {"snabb snabb": (2, 64), "snabb nic": (1, 0)}),
    ("vhost-user-snabb", "rx", {"snabb_node": 1}, {"snabb snabb": (2, 64), "snabb nic": (2, 0)}),
    ("sriov", "tx", {"vcpu0_node": 1}, {"vcpu0 guest": (1, 0)}),
    ("sriov", "rx", {"nic_node": 1}, {"vcpu0 guest": (2, 0)}),
    ("sriov", "rx", {"memory_node": 1}, {}),
    ("e1000", "tx", {"memory_node": 1}, {"vcpu0 guest": (1, 0), "vcpu0 e1000": (1, 128)}),
    ("e1000", "rx", {"qemu_node": 1}, {"qemu e1000": (1, 128)}),
]
"""More of them, on paths whose packets no equation follows."""


def numa(played: Played) -> dict[str, tuple[int, int]]:
    """Return the lines and bytes that were paid for distance, by thread and part."""
    lines: Counter[str] = Counter()
    copied: Counter[str] = Counter()
    for row in ledger.rows(played.program, played.outcome):
        if row.cause == "numa":
            key = f"{row.thread} {row.part}"
            lines[key] += row.count if row.op == LINE else 0
            copied[key] += row.bytes if row.op == BYTE else 0
    return {key: (lines[key], copied[key]) for key in lines | copied}


@pytest.mark.parametrize(("name", "direction", "placement", "extra"), [*EXTRA, *WITHOUT_EQUATION])
def test_who_pays_for_distance(lab, name, direction, placement, extra):
    """Each packet pays, in rows of the ledger apart, for what its thread touches elsewhere."""
    stream = traffic.constant(Fraction(1000), 64, 20)
    played = lab.play(polling(name), direction, stream, host=Host(placement=placement))
    assert numa(played) == {key: (20 * n, 20 * b) for key, (n, b) in extra.items()}


@pytest.mark.parametrize(("name", "direction", "placement", "extra"), EXTRA)
@pytest.mark.parametrize("size_b", [64, 1518])
def test_an_isolated_packet_is_later_by_the_extra_uses(
    lab, name, direction, placement, extra, size_b
):
    """Played or added up, a packet is later by its lines and bytes, to the picosecond, if it waits.

    All of them lie on its way. A line costs what line.cross_socket costs more than the same-socket
    hand-over inside the ring's ops, a byte a tenth of a remote DRAM load per line of 64 B. The look
    of a poller that a dearer guest makes it miss, or catch, comes in steps of the loop: there the
    equation tells the difference.
    """
    prices = lab.prices
    near = walk(polling(name), direction, prices, Host(), size_b)
    far = walk(polling(name), direction, prices, Host(placement=placement), size_b)
    assert far.equation is not None
    assert far.latency_ps == far.equation.value_ps
    lines = sum(n for n, _ in extra.values())
    copied = sum(b for _, b in extra.values()) * size_b // 64
    dram = prices.cost("mem.dram_remote_add").value
    between = prices.cost("line.cross_socket").value - prices.cost("line.same_socket").value
    paid = round(1000 * (lines * between + copied * dram / 640))
    assert sum(t.ps for t in far.equation.terms if t.cause == "numa") == paid
    waited = sum(t.ps for t in far.equation.terms if t.kind == "poll wait")
    waited -= sum(t.ps for t in near.equation.terms if t.kind == "poll wait")
    assert far.latency_ps - near.latency_ps == paid + waited
    assert waited == 0 or "vcpu0 guest" in extra


@pytest.mark.parametrize(("name", "direction"), SHIPPED)
def test_one_node_for_all_is_no_distance(lab, name, direction):
    """What counts is whether nodes differ: all on node 1 is as all on node 0."""
    names = (*threads_of(paths.path(name)), "nic", "memory")
    there = Host(placement={f"{name}_node": 1 for name in names})
    here = compose(paths.path(name), direction, Host(), lab.prices)
    moved = compose(paths.path(name), direction, there, lab.prices)
    assert (moved.stages, moved.uses) == (here.stages, here.uses)
    assert {core.node for core in moved.cores} == {1}


@pytest.mark.parametrize("book", profile_names())
def test_a_pmd_on_the_wrong_node_sends_less(lab, book):
    """Saturated, each packet costs a PMD on the wrong node three lines and its bytes more.

    With an eager guest the PMD is what limits, so 1024 packets take that much longer; a call more
    or less moves the sum by about a hundredth.
    """
    eager = {"guest.pktgen": "10ns", "guest.virtio_tx": "40ns"}
    prices = profile(book).override(eager, "test")
    path = paths.path("vhost-user-ovs").swap("guest", guest.pktgen())
    slower = span_ps(lab, path, on(pmd_node=1), prices) - span_ps(lab, path, Host(), prices)
    each = 3 * cost_of(prices, LINE).value + 64 * cost_of(prices, BYTE).value
    assert slower == pytest.approx(1024 * 1000 * float(each), rel=0.04)


def test_distance_follows_the_prices_that_it_stands_on(lab):
    """A dearer remote load or hand-over makes distance dearer; a near line that is dearer does not.

    No price below 0: where lines of one socket cost as much as between sockets distance is free.
    """
    dearer = lab.with_prices({"line.cross_socket": "230ns", "mem.dram_remote_add": "128ns"})
    assert cost_of(dearer, LINE).value == 230 - lab.prices.cost("line.same_socket").value
    assert cost_of(dearer, BYTE).value == Fraction(128, 640)
    assert cost_of(dearer, BYTE).moved_by == ("mem.dram_remote_add",)
    assert cost_of(lab.with_prices({"line.same_socket": "500ns"}), LINE).value == 0
    with pytest.raises(InputError, match=r"Did you mean 'line\.cross_socket:extra'"):
        cost_of(lab.prices, "line.cross_socket:extr")


# rings -------------------------------------------------------------------------------------------

BURSTS = traffic.onoff(
    Fraction(200_000), 64, 3000, seed=1, burst=Fraction(200), duty=Fraction(1, 50)
)
"""Some 200 frames at 10 Mpps, and a silence: more at once than a guest reads, less on average."""

HALVED = [
    # What a guest sends into a full ring stops its queue; what a PMD cannot place after its
    # retries is dropped there; vhost stops reading the tap; a NIC drops what finds no descriptor.
    ("virtio-qemu", "tx", "virtqueue.size", (512, 256, 128, 64)),
    ("vhost-net", "tx", "virtqueue.size", (512, 256, 128, 64)),
    ("vhost-user-ovs", "tx", "virtqueue.size", (512, 256, 128, 64)),
    ("vhost-user-ovs", "rx", "virtqueue.size", (512, 256, 128, 64)),
    ("vhost-net", "rx", "virtqueue.size", (512, 256, 128, 64)),
    ("virtio-qemu", "rx", "virtqueue.size", (512, 256, 128, 64)),
    ("vhost-net", "rx", "nic.ring", (512, 256, 128, 64)),
    ("virtio-qemu", "rx", "nic.ring", (512, 256, 128, 64)),
    ("vhost-user-ovs", "rx", "nic.descriptors", (256, 128, 64, 32)),
    ("sriov", "rx", "vf.ring", (512, 256, 128, 64)),
]


@pytest.mark.parametrize(("name", "direction", "option", "sizes"), HALVED)
def test_half_the_ring_overflows_more(lab, name, direction, option, sizes):
    """A ring half as large fills sooner: at that ring more packets are dropped or stopped.

    Saturated in tx, in bursts in rx. What overflows there may be spared further on, so it is
    counted at the ring itself; never less, and over all halvings together more.
    """
    found = [overflows(lab, name, direction, option, size) for size in sizes]
    assert found == sorted(found)
    assert found[0] < found[-1]


def overflows(lab, name: str, direction: str, option: str, size: int) -> int:
    """Return how often a ring of this size was found full: packets dropped, queues stopped."""
    path = paths.path(name).but({option: size})
    if direction == "tx":
        # A PMD that is slower than its guest: else its ring is never full.
        path = path.swap("guest", guest.pktgen())
        stream, host = traffic.saturate(64, SENT), on(pmd_node=1)
    else:
        stream, host = BURSTS, Host()
    played = lab.play(path, direction, stream, host=host)
    ring = f"{option.partition('.')[0]}.{direction}"
    at = [row.name for row in played.program.rings].index(ring)
    stops = sum(
        int(played.outcome.stops[i]) for i, row in enumerate(played.program.stages) if row.out == at
    )
    return int((played.outcome.dropped == at).sum()) + stops


# what contradicts itself -------------------------------------------------------------------------

REFUSED = [
    (
        {"vcpu0": 1, "vhost": 1, "vhost_node": 1},
        "vhost_node",
        "core 1 would be on node 0 for vcpu0",
    ),
    ({"vcpu0": 1, "vcpu0_node": 2, "vhost": 1}, "vcpu0_node", "and on node 0 for vhost"),
    ({"vhost_nod": 1}, "vhost_nod", "no thread 'vhost_nod'"),
    ({"vhots_node": 1}, "vhots_node", "no thread 'vhots' to have a node"),
    ({"vhost": -1}, "vhost", "there is no core -1"),
    ({"vhost_node": -1}, "vhost_node", "there is no node -1"),
    ({"memory_node": 8}, "memory_node", "there is no node 8"),
    ({"vhost": True}, "vhost", "True is not a number"),
    ({"nic": 3}, "nic", "'nic' is a device, it runs on no core"),
]


@pytest.mark.parametrize(("placement", "key", "got"), REFUSED)
@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_contradictory_placements_are_refused(lab, placement, key, got, direction):
    """A placement that no machine can have, or that names what is not there, is refused."""
    with pytest.raises(InputError) as caught:
        compose(paths.path("vhost-net"), direction, Host(placement=placement), lab.prices)
    assert caught.value.where == f"placement.{key}"
    assert got in caught.value.got


def scenario(**more: object) -> Scenario:
    """Return a small scenario with a placement."""
    return Scenario.of(
        {
            "virtsim": 1, "name": "placed", "profile": "skylake-2018-mitig", "direction": "tx",
            "traffic": {"kind": "constant", "rate": "10kpps", "size": "64B", "packets": 20},
            "paths": ["vhost-net", "vhost-user-ovs"], "seed": 1, **more,
        }
    )  # fmt: skip


def test_nodes_can_be_swept_and_each_path_takes_its_own():
    """A swept node reaches the runs of the paths that have the thread, and only these change."""
    result = run(scenario(sweep={"placement.pmd_node": [0, 1]}), workers=1)
    found = {
        (r.summary["label"], r.summary["point"]["placement.pmd_node"]): r.summary
        for r in result.records
    }
    for key, summary in found.items():
        assert summary["threads"].get("pmd", {}).get("node", 0) == int(
            key[1] == "1" and "ovs" in key[0]
        )
    mean = {key: summary["latency_ns"]["mean"] for key, summary in found.items()}
    assert mean["vhost-net", "0"] == mean["vhost-net", "1"]
    assert mean["vhost-user-ovs", "0"] < mean["vhost-user-ovs", "1"]


def test_explain_says_where_each_thread_runs():
    """Before any run: core, node and way of waiting of each thread; a device has a node only."""
    placed = {"vcpu0": 2, "vhost": 3, "vhost_node": 1, "nic_node": 1}
    rows = explain(scenario(placement=placed))["placement"]["vhost-net (tx)"]
    where = {row["thread"]: (row["core"], row["node"], row["wait"]) for row in rows}
    assert where == {
        "vcpu0": ("core2", 0, "sleep"),
        "vhost": ("core3", 1, "sleep"),
        "nic": (None, 1, "always"),
    }
