"""From one guest to another on one host: through a bridge, a switch in userspace, or the NIC's."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from virtsim import paths
from virtsim.costs import Profile, profile
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.program import SourceRow
from virtsim.testing import check_laws, isolated, play
from virtsim.testing.played import Played

PRICES = profile("skylake-2018-mitig")
GAP_PS = 400_000_000
"""Longer than two of e1000's mitigation windows: nothing is put off until the next packet."""

PACKETS = 32
NAMES = (
    *("exits", "exits_user", "kicks", "calls", "interrupts", "context_switches", "syscalls"),
    *("copies", "doorbells"),
)
PER_16 = Fraction(1, 16)
ISOLATED = {
    ("e1000", "linux"): (13 + PER_16, 11 + PER_16, 0, 2, 2, 1, 8, 4, 0),
    ("e1000", "dpdk"): (2, 2, 0, 0, 0, 1, 4, 4, 0),
    ("virtio-qemu", "linux"): (1, 0, 1, 2, 2, 2, 9, 3, 0),
    ("virtio-qemu", "dpdk"): (1, 0, 1, 0, 0, 2, 7, 3, 0),
    ("vhost-net", "linux"): (1, 0, 1, 2, 2, 2, 0, 2, 0),
    ("vhost-net", "dpdk"): (1, 0, 1, 0, 0, 2, 0, 2, 0),
    ("vhost-user-ovs", "linux"): (0, 0, 0, 2, 2, 0, 2, 2, 0),
    ("vhost-user-ovs", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 2, 0),
    ("vhost-user-snabb", "linux"): (0, 0, 0, 2, 2, 0, 2, 2, 0),
    ("vhost-user-snabb", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 2, 0),
    ("sriov", "linux"): (0, 0, 0, 2, 2, 0, 0, 0, 3 + PER_16),
    ("sriov", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 0, 1 + Fraction(1, 32)),
}
ALL = sorted(ISOLATED)
SENDER = {"e1000": "vcpu0", "virtio-qemu": "qemu", "vhost-net": "vhost"}
"""The thread that bridges: e1000's device model runs on the vCPU, in its exit."""

RECEIVER = {"e1000": "qemu.b", "virtio-qemu": "qemu.b", "vhost-net": "vhost.b"}


def between(name: str, driver: str, **changes: object) -> Path:
    """Return a path with guests that never halt, and with options changed (part__option)."""
    path = paths.path(name)
    make = {"linux": guest.linux, "dpdk": guest.dpdk}[driver]
    path = path.swap("guest", make(nic=path.parts[0].options["nic"], idle="poll"))
    busy = {"snabb.pacing": "busy"} if name == "vhost-user-snabb" else {}
    return path.but(busy | {key.replace("__", "."): value for key, value in changes.items()})


def run(
    path: Path, at_ps: list[int] | int, *, direction: str = "v2v", prices: Profile = PRICES,
    trace: bool = False,
) -> Played:  # fmt: skip
    """Play a path on packets at these times, or so many that always wait, and check all laws."""
    source = SourceRow("source", 0, "saturate") if isinstance(at_ps, int) else None
    times = [0] * at_ps if isinstance(at_ps, int) else at_ps
    played = play(path, direction, times, prices=prices, source=source, trace=trace)
    check_laws(played.program, played.job, played.outcome)
    return played


def every(n: int, ps: int) -> list[int]:
    """Return arrivals at an even spacing."""
    return [ps * (i + 1) for i in range(n)]


def paid(played: Played) -> dict[str, Counter[str]]:
    """Return how often each thread paid each op."""
    found: dict[str, Counter[str]] = {row.name: Counter() for row in played.program.threads}
    for event in played.outcome.trace:
        if event.what == "pay":
            found[event.thread][played.program.uses[event.use].op] += 1
    return found


def woken(played: Played) -> dict[str, int]:
    """Return how often each thread was woken."""
    names = (row.name for row in played.program.threads)
    return dict(zip(names, played.outcome.wakeups.tolist(), strict=True))


