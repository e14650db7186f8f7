"""Counts of one isolated packet: no queue, every thread at rest, so each step happens once."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from virtsim import paths
from virtsim.model.path import Path
from virtsim.parts import kvm

PACKETS = 5
NAMES = (
    "exits",
    "exits_user",
    "kicks",
    "calls",
    "syscalls",
    "context_switches",
    "copies",
    "interrupts",
)

# Per packet, in the order of NAMES; the guest does not halt, APICv and napi_tx are on.
TABLE = {
    ("virtio-qemu", "tx"): (1, 0, 1, 1, 5, 1, 1, 1),
    ("virtio-qemu", "rx"): (0, 0, 0, 1, 4, 1, 2, 1),
    ("vhost-net", "tx"): (1, 0, 1, 1, 0, 1, 1, 1),
    ("vhost-net", "rx"): (0, 0, 0, 1, 0, 1, 1, 1),
    ("vhost-user-ovs", "tx"): (0, 0, 0, 1, 1, 0, 1, 1),
    ("vhost-user-ovs", "rx"): (0, 0, 0, 1, 1, 0, 1, 1),
}
BOTH_WAYS = sorted(TABLE)
OUT = [where for where in BOTH_WAYS if where[1] == "tx"]
KICKED = [where for where in OUT if where[0] != "vhost-user-ovs"]
CALLS = {
    "virtio-qemu": lambda apicv: kvm.signal_msi(apicv=apicv),
    "vhost-net": lambda apicv: kvm.irqfd(apicv=apicv),
    "vhost-user-ovs": lambda apicv: kvm.irqfd(apicv=apicv, by="process"),
}
SLOW_CALL = {"irq.inject_host": "40us", "irq.signal_msi": "40us"}
"""Calls that take so long that a halting vCPU is asleep before they come."""


def polling(name: str, **changes: object) -> Path:
    """Return a path whose guest does not halt, with options changed (part__option)."""
    spelt = {key.replace("__", "."): value for key, value in changes.items()}
    return paths.path(name).but({"guest.idle": "poll", **spelt})


def halting(name: str, halt_poll: str, **changes: object) -> Path:
    """Return a path whose guest halts; the ceiling of KVM's halt polling is given."""
    return polling(name, guest__idle="halt", guest__halt_poll=halt_poll, **changes)


def expected(where: tuple[str, str], packets: int = PACKETS, **more: int) -> dict[str, int]:
    """Return the table's counts for some packets, with so many more of some per packet."""
    row = dict(zip(NAMES, TABLE[where], strict=True))
    return {name: packets * (count + more.get(name, 0)) for name, count in row.items()}


def among(found: Counter[str]) -> dict[str, int]:
    """Return the counters that the table has."""
    return {name: found[name] for name in NAMES}


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_table(lab, where):
    """One isolated packet costs the counts of its walk, every one of them by a named step.

    virtio-qemu tx: kick = 1 exit into the ioeventfd; the main loop wakes (1 switch) out of ppoll
    (1), reads the eventfd (1), comes round with ppoll(0) (1), writev copies (1 call, 1 copy), and
    the completion is ioctl(KVM_SIGNAL_MSI) (1): 5 system calls, 1 interrupt by TX NAPI.
    virtio-qemu rx: tap wakes the main loop (1 switch): ppoll, read (copy 1), memcpy into the
    guest (copy 2), KVM_SIGNAL_MSI, and read once more for EAGAIN: 4 system calls.
    vhost-net: tx as above but kick and call stay in the kernel, one copy by the worker; rx: tap
    wakes the worker (1 switch), which copies once.
    vhost-user: never a kick nor a wake-up; one copy by the PMD, one write() to the call eventfd.
    A refill of receive buffers is one per more than 32, and nobody waits for it: no kick.
    """
    name, direction = where
    found = lab.isolated(polling(name), direction, PACKETS)
    assert among(found) == expected(where)
    assert found["delivered"] == PACKETS
    assert found["dropped"] == 0


@pytest.mark.parametrize("size_b", [64, 1518])
@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_copied_bytes(lab, where, size_b):
    """Every copy moves the whole frame: copied bytes are the table's copies times its size."""
    found = lab.isolated(polling(where[0]), where[1], PACKETS, size_b=size_b)
    assert found["copied_bytes"] == PACKETS * TABLE[where][NAMES.index("copies")] * size_b


