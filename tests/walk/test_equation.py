import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim.compose import Host
from virtsim.costs import profile, profile_names
from virtsim.equation import Equation
from virtsim.errors import InputError
from virtsim.model.path import Path
from virtsim.outcome import Prices
from virtsim.parts import bridge, guest, kvm, nic, nic_pmd, none, ovs_dpdk, qemu_net, tap, virtqueue
from virtsim.parts.vhost_net import worker
from virtsim.paths import SHIPPED, path
from virtsim.program import Program

Both = Callable[..., tuple[int, Equation]]
DEFAULT = "skylake-2018-mitig"
ARRIVALS = (0, 1, 777_777, 50_000_000, 123_456_789, 2_000_000_000)
VHOST, QEMU, OVS = path("vhost-net"), path("virtio-qemu"), path("vhost-user-ovs")
E1000, SRIOV = path("e1000"), path("sriov")
SNABB = path("vhost-user-snabb").but({"snabb.pacing": "busy"})
EACH = {name: path(name) for name in SHIPPED} | {"vhost-user-snabb": SNABB}
DIRECTIONS = ("tx", "rx", "pvp", "v2v")
GUESTS = ("poll", "halt", "pktgen", "dpdk")
EXIT = {"virtqueue.kick": kvm.exit_to_qemu()}
VARIANTS: dict[str, tuple[Path, str]] = {
    "ioeventfd off, qemu": (QEMU.but(EXIT), "tx"),
    "ioeventfd off, vhost": (VHOST.but(EXIT), "tx"),
    "kick by port": (VHOST.but({"virtqueue.kick": kvm.ioeventfd(by="port")}), "tx"),
    "tx timer": (QEMU.but({"qemu.tx": "timer"}), "tx"),
    "short tx timer": (QEMU.but({"qemu.tx": "timer", "qemu.tx_timer": "1us"}), "tx"),
    "long tx timer": (QEMU.but({"qemu.tx": "timer", "qemu.tx_timer": "900us"}), "tx"),
    "tx bursts of 1": (QEMU.but({"qemu.tx_burst": 1}), "tx"),
    "tap reads of 1": (QEMU.but({"qemu.tap_reads": 1}), "rx"),
    "flags, tx": (VHOST.but({"virtqueue.suppress": "flags"}), "tx"),
    "flags, rx": (VHOST.but({"virtqueue.suppress": "flags"}), "rx"),
    "flags, ovs": (OVS.but({"virtqueue.suppress": "flags"}), "tx"),
    "always": (QEMU.but({"virtqueue.suppress": "always"}), "rx"),
    "no APICv, tx": (VHOST.but({"virtqueue.call": kvm.irqfd(apicv=False)}), "tx"),
    "no APICv, rx": (
        VHOST.but({"virtqueue.call": kvm.irqfd(apicv=False), "guest.idle": "poll"}),
        "rx",
    ),
    "no APICv, halted": (QEMU.but({"virtqueue.call": kvm.signal_msi(apicv=False)}), "rx"),
    "pktgen": (VHOST.swap("guest", guest.pktgen()), "tx"),
    "pktgen, single": (QEMU.swap("guest", guest.pktgen(burst=1, idle="poll")), "tx"),
    "pktgen, polled": (OVS.swap("guest", guest.pktgen()), "tx"),
    "old driver": (OVS.but({"guest.kernel": "5.10"}), "tx"),
    "orphan mode": (OVS.but({"guest.napi_tx": False}), "tx"),
    "orphan mode, flags": (
        OVS.but({"guest.napi_tx": False, "virtqueue.suppress": "flags"}),
        "tx",
    ),
    "no halt polling": (OVS.but({"guest.halt_poll": "0us"}), "tx"),
    "vhost variant A": (VHOST.but({"vhost.variant": "A"}), "tx"),
    "vhost variant A, batch 1": (VHOST.but({"vhost.variant": "A", "vhost.batch": 1}), "tx"),
    "vhost variant A, few bytes": (
        VHOST.but({"vhost.variant": "A", "vhost.weight_b": "64B"}),
        "tx",
    ),
    "vhost spin, tx": (VHOST.but({"vhost.spin": "50us"}), "tx"),
    "vhost spin, rx": (VHOST.but({"vhost.spin": "50us"}), "rx"),
    "small ring": (QEMU.but({"virtqueue.size": 32}), "tx"),
    "moderation": (VHOST.but({"nic.moderation": "20us"}), "rx"),
    "megaflow": (OVS.but({"ovs.lookup": "megaflow", "ovs.burst": 1}), "rx"),
    "no bridge": (VHOST.swap("bridge", none()), "rx"),
    "ends at tap, vhost": (VHOST.swap("bridge", none()).swap("nic", none()), "tx"),
    "ends at tap, qemu": (QEMU.swap("bridge", none()).swap("nic", none()), "tx"),
    "ovs with kicks": (OVS.but({"virtqueue.kick": kvm.ioeventfd()}), "tx"),
    "own chain": (
        Path(
            "mine",
            guest.pktgen(burst=4, idle="poll"),
            virtqueue(size=64, suppress="flags", kick=kvm.exit_to_qemu(), call=kvm.irqfd()),
            worker(batch=16, variant="A"),
            tap(),
            nic(),
        ),
        "tx",
    ),
    "own chain, qemu": (
        Path(
            "mine",
            guest.linux(kernel="5.10"),
            virtqueue(kick=kvm.ioeventfd(), call=kvm.irqfd(by="process")),
            qemu_net.net(),
            tap(),
            bridge(),
            nic(ring=64),
        ),
        "rx",
    ),
    "no mitigation": (E1000.but({"e1000.mitigation": "0us"}), "tx"),
    "e1000 without APICv": (E1000.but({"e1000.apicv": False, "guest.idle": "poll"}), "rx"),
    "e1000, halted without APICv": (E1000.but({"e1000.apicv": False}), "rx"),
    "RDT per poll": (E1000.but({"guest.refill": "poll"}), "rx"),
    "RDT per poll, bridged": (E1000.but({"guest.refill": "poll"}), "pvp"),
    "small e1000 ring": (E1000.but({"e1000.ring": 32}), "v2v"),
    "e1000 on a single pktgen": (E1000.swap("guest", guest.pktgen(nic="e1000", burst=1)), "tx"),
    "moderated VF": (SRIOV.but({"vf.moderation": "50us"}), "rx"),
    "VF polled in bursts of 4": (SRIOV.swap("guest", guest.dpdk(nic="vf", burst=4)), "pvp"),
    "no bridge, there and back": (VHOST.swap("bridge", none()), "pvp"),
    "qemu timer, there and back": (QEMU.but({"qemu.tx": "timer"}), "pvp"),
    "megaflow between guests": (OVS.but({"ovs.lookup": "megaflow"}), "v2v"),
    "own chain, polled": (
        Path("mine", guest.linux(), virtqueue(call=kvm.irqfd()), ovs_dpdk.port(), nic_pmd()),
        "rx",
    ),
}


