"""A virtual function: no exits and no copies, and what each of its options changes."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim import paths, traffic
from virtsim.compose import Host, compose
from virtsim.costs import profile, profile_names
from virtsim.errors import InputError
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.testing import Played, play

PACKETS = 16
"""As many as the driver posts receive buffers at a time, so that its store to the tail is one."""

NAMES = (
    *("exits", "exits_user", "kicks", "calls", "interrupts"),
    *("syscalls", "context_switches", "copies", "doorbells"),
)
SIXTEENTH = Fraction(1, 16)
RX = {"calls": 1, "interrupts": 1, "doorbells": 1 + SIXTEENTH}
TX = {"calls": 1, "interrupts": 1, "doorbells": 2}
"""An isolated packet with posted interrupts and a vCPU that does not halt."""


def passed_through(**changes: object) -> Path:
    """Return the path with a guest that does not halt, and options changed (part__option)."""
    spelt = {key.replace("__", "."): value for key, value in changes.items()}
    return paths.path("sriov").but({"guest.idle": "poll", **spelt})


def polled(burst: int = 32, **options: object) -> Path:
    """Return the path with a DPDK guest."""
    path = paths.path("sriov").swap("guest", guest.dpdk(nic="vf", burst=burst))
    return path.but({f"vf.{key}": value for key, value in options.items()})


def row(found: Counter[str], packets: int = PACKETS) -> dict[str, Fraction]:
    """Return the counters that the tables have, per packet, without those that are 0."""
    return {name: Fraction(found[name], packets) for name in NAMES if found[name]}


def evenly(rate: int, n: int) -> list[int]:
    """Return arrivals at an even rate."""
    return [10**12 * (i + 1) // rate for i in range(n)]


def on_thread(played: Played, op: str) -> set[str]:
    """Return the threads that paid an op."""
    uses = played.program.uses
    return {e.thread for e in played.outcome.trace if e.what == "pay" and uses[e.use].op == op}


# -- isolated packets ----------------------------------------------------------------------------


def test_isolated_tx(lab):
    """A packet sent alone: no exit, no system call, no copy, no switch; 1 posted interrupt.

    Two posted stores to the mapped BAR: the tail register, and the one that unmasks the interrupt
    when NAPI is done (VTEIMS). The NIC fetches and sends by itself, the completion interrupts.
    """
    assert row(lab.isolated(passed_through(), "tx", PACKETS)) == TX


def test_isolated_rx(lab):
    """A packet received alone: the same without the tail store, but 1/16 of one for new buffers."""
    assert row(lab.isolated(passed_through(), "rx", PACKETS)) == RX


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_no_byte_is_copied_by_the_host(lab, direction):
    """DMA goes to and from the guest's own buffers."""
    assert lab.isolated(passed_through(), direction, PACKETS, size_b=1518)["copied_bytes"] == 0


@pytest.mark.parametrize(("direction", "rest"), [("tx", {"doorbells": 1}), ("rx", {})])
def test_dpdk_guest(lab, direction, rest):
    """A poll-mode driver: no interrupt; a doorbell per burst sent, or per 32 buffers posted."""
    assert row(lab.isolated(polled(), direction, PACKETS)) == rest
    more = {"doorbells": SIXTEENTH / 2} if direction == "rx" else rest
    assert row(lab.isolated(polled(), direction, 64), 64) == more


@pytest.mark.parametrize("direction", ["tx", "rx"])
@pytest.mark.parametrize(
    ("interrupts", "apicv", "more"),
    [
        ("remapped", True, {}),
        ("remapped", False, {"exits": 2}),
        ("eventfd", True, {"syscalls": 3, "context_switches": 1}),
        ("eventfd", False, {"syscalls": 3, "context_switches": 1, "exits": 2}),
    ],
)
def test_interrupts_that_are_not_posted(lab, direction, interrupts, apicv, more):
    """The host's handler signals the irqfd (remapped), or wakes QEMU, which injects (eventfd).

    QEMU: ppoll, read, ioctl(KVM_SIGNAL_MSI), 3 system calls and 1 switch. The vCPU runs: with APICv
    it is not left, without it is left for the delivery and for the EOI. Either way it is 1 call.
    """
    path = passed_through(vf__interrupts=interrupts, vf__apicv=apicv)
    wanted = (TX if direction == "tx" else RX) | more
    assert row(lab.isolated(path, direction, PACKETS)) == wanted


