"""A guest that polls: bursts, one kick check each, no interrupt; on every path, out and in.

The kick check is by flags: the poll-mode driver does not accept an event index.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import groupby

import pytest

from virtsim import paths
from virtsim.costs import Profile, profile
from virtsim.model.features import LINUX_ACCEPTS
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.program import SourceRow
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
ISOLATED = {
    ("e1000", "tx"): (1, 1, 0, 0, 0, 0, 1, 2, 1),
    ("e1000", "rx"): (1, 1, 0, 0, 0, 1, 3, 2, 0),
    ("virtio-qemu", "tx"): (1, 0, 1, 0, 0, 1, 4, 1, 1),
    ("virtio-qemu", "rx"): (0, 0, 0, 0, 0, 1, 3, 2, 0),
    ("vhost-net", "tx"): (1, 0, 1, 0, 0, 1, 0, 1, 1),
    ("vhost-net", "rx"): (0, 0, 0, 0, 0, 1, 0, 1, 0),
    ("vhost-user-ovs", "tx"): (0, 0, 0, 0, 0, 0, 0, 1, 1),
    ("vhost-user-ovs", "rx"): (0, 0, 0, 0, 0, 0, 0, 1, 0),
    ("vhost-user-snabb", "tx"): (0, 0, 0, 0, 0, 0, 0, 1, 1),
    ("vhost-user-snabb", "rx"): (0, 0, 0, 0, 0, 0, 0, 1, 0),
    ("sriov", "tx"): (0, 0, 0, 0, 0, 0, 0, 0, 1),
    ("sriov", "rx"): (0, 0, 0, 0, 0, 0, 0, 0, Fraction(1, 32)),
}
VIRTIO = ("virtio-qemu", "vhost-net", "vhost-user-ovs", "vhost-user-snabb")


def polling(name: str, **changes: object) -> Path:
    """Return a path with a DPDK guest, and with options changed (part__option)."""
    path = paths.path(name)
    path = path.swap("guest", guest.dpdk(nic=path.parts[0].options["nic"]))
    busy = {"snabb.pacing": "busy"} if name == "vhost-user-snabb" else {}
    return path.but(busy | {key.replace("__", "."): value for key, value in changes.items()})


def run(
    path: Path, direction: str, at_ps: list[int] | int, *, prices: Profile = PRICES,
    trace: bool = False,
) -> Played:  # fmt: skip
    """Play a path on packets at these times, or so many that always wait, and check all laws."""
    source = SourceRow("source", 0, "saturate") if isinstance(at_ps, int) else None
    times = [0] * at_ps if isinstance(at_ps, int) else at_ps
    played = play(path, direction, times, prices=prices, source=source, trace=trace)
    check_laws(played.program, played.job, played.outcome)
    return played


def bursts(n: int, each: int, gap_ps: int = GAP_PS) -> list[int]:
    """Return arrivals in bursts, all packets of one at once."""
    return [gap_ps * (i // each + 1) for i in range(n * each)]


def added(
    path: Path, direction: str, short: list[int] | int, long: list[int] | int,
    prices: Profile = PRICES,
) -> Counter:  # fmt: skip
    """Return what a longer run counts more: ops and counters, its start and end cancelled."""
    few, many = (run(path, direction, at, prices=prices) for at in (short, long))
    found = many.ops + many.counters
    found["delivered"] = many.delivered
    found.subtract(few.ops + few.counters)
    found["delivered"] -= few.delivered
    return found


def rounds(played: Played, opener: str, item: str, thread: str = "") -> list[int]:
    """Return how often an op was paid after each time that another was."""
    found: list[int] = []
    for event in played.outcome.trace:
        if event.what == "pay" and thread in ("", event.thread):
            op = played.program.uses[event.use].op
            if op == opener:
                found.append(0)
            elif op == item and found:
                found[-1] += 1
    return found


# -- one packet alone ------------------------------------------------------------------------------


@pytest.mark.parametrize("where", sorted(ISOLATED), ids="-".join)
def test_isolated_packets(where: tuple[str, str]) -> None:
    """One packet costs what its walk says, and the guest is never interrupted nor halts.

    virtio-qemu: out, one kick (1 exit) wakes the main loop (1 switch) out of ppoll, it reads the
    eventfd, comes round with ppoll(0), writes to tap (the copy): 4 system calls, and no MSI. In,
    tap wakes it: ppoll, read, read for EAGAIN; two copies; the refill needs no kick, for nobody
    waits for buffers. vhost-net: the same without QEMU's calls, one copy each way.
    OVS and Snabb (busy) poll: one copy, the doorbell out is the NIC's. e1000: out, the write of TDT
    is an exit to QEMU, which fetches and copies the frame and writes it to tap, one call and two
    copies; in, ppoll, read, read for EAGAIN, and the burst's write of RDT is the exit. A virtual
    function: the doorbell out, the tail register for every 32 buffers in, nothing else.
    """
    name, direction = where
    played = run(polling(name), direction, isolated(PACKETS, GAP_PS))
    wanted = dict(zip(NAMES, ISOLATED[where], strict=True))
    assert {counter: played.per_packet(counter) for counter in NAMES} == wanted
    assert played.delivered == PACKETS
    assert played.ops["irq.guest_entry"] == played.ops["hlt.exit"] == 0


@pytest.mark.parametrize("size_b", [64, 1518])
@pytest.mark.parametrize("where", sorted(ISOLATED), ids="-".join)
def test_copied_bytes(where: tuple[str, str], size_b: int) -> None:
    """Every copy moves the whole frame."""
    at = isolated(4, GAP_PS)
    played = play(polling(where[0]), where[1], at, size_b=size_b)
    copies = ISOLATED[where][NAMES.index("copies")]
    assert played.per_packet("copied_bytes") == copies * size_b


# -- bursts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({name for name, _ in ISOLATED}))
def test_a_burst_is_told_once(name: str) -> None:
    """32 packets that are there together are one transmit call, and one notification of the device.

    virtio: one index update and one kick check per burst (virtiopmd.burst), one kick where the
    device sleeps. e1000: one write of TDT, one exit. A virtual function: one doorbell.
    """
    played = run(polling(name), "tx", bursts(5, 32))
    told = {"e1000": "exit.user_mmio", "sriov": "pcie.doorbell"}.get(name, "virtiopmd.burst")
    assert played.ops[told] == 5
    kicks = 5 if name in ("virtio-qemu", "vhost-net") else 0
    assert played.counters["kicks"] == played.counters["context_switches"] == kicks
    assert played.counters["exits"] == (5 if name == "e1000" else kicks)


def test_flags_let_a_burst_kick_once_more_while_the_device_wakes() -> None:
    """Flags stay until the device clears them: each burst kicks until the worker has begun.

    32 packets at once in calls of 8 are 4 bursts. The worker takes longer to wake than the guest
    to send all four, so every burst finds the flag as it was: 4 kicks, 1 wake-up (the eventfd
    merges them). With an event index only the first would cross it: 1 kick.
    """
    path = polling("vhost-net", guest__burst=8)
    prices = PRICES.override({"wake.sched": "50us"}, "test")
    by_flags = run(path, "tx", bursts(5, 32), prices=prices)
    assert (by_flags.counters["kicks"], by_flags.counters["context_switches"]) == (20, 5)
    accepting = replace(path.parts[0], features=LINUX_ACCEPTS)
    by_index = run(path.swap("guest", accepting), "tx", bursts(5, 32), prices=prices)
    assert (by_index.counters["kicks"], by_index.counters["context_switches"]) == (5, 5)


@pytest.mark.parametrize("name", ["virtio-qemu", "vhost-net"])
def test_the_kick_mode_is_negotiated(name: str) -> None:
    """The path asks for an event index, the driver does not accept one: flags, and a note of it."""
    program = run(polling(name), "tx", isolated(1)).program
    (kick,) = (c for c in program.channels if c.name == "virtqueue.tx.kick")
    assert kick.mode == "flags"
    assert any("EVENT_IDX: not accepted by the driver" in note for note in program.notes)


def test_slots_are_taken_back_when_they_are_needed() -> None:
    """A ring of 256 lets any number of packets through, though nobody ever interrupts for them.

    Used slots are reclaimed in passing, at the next burst [virtio_rxtx.c: virtio_xmit_cleanup, when
    more than size - free_thresh are used, or when the burst needs them]; its price is a share of
    each packet's. 600 isolated packets are more than two rings.
    """
    for name in VIRTIO:
        assert run(polling(name), "tx", isolated(600)).delivered == 600


# -- saturated, out --------------------------------------------------------------------------------


def more_sent(name: str, packets: int = 2048) -> Counter:
    """Return what so many more packets of a sender that never stops add."""
    found = added(polling(name), "tx", 2048, 2048 + packets)
    assert found["delivered"] == packets
    assert found["calls"] == found["interrupts"] == found["kicks"] == 0
    return found


def test_saturated_e1000_exits_once_a_burst() -> None:
    """2048 packets are 64 bursts of 32: 64 writes of TDT, each an exit; a write() to tap each.

    The guest stands still while QEMU sends, so it always finds the ring empty: its bursts are full.
    """
    found = more_sent("e1000")
    assert found["exit.user_mmio"] == found["exits"] == found["exits_user"] == 64
    assert found["nicpmd.tx_burst"] == 64
    assert found["syscalls"] == found["tap.write"] == 2048
    assert found["copies"] == 2 * 2048


def test_saturated_qemu_flushes_256_per_iteration() -> None:
    """2048 packets are 2048 writev and 8 ppoll(0), no eventfd, kick or wake-up: flags stay off.

    The ring is full and QEMU uses one slot at a time, so the driver's bursts are of one packet.
    """
    found = more_sent("virtio-qemu")
    assert (found["tap.write"], found["qemu.loop"], found["virtiopmd.burst"]) == (2048, 8, 2048)
    assert found["syscalls"] == 2048 + 8
    assert found["exits"] == found["context_switches"] == found["notify.rearm"] == 0


def test_saturated_vhost_serves_256_per_turn() -> None:
    """2048 packets are 8 turns of 256, of 4 batches of 64 each; no exit, call, or wake-up."""
    found = more_sent("vhost-net")
    assert found["vhost.handle_enter"] == 8
    assert found["exits"] == found["syscalls"] == found["context_switches"] == 0
    played = run(polling("vhost-net"), "tx", 2048, trace=True)
    ops = (played.program.uses[e.use].op for e in played.outcome.trace if e.what == "pay")
    order = [op for op in ops if op in ("vhost.tx_pkt", "tun.skb")]
    assert {len(list(batch)) for _, batch in groupby(order)} == {64}


def test_saturated_ovs_moves_32_per_poll() -> None:
    """2048 packets are 64 dequeues of 32, 64 lookups of a batch, 64 bursts and doorbells."""
    found = more_sent("vhost-user-ovs")
    for op in ("vhostuser.deq_burst", "pmd.burst", "nicpmd.tx_burst", "virtiopmd.burst"):
        assert found[op] == 64
    assert found["doorbells"] == 64
    assert found["exits"] == found["syscalls"] == 0


def test_saturated_snabb_drains_the_ring_each_breath() -> None:
    """2048 packets are 8 breaths of the whole ring of 256, each with one doorbell of the NIC."""
    found = more_sent("vhost-user-snabb")
    assert (found["snabb.breath"], found["doorbells"], found["virtiopmd.burst"]) == (8, 8, 64)
    assert found["exits"] == found["syscalls"] == 0


def test_saturated_vf_rings_once_a_burst() -> None:
    """2048 packets are 64 bursts of 32 with a doorbell each; nothing else happens."""
    found = more_sent("sriov")
    assert found["doorbells"] == found["nicpmd.tx_burst"] == 64
    assert found["exits"] == found["copies"] == found["syscalls"] == 0


@pytest.mark.parametrize("burst", [1, 8, 32, 64])
def test_bursts_of_another_size(burst: int) -> None:
    """A burst of another size rings the doorbell once for so many packets."""
    found = added(polling("sriov", guest__burst=burst), "tx", 2048, 4096)
    assert found["doorbells"] == 2048 // burst


@pytest.mark.parametrize("name", VIRTIO)
def test_a_sender_waits_for_a_full_ring(name: str) -> None:
    """Out of slots the application tries again: nothing is lost, and the ring never overflows.

    The host is made slow, so that 256 packets are in the ring and the sender looks for room.
    """
    slow = {"virtio-qemu": "qemu.net_tx", "vhost-net": "vhost.tx_pkt",
            "vhost-user-ovs": "vhostuser.deq", "vhost-user-snabb": "snabb.vhost_deq"}  # fmt: skip
    prices = PRICES.override({slow[name]: "4us"}, "test")
    played = run(polling(name), "tx", 1200, prices=prices, trace=True)
    assert played.delivered == 1200
    ring = next(i for i, r in enumerate(played.program.rings) if r.name == "virtqueue.tx")
    assert most_in(played, ring) == 256
    assert played.counters["calls"] == 0


# -- saturated, in ---------------------------------------------------------------------------------


def full_link(n: int) -> list[int]:
    """Return arrivals of 64 B frames back to back."""
    return [LINE_PS * (i + 1) for i in range(n)]


def every(n: int, ns: int) -> list[int]:
    """Return arrivals at an even spacing in ns."""
    return [ns * 1000 * (i + 1) for i in range(n)]


def test_a_full_link_into_ovs() -> None:
    """A poll of the NIC takes 32 and hands on 32: one burst, one enqueue, one index update.

    The first polls are smaller: a link of 37 Mpps takes ten of them to get ahead of the thread.
    """
    played = run(polling("vhost-user-ovs"), "rx", full_link(3000), trace=True)
    assert set(rounds(played, "nicpmd.rx_burst", "nicpmd.rx")[10:-1]) == {32}
    assert set(rounds(played, "vhostuser.enq_burst", "vhostuser.enq")[10:-1]) == {32}
    assert played.counters["exits"] == played.counters["syscalls"] == 0


def test_a_full_link_into_a_vf() -> None:
    """The driver takes up to 32 a call and writes the tail register when 32 buffers are missing.

    The check is at the end of a call: no more than 31 + 32 buffers are posted by one write.
    """
    played = run(polling("sriov"), "rx", full_link(3000), trace=True)
    assert max(rounds(played, "nicpmd.rx_burst", "nicpmd.rx")) == 32
    posted = rounds(played, "pcie.doorbell", "nicpmd.rx")
    assert all(32 <= n <= 63 for n in posted[1:-1])
    assert played.counters["doorbells"] == len(posted)


def test_qemu_reads_50_per_iteration() -> None:
    """tap_send ends after 50 packets: 50 reads per ppoll while the tap is never found empty."""
    prices = PRICES.override({"tap.read": "2us"}, "test")
    played = run(polling("virtio-qemu"), "rx", every(2000, 1000), prices=prices, trace=True)
    assert set(rounds(played, "qemu.loop", "tap.read", "qemu")[1:-1]) == {50}
    assert played.counters["exits"] == played.counters["interrupts"] == 0


def test_vhost_publishes_65_at_a_time() -> None:
    """Used entries come in batches of 65, the flush after more than VHOST_NET_BATCH heads.

    A turn of 256 packets is three of them and one of 61. The guest polls faster than that: it takes
    them in bursts of 32, 32 and 1, the last in 32 and 29, and is told of nothing.
    """
    prices = PRICES.override({"vhost.rx_pkt": "2us"}, "test")
    played = run(polling("vhost-net"), "rx", every(1793, 1000), prices=prices, trace=True)
    assert published_together(played, "virtqueue.rx") == [65, 65, 65, 61] * 7 + [1]
    taken = [*[32, 32, 1] * 3, 32, 29]
    assert rounds(played, "virtiopmd.burst", "virtiopmd.pkt") == taken * 7 + [1]
    assert rounds(played, "vhost.handle_enter", "vhost.rx_pkt", "vhost") == [256] * 7 + [1]
    assert played.counters["exits"] == played.counters["calls"] == 0


def test_e1000_pays_a_register_write_per_burst_received() -> None:
    """Each receive burst posts its buffers by one write of RDT: exits are its bursts, exactly."""
    played = run(polling("e1000"), "rx", every(600, 1500))
    assert played.delivered == 600
    assert played.counters["exits"] == played.ops["nicpmd.rx_burst"] == played.ops["exit.user_mmio"]
    assert played.counters["interrupts"] == 0


def test_a_starved_worker_is_kicked_per_burst() -> None:
    """Out of buffers the worker asks to be told, and each burst that posts 32 kicks it awake.

    The guest is far slower than the worker, so the ring of 256 is full of packets: the worker
    places 32, finds no buffer, asks for a kick and sleeps; the next burst's refill is that kick.
    640 more packets are 20 kicks, exits and wake-ups.
    """
    prices = PRICES.override({"guest.dpdk_app": "4us"}, "test")
    path = polling("vhost-net", tap__queue=5000)
    found = added(path, "rx", every(1600, 1000), every(2240, 1000), prices)
    assert found["delivered"] == 640
    assert found["kicks"] == found["exits"] == found["context_switches"] == 20
    assert found["virtiopmd.burst"] == found["vhost.handle_enter"] == 20
    assert found["calls"] == 0


def test_a_guest_without_buffers_loses_what_ovs_retries() -> None:
    """A PMD drops what the guest has no room for, after retries that placed nothing: at the queue.

    Nobody waits and nobody is told: no exit, no call.
    """
    prices = PRICES.override({"guest.dpdk_app": "4us"}, "test")
    played = run(polling("vhost-user-ovs"), "rx", every(1600, 1000), prices=prices)
    lost = played.outcome.dropped[played.outcome.dropped >= 0]
    assert {played.program.rings[i].name for i in lost} == {"virtqueue.rx"}
    assert len(lost) + played.delivered == 1600
    assert played.counters["exits"] == played.counters["kicks"] == 0


# -- what the trace says ---------------------------------------------------------------------------


def most_in(played: Played, ring: int) -> int:
    """Return the most slots of a ring that were not free at once."""
    name, taken, given, most = played.program.rings[ring].name, 0, 0, 0
    for event in played.outcome.trace:
        if event.ring == name and event.what == "publish":
            taken += 1
            most = max(most, taken - given)
        elif event.ring == name and event.what == "reclaim":
            given = dict(event.detail)["freed"]
    return most


def published_together(played: Played, ring: str) -> list[int]:
    """Return how many packets were put on a ring at each moment at which any were."""
    at = [e.at_ps for e in played.outcome.trace if e.what == "publish" and e.ring == ring]
    return [len(list(same)) for _, same in groupby(at)]