@pytest.mark.parametrize("where", OUT, ids="-".join)
def test_one_doorbell(lab, where):
    """The NIC gets one doorbell per isolated packet, from the host; the guest rings none."""
    assert lab.isolated(polling(where[0]), "tx", PACKETS)["doorbells"] == PACKETS


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_halts_are_an_exit_and_a_switch_each(lab, where):
    """A guest that halts adds one HLT exit and one switch per halt: 2 halts in tx, 1 in rx.

    tx: after start_xmit the guest has nothing to do and halts; the completion interrupt wakes it
    and it halts again, until the next packet. rx: it halts once it has read the packet. With halt
    polling off each halt ends in schedule() (1 context switch). The kick's or call's other counts
    stay. The call is made slow so that the guest sleeps before it comes.
    """
    name, direction = where
    halts = 2 if direction == "tx" else 1
    slow = lab.with_prices(SLOW_CALL)
    found = lab.isolated(halting(name, "0us"), direction, PACKETS, slow)
    assert among(found) == expected(where, exits=halts, context_switches=halts)
    assert found["hlt.exit"] == found["hlt.block"] == found["hlt.resume"] == halts * PACKETS


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_a_halt_poll_hit_is_an_exit_and_no_switch(lab, where):
    """Where every halt is caught by its poll, a halt is the HLT exit only: no schedule().

    KVM's poll doubles from 10 us with every halt that was shorter than its ceiling; after the
    eight that it takes to outlast a millisecond between packets all 2 (tx) or 1 (rx) are hits.
    """
    name, direction = where
    halts = 2 if direction == "tx" else 1
    found = lab.isolated(halting(name, "1s"), direction, PACKETS)
    assert among(found) == expected(where, exits=halts)
    assert found["hlt.poll_hit"] == halts * PACKETS
    assert found["hlt.block"] == 0


def test_a_call_during_the_block_saves_the_sleep(lab):
    """An interrupt that comes while KVM still schedules the vCPU out costs no switch for it.

    vhost-user tx: the PMD answers within a turn of its loop, and the block is made to take far
    longer. 2 halts are 2 exits; only the second, before the next packet, is slept through.
    """
    slow = lab.with_prices({"hlt.block": "50us"})
    found = lab.isolated(halting("vhost-user-ovs", "0us"), "tx", PACKETS, slow)
    assert among(found) == expected(("vhost-user-ovs", "tx"), exits=2, context_switches=1)


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_interrupt_of_a_running_vcpu_without_apicv(lab, where):
    """Without APICv an interrupt to a running vCPU is 2 exits: its delivery and its EOI."""
    name, direction = where
    path = polling(name, virtqueue__call=CALLS[name](False))
    found = lab.isolated(path, direction, PACKETS)
    assert among(found) == expected(where, exits=2)
    assert found["irq.deliver_noapicv"] == found["irq.eoi_noapicv"] == PACKETS


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_interrupt_of_a_halted_vcpu_without_apicv(lab, where):
    """A vCPU asleep is injected on entry: of the 2 exits only the EOI's is left, next to HLT's."""
    name, direction = where
    halts = 2 if direction == "tx" else 1
    path = halting(name, "0us", virtqueue__call=CALLS[name](False))
    found = lab.isolated(path, direction, PACKETS, lab.with_prices(SLOW_CALL))
    assert among(found) == expected(where, exits=halts + 1, context_switches=halts)
    assert found["irq.deliver_noapicv"] == 0
    assert found["irq.eoi_noapicv"] == PACKETS


@pytest.mark.parametrize("kernel", ["6.15", "5.10"])
@pytest.mark.parametrize("where", OUT, ids="-".join)
def test_orphan_mode_has_no_completion_interrupt(lab, where, kernel):
    """napi_tx off: the used event is asked for only when the queue stops, which one packet never.

    So no call, no interrupt, and neither the ioctl (QEMU) nor the write() (PMD) that made it.
    """
    path = polling(where[0], guest__napi_tx=False, guest__kernel=kernel)
    call = 0 if where[0] == "vhost-net" else 1
    found = lab.isolated(path, "tx", PACKETS)
    assert among(found) == expected(where, calls=-1, interrupts=-1, syscalls=-call)


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_older_driver(lab, where):
    """Up to 6.14 start_xmit reclaims and arms before it adds: 3/4 of nothing in flight.

    The event index is then the next used entry, so an isolated packet still interrupts once.
    """
    found = lab.isolated(polling(where[0], guest__kernel="5.10"), where[1], PACKETS)
    assert among(found) == expected(where)


@pytest.mark.parametrize("where", KICKED, ids="-".join)
def test_kick_by_port(lab, where):
    """A port kick is one light exit like an MMIO kick, at another price: the ratio of the exits."""
    path = polling(where[0], virtqueue__kick=kvm.ioeventfd(by="port"))
    found = lab.isolated(path, "tx", PACKETS)
    assert among(found) == expected(where)
    assert (found["kick.vcpu"], found["kick.vcpu:mmio"]) == (PACKETS, 0)
    ratio, exit_ = (lab.prices.cost(op).value for op in ("exit.fast_mmio", "exit.light"))
    dearer = lab.latency_ps(polling(where[0]), "tx") - lab.latency_ps(path, "tx")
    assert dearer == (ratio - 1) * exit_ * 1000


