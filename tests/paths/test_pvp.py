"""From the link through the guest and out again: a Linux guest bridges, a DPDK guest forwards."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import pytest

from virtsim import paths
from virtsim.costs import Profile, profile
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.testing import check_laws, isolated, play
from virtsim.testing.played import Played

PRICES = profile("skylake-2018-mitig")
GAP_PS = 400_000_000
"""Longer than two of e1000's mitigation windows: nothing is put off until the next packet."""

PACKETS = 32
LINE_PS = 26_880
"""A 64 B frame on 25 Gbit/s: (64 + 20) x 8 bits."""

NAMES = (
    *("exits", "exits_user", "kicks", "calls", "interrupts", "context_switches", "syscalls"),
    *("copies", "doorbells"),
)
PER_16 = Fraction(1, 16)
ISOLATED = {
    ("e1000", "linux"): (13 + PER_16, 11 + PER_16, 0, 2, 2, 2, 9, 4, 1),
    ("e1000", "dpdk"): (2, 2, 0, 0, 0, 1, 4, 4, 1),
    ("virtio-qemu", "linux"): (1, 0, 1, 2, 2, 2, 9, 3, 1),
    ("virtio-qemu", "dpdk"): (1, 0, 1, 0, 0, 2, 7, 3, 1),
    ("vhost-net", "linux"): (1, 0, 1, 2, 2, 2, 0, 2, 1),
    ("vhost-net", "dpdk"): (1, 0, 1, 0, 0, 2, 0, 2, 1),
    ("vhost-user-ovs", "linux"): (0, 0, 0, 2, 2, 0, 2, 2, 1),
    ("vhost-user-ovs", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 2, 1),
    ("vhost-user-snabb", "linux"): (0, 0, 0, 2, 2, 0, 2, 2, 1),
    ("vhost-user-snabb", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 2, 1),
    ("sriov", "linux"): (0, 0, 0, 2, 2, 0, 0, 0, 3 + PER_16),
    ("sriov", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 0, 1 + Fraction(1, 32)),
}
ALL = sorted(ISOLATED)


def through(name: str, driver: str, **changes: object) -> Path:
    """Return a path with a guest that never halts, and with options changed (part__option)."""
    path = paths.path(name)
    make = {"linux": guest.linux, "dpdk": guest.dpdk}[driver]
    path = path.swap("guest", make(nic=path.parts[0].options["nic"], idle="poll"))
    busy = {"snabb.pacing": "busy"} if name == "vhost-user-snabb" else {}
    return path.but(busy | {key.replace("__", "."): value for key, value in changes.items()})


def run(
    path: Path, at_ps: list[int], *, direction: str = "pvp", prices: Profile = PRICES,
    trace: bool = False,
) -> Played:  # fmt: skip
    """Play a path and check all laws: time, money, packets, order, nobody left waiting."""
    played = play(path, direction, at_ps, prices=prices, trace=trace)
    check_laws(played.program, played.job, played.outcome)
    return played


def every(n: int, ps: int) -> list[int]:
    """Return arrivals at an even spacing."""
    return [ps * (i + 1) for i in range(n)]


def costly(**prices: str) -> Profile:
    """Return the prices with some of them changed (an op's dots written __)."""
    return PRICES.override({op.replace("__", "."): price for op, price in prices.items()}, "test")


def lost_at(played: Played) -> set[str]:
    """Return the rings at which packets were dropped."""
    return {played.program.rings[i].name for i in played.outcome.dropped if i >= 0}


def paid(played: Played) -> Iterator[tuple[str, str, str]]:
    """Yield thread, stage and op of everything that was paid, in order."""
    for event in played.outcome.trace:
        if event.what == "pay":
            yield event.thread, event.stage, played.program.uses[event.use].op


def rounds(played: Played, opener: str, item: str) -> list[int]:
    """Return how often an op was paid after each time that another was."""
    found: list[int] = []
    for _, _, op in paid(played):
        if op == opener:
            found.append(0)
        elif op == item and found:
            found[-1] += 1
    return found