@pytest.mark.parametrize(
    ("interrupts", "op"), [("remapped", "vfio.irq_host"), ("eventfd", "host.irq")]
)
def test_who_handles_a_host_interrupt(interrupts, op):
    """A host interrupt is handled on the host's interrupt context, not on the vCPU's thread."""
    path = passed_through(vf__interrupts=interrupts)
    played = play(path, "rx", evenly(1000, 8), trace=True)
    assert on_thread(played, op) == {"irq"}
    assert played.ops[op] == 8


# -- a vCPU that halts ---------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "halts"), [("tx", 2), ("rx", 1)])
def test_a_halt_is_an_exit_and_a_switch(lab, direction, halts):
    """HLT and the wake-up are all that is left: 1 exit and 1 switch a halt, 2 in tx and 1 in rx.

    The posted interrupt of a vCPU that sleeps is the wake-up vector's: a host interrupt. (The NIC
    is made slow so that the sender sleeps before its completion.)
    """
    slow = lab.with_prices({"nic.latency": "40us"})
    halting = passed_through(guest__idle="halt", guest__halt_poll="0us")
    found = lab.isolated(halting, direction, PACKETS, slow)
    alone = TX if direction == "tx" else RX
    assert row(found) == alone | {"exits": halts, "context_switches": halts}
    assert found["vfio.pi_wakeup"] == PACKETS
    assert found["vfio.irq_posted"] == 0


def test_the_nic_pays_nothing_for_a_wakeup():
    """A completion that finds the vCPU asleep costs the host's interrupt context, not the link."""
    slow = profile("skylake-2018-mitig").override({"nic.latency": "40us"}, "test")
    halting = passed_through(guest__idle="halt", guest__halt_poll="0us")
    played = play(halting, "tx", evenly(1000, 8), prices=slow, trace=True)
    assert on_thread(played, "vfio.pi_wakeup") == on_thread(played, "wake.signal") == {"irq"}
    nic = [row.name for row in played.program.threads].index("nic")
    assert played.outcome.total[nic, 0] == 8 * 26_880


def test_wakeup_vector_only_for_a_vcpu_that_sleeps(lab):
    """A vCPU that runs gets its posted interrupt from the IOMMU: nobody handles anything."""
    found = lab.isolated(passed_through(), "rx", PACKETS)
    assert (found["vfio.pi_wakeup"], found["vfio.irq_posted"]) == (0, PACKETS)


def test_remapped_interrupt_wakes_by_the_irqfd(lab):
    """Without posting the handler on the host wakes a halted vCPU itself: wake.signal is its."""
    halting = passed_through(guest__idle="halt", guest__halt_poll="0us", vf__interrupts="remapped")
    played = play(halting, "rx", evenly(1000, 8), trace=True)
    assert on_thread(played, "wake.signal") == {"irq"}
    assert played.ops["vfio.pi_wakeup"] == 0
    assert played.ops["vfio.irq_host"] == 8


# -- moderation ----------------------------------------------------------------------------------


@given(
    rate=st.integers(5_000, 700_000),
    n=st.integers(20, 80),
    gap_us=st.sampled_from([10, 50, 83]),
    direction=st.sampled_from(["tx", "rx", "pvp"]),
)
def test_at_most_one_interrupt_per_window(rate, n, gap_us, direction):
    """Interrupts are a window apart, at any load.

    Both queues share one vector: in pvp, too, where the guest is interrupted for what it received
    and for what it sent. (A running vCPU sees each of them equally long after the NIC sent it.)
    """
    path = passed_through(vf__moderation=f"{gap_us}us")
    played = play(path, direction, evenly(rate, n), trace=True)
    trace = [e for e in played.outcome.trace if e.what == "deliver_notification"]
    sent = [e.at_ps for e in trace if e.thread == "vcpu0" and e.ring.startswith("vf.")]
    assert len(sent) == played.counters["interrupts"]
    assert all(b - a >= gap_us * 10**6 for a, b in pairwise(sent))


def price(op: str) -> int:
    """Return a price of the default profile, in ps."""
    return int(profile("skylake-2018-mitig").cost(op).value * 1000)


