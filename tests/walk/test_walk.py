import itertools
import json
import os
from pathlib import Path as File

import pytest

from virtsim.compose import Host
from virtsim.costs import profile
from virtsim.parts import guest, kvm
from virtsim.paths import SHIPPED, path
from virtsim.walk import DescriptorView, RingView, Walk, walk

GOLDEN = File(__file__).parent / "golden"
PROFILE = profile("skylake-2018-mitig")
PATHS = list(itertools.product(SHIPPED, ("tx", "rx", "pvp", "v2v"), ("poll", "halt", "dpdk")))
"""Each path in each direction, with a Linux guest that polls or halts, or a DPDK guest."""


def _walk(name: str, direction: str = "tx", idle: str = "poll", **but: object) -> Walk:
    options = {key.replace("__", "."): value for key, value in but.items()}
    chosen = path(name)
    if idle == "dpdk":
        chosen = chosen.swap("guest", guest.dpdk(nic=chosen.parts[0].options["nic"]))
    else:
        options["guest.idle"] = idle
    return walk(chosen.but(options), direction, PROFILE, Host(), 64)


def _equal(name: str, direction: str, idle: str) -> Walk:
    """Walk a path that has a cost equation: Snabb without its sleeps."""
    busy = {"snabb__pacing": "busy"} if name == "vhost-user-snabb" else {}
    return _walk(name, direction, idle, **busy)


def _steps(walked: Walk, start: str) -> list[RingView]:
    views = [row.view for row in walked.rows if row.what.startswith(start)]
    return [view for view in views if isinstance(view, RingView)]


@pytest.mark.parametrize(
    ("name", "direction"), [*((name, "tx") for name in SHIPPED), ("e1000", "rx"), ("sriov", "rx")]
)
def test_golden(name: str, direction: str) -> None:
    """A walk's text changes only on purpose: ``VIRTSIM_GOLDEN=1 pytest tests/walk`` rewrites it."""
    file = GOLDEN / f"{name}-{direction}.txt"
    text = _walk(name, direction, idle="halt").text() + "\n"
    if os.environ.get("VIRTSIM_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("name", "direction", "idle"), PATHS)
def test_critical_bars_are_the_equation(name: str, direction: str, idle: str) -> None:
    """Each term of the equation was played at its time, and the critical bars fill the latency."""
    walked = _equal(name, direction, idle)
    assert walked.equation is not None
    spans = [
        (a - walked.at_ps, b - walked.at_ps, term.op, term.who)
        for a, b, term in walked.equation.intervals()
    ]
    bars = [(b.start_ps, b.end_ps, b.op, b.thread) for b in walked.bars if b.critical]
    assert bars == spans
    assert sum(b - a for a, b, _, _ in bars) == walked.latency_ps


@pytest.mark.parametrize(("name", "direction", "idle"), PATHS)
def test_busy_bars_of_a_thread_do_not_overlap(name: str, direction: str, idle: str) -> None:
    """A thread does one thing at a time."""
    bars = [b for b in _walk(name, direction, idle).bars if b.kind == "busy"]
    for thread in {bar.thread for bar in bars}:
        mine = sorted((b.start_ps, b.end_ps) for b in bars if b.thread == thread)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(mine))


@pytest.mark.parametrize(("name", "direction", "idle"), PATHS)
def test_text_is_narrow_and_dict_is_json(name: str, direction: str, idle: str) -> None:
    """The text fits 110 columns, and the dictionary holds nothing but JSON's types."""
    walked = _walk(name, direction, idle)
    assert max(map(len, walked.text().splitlines())) <= 110
    assert json.loads(json.dumps(walked.as_dict())) == walked.as_dict()


@pytest.mark.parametrize(
    ("name", "direction", "idle", "want"),
    [
        ("virtio-qemu", "tx", "poll", "exits 1 kicks 1 calls 1 syscalls 5 copies 1 interrupts 1"),
        ("virtio-qemu", "rx", "poll", "exits 0 kicks 0 calls 1 syscalls 4 copies 2 interrupts 1"),
        ("vhost-net", "tx", "poll", "exits 1 kicks 1 calls 1 syscalls 0 copies 1 interrupts 1"),
        ("vhost-net", "rx", "poll", "exits 0 kicks 0 calls 1 syscalls 0 copies 1 interrupts 1"),
        ("vhost-user-ovs", "tx", "poll", "exits 0 kicks 0 calls 1 syscalls 1 copies 1"),
        ("vhost-user-ovs", "rx", "poll", "exits 0 kicks 0 calls 1 syscalls 1 copies 1"),
        ("vhost-net", "tx", "halt", "exits 3 context_switches 3"),
        ("vhost-net", "rx", "halt", "exits 1 context_switches 2"),
        ("e1000", "tx", "poll", "exits 7 exits_user 6 syscalls 3 copies 2 interrupts 1"),
        ("e1000", "rx", "poll", "exits 6 exits_user 5 syscalls 5 copies 2 interrupts 1"),
        ("e1000", "tx", "dpdk", "exits 1 exits_user 1 syscalls 1 copies 2 interrupts 0"),
        ("sriov", "tx", "poll", "exits 0 syscalls 0 copies 0 interrupts 1 doorbells 2"),
        ("sriov", "rx", "halt", "exits 1 syscalls 0 copies 0 interrupts 1 context_switches 1"),
        ("sriov", "v2v", "dpdk", "exits 0 syscalls 0 copies 0 interrupts 0 doorbells 1"),
    ],
)
def test_totals(name: str, direction: str, idle: str, want: str) -> None:
    """The totals of an isolated packet are those that the real systems' control flow gives."""
    totals = _walk(name, direction, idle).totals
    words = want.split()
    assert all(totals[key] == int(n) for key, n in zip(words[::2], words[1::2], strict=True))