@pytest.mark.parametrize("where", KICKED, ids="-".join)
def test_kick_without_ioeventfd(lab, where):
    """With ioeventfd off the kick's exit goes out to QEMU, which writes an eventfd on the vCPU.

    The exit is the same 1, now 1 of exits_user too, and the write() is 1 system call. A vhost
    worker reads no eventfd and adds none. QEMU's main loop needs one less: its bottom half is due
    when ppoll returns and runs in that iteration, where an ioeventfd's handler schedules it only
    then, for one more ppoll(0). Write, ppoll, read, writev, KVM_SIGNAL_MSI: 5, as with ioeventfd.
    """
    found = lab.isolated(polling(where[0], virtqueue__kick=kvm.exit_to_qemu()), "tx", PACKETS)
    less = 1 if where[0] == "virtio-qemu" else 0
    assert among(found) == expected(where, exits_user=1, syscalls=1 - less)
    assert found["kick.user"] == found["sys.eventfd_write"] == PACKETS


@pytest.mark.parametrize("variant", ["A", "C"])
def test_ends_of_handle_tx(lab, variant):
    """Re-arm before the last flush (A) or after (C): a lone packet is kicked for and called once.

    The guest sends nothing between the two, so their order changes no count.
    """
    where = ("vhost-net", "tx")
    found = lab.isolated(polling("vhost-net", vhost__variant=variant), "tx", PACKETS)
    assert among(found) == expected(where)
    assert found["vhost.handle_enter"] == found["notify.rearm"] - PACKETS == PACKETS


def test_tx_timer(lab):
    """The tx timer flushes 150 us after the kick was read: same kicks, calls and system calls.

    ppoll, read, ppoll until the timer, writev, KVM_SIGNAL_MSI are 5 as well, but the second ppoll
    blocks: 1 switch more. The packet is late by the timer and by that wake-up: the scheduler's
    delay and the exit latency of the deepest idle state whose residency 150 us reach.
    """
    where, timer = ("virtio-qemu", "tx"), polling("virtio-qemu", qemu__tx="timer")
    assert among(lab.isolated(timer, "tx", PACKETS)) == expected(where, context_switches=1)
    assert lab.prices.cost("cstate.C1.residency").value <= 150_000
    assert lab.prices.cost("cstate.C6.residency").value > 150_000
    wake = sum(lab.prices.cost(op).value for op in ("wake.sched", "cstate.C1"))
    late = lab.latency_ps(timer, "tx") - lab.latency_ps(polling("virtio-qemu"), "tx")
    assert late == (150_000 + wake) * 1000
    longer = polling("virtio-qemu", qemu__tx="timer", qemu__tx_timer="250us")
    assert lab.latency_ps(longer, "tx") - lab.latency_ps(timer, "tx") == 100_000_000


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_suppression_by_flags(lab, where):
    """Flags instead of event indexes: both sides are armed when an isolated packet comes.

    A kick and a call per packet as before; a refill finds NO_NOTIFY set, as no device waits.
    """
    found = lab.isolated(polling(where[0], virtqueue__suppress="flags"), where[1], 66)
    assert among(found) == expected(where, packets=66)


@pytest.mark.parametrize("where", BOTH_WAYS, ids="-".join)
def test_no_suppression(lab, where):
    """No suppression: in rx each refill kicks too, one per 33 packets (more than 32 missing).

    Such a kick is 1 exit and wakes the device's thread for nothing (1 switch). QEMU's iteration
    is 2 system calls, ppoll and one read that brings no packet; vhost's worker makes none. tx,
    and a vhost-user device, which has no kick, are as before.
    """
    found = lab.isolated(polling(where[0], virtqueue__suppress="always"), where[1], 66)
    kicks = 2 if where[1] == "rx" and where[0] != "vhost-user-ovs" else 0
    wanted = Counter(expected(where, packets=66))
    wanted.update(dict.fromkeys(("exits", "kicks", "context_switches"), kicks))
    wanted["syscalls"] += 2 * kicks * (where[0] == "virtio-qemu")
    assert among(found) == wanted


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_packets_inside_the_workers_spin(lab, direction):
    """A packet that comes while vhost busy polls needs neither a kick nor a wake-up.

    20 us apart against a spin of 50 us: each packet is found by a look at the ring (tx) or at
    the tap (rx), so no kick, no exit and no switch. Used entries are flushed before the spin, so
    the call and its interrupt stay 1 each.
    """
    found = lab.isolated(
        polling("vhost-net", vhost__spin="50us"), direction, PACKETS, rate=Fraction(50_000)
    )
    row = dict.fromkeys(NAMES, 0) | {"calls": PACKETS, "interrupts": PACKETS, "copies": PACKETS}
    assert among(found) == row
    assert found["vhost.poll_iter"] > 0


def test_packets_beyond_the_workers_spin(lab):
    """A spin that is over before the next packet comes changes no count: 50 us against 1 ms."""
    found = lab.isolated(polling("vhost-net", vhost__spin="50us"), "tx", PACKETS)
    assert among(found) == expected(("vhost-net", "tx"))
