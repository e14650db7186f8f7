"""Orders and directions: which path is faster, why, and what moves it which way."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from virtsim import ledger, paths, traffic
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import Profile, profile, profile_names
from virtsim.equation import equation
from virtsim.model.ops import included
from virtsim.model.path import Path
from virtsim.outcome import Packets
from virtsim.parts import guest

BY_SPEED = ("virtio-qemu", "vhost-net", "vhost-user-ovs")
SENT, FROM, TO = 1536, 256, 1280
"""Packets of a saturated run, and the slice of whole batches (4 x 256) that is timed."""

SLOWLY = Fraction(1000)
AT = 1_000_000_000
SHIPPED = [(name, direction) for name in BY_SPEED for direction in ("tx", "rx")]


def sender(name: str, **options: object) -> Path:
    """Return a path whose guest is pktgen, with options of the virtqueue changed."""
    path = paths.path(name).swap("guest", guest.pktgen())
    return path.but({f"virtqueue.{key}": value for key, value in options.items()})


def span_ps(lab, path: Path, prices: Profile | None = None, size_b: int = 64, **more: Host) -> int:
    """Return how long 1024 packets take in the middle of a saturated run."""
    played = lab.play(path, "tx", traffic.saturate(size_b, SENT), prices, **more)
    delivered = np.sort(played.outcome.delivered_ps)
    return int(delivered[TO] - delivered[FROM])


@pytest.mark.parametrize("prices", profile_names())
def test_order_of_the_paths(lab, prices):
    """On every machine profile QEMU is slower than vhost-net, and that than a poll-mode switch.

    One packet costs QEMU a writev and its virtqueue work in userspace, the worker a copy and an
    skb, the PMD neither system call nor skb: the bottleneck's work shrinks from path to path.
    Saturated, all three keep kicks and interrupts below one in 20 packets: the device never
    re-arms, and a completion interrupts once per 3/4 of what is in flight.
    """
    spans = [span_ps(lab, sender(name), profile(prices)) for name in BY_SPEED]
    assert spans[0] > spans[1] > spans[2]
    for name in BY_SPEED:
        found = lab.added(
            sender(name), "tx", lambda n: traffic.saturate(64, n), 256, 1024, profile(prices)
        )
        assert found["kicks"] < 1024 / 20
        assert found["interrupts"] < 1024 / 20


@pytest.mark.parametrize(("direction", "syscalls", "copies"), [("tx", 5, 0), ("rx", 4, 1)])
def test_the_ledger_explains_qemu_against_vhost(lab, direction, syscalls, copies):
    """For isolated packets the difference in CPU time is the sum of the ledger's differences.

    It lies in the system calls (5 or 4 against none), in rx in the second copy, and in the work
    of each device; wake-ups are alike, as both paths sleep between packets: same switches, and
    whatever both name (stack, driver, interrupt, bridge) they pay equally often.
    """
    runs = {}
    for name in ("virtio-qemu", "vhost-net"):
        path = paths.path(name).but({"guest.idle": "poll"})
        played = lab.play(path, direction, traffic.constant(SLOWLY, 64, 20))
        runs[name] = (cpu_ps(played), paid(played), lab.counts(played))
    (qemu_cpu, qemu_paid, qemu), (vhost_cpu, vhost_paid, vhost) = runs.values()
    gap = {op: qemu_paid[op] - vhost_paid[op] for op in qemu_paid | vhost_paid}
    assert qemu_cpu - vhost_cpu == sum(gap.values())
    assert qemu_cpu > vhost_cpu
    assert qemu["syscalls"] - vhost["syscalls"] == syscalls * 20
    assert qemu["copies"] - vhost["copies"] == copies * 20
    assert qemu["context_switches"] == vhost["context_switches"] == 20
    shared = {op for op in qemu_paid if op in vhost_paid} - {"notify.rearm"}
    assert {op for op in shared if gap[op]} == set()
    assert shared >= {"irq.guest_entry", "bridge.fwd"}


def cpu_ps(played) -> int:
    """Return the busy time of all threads that run on a CPU."""
    rows = enumerate(played.program.threads)
    return sum(int(played.outcome.total[t, 0]) for t, row in rows if row.host_cpu)


def paid(played) -> Counter[str]:
    """Return the busy time of each op on a CPU."""
    on_cpu = {row.name for row in played.program.threads if row.host_cpu}
    found: Counter[str] = Counter()
    for row in ledger.rows(played.program, played.outcome):
        if row.thread in on_cpu and row.cause != ledger.POLL and row.busy_ps:
            found[row.op] += row.busy_ps
    return found


@pytest.mark.parametrize("name", ["virtio-qemu", "vhost-net"])
def test_a_smaller_ring_interrupts_more_often(lab, name):
    """Half the ring: 110 instead of 238 in flight, so 3/4 of them are used up twice as often.

    The device pays for each call, so it is slower, too: about 83 or 179 packets share one.
    """
    small, large = (sender(name, size=size) for size in (128, 256))
    assert span_ps(lab, small) > span_ps(lab, large)
    assert calls_in_slice(lab, small) > 3 / 2 * calls_in_slice(lab, large) > 3


def calls_in_slice(lab, path: Path) -> int:
    """Return how many of the used entries of the slice were followed by a call."""
    played = lab.play(path, "tx", traffic.saturate(64, SENT), trace=True)
    at = calls = 0
    for n, called in lab.decisions(played, "virtqueue.tx", forward=False):
        at += n
        calls += called and FROM < at <= TO
    return calls


@pytest.mark.parametrize("name", BY_SPEED)
def test_one_core_for_guest_and_device(lab, name):
    """Guest and device on one core take turns (of 0.5 ms) instead of working at once: slower."""
    on_one = {"vcpu0": 0, "qemu": 0, "vhost": 0, "pmd": 0}
    together = Host(placement=on_one, quantum_ps=500_000_000)
    assert span_ps(lab, sender(name), host=together) > span_ps(lab, sender(name))


def test_a_guest_that_polls_keeps_the_core_from_its_worker(lab):
    """A guest that never halts leaves a shared core to the worker only after its 3 ms quantum.

    With a core each the worker is woken within microseconds.
    """
    path = paths.path("vhost-net").but({"guest.idle": "poll"})
    hosts = (Host(placement={"vcpu0": 0, "vhost": 0}), Host())
    stream = traffic.constant(SLOWLY, 64, 20)
    shared, apart = (lab.play(path, "tx", stream, host=host).outcome for host in hosts)
    assert (shared.delivered_ps - shared.arrived_ps).max() > hosts[0].quantum_ps // 2
    assert (apart.delivered_ps - apart.arrived_ps).max() < 100_000_000


@pytest.mark.parametrize("name", BY_SPEED)
def test_bigger_frames(lab, name):
    """1518 B instead of 64 B: more to copy and longer on the wire, so slower and later."""
    assert span_ps(lab, sender(name), size_b=1518) > span_ps(lab, sender(name))
    for direction in ("tx", "rx"):
        path = paths.path(name).but({"guest.idle": "poll"})
        small, big = (solve(lab.prices, path, direction, size).value_ps for size in (64, 1518))
        assert big > small


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("virtio-qemu", "tap.write"),
        ("vhost-net", "vhost.tx_pkt"),
        ("vhost-user-ovs", "vhostuser.deq"),
    ],
)
def test_a_slower_price_of_the_bottleneck(lab, name, op):
    """100 ns more on every packet of the bottleneck thread: 1024 packets take 102.4 us longer.

    The device's thread is the bottleneck (the guest is made eager), and each packet pays the op
    once. A call more or less within the slice moves the sum by about a microsecond.
    """
    eager = {"guest.pktgen": "10ns", "guest.virtio_tx": "40ns"}
    dearer = eager | {op: f"{float(lab.prices.cost(op).value) + 100}ns"}
    before, after = (span_ps(lab, sender(name), lab.with_prices(p)) for p in (eager, dearer))
    assert after - before == pytest.approx(102_400_000, rel=0.04)


def solve(prices: Profile, path: Path, direction: str, size_b: int = 64):
    """Return the cost equation of a packet that finds the path at rest."""
    program = compose(path, direction, Host(), prices)
    one = np.ones(1, dtype=np.int64)
    packets = Packets(one * AT, one * size_b, one * 0)
    return equation(program, price(program, prices, packets, Host().nic_bps), AT, size_b)


def latency_ps(lab, prices: Profile, path: Path, direction: str) -> int:
    """Return the played latency of the packet that ``solve`` is about."""
    one = np.ones(1, dtype=np.int64)
    out = lab.play(
        path, direction, traffic.PacketStream(one * AT, one * 64, one * 0), prices
    ).outcome
    return int(out.delivered_ps[0] - AT)


def on_the_path(terms, op: str) -> int:
    """Return how often an op is paid on the critical path, alone or inside another op."""
    names = ((t.op.partition(":")[0], t.times) for t in terms)
    return sum(times for name, times in names if op == name or op in included(name))


def after_the_look(terms) -> list:
    """Return the terms after the last wait for a poller: what moves no wait when it grows."""
    waits = [i for i, t in enumerate(terms) if t.kind == "poll wait"]
    return list(terms[waits[-1] + 1 :] if waits else terms)


@pytest.mark.parametrize(("name", "direction"), SHIPPED)
def test_a_price_counts_as_often_as_it_is_paid(lab, name, direction):
    """An op dearer by d makes an isolated packet later by d for each time the packet waits for it.

    The cost equation, read off the tables, says how often that is (also inside another op; per
    byte, 64 times); the played latency must move by exactly that. Before a poller's look time is
    in steps of its loop, so there only what comes after the look is raised.
    """
    path = paths.path(name).but({"guest.idle": "poll"})
    terms = solve(lab.prices, path, direction).terms
    before = latency_ps(lab, lab.prices, path, direction)
    known = [t.op.partition(":")[0] for t in after_the_look(terms)]
    earlier = {t.op for t in terms} - {t.op for t in after_the_look(terms)}
    raised = [op for op in dict.fromkeys(known) if op in lab.prices.costs and op not in earlier]
    assert len(raised) >= 5
    for op in raised:
        cost = lab.prices.cost(op)
        unit = "ns/B" if cost.unit == "ns/B" else "ns"
        dearer = lab.with_prices({op: f"{float(cost.value) + 1}{unit}"})
        moved = latency_ps(lab, dearer, path, direction) - before
        assert moved == 1000 * on_the_path(terms, op), op