def test_tx_ring_goes_through_its_four_steps() -> None:
    """Tx: available, taken, used, reclaimed move avail.idx, last_avail, used.idx, last_used."""
    walked = _walk("vhost-net")
    names = ("available", "taken", "used", "reclaimed")
    (available,), (taken,), (used,), (reclaimed,) = (_steps(walked, name) for name in names)
    shown = [
        (v.avail_idx, v.last_avail, v.used_idx, v.last_used, v.free)
        for v in (available, taken, used, reclaimed)
    ]
    assert shown == [(1, 0, 0, 0, 255), (1, 1, 0, 0, 255), (1, 1, 1, 0, 255), (1, 1, 1, 1, 256)]


def test_rx_buffers_were_posted_beforehand() -> None:
    """Rx: the driver has posted a ring full of buffers, of which the packet takes one."""
    walked = _walk("vhost-net", "rx")
    (used,) = _steps(walked, "used")
    assert (used.avail_idx, used.last_avail, used.used_idx, used.free) == (256, 1, 1, 255)
    assert used.desc["flags"] == ["WRITE"]
    assert used.avail_event == 255  # behind avail.idx: no kick asked for at a refill
    assert "posted 256 buffers beforehand" in walked.text()


def test_decisions_show_their_arithmetic() -> None:
    """A decision by event index shows (new - event - 1) < (new - old), all modulo 65536."""
    text = _walk("vhost-net").text()
    assert "kick decision: need_event(event 0, new 1, old 0): 0 < 1 is True, kick" in text
    views = [row.view for row in _walk("vhost-net").rows if isinstance(row.view, RingView)]
    decisions = [view.decision for view in views]
    assert [d.name for d in decisions if d] == ["kick", "call"]


def test_orphan_mode_asks_for_no_call() -> None:
    """Without napi_tx the driver left used_event behind, and the decision says so."""
    text = " ".join(_walk("vhost-net", guest__napi_tx=False).text().split())
    assert "call decision: need_event(event 65535, new 1, old 0): 1 < 1 is False, no call" in text


def test_rearm_asks_for_the_next_entry() -> None:
    """After the work the device asks for the next kick: avail_event is the next avail.idx."""
    last = _steps(_walk("virtio-qemu"), "re-arm: next kick")[-1]
    assert (last.avail_event, last.avail_idx) == (1, 1)


def test_flags_stand_in_for_events() -> None:
    """Without event index the ring shows used.flags and avail.flags instead."""
    walked = _walk("vhost-net", virtqueue__suppress="flags")
    (off,) = _steps(walked, "kicks off")
    assert (off.avail_event, off.used_event, off.used_flags) == (None, None, 1)
    assert _steps(walked, "re-arm: next kick")[-1].used_flags == 0
    assert "used.flags=1" in walked.text()


def test_polled_queue_never_wants_kicks() -> None:
    """A device that polls keeps NO_NOTIFY set."""
    rows = _walk("vhost-user-ovs").rows
    views = [row.view for row in rows if isinstance(row.view, RingView)]
    assert views
    assert all(view.used_flags == 1 and view.avail_event is None for view in views)


def test_kick_by_exit_pays_the_syscall() -> None:
    """With ioeventfd off the kick is an exit to QEMU that writes an eventfd itself."""
    walked = _walk("virtio-qemu", virtqueue__kick=kvm.exit_to_qemu())
    assert (walked.totals["exits_user"], walked.totals["syscalls"]) == (1, 5)


def test_shared_core_has_a_walk_without_equation() -> None:
    """Threads that share a core are played all the same; only the equation is missing."""
    host = Host(placement={"vcpu0": 1, "vhost": 1})
    walked = walk(path("vhost-net"), "tx", PROFILE, host, 64)
    assert walked.equation is None
    assert walked.latency_ps > 0
    assert any(bar.op == "sched.ctxsw" for bar in walked.bars)
    assert "no cost equation: threads share a core" in walked.text()
    assert walked.as_dict()["refusal"] == "threads share a core"


