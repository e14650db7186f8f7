"""Counts when one side never finds its ring empty: batches of their full size, and who they spare.

Each run makes the wanted side the bottleneck by a price, then looks at whole batches: all but the
first and the last of a run are full.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby, pairwise

import pytest

from virtsim import paths, traffic
from virtsim.model.path import Path
from virtsim.parts import guest

EAGER_GUEST = {"guest.pktgen": "10ns", "guest.virtio_tx": "40ns"}
SLOW_GUEST = {"guest.virtio_rx": "2us"}
WORK = ("vhost.tx_pkt", "tun.skb")
RING, ROOM = 256, 19
MOST_IN_FLIGHT = RING - ROOM + 1
"""The queue stops at the publication that leaves fewer than 19 slots: 238 are then in flight."""


def sender(name: str, burst: int = 32) -> Path:
    """Return a path whose guest is pktgen and does not halt."""
    return paths.path(name).swap("guest", guest.pktgen(idle="poll", burst=burst))


def receiver(name: str) -> Path:
    """Return a path whose guest does not halt."""
    return paths.path(name).but({"guest.idle": "poll"})


def flood(n: int) -> traffic.PacketStream:
    """Return small packets that are sent as fast as the guest can."""
    return traffic.saturate(64, n)


def stream(rate: int, n: int) -> traffic.PacketStream:
    """Return small packets at an even rate."""
    return traffic.constant(Fraction(rate), 64, n)


def inner(batches: list[int]) -> set[int]:
    """Return the sizes of all batches but the first two and the last two."""
    assert len(batches) > 6
    return set(batches[2:-2])


@pytest.fixture(scope="module")
def qemu_tx(lab):
    """Return a saturated main loop sending."""
    return lab.play(sender("virtio-qemu"), "tx", flood(2600), trace=True)


@pytest.fixture(scope="module")
def vhost_tx(lab):
    """Return a saturated vhost worker sending."""
    return lab.play(sender("vhost-net"), "tx", flood(2600), trace=True)


@pytest.fixture(scope="module")
def pmd_tx(lab):
    """Return a saturated poll-mode thread sending."""
    prices = lab.with_prices(EAGER_GUEST)
    return lab.play(sender("vhost-user-ovs"), "tx", flood(2600), prices, trace=True)


def test_qemu_tx_flushes_256_per_iteration(lab, qemu_tx):
    """A flush ends at x-txburst: 256 writev, then the bottom half again behind one ppoll(0).

    The first iteration only reads the eventfd and schedules the bottom half; 2600 = 10 x 256 + 40.
    """
    assert lab.rounds(qemu_tx, "qemu", "qemu.loop", "tap.write") == [0, *[256] * 10, 40]


def test_qemu_tx_adds_one_writev_a_packet(lab):
    """1024 more packets are 1024 writev and 4 ppoll(0), no eventfd, no kick and no wake-up.

    The ring is never found empty, so notifications stay off; besides, only completions call.
    """
    found = lab.added(sender("virtio-qemu"), "tx", flood, 1024, 1024)
    assert (found["tap.write"], found["qemu.loop"]) == (1024, 4)
    assert found["sys.eventfd_read"] == found["kicks"] == found["exits"] == 0
    assert found["context_switches"] == 0
    assert found["syscalls"] - found["calls"] == 1024 + 4
    assert found["copies"] == found["delivered"] == 1024


@pytest.mark.parametrize("burst", [1, 32])
@pytest.mark.parametrize("name", ["virtio-qemu", "vhost-net"])
def test_one_kick_starts_a_saturated_sender(lab, name, burst):
    """A saturated run has 1 kick: the first. With an event index, turning it off writes nothing.

    avail_event stays where the first decision passed it, so no later decision crosses it, wherever
    in a burst the guest is when the device begins [vhost_disable_notify, vring_set_avail_event].
    """
    found = lab.counts(lab.play(sender(name, burst), "tx", flood(1500)))
    assert (found["kicks"], found["context_switches"]) == (1, 1)


def test_qemu_rx_reads_50_per_iteration(lab):
    """tap_send ends after 50 packets: 50 reads per ppoll, and no EAGAIN read until the tap is dry.

    Packets come twice as fast as QEMU reads them, so only the end of the run finds the tap empty:
    1 EAGAIN read. The main loop, once woken, sleeps no more.
    """
    prices = lab.with_prices({"tap.read": "2us"})
    played = lab.play(receiver("virtio-qemu"), "rx", stream(1_000_000, 2000), prices, trace=True)
    reads = lab.rounds(played, "qemu", "qemu.loop", "tap.read")
    found = lab.counts(played)
    assert set(reads[:-1]) == {50}
    assert 0 <= reads[-1] <= 50
    assert (found["tap.read_empty"], found["context_switches"]) == (1, 1)
    assert found["syscalls"] - found["calls"] == found["tap.read"] + len(reads) + 1
    assert found["copies"] == 2 * found["tap.read"]
    assert found["kicks"] == 0


def test_vhost_tx_publishes_64_at_once(lab, vhost_tx):
    """Used entries are published and the call is decided once per VHOST_NET_BATCH of 64 packets.

    40 batches of 64 and one of 40 are 2600 packets. A turn ends at 256 packets and a batch never
    straddles two turns, as 4 x 64 fit.
    """
    decided = [n for n, _ in lab.decisions(vhost_tx, "virtqueue.tx", forward=False)]
    assert decided == [*[64] * 40, 40]


def test_vhost_tx_sends_64_at_once(lab, vhost_tx):
    """The worker copies 64 packets, then hands all 64 to tap in one sendmsg, and so on."""
    ops = (
        vhost_tx.program.uses[event.use].op
        for event in vhost_tx.outcome.trace
        if event.what == "pay" and event.thread == "vhost"
    )
    runs = [(op, len(list(g))) for op, g in groupby(o for o in ops if o in WORK)]
    assert runs == [("vhost.tx_pkt", 64), ("tun.skb", 64)] * 40 + [
        ("vhost.tx_pkt", 40),
        ("tun.skb", 40),
    ]


def test_vhost_tx_handles_256_per_turn(lab, vhost_tx):
    """handle_tx requeues itself after VHOST_NET_PKT_WEIGHT = 256 packets: 10 x 256 + 40."""
    rounds = lab.rounds(vhost_tx, "vhost", "vhost.handle_enter", "vhost.tx_pkt")
    assert rounds == [*[256] * 10, 40]


def test_vhost_tx_adds_no_kick(lab):
    """1024 more packets are 4 runs of handle_tx and 16 batches; no exit, call or kick by a syscall.

    Notifications stay off from turn to turn: 0 kicks, 0 exits, 0 switches, 0 re-arms.
    """
    found = lab.added(sender("vhost-net"), "tx", flood, 1024, 1024)
    assert (found["vhost.handle_enter"], found["vhost.tx_pkt"]) == (4, 1024)
    idle = ("kicks", "exits", "context_switches", "syscalls", "kick.vcpu:mmio")
    assert [found[name] for name in idle] == [0] * 5
    assert found["copies"] == 1024


def test_vhost_rx_publishes_at_most_65(lab):
    """handle_rx publishes when more than 64 heads are done: per turn of 256, 65 + 65 + 65 + 61."""
    prices = lab.with_prices({"vhost.rx_pkt": "1500ns"})
    played = lab.play(receiver("vhost-net"), "rx", stream(1_000_000, 2000), prices, trace=True)
    rounds = lab.rounds(played, "vhost", "vhost.handle_enter", "vhost.rx_pkt")
    decided = [n for n, _ in lab.decisions(played, "virtqueue.rx", forward=True)]
    turns, left = divmod(sum(rounds), 256)
    assert turns >= 7
    assert rounds == [*[256] * turns, left]
    assert decided[: 4 * turns] == [65, 65, 65, 61] * turns
    assert max(decided[4 * turns :]) <= 65
    assert lab.counts(played)["context_switches"] == 1


@pytest.mark.parametrize("op", ["vhostuser.deq_burst", "pmd.burst", "nicpmd.tx_burst"])
def test_pmd_tx_works_in_bursts_of_32(lab, pmd_tx, op):
    """While the ring holds 32 a burst is 32: one dequeue, switch and NIC burst per 32 packets."""
    item = {"vhostuser.deq_burst": "vhostuser.deq", "pmd.burst": "ovsdpdk.emc"}
    assert inner(lab.rounds(pmd_tx, "pmd", op, item.get(op, "nicpmd.tx"))) == {32}


def test_pmd_tx_adds_fixed_parts_per_32(lab):
    """3200 more packets: 100 of each burst's fixed part and 100 doorbells; never a kick or exit."""
    prices = lab.with_prices(EAGER_GUEST)
    found = lab.added(sender("vhost-user-ovs"), "tx", flood, 1600, 3200, prices)
    fixed = ("vhostuser.deq_burst", "pmd.burst", "nicpmd.tx_burst", "pcie.doorbell", "doorbells")
    assert [found[name] for name in fixed] == [100] * 5
    assert (found["vhostuser.deq"], found["copies"]) == (3200, 3200)
    assert found["kicks"] == found["exits"] == found["context_switches"] == 0
    assert found["syscalls"] == found["calls"]