def lost_at(played: Played) -> set[str]:
    """Return the names under which packets were dropped."""
    return {played.program.rings[i].drop for i in played.outcome.dropped if i >= 0}


def added(path: Path, packets: int) -> Counter[str]:
    """Return what so many more packets of a sender that never stops add."""
    few, many = run(path, 2048), run(path, 2048 + packets)
    assert many.delivered - few.delivered == packets
    found = many.ops + many.counters
    found.subtract(few.ops + few.counters)
    return found


# -- one packet alone ------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ALL, ids="-".join)
def test_isolated_packets(where: tuple[str, str]) -> None:
    """A packet alone costs the way out of one guest and the way into the other, without the wire.

    virtio-qemu: A's main loop is kicked awake (ppoll, eventfd, ppoll(0), writev, MSI), and inside
    writev the bridge hands the packet to B's tap, which wakes B's (ppoll, read, MSI, read): 9
    calls, 3 copies, 2 switches, an interrupt for each guest. vhost-net: worker A copies out, worker
    B copies in. OVS, Snabb (busy): one thread does both copies, a write() per interrupt. e1000: one
    exit for TDT, 1/16 for RDT, 5 and an EOI per interrupt; A's vCPU does what A's main loop does
    elsewhere, so only B's wakes. A virtual function: as out and in alone; its doorbell is the
    guest's, while the others' NIC is not used at all.
    """
    played = run(between(*where), isolated(PACKETS, GAP_PS))
    wanted = dict(zip(NAMES, ISOLATED[where], strict=True))
    assert {counter: played.per_packet(counter) for counter in NAMES} == wanted
    assert played.delivered == PACKETS


@pytest.mark.parametrize("where", ALL, ids="-".join)
def test_neither_guest_can_tell(where: tuple[str, str]) -> None:
    """The first vCPU pays what it pays in tx, the second what a receiver pays in rx, op by op.

    But for e1000, whose sending vCPU runs the host's way as well, and for looks of a poller that
    find nothing, which depend on time.
    """
    path, at = between(*where), isolated(PACKETS, GAP_PS)
    both = paid(run(path, at, trace=True))
    out = paid(run(path, at, direction="tx", trace=True))["vcpu0"]
    into = paid(run(path, at, direction="rx", trace=True))["vcpu0"]
    for mine in (*both.values(), out, into):
        del mine["pmd.empty_poll"]
    assert both["vcpu0.b"] == into
    if where[0] == "e1000":
        for op in ("linux.nic_tx", "pcie.doorbell"):
            assert out.pop(op) == PACKETS
        out |= Counter({"tun.net_xmit": PACKETS, "wake.signal": PACKETS})
    assert both["vcpu0"] == out


@pytest.mark.parametrize("size_b", [64, 1518])
def test_copied_bytes(size_b: int) -> None:
    """Two workers copy the whole frame once each."""
    played = play(between("vhost-net", "linux"), "v2v", isolated(4, GAP_PS), size_b=size_b)
    assert played.per_packet("copied_bytes") == 2 * size_b


# -- who does what ---------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["linux", "dpdk"])
@pytest.mark.parametrize("name", sorted(SENDER))
def test_the_senders_thread_bridges_and_wakes_the_receivers(name: str, driver: str) -> None:
    """The bridge and B's tap run inside A's write or sendmsg; A pays for waking B (MECHANISMS).

    Nothing of the host's NIC runs: no transmit, no doorbell, no receive.
    """
    played = run(between(name, driver), isolated(PACKETS, GAP_PS), trace=True)
    threads = paid(played)
    first, second = threads[SENDER[name]], threads[RECEIVER[name]]
    assert first["bridge.fwd"] == first["tun.net_xmit"] == PACKETS
    assert first["wake.signal"] >= PACKETS
    assert second["bridge.fwd"] == second["tun.net_xmit"] == 0
    assert woken(played)[RECEIVER[name]] == PACKETS
    assert played.ops["linux.nic_tx"] == played.ops["linux.nic_rx"] == 0