def test_poller_that_sleeps_has_a_walk_without_equation() -> None:
    """Adaptive Snabb is played; of what it did before the packet came only the sleep is shown."""
    walked = _walk("vhost-user-snabb")
    assert walked.equation is None
    assert "snabb sleeps between its looks" in walked.refusal
    assert all(bar.end_ps >= 0 for bar in walked.bars)


# -- descriptor rings and exits --------------------------------------------------------------------


def _said(walked: Walk, ring: str) -> list[str]:
    """Return what the steps of a ring say."""
    return [row.what for row in walked.rows if row.ring == ring]


def test_descriptor_ring_in_words() -> None:
    """A NIC's ring is told as its driver sees it: tail, head, what is written back and cleaned."""
    walked = _walk("e1000")
    assert _said(walked, "e1000.tx") == [
        "desc[0] posted (60 B)",
        "tail written: the device works inside this exit",
        "desc[0] fetched",
        "desc[0] written back",
        "interrupt: raised",
        "interrupt sent",
        "interrupt masked",
        "cleaned: 1 descriptor free again",
        "interrupt unmasked",
    ]
    assert "avail" not in walked.text()
    assert "tail=1 head=1 clean=1 free=256 interrupt=on" in walked.text()


def test_received_descriptors_were_posted_beforehand() -> None:
    """Rx: the device fills what the driver posted; the tail stays until 16 buffers are missing."""
    walked = _walk("sriov", "rx")
    (filled,) = [r.view for r in walked.rows if r.what == "at the NIC, for desc[0] (60 B)"]
    assert isinstance(filled, DescriptorView)
    assert (filled.tail, filled.head, filled.clean, filled.free) == (512, 1, 0, 511)
    assert "vf.rx: the driver posted 512 buffers beforehand" in walked.text()
    last = [row.view for row in walked.rows if row.ring == "vf.rx"][-1]
    assert isinstance(last, DescriptorView)
    assert (last.tail, last.clean) == (512, 1)


def test_polled_descriptors_have_no_interrupt() -> None:
    """A DPDK guest asks for none, and posts its buffers anew after the burst (e1000)."""
    said = _said(_walk("e1000", "rx", "dpdk"), "e1000.rx")
    assert said == [
        "filled and written back: desc[0] (60 B)", "desc[0] cleaned", "1 descriptor posted anew",
    ]  # fmt: skip


def test_device_works_inside_the_exit() -> None:
    """The TDT write is one exit; the whole device, tap, bridge and NIC are marked as inside it."""
    bars = _walk("e1000").bars
    first = next(i for i, bar in enumerate(bars) if bar.op == "exit.user_mmio")
    inside = list(
        itertools.takewhile(lambda bar: bar.inside or bar.thread == "nic", bars[first + 1 :])
    )
    ops = [bar.op for bar in inside if bar.thread == "vcpu0"]
    assert ops == [
        *("exit.user_dev_extra", "e1000.tx_desc", "copy.l3", "tap.write", "tap.write_byte"),
        *("bridge.fwd", "linux.nic_tx", "pcie.doorbell", "irq.line"),
    ]
    assert "| tap.write " in _walk("e1000").text()


@pytest.mark.parametrize(("name", "idle"), [("sriov", "poll"), ("vhost-net", "halt")])
def test_nothing_is_inside_where_the_guest_runs_on(name: str, idle: str) -> None:
    """A doorbell is no exit, and a kick ends with its exit: nothing is marked."""
    walked = _walk(name, "tx", idle)
    assert not any(bar.inside for bar in walked.bars)
    assert "guest stands still" not in walked.text()


@pytest.mark.parametrize("idle", ["poll", "halt"])
@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_register_accesses_of_an_interrupt(direction: str, idle: str) -> None:
    """An e1000's interrupt: three accesses before the mask, two before it is unmasked, one EOI."""
    rows = _walk("e1000", direction, idle).rows
    steps = [r.what for r in rows if r.thread == "vcpu0" and not (r.bar and r.bar.inside)]
    begin, masked = steps.index("irq.guest_entry"), steps.index("interrupt masked")
    unmasked = steps.index("interrupt unmasked")
    assert steps[begin + 1 : masked] == ["exit.user_mmio"] * 3 + ["irq.eoi_level"]
    assert steps[masked + 1 : unmasked].count("exit.user_mmio") == 2


def test_dict_names_the_kind_of_ring() -> None:
    """JSON has the state of a virtqueue or of descriptors under its own name."""
    for name, key in (("sriov", "descriptors"), ("vhost-net", "virtqueue")):
        rows = _walk(name).as_dict()["rows"]
        found = {k for row in rows for k in ("virtqueue", "descriptors") if k in row}
        assert found == {key}