# -- one packet alone ------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ALL, ids="-".join)
def test_isolated_packets(where: tuple[str, str]) -> None:
    """A packet alone costs the walk in and the walk out.

    virtio-qemu: in, ppoll, read (copy), memcpy (copy), an MSI, read for EAGAIN; out, a kick wakes
    the main loop again: ppoll, eventfd, ppoll(0), writev (copy), an MSI: 9 calls, 3 copies, 2
    interrupts; without interrupts 7. vhost-net: the same worker is woken twice, by tap and by the
    kick, and copies twice. OVS, Snabb (busy): 2 copies, a write() per interrupt.
    e1000, Linux: out 1 exit for TDT, in 1/16 for RDT; 2 interrupts of 5 accesses and an EOI each.
    The second falls into the mitigation window of the first, so QEMU's timer raises the line: one
    ppoll and one wake-up more than in and out alone. DPDK: one write of RDT and one of TDT.
    A virtual function: the packet's doorbell, and one per interrupt to unmask it (Linux); receive
    buffers are posted by 16 (Linux) and by 32 (DPDK). The wire's NIC has one doorbell a packet.
    """
    played = run(through(*where), isolated(PACKETS, GAP_PS))
    wanted = dict(zip(NAMES, ISOLATED[where], strict=True))
    assert {counter: played.per_packet(counter) for counter in NAMES} == wanted
    assert played.delivered == PACKETS


@pytest.mark.parametrize("where", ALL, ids="-".join)
def test_alone_it_is_in_plus_out(where: tuple[str, str]) -> None:
    """Nothing is shared by a packet alone: every counter is that of rx plus that of tx.

    But for e1000's second interrupt: the way in has closed its window (see above).
    """
    path, at = through(*where), isolated(PACKETS, GAP_PS)
    both = [run(path, at, direction=direction) for direction in ("tx", "rx")]
    sums = {name: sum(each.per_packet(name) for each in both) for name in NAMES}
    if where == ("e1000", "linux"):
        sums["context_switches"] += 1
        sums["syscalls"] += 1
    played = run(path, at)
    assert {name: played.per_packet(name) for name in NAMES} == sums


@pytest.mark.parametrize("size_b", [64, 1518])
def test_copied_bytes(size_b: int) -> None:
    """Each of vhost-net's two copies moves the whole frame."""
    played = play(through("vhost-net", "linux"), "pvp", isolated(4, GAP_PS), size_b=size_b)
    assert played.per_packet("copied_bytes") == 2 * size_b


# -- under load ------------------------------------------------------------------------------------


@pytest.mark.parametrize("load_ps", [LINE_PS, 300_000, 1_000_000, 4_000_000])
@pytest.mark.parametrize("where", ALL, ids="-".join)
def test_laws_hold_at_any_load(where: tuple[str, str], load_ps: int) -> None:
    """From a full link down to 250 kpps packets are conserved and keep their order."""
    played = run(through(*where), every(700, load_ps))
    lost = int((played.outcome.dropped >= 0).sum())
    assert played.delivered + lost == 700
    assert played.delivered > 0


@pytest.mark.parametrize("driver", ["linux", "dpdk"])
def test_one_worker_serves_both_directions_in_turn(driver: str) -> None:
    """vhost: one thread, whose turns of 256 packets (VHOST_NET_PKT_WEIGHT) take turns themselves.

    Packets come at 2 Mpps, more than it can move in and out again: once both queues always have
    work, the worker takes 256 in and 256 out, and each of them has been copied twice.
    """
    played = run(through("vhost-net", driver), every(4000, 500_000), trace=True)
    turns: list[tuple[str, int]] = []
    for thread, stage, op in paid(played):
        if op == "vhost.handle_enter":
            turns.append((stage, 0))
        elif op in ("vhost.rx_pkt", "vhost.tx_pkt"):
            assert thread == "vhost"
            turns[-1] = (stage, turns[-1][1] + 1)
    steady = turns[5:-2]
    assert len(steady) > 12
    assert {n for _, n in steady} == {256}
    assert {(a, b) for (a, _), (b, _) in pairwise(steady)} == {
        ("vhost.rx", "vhost.tx"), ("vhost.tx", "vhost.rx"),
    }  # fmt: skip
    assert played.per_packet("copies") == 2
    assert lost_at(played) == {"nic.rx", "tap.queue"}