def test_two_workers_two_copies_two_switches() -> None:
    """vhost-net: A's worker is woken by A's kick, B's by A's worker; each copies once."""
    played = run(between("vhost-net", "linux"), isolated(PACKETS, GAP_PS), trace=True)
    threads = paid(played)
    assert threads["vhost"]["vhost.tx_pkt"] == threads["vhost.b"]["vhost.rx_pkt"] == PACKETS
    assert threads["vhost"]["vhost.rx_pkt"] == threads["vhost.b"]["vhost.tx_pkt"] == 0
    wakes = woken(played)
    assert wakes["vhost"] == wakes["vhost.b"] == PACKETS
    assert threads["vcpu0"]["wake.signal"] == threads["vhost"]["wake.signal"] == PACKETS


@pytest.mark.parametrize("name", ["vhost-user-ovs", "vhost-user-snabb"])
def test_one_poller_serves_both_guests(name: str) -> None:
    """A switch in userspace takes from A and gives to B on one thread: 2 copies, no wake-up."""
    played = run(between(name, "linux"), isolated(PACKETS, GAP_PS), trace=True)
    thread = {"vhost-user-ovs": "pmd", "vhost-user-snabb": "snabb"}[name]
    ops = {
        "vhost-user-ovs": ("vhostuser.deq", "ovsdpdk.emc", "vhostuser.enq"),
        "vhost-user-snabb": ("snabb.vhost_deq", "snabb.link", "snabb.vhost_enq"),
    }[name]
    threads = paid(played)
    assert set(threads) == {"vcpu0", thread, "vcpu0.b"} | {
        row.name for row in played.program.threads if row.kind == "device"
    }
    assert [threads[thread][op] for op in ops] == [PACKETS] * 3
    assert played.counters["context_switches"] == 0
    assert played.counters["copies"] == 2 * PACKETS


def test_the_nics_switch_crosses_pcie_twice() -> None:
    """Between two virtual functions the NIC fetches from one guest and writes to the other.

    One DMA read and one DMA write a packet, no copy by any CPU, no thread of the host.
    """
    played = run(between("sriov", "dpdk"), isolated(PACKETS, GAP_PS))
    assert played.ops["pcie.dma_rtt"] == played.ops["pcie.dma_write"] == PACKETS
    assert played.counters["copies"] == played.counters["syscalls"] == 0
    kinds = {row.kind for row in played.program.threads}
    assert kinds == {"vcpu", "device"}


# -- under load ------------------------------------------------------------------------------------


@pytest.mark.parametrize("load_ps", [30_000, 300_000, 1_000_000, 4_000_000])
@pytest.mark.parametrize("where", ALL, ids="-".join)
def test_laws_hold_at_any_load(where: tuple[str, str], load_ps: int) -> None:
    """From 33 Mpps down to 250 kpps packets are conserved and keep their order."""
    played = run(between(*where), every(500, load_ps))
    lost = int((played.outcome.dropped >= 0).sum())
    assert played.delivered + lost == 500
    assert played.delivered > 0


def test_saturated_ovs_moves_32_from_ring_to_ring() -> None:
    """2048 packets are 64 dequeues, lookups of a batch and enqueues of 32; no doorbell, no call.

    The guests' drivers send 64 bursts and receive 64.
    """
    found = added(between("vhost-user-ovs", "dpdk"), 2048)
    for op in ("vhostuser.deq_burst", "pmd.burst", "vhostuser.enq_burst"):
        assert found[op] == 64
    assert found["virtiopmd.burst"] == 128
    assert found["copies"] == 2 * 2048
    assert found["doorbells"] == found["calls"] == found["exits"] == found["syscalls"] == 0


def test_saturated_snabb_moves_a_ring_each_breath() -> None:
    """2048 packets are 8 breaths: each drains the ring of 256 of A and fills that of B."""
    found = added(between("vhost-user-snabb", "dpdk"), 2048)
    assert found["snabb.breath"] == 8
    assert found["snabb.vhost_deq"] == found["snabb.vhost_enq"] == 2048
    assert found["copies"] == 2 * 2048
    assert found["doorbells"] == found["exits"] == 0


