from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtsim.figures.data import Cell, headline
from virtsim.report import reasons
from virtsim.report.phrases import TIE
from virtsim.result import Result

Make = Callable[..., Cell]


def line(thread: str, part: str, op: str, cause: str, ns: int, count: int = 10) -> tuple[Any, ...]:
    """Return a ledger line that spends so many ns per packet on ten packets."""
    return thread, thread, "stage", part, op, cause, count, ns * 10_000, 0, 0


def threads(**busy: float) -> dict[str, Any]:
    """Return threads that are busy for so much of the window, and asleep for the rest."""
    return {name: {"core": name, "busy": b, "asleep": 1 - b} for name, b in busy.items()}


def told(found: Any) -> str:
    """Return sentences as one text, with plain spaces."""
    return " ".join(found).replace(TIE, " ")


OWN = line("vcpu0", "guest", "guest.sock_send", "work", 1000)
ENTRY = line("vcpu0", "guest", "irq.guest_entry", "entry", 800)


def moving(ns: int) -> tuple[Any, ...]:
    """Return a line of a back end that moves packets."""
    return line("pmd", "ovs", "vhostuser.deq", "work", ns)


def test_limit_is_the_saturated_thread(cell: Make) -> None:
    """A saturated vCPU is the guest's limit, another thread is named, and 90 % are no limit."""
    on_guest = cell("a", threads=threads(vcpu0=1.0), bottleneck="vcpu0", ledger=[OWN])
    on_host = cell("b", threads=threads(qemu=0.97), bottleneck="qemu", ledger=[OWN])
    idle = cell("c", threads=threads(pmd=0.9), bottleneck="pmd", ledger=[OWN])
    text = told(reasons.limits([on_guest, on_host, idle]))
    assert "The guest's own vCPU is the limit on a: it is busy 100 % of the time" in text
    assert "with 1.00 µs of work a packet" in text
    assert "On b the limit is qemu, busy 97 % of the time." in text
    assert " c" not in text


def test_emulation_on_the_vcpu_is_not_the_guests_own_work(cell: Make) -> None:
    """What a vCPU does in exits to QEMU is told apart from what its guest does."""
    exits = line("vcpu0", "e1000", "exit.user_mmio", "kick", 4000)
    cells = [
        cell("e1000", threads=threads(vcpu0=1.0), bottleneck="vcpu0", ledger=[OWN, exits]),
        cell("virtio", threads=threads(vcpu0=1.0), bottleneck="vcpu0", ledger=[OWN]),
    ]
    text = told(reasons.limits(cells))
    assert "own vCPU is the limit on virtio:" in text
    assert "of the 5.00 µs that it works on a packet 4.00 µs are spent outside the guest" in text


def test_order_turns_by_interrupts(cell: Make) -> None:
    """Less to move and yet less delivered, with a busier vCPU: the interrupts are named."""
    few = {"threads": threads(vcpu0=1.0, pmd=0.5), "interrupts": 0.1, "delivered_pps": 9e4}
    many = few | {"interrupts": 1.0, "delivered_pps": 5e4}
    slow = cell("slow", ledger=[OWN, ENTRY, moving(500)], **many)
    fast = cell("fast", ledger=[OWN, moving(900)], **few)
    text = told(reasons.turns([slow, fast], "delivered_pps", "high"))
    assert text == (
        "slow does less outside the guest to move a packet than fast (500 ns against 900 ns) and "
        "yet delivers less (50.0 kpps against 90.0 kpps): its guest's vCPU works 1.80 µs on a "
        "packet, against 1.00 µs, and 800 ns of that are interrupts, one for every packet where "
        "fast has one for 10 packets."
    )


def test_no_sentence_where_the_numbers_do_not_bear_it(cell: Make) -> None:
    """An order that follows the work, or that nothing in the ledger explains, is not explained."""
    cheap = cell("cheap", ledger=[OWN, moving(500)], threads=threads(vcpu0=1.0, pmd=1.0))
    dear = cell("dear", ledger=[OWN, moving(900)], threads=threads(vcpu0=1.0, pmd=1.0),
                delivered_pps=5e4)  # fmt: skip
    assert told(reasons.turns([cheap, dear], "delivered_pps", "high")) == ""
    slow = cell("slow", ledger=[OWN, moving(500)], threads=threads(vcpu0=1.0, pmd=1.0),
                delivered_pps=4e4)  # fmt: skip
    assert told(reasons.turns([slow, dear], "delivered_pps", "high")) == ""


def test_naps_of_a_poller(cell: Make) -> None:
    """A poller's sleep is given as its share and its length: 80 % in one nap per ten packets."""
    nap = line("snabb", "snabb", "sys.nanosleep", "poll", 10, count=1)
    sleepy = cell("sleepy", p50=9e3, threads=threads(vcpu0=0.5, snabb=0.2), ledger=[nap, OWN])
    text = told(reasons.naps([sleepy], []))
    assert "The poller of sleepy sleeps 80 % of the time, about 80.0 µs at a stretch" in text
    quick = cell("quick", p50=1e3, threads=threads(vcpu0=0.5, pmd=0.2), ledger=[OWN, moving(50)])
    turned = list(reasons.turns([sleepy, quick], "latency_ns.p50", "low"))
    assert "its poller sleeps 80 % of the time" in told(turned)
    assert not list(reasons.naps([sleepy, quick], turned))


def test_halts_are_counted(cell: Make) -> None:
    """Halts a packet and what they cost the vCPU; a guest that never halts is not mentioned."""
    halt = line("vcpu0", "guest", "hlt.exit", "halt", 300, count=5)
    halting, busy = (
        cell(label, ledger=[row], threads=threads(vcpu0=0.5))
        for label, row in (("halting", halt), ("busy", OWN))
    )
    text = told(reasons.halts([halting, busy]))
    assert "halts when it has nothing to do on halting, 0.50 times a packet" in text
    assert "cost its vCPU 300 ns a packet" in text
    assert not list(reasons.halts([busy]))


def test_six_paths_are_explained(swept: Result) -> None:
    """At 900 kpps of 64 B a Linux guest's vCPU is the limit on every path.

    It is with its own work on all but e1000, where QEMU runs in its exits. OVS moves packets more
    cheaply than others that deliver more, because it interrupts the guest for every packet.
    """
    top = [
        Cell(r.summary["label"], r.summary["path"], "tx", (r,))
        for r in swept.records
        if r.summary["direction"] == "tx" and r.summary["point"] == {"traffic.rate": "900000pps"}
    ]
    text = told(reasons.limits(top))
    own = text.partition(":")[0]
    assert all(name in own for name in ("vhost-user-ovs", "vhost-user-snabb", "sriov"))
    assert "e1000" not in own
    assert "On e1000 the vCPU is the limit" in text
    turns = told(reasons.turns(top, "delivered_pps", "high"))
    assert "vhost-user-ovs does less outside the guest to move a packet than" in turns
    assert "one for every packet where" in turns


def test_spending_adds_up(swept: Result) -> None:
    """What moves packets outside the guest and what vCPUs do are both parts of the CPU time."""
    for cell in headline(swept):
        spending = reasons.Spending(cell)
        cpu = cell.value("per_packet.cpu_ns")
        assert cpu is not None
        assert 0 <= spending.moving < cpu
        assert 0 < spending.vcpu <= cpu + 1e-6
        assert spending.emulated == 0 or cell.label == "e1000"