def test_the_receive_poll_cleans_the_transmit_queue() -> None:
    """A bridging guest that polls takes back sent buffers in passing: its completions hardly call.

    virtnet_poll_cleantx reclaims at the start of every receive poll and leaves the event index
    behind what is outstanding. Isolated packets have a completion interrupt each; of a stream
    that keeps the guest polling fewer than one in fifty has, and more than five rings are sent.
    """
    path = through("vhost-net", "linux")
    played = run(path, every(4000, 500_000), trace=True)
    done = sum(
        event.what == "deliver_notification" and event.ring == "virtqueue.tx"
        and event.stage == "guest.txdone" for event in played.outcome.trace
    )  # fmt: skip
    assert played.delivered > 5 * 256
    assert done < played.delivered / 50
    alone = run(path, isolated(PACKETS, GAP_PS), trace=True)
    assert sum(
        event.what == "deliver_notification" and event.stage == "guest.txdone"
        for event in alone.outcome.trace
    ) == PACKETS  # fmt: skip


@pytest.mark.parametrize("name", ["e1000", "virtio-qemu", "vhost-net", "vhost-user-ovs", "sriov"])
def test_a_bridging_guest_sends_inside_its_softirq(name: str) -> None:
    """Linux hands a bridged packet to the driver in the poll that received it: no process runs.

    Every packet pays receive, bridge and transmit once each, on the one vCPU, and no socket.
    """
    played = run(through(name, "linux"), isolated(PACKETS, GAP_PS))
    nic = {"e1000": "e1000", "sriov": "vf"}.get(name, "virtio")
    host_bridges = 0 if name in ("vhost-user-ovs", "sriov") else 2
    assert played.ops[f"guest.{nic}_rx"] == played.ops[f"guest.{nic}_tx"] == PACKETS
    assert played.ops["bridge.fwd"] == PACKETS * (1 + host_bridges)
    assert played.ops["guest.sock_send"] == played.ops["guest.sock_recv"] == 0


def test_a_shared_worker_cannot_overrun_its_guest() -> None:
    """With rings as long as its turns a worker never brings in more than the guest can send back.

    Each turn in, of at most 256 packets, is followed by a turn out: a ring of 256 has room for it.
    Linux, which stops 19 slots short of that, lets the last few wait. All that is lost is lost
    before the worker.
    """
    for driver in ("linux", "dpdk"):
        played = run(through("vhost-net", driver), every(3000, 500_000))
        assert lost_at(played) == {"nic.rx", "tap.queue"}


def test_a_forwarding_guest_drops_what_its_ring_cannot_take() -> None:
    """What rte_eth_tx_burst did not send, testpmd frees: dropped at the transmit queue, at once.

    With rings of 64 a turn of 256 in is more than the ring out holds until the worker's next turn.
    """
    played = run(through("vhost-net", "dpdk", virtqueue__size=64), every(3000, 500_000))
    assert lost_at(played) >= {"virtqueue.tx"}
    assert not any(ring.name == "guest.qdisc" for ring in played.program.rings)


def test_a_bridging_guest_queues_what_its_ring_cannot_take() -> None:
    """Linux stops the queue below 19 free slots and lets up to a thousand packets wait: none lost.

    The same rings of 64; what the guest cannot send now it sends when the queue is woken.
    """
    played = run(through("vhost-net", "linux", virtqueue__size=64), every(3000, 500_000))
    stops = dict(zip((s.name for s in played.program.stages), played.outcome.stops, strict=True))
    assert stops["guest.xmit"] > 0
    assert played.ops["guest.queue_wake"] == stops["guest.xmit"]
    assert lost_at(played) == {"nic.rx", "tap.queue"}