def with_guest(chosen: Path, kind: str) -> Path:
    """Return a path with a Linux guest that polls or halts when idle, or with another guest."""
    if kind in ("poll", "halt"):
        return chosen.but({"guest.idle": kind})
    make = {"pktgen": guest.pktgen, "dpdk": guest.dpdk}[kind]
    return chosen.swap("guest", make(nic=chosen.parts[0].options["nic"]))


CASES = {
    f"{name} {direction} {kind}": (with_guest(chosen, kind), direction)
    for (name, chosen), direction, kind in itertools.product(EACH.items(), DIRECTIONS, GUESTS)
    if kind != "pktgen" or direction == "tx"
}
"""Every path in every direction with every guest that it can have."""


@pytest.mark.parametrize("case", CASES)
def test_equation_is_the_simulated_latency(both: Both, case: str) -> None:
    """The equation's value is the played packet's latency: any profile, size and arrival."""
    chosen, direction = CASES[case]
    for book, size_b, at_ps in itertools.product(profile_names(), (64, 1518), ARRIVALS):
        latency, costs = both(chosen, direction, prices=profile(book), size_b=size_b, at_ps=at_ps)
        assert costs.value_ps == latency, (book, size_b, at_ps, str(costs))


INTERRUPTS = [("posted", True), *itertools.product(("remapped", "eventfd"), (True, False))]
VARIANTS |= {
    f"VF {direction}, {how}, APICv {apicv}, {idle}, {iotlb}, vIOMMU {viommu}": (
        SRIOV.but({"guest.idle": idle, "vf.interrupts": how, "vf.apicv": apicv,
                   "vf.iotlb": iotlb, "vf.viommu": viommu}),
        direction,
    )
    for direction, (how, apicv), (idle, iotlb, viommu) in itertools.product(
        ("rx", "pvp", "v2v"),
        INTERRUPTS,
        (("poll", "hit", "off"), ("halt", "miss", "strict"), ("halt", "hit", "lazy")),
    )
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_equation_holds_for_variants(both: Both, variant: str) -> None:
    """Options, notifications and recombined parts change the equation as they change the play."""
    chosen, direction = VARIANTS[variant]
    for size_b, at_ps in itertools.product((64, 1518), ARRIVALS):
        latency, costs = both(chosen, direction, size_b=size_b, at_ps=at_ps)
        assert costs.value_ps == latency, (size_b, at_ps, str(costs))


@pytest.mark.parametrize(("late_ps", "woken"), [(-1000, 0), (-1, 0), (0, 0), (1, 1), (10**9, 1)])
def test_a_call_on_the_way_wakes_a_guest_that_sleeps_by_then(
    both: Both, late_ps: int, woken: int
) -> None:
    """A poller that gives slots back first pays wake.signal only if the sender sleeps already."""
    _, costs = both(OVS, "tx")
    end = {term.op: end for _, end, term in costs.intervals()}
    called = end["irq.inject_host"] - end["guest.virtio_tx"]
    asleep = sum(int(profile(DEFAULT).cost(op).value) for op in ("hlt.exit", "hlt.block")) * 1000
    deq_ps = int(profile(DEFAULT).cost("vhostuser.deq").value) * 1000 + asleep - called + late_ps
    book = profile(DEFAULT).override({"vhostuser.deq": f"{deq_ps}ps"}, "test")
    latency, costs = both(OVS, "tx", prices=book)
    assert costs.value_ps == latency
    assert sum(term.op == "wake.signal" for term in costs.terms) == woken


def test_host_without_idle_states_has_no_exit_latency(both: Both) -> None:
    """Idle states are the host's: without any no term of them is left."""
    latency, costs = both(VHOST, "rx", host=Host(cstates=()))
    assert costs.value_ps == latency
    assert not any(term.op.startswith("cstate.") for term in costs.terms)


def test_distributed_prices_are_those_of_the_packet(both: Both) -> None:
    """A drawn price enters the equation as the draw of the one packet."""
    changes = {"wake.sched": {"value": "2us", "dist": "gamma", "cv": 0.5}}
    book = profile(DEFAULT).override(changes, "test")
    latency, costs = both(VHOST, "rx", prices=book)
    assert costs.value_ps == latency


@given(
    case=st.sampled_from([*VARIANTS.values(), *CASES.values(), *CASES.values()]),
    seed=st.integers(0, 2**32),
    most_ps=st.sampled_from([1, 2, 5, 1000, 1_000_000]),
    size_b=st.integers(64, 9000),
    at_ps=st.one_of(st.integers(0, 20), st.integers(0, 3_000_000_000)),
)
def test_equation_holds_at_any_price(
    both: Both, case: tuple[Path, str], seed: int, most_ps: int, size_b: int, at_ps: int
) -> None:
    """Whatever the prices, tiny ones that make everything tie included, equation and play agree."""

    def change(program: Program, table: Prices) -> Prices:
        flat = np.random.default_rng(seed).integers(0, most_ps, len(table.flat), endpoint=True)
        least_1 = {stage.item[0] for stage in program.stages if stage.item}
        least_1 |= {use for stage in program.stages for use in stage.poll}
        for use in least_1:
            flat[table.offset[use]] = max(1, flat[table.offset[use]])
        pollers = [t for t in program.threads if t.wait == "poll"]
        for thread in pollers:  # one op, whether its iteration finds something or not
            for loop, idle_loop in zip(thread.loop, thread.idle_loop, strict=True):
                flat[table.offset[idle_loop]] = flat[table.offset[loop]]
        return Prices(flat, table.offset, table.step)

    latency, costs = both(*case, size_b=size_b, at_ps=at_ps, change=change)
    assert costs.value_ps == latency


def test_decision_sees_what_was_armed_by_then(both: Both) -> None:
    """An arm that passes later than the other side's decision does not count for it."""

    def slow(program: Program) -> Program:
        first, *others = program.stages
        arms = tuple(
            replace(arm, uses=first.item * 9) if arm.when == "publish" else arm
            for arm in first.arms
        )
        return replace(program, stages=(replace(first, arms=arms), *others))

    latency, costs = both(OVS, "tx", alter=slow)
    assert costs.value_ps == latency
    assert not any(term.cause == "call" for term in costs.terms)


def test_timer_starts_a_turn_of_its_own(both: Both) -> None:
    """A turn started by a timer opens a new iteration, deferred or not."""

    def prompt(program: Program) -> Program:
        stages = tuple(replace(stage, defer=False) for stage in program.stages)
        return replace(program, stages=stages)

    latency, costs = both(QEMU.but({"qemu.tx": "timer"}), "tx", alter=prompt)
    assert costs.value_ps == latency
    assert [term.op for term in costs.terms].count("qemu.loop") == 2


def test_packet_that_nobody_is_told_of_is_refused(both: Both) -> None:
    """A consumer that sleeps unarmed never sees an isolated packet; there is nothing to add up."""

    def deaf(program: Program) -> Program:
        channels = tuple(replace(channel, armed=False) for channel in program.channels)
        return replace(program, channels=channels)

    with pytest.raises(InputError, match="nobody is told"):
        both(VHOST, "tx", alter=deaf)


def test_text_names_ops_in_the_order_of_the_way(both: Both) -> None:
    """The text is the sum in op names, bytes as a factor, and its value in microseconds."""
    _, costs = both(VHOST.but({"guest.idle": "poll"}), "tx")
    assert str(costs) == (
        "guest.sock_send + guest.virtio_tx + kick.vcpu:mmio + wake.signal + wake.sched + "
        "cstate.C1 + vhost.handle_enter + vhost.tx_pkt + 64 B x vhost.tx_byte + tun.skb + "
        "bridge.fwd + linux.nic_tx + pcie.doorbell + pcie.dma_rtt + nic.latency + link.wire "
        "= 7.637 us"
    )


def test_terms_follow_each_other_without_a_gap(both: Both) -> None:
    """One term begins where the last one ended, the first at the arrival."""
    latency, costs = both(OVS, "rx", at_ps=123)
    spans = list(costs.intervals())
    assert spans[0][0] == 123
    assert spans[-1][1] == 123 + latency
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert {term.kind for term in costs.terms} == {"busy", "delay", "poll wait"}


def test_as_dict_holds_all_terms(both: Both) -> None:
    """JSON has every term and the same value."""
    _, costs = both(VHOST, "tx")
    data = costs.as_dict()
    assert data["value_ps"] == sum(row["ps"] for row in data["terms"]) == costs.value_ps


def test_threads_that_share_a_core_are_refused(both: Both) -> None:
    """Where scheduling decides, the tables leave no single answer."""
    with pytest.raises(InputError, match="share a core"):
        both(VHOST, "tx", host=Host(placement={"vcpu0": 1, "vhost": 1}))


# -- what the newer mechanisms add -----------------------------------------------------------------


def test_called_stage_is_inside_the_callers_turn(both: Both) -> None:
    """The e1000's work is paid by the vCPU, between its exit and the wire: one thread, no wait."""
    _, costs = both(with_guest(E1000, "poll"), "tx")
    ops = [term.op for term in costs.terms]
    inside = ops[ops.index("exit.user_mmio") : ops.index("pcie.dma_rtt")]
    assert inside[:3] == ["exit.user_mmio", "exit.user_dev_extra", "e1000.tx_desc"]
    assert inside[-1] == "pcie.doorbell"
    assert {term.who for term in costs.terms if term.op in inside} == {"vcpu0"}


def test_relays_are_on_the_way(both: Both) -> None:
    """An interrupt through the host's handler and QEMU pays both, and each wake-up on the way."""
    chosen = SRIOV.but({"vf.interrupts": "eventfd"})
    _, costs = both(chosen, "rx")
    who = [name for name, _ in itertools.groupby(term.who for term in costs.terms)]
    assert who == ["vcpu0", "irq", "qemu", "vcpu0"]
    assert [t.op for t in costs.terms].count("wake.signal") == 2


def test_wakeup_vector_only_where_the_vcpu_sleeps(both: Both) -> None:
    """A posted interrupt is a delay of the running vCPU, or a host interrupt that wakes it."""
    for idle, has, lacks in (
        ("poll", "vfio.irq_posted", "vfio.pi_wakeup"),
        ("halt", "vfio.pi_wakeup", "vfio.irq_posted"),
    ):
        _, costs = both(with_guest(SRIOV, idle), "rx")
        ops = [term.op for term in costs.terms]
        assert has in ops
        assert lacks not in ops


def test_poller_passes_its_other_looks_on_the_way(both: Both) -> None:
    """Between two stages of one poller the packet waits for what the poller passes, op by op."""
    latency, costs = both(with_guest(SNABB, "dpdk"), "v2v")
    assert costs.value_ps == latency
    waits = [term.who for term in costs.terms if term.kind == "poll wait"]
    assert waits == ["vcpu0", "snabb", "vcpu0.b"]


@pytest.mark.parametrize("late_ps", [-(10**5), -1, 0, 1, 10**6])
def test_packet_waits_for_a_thread_that_it_left_at_work(both: Both, late_ps: int) -> None:
    """There and back through the main loop: a kick that comes while it still works is queued.

    Its work after the packet (the read that finds tap empty) is made as long as it takes the packet
    to come back, and a bit shorter or longer: then it sleeps, or the packet waits for it.
    """
    chosen = with_guest(QEMU, "dpdk")
    book = profile(DEFAULT)
    _, costs = both(chosen, "pvp", prices=book)
    spans = [(a, b, t) for a, b, t in costs.intervals()]
    left = next(b for _, b, t in spans if t.op == "copy.l3")
    kicked = next(b for _, b, t in spans if t.op == "kick.vcpu:mmio")
    slow = book.override({"tap.read_empty": f"{kicked - left + late_ps}ps"}, "test")
    latency, costs = both(chosen, "pvp", prices=slow)
    assert costs.value_ps == latency
    queued = [(term.who, term.ps) for term in costs.terms if term.op == "queued"]
    assert queued == ([("qemu", late_ps)] if late_ps > 0 else [])


@pytest.mark.parametrize(
    ("chosen", "direction", "why"),
    [
        (path("vhost-user-snabb"), "tx", "snabb sleeps between its looks"),
        (path("vhost-user-snabb").but({"snabb.pacing": "fixed"}), "rx", "snabb sleeps"),
        (VHOST.but({"vhost.spin": "50us"}), "pvp", "returns to vhost while it spins"),
    ],
)
def test_what_the_tables_do_not_say_is_refused(
    both: Both, chosen: Path, direction: str, why: str
) -> None:
    """A poller's sleeps depend on all before, a spin on when the packet comes back: no equation."""
    with pytest.raises(InputError, match=why):
        both(chosen, direction)


def test_sum_in_words_names_who_is_waited_for(both: Both) -> None:
    """Waits are named with the thread; other terms are their ops."""
    _, costs = both(with_guest(SRIOV, "dpdk"), "v2v")
    assert str(costs) == (
        "poll wait(vcpu0) + nicpmd.tx_burst + pcie.doorbell + guest.dpdk_app + nicpmd.tx + "
        "pcie.dma_rtt + nic.latency + link.wire + nic.latency + pcie.dma_write + "
        "poll wait(vcpu0.b) + nicpmd.rx_burst + nicpmd.rx + guest.dpdk_app = 1.961 us"
    )