def test_saturated_vf_rings_once_a_burst() -> None:
    """2048 packets are 64 doorbells of the sender; the receiver writes the tail for 32 or more.

    It looks after each call, of up to 32 packets, so one write posts 32 to 63 buffers.
    """
    found = added(between("sriov", "dpdk"), 2048)
    assert found["nicpmd.tx_burst"] == 64
    assert 2048 // 63 <= found["doorbells"] - 64 <= 2048 // 32
    assert found["copies"] == found["exits"] == found["interrupts"] == 0


def test_saturated_workers_tell_nobody() -> None:
    """A saturated sender is never told to kick: A's worker serves 256 a turn, 64 a sendmsg.

    B's worker is quicker than A's (it has no bridge to run), so it drains its tap and sleeps again
    and again: a wake-up for each 64 or fewer that A's sendmsg hands on.
    """
    found = added(between("vhost-net", "dpdk"), 2048)
    assert found["vhost.tx_pkt"] == found["vhost.rx_pkt"] == 2048
    assert found["kicks"] == found["exits"] == found["calls"] == found["syscalls"] == 0
    assert 2048 // 64 <= found["context_switches"] <= 2048 // 4
    assert found["vhost.handle_enter"] == 2048 // 256 + found["context_switches"]


def test_saturated_e1000_stands_still_for_every_burst() -> None:
    """A's 64 writes of TDT carry 32 packets each through QEMU, the bridge and B's tap."""
    found = added(between("e1000", "dpdk"), 2048)
    assert found["nicpmd.tx_burst"] == 64
    assert found["exits"] == found["exit.user_mmio"] == 64 + found["nicpmd.rx_burst"]
    assert found["copies"] == 4 * 2048


# -- losses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "place"), [
    ("virtio-qemu", "tap.queue.b"), ("vhost-net", "tap.queue.b"),
    ("vhost-user-ovs", "virtqueue.b.rx"), ("vhost-user-snabb", "snabb.from_guest"),
    ("sriov", "vf.rx"), ("e1000", "tap.queue.b"),
])  # fmt: skip
def test_a_slow_receiver_loses_where_its_queue_is(name: str, place: str) -> None:
    """What the second guest cannot take is lost before it, under the name of the full queue.

    Kernel paths: in its tap of 1000. OVS: at its virtqueue, after retries that placed nothing.
    Snabb: on the link that cannot be emptied into it. A virtual function: in its receive ring.
    The receiver takes 40 us a packet, the sender none of them.
    """
    op = {"sriov": "guest.vf_rx", "e1000": "guest.e1000_rx"}.get(name, "guest.virtio_rx")
    prices = PRICES.override({op: "40us"}, "test")
    played = run(between(name, "linux"), every(2600, 2_000_000), prices=prices)
    assert lost_at(played) == {place}
    assert played.delivered + int((played.outcome.dropped >= 0).sum()) == 2600


def test_an_interrupt_that_comes_too_early_strands_nobody() -> None:
    """A completion sent before the queue stopped finds too little room, and the driver asks again.

    A ring of 32 stops at 14 in flight. Without napi_tx a completion is wanted only then; the last
    one before it may still be on its way, and finds fewer than 19 free slots: Linux wakes the queue
    all the same, sends one packet and stops it again, which asks for the next interrupt.
    """
    path = paths.path("vhost-net").swap(
        "guest", guest.pktgen(idle="halt", napi_tx=False, kernel="5.10")
    )
    path = path.but(
        {"virtqueue.size": 32, "virtqueue.suppress": "flags", "vhost.batch": 1, "vhost.weight": 64}
    )
    source = SourceRow("source", 0, "closed", 30, 3_000_000)
    played = play(path, "v2v", [0] * 200, source=source)
    check_laws(played.program, played.job, played.outcome)
    assert played.delivered == 200