@pytest.mark.parametrize("driver", ["linux", "dpdk"])
def test_ovs_uses_one_thread_for_both_ways(driver: str) -> None:
    """One PMD polls the NIC and the guest: a lookup for each of the two, one doorbell a burst."""
    played = run(through("vhost-user-ovs", driver), isolated(PACKETS, GAP_PS), trace=True)
    mine = {op for thread, _, op in paid(played) if thread == "pmd"}
    assert mine >= {"nicpmd.rx", "vhostuser.enq", "vhostuser.deq", "nicpmd.tx"}
    assert played.ops["ovsdpdk.emc"] == played.ops["pmd.burst"] == 2 * PACKETS


def test_a_full_link_through_ovs_and_a_polling_guest() -> None:
    """32 in, 32 to the guest, 32 back, 32 out: one iteration of the PMD, one doorbell.

    The guest takes its 32 and sends its 32 with one index update each. What the thread has no
    time for, the NIC drops.
    """
    played = run(through("vhost-user-ovs", "dpdk"), every(3000, LINE_PS), trace=True)
    for opener, item in (
        ("nicpmd.rx_burst", "nicpmd.rx"), ("vhostuser.enq_burst", "vhostuser.enq"),
        ("vhostuser.deq_burst", "vhostuser.deq"), ("nicpmd.tx_burst", "nicpmd.tx"),
        ("virtiopmd.burst", "virtiopmd.pkt"),
    ):  # fmt: skip
        assert set(rounds(played, opener, item)[8:-8]) == {32}, opener
    assert played.counters["doorbells"] == played.ops["nicpmd.tx_burst"]
    assert played.ops["virtiopmd.burst"] == 2 * played.ops["vhostuser.enq_burst"]
    assert lost_at(played) == {"nic.rx"}


def test_a_full_link_through_snabb_and_a_polling_guest() -> None:
    """A breath pulls 102 from the NIC, puts 102 to the guest and takes out what it has sent.

    What the engine has no time for, the NIC drops.
    """
    played = run(through("vhost-user-snabb", "dpdk"), every(3000, LINE_PS), trace=True)
    for op in ("snabb.nic_rx", "snabb.vhost_enq", "snabb.vhost_deq", "snabb.nic_tx"):
        assert set(rounds(played, "snabb.breath", op)[4:-4]) == {102}, op
    assert lost_at(played) == {"nic.rx"}


def test_a_full_link_through_a_vf_and_a_polling_guest() -> None:
    """No copy, no exit, no interrupt: a doorbell per burst out, and the tail register by 32 in."""
    played = run(through("sriov", "dpdk"), every(3000, LINE_PS))
    sent, taken = played.ops["nicpmd.tx_burst"], played.delivered // 32
    posted = played.counters["doorbells"] - sent
    assert taken // 2 <= posted <= taken
    for counter in ("copies", "exits", "interrupts", "syscalls", "context_switches"):
        assert played.counters[counter] == 0
    assert lost_at(played) == {"vf.rx"}


def test_e1000_exits_for_each_burst_in_and_out() -> None:
    """A polling guest writes RDT after a receive burst and TDT after a transmit burst: 2 exits.

    Each write stands the guest still; that of TDT for as long as QEMU copies and writes to tap.
    """
    played = run(through("e1000", "dpdk"), every(1000, 1_500_000))
    bursts = played.ops["nicpmd.rx_burst"], played.ops["nicpmd.tx_burst"]
    assert bursts[0] == bursts[1]
    assert played.counters["exits"] == played.ops["exit.user_mmio"] == sum(bursts)
    assert played.counters["copies"] == 4 * played.delivered