def test_pmd_rx_drops_what_the_guest_has_no_room_for(lab):
    """A guest slower than the PMD: bursts of 32 come in, and what does not fit is dropped.

    Only at the virtqueue and at the guest's socket can packets get lost. The ring takes the first
    256; after that only refills make room, 64 at a time, so each lets two bursts of 32 in.
    """
    prices = lab.with_prices(SLOW_GUEST)
    path = receiver("vhost-user-ovs")
    played = lab.play(path, "rx", stream(20_000_000, 8000), prices, trace=True)
    assert inner(lab.rounds(played, "pmd", "pmd.burst", "ovsdpdk.emc")) == {32}
    placed = lab.rounds(played, "pmd", "vhostuser.enq_burst", "vhostuser.enq")
    rings = [ring.drop or ring.name for ring in played.program.rings]
    lost = {rings[r]: (played.outcome.dropped == r).sum() for r in range(len(rings))}
    assert sum(lost.values()) == lost["virtqueue.rx"] + lost["guest.socket"]
    assert lost["virtqueue.rx"] == 8000 - sum(placed)
    full = placed.index(0)
    assert sum(placed[:full]) == RING
    runs = [(n, len(list(g))) for n, g in groupby(placed[full:])]
    assert len(runs) > 6
    assert [run for run in runs if run[0]] == [(32, 2)] * (len(runs) // 2)


@pytest.mark.parametrize(
    ("name", "rate"),
    [("virtio-qemu", 700_000), ("vhost-net", 700_000), ("vhost-user-ovs", 900_000)],
)
def test_guest_napi_stays_polling(lab, name, rate):
    """A guest that is the limit polls 64 packets a round and asks for no interrupt.

    The budget is used up each time, so NAPI never completes: 1 interrupt in all. Each round ends
    with 64 buffers missing, more than 32, and gives all 64 back.
    """
    prices = lab.with_prices(SLOW_GUEST)
    played = lab.play(receiver(name), "rx", stream(rate, 2000), prices, trace=True)
    rounds = lab.rounds(played, "vcpu0", "guest.napi_round", "guest.virtio_rx")
    assert len(rounds) > 10
    assert set(rounds[:-2]) == {64}
    assert lab.counts(played)["interrupts"] == 1
    given = [dict(e.detail)["done"] for e in played.outcome.trace if e.what == "refill"]
    assert {b - a for a, b in pairwise(given[:-1])} == {64}


@pytest.mark.parametrize("name", ["virtio-qemu", "vhost-net", "vhost-user-ovs"])
def test_refills_wait_for_more_than_32(lab, name):
    """Isolated packets are refilled 33 at a time: the round after which more than 32 are missing.

    100 packets are 3 refills; the device waits for no buffers, so none of them kicks.
    """
    played = lab.play(receiver(name), "rx", stream(1000, 100), trace=True)
    given = [dict(e.detail)["done"] for e in played.outcome.trace if e.what == "refill"]
    assert given == [33, 66, 99]
    assert lab.counts(played)["kicks"] == 0


def test_a_starved_worker_is_kicked_once_per_refill(lab):
    """vhost-net rx out of buffers: it arms the kick and leaves, and each refill of 64 wakes it.

    So once the ring has run dry, kicks are 1 per 64 packets, and each is one run of handle_rx.
    """
    prices = lab.with_prices(SLOW_GUEST)
    played = lab.play(receiver("vhost-net"), "rx", stream(1_000_000, 2000), prices, trace=True)
    decided = lab.decisions(played, "virtqueue.rx", forward=False)
    sent = [i for i, (_, kicked) in enumerate(decided) if kicked]
    assert {n for n, _ in decided[:-1]} == {64}
    assert sent == list(range(sent[0], sent[-1] + 1))
    assert len(sent) > 10
    rounds = lab.rounds(played, "vhost", "vhost.handle_enter", "vhost.rx_pkt")
    assert rounds[-len(sent) : -1] == [64] * (len(sent) - 1)


@pytest.mark.parametrize(("fixture", "step"), [("qemu_tx", 1), ("vhost_tx", 64), ("pmd_tx", 32)])
def test_completions_interrupt_once_per_three_quarters(lab, request, fixture, step):
    """enable_cb_delayed asks at 3/4 of what is in flight: 238 at most, so every 178 or more.

    Entries are published 1 (QEMU), 64 (vhost) or up to 32 (PMD) at a time and decided on then, so
    a call comes with the step that holds the 179th; the reclaim may find another step's entries
    that were published before it asked again. (While the guest still sends; then less is in
    flight.)
    """
    played = request.getfixturevalue(fixture)
    gaps, at, last = [], 0, 0
    for n, called in lab.decisions(played, "virtqueue.tx", forward=False):
        at += n
        if called and at <= len(played.packets) - MOST_IN_FLIGHT:
            gaps.append(at - last)
            last = at
    asked = MOST_IN_FLIGHT * 3 // 4 + 1
    assert len(gaps) > 8
    assert min(gaps) >= asked
    assert max(gaps) < asked + 2 * step