def test_moderation_saves_interrupts_and_makes_packets_wait():
    """200 kpps received: 10 packets share an interrupt of a 50 us window, and wait for it."""
    at = evenly(200_000, 400)
    off, on = (play(passed_through(vf__moderation=w), "rx", at) for w in ("0us", "50us"))
    late = [(p.outcome.delivered_ps - p.outcome.arrived_ps).max() for p in (off, on)]
    assert off.counters["interrupts"] == 400
    assert 38 <= on.counters["interrupts"] <= 42
    assert late[1] > late[0] + 40_000_000


# -- saturation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("burst", [1, 8, 32])
def test_saturated_doorbells_are_one_a_burst(lab, burst):
    """960 more packets of a DPDK guest: 960 / burst doorbells, and nothing that the host does."""
    found = lab.added(polled(burst), "tx", lambda n: traffic.saturate(64, n), 320, 960)
    assert row(found, 1) == {"doorbells": 960 // burst}
    assert found["delivered"] == 960


def test_saturated_pktgen_rings_once_a_burst(lab):
    """In-kernel bursts of 32: 30 tail stores for 960 packets, the rest unmask interrupts."""
    path = paths.path("sriov").swap("guest", guest.pktgen(nic="vf"))
    found = lab.added(path, "tx", lambda n: traffic.saturate(64, n), 320, 960)
    assert found["exits"] == found["syscalls"] == found["copies"] == 0
    assert found["doorbells"] == 960 // 32 + found["interrupts"]


@pytest.mark.parametrize("book", profile_names())
def test_the_link_is_the_limit_of_a_dpdk_guest(book):
    """1518 B frames leave back to back: (1518 + 20) bytes at 25 Gbit/s apart, on any machine."""
    wire_ps = (1518 + 20) * 8 * 10**12 // 25_000_000_000
    played = play(polled(), "tx", [0] * 600, size_b=1518, prices=profile(book))
    gaps = np.diff(np.sort(played.outcome.delivered_ps))[100:]
    assert played.delivered == 600
    assert set(gaps.tolist()) == {wire_ps}


@pytest.mark.parametrize("book", profile_names())
def test_scale_up_to_the_switch(lab, book):
    """64 B frames of an in-kernel generator: e1000 < virtio-qemu < vhost-net < vhost-user-ovs.

    e1000 works on the guest's own core, which stands still meanwhile, and copies twice; QEMU's
    virtio works beside the guest, but with a system call a packet; vhost copies in the kernel; the
    poll-mode switch has neither skb nor wake-up.
    """
    names = ("e1000", "virtio-qemu", "vhost-net", "vhost-user-ovs")
    rates = [rate(lab, name, "pktgen", book) for name in names]
    assert all(slower < faster for slower, faster in pairwise(rates))


@pytest.mark.parametrize("book", profile_names())
def test_fastest_of_the_scale(lab, book):
    """64 B frames of a DPDK guest: a virtual function is faster than a poll-mode switch.

    Nobody copies for it, and nobody but the guest's core works at all.
    """
    assert rate(lab, "sriov", "dpdk", book) > 2 * rate(lab, "vhost-user-ovs", "dpdk", book)


@pytest.mark.parametrize("book", profile_names())
def test_completion_interrupts_turn_the_order(lab, book):
    """pktgen: completions that interrupt make the virtual function slower than a switch.

    The guest's core is the limit. A virtqueue's event index asks for one interrupt per 3/4 of what
    is in flight; a NIC without moderation interrupts whenever its interrupt is not masked. With
    windows of 50 us, the rate that Intel's drivers start with, it is the faster one again.
    """
    ovs = rate(lab, "vhost-user-ovs", "pktgen", book)
    assert rate(lab, "sriov", "pktgen", book, {"vf.moderation": "0us"}) < ovs
    assert rate(lab, "sriov", "pktgen", book, {"vf.moderation": "50us"}) > ovs


def rate(lab, name: str, kind: str, book: str, changes: dict[str, str] | None = None) -> Fraction:
    """Return the packets per microsecond in the middle of a saturated run."""
    path = paths.path(name)
    make = {"dpdk": guest.dpdk, "pktgen": guest.pktgen}[kind]
    path = path.swap("guest", make(nic=path.parts[0].options["nic"])).but(changes or {})
    played = lab.play(path, "tx", traffic.saturate(64, 2048), profile(book))
    delivered = np.sort(played.outcome.delivered_ps)
    return Fraction(1024 * 10**6, int(delivered[1536] - delivered[512]))


# -- options -------------------------------------------------------------------------------------


def effect(direction: str, make=passed_through, **changes: object) -> tuple[int, Counter[str]]:
    """Return what options add to an isolated packet's latency (ps) and counters, over the default.

    Both are of 32 packets, which options make later by the same.
    """
    before, after = (play(make(**c), direction, evenly(1000, 32)) for c in ({}, changes))
    (late,) = set((after.outcome.delivered_ps - before.outcome.delivered_ps).tolist())
    more = Counter(after.counters)
    more.subtract(before.counters)
    return late, Counter({k: v for k, v in more.items() if v})


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_an_iotlb_miss_is_a_page_walk_and_nothing_else(direction):
    """Each packet's DMA waits for one walk; no counter moves."""
    late, more = effect(direction, vf__iotlb="miss")
    assert (late, more) == (price("iommu.iotlb_miss"), Counter())


@pytest.mark.parametrize("direction", ["tx", "rx"])
@pytest.mark.parametrize(("viommu", "exits"), [("lazy", 1), ("strict", 2)])
def test_a_guests_iommu_exits_for_every_buffer(direction, viommu, exits):
    """The guest tells its IOMMU of each mapping, and of each unmapping unless that is put off.

    Telling it is a register write, an exit to QEMU; the rest is the guest's own mapping work.
    """
    late, more = effect(direction, vf__viommu=viommu)
    register = price("exit.user_mmio") + price("exit.user_dev_extra")
    assert late == price(f"iommu.{viommu}_per_io") + exits * register
    assert more == {"exits": 32 * exits, "exits_user": 32 * exits}


@pytest.mark.parametrize("direction", ["tx", "rx", "pvp"])
def test_a_dpdk_guest_maps_its_memory_once(direction):
    """A guest's IOMMU costs a poll-mode driver nothing per packet."""
    tables = [compose(polled(viommu=mode), direction, Host(), profile("skylake-2018-mitig"))
              for mode in ("off", "strict")]  # fmt: skip
    assert tables[0] == tables[1]


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_moderation_does_not_touch_isolated_packets(direction):
    """A window that is over when the next packet comes changes nothing at all."""
    assert effect(direction, vf__moderation="50us") == (0, Counter())


def test_a_shorter_receive_ring_drops_more():
    """A burst of 400 packets at the link's rate: 64 descriptors do not hold it, 512 do.

    The guest takes hundreds of ns a packet, the link 26.88.
    """
    at = [10**9 + 26_880 * i for i in range(400)]
    small, large = (play(passed_through(vf__ring=ring), "rx", at) for ring in (64, 512))
    names = [ring.drop for ring in small.program.rings]
    assert (small.outcome.dropped == names.index("vf.rx")).sum() > 250
    assert (large.outcome.dropped == names.index("vf.rx")).sum() == 0


def test_both_guests_of_v2v_have_a_host_of_their_own():
    """The NIC's switch joins two virtual functions; each VM's QEMU injects its own interrupts."""
    path = passed_through(vf__interrupts="eventfd")
    played = play(path, "v2v", evenly(1000, 8), trace=True)
    assert on_thread(played, "irq.signal_msi") == {"qemu", "qemu.b"}
    assert played.delivered == 8
    assert (played.counters["exits"], played.counters["copies"]) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"vf.apicv": False}, "vf.apicv"),
        ({"vf.interrupts": "polled"}, "vf.interrupts"),
        ({"vf.viommu": "on"}, "vf.viommu"),
        ({"vf.iotlb": "cold"}, "vf.iotlb"),
        ({"vf.moderation": "often"}, "vf.moderation"),
        ({"vf.ring": 8}, "vf.ring"),
    ],
)
def test_refused(changes, where):
    """What a virtual function cannot be is refused at its place; posting needs APICv."""
    with pytest.raises(InputError) as caught:
        paths.path("sriov").but(changes)
    assert where in caught.value.where
