"""vhost-user-snabb: what a breath does, counted, and what overflows where.

Unless a test says otherwise a breath follows a breath ("busy") and the guest does not halt.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from virtsim import paths
from virtsim.compose import Host
from virtsim.errors import InputError
from virtsim.model.path import Path
from virtsim.parts import guest, snabb
from virtsim.program import SourceRow
from virtsim.testing import Played, check_laws, play

US = 1_000_000
PACKETS = 5
NAMES = (
    *("exits", "exits_user", "kicks", "calls", "interrupts", "syscalls", "context_switches"),
    *("copies", "doorbells"),
)

# Per isolated packet, in the order of NAMES: the guest does not halt, APICv and napi_tx are on.
TABLE = {
    ("tx", "linux"): (0, 0, 0, 1, 1, 1, 0, 1, 1),
    ("rx", "linux"): (0, 0, 0, 1, 1, 1, 0, 1, 0),
    ("pvp", "linux"): (0, 0, 0, 2, 2, 2, 0, 2, 1),
    ("v2v", "linux"): (0, 0, 0, 2, 2, 2, 0, 2, 0),
    ("tx", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 1, 1),
    ("rx", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 1, 0),
    ("pvp", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 2, 1),
    ("v2v", "dpdk"): (0, 0, 0, 0, 0, 0, 0, 2, 0),
}
KINDS = sorted(TABLE)
HALTS = {"tx": 2, "rx": 1}
BREATH_US = Fraction("1.58")
"""A breath that finds nothing: snabb.breath, and pcie.mmio_read of the transmit ring's head."""


def path(kind: str = "linux", **changes: object) -> Path:
    """Return the path, not pacing, with a guest that does not halt; options are part__option."""
    made = paths.path("vhost-user-snabb").but({"snabb.pacing": "busy"})
    made = made.but({"guest.idle": "poll"}) if kind == "linux" else made.swap("guest", guest.dpdk())
    return made.but({name.replace("__", "."): value for name, value in changes.items()})


def lossless(played: Played) -> Played:
    """Return what was played, if it keeps the laws of the engine."""
    check_laws(played.program, played.job, played.outcome)
    return played


def at_once(n: int) -> list[int]:
    """Return packets that all come 50 us after the start."""
    return [50 * US] * n


def drops(played: Played) -> dict[str, int]:
    """Return the drops by the name of the ring."""
    found = Counter(played.outcome.dropped[played.outcome.dropped >= 0].tolist())
    return {played.program.rings[r].drop: n for r, n in found.items()}


# -- one isolated packet --------------------------------------------------------------------------


@pytest.mark.parametrize("where", KINDS, ids="-".join)
def test_counts_of_an_isolated_packet(lab, where):
    """Never a kick, an exit or a wake-up; each crossing of a virtqueue is one copy by Snabb.

    A Linux guest asks to be called, for the packet it sent (napi_tx) and for the one it gets: each
    call is one write() to callfd and one interrupt. A DPDK guest asks for none, so there is no
    system call at all. tx and rx cross one virtqueue, pvp and v2v two. One doorbell where a packet
    leaves by the NIC.
    """
    direction, kind = where
    found = lab.isolated(path(kind), direction, PACKETS)
    expected = [PACKETS * n for n in TABLE[where]]
    assert [found[name] for name in NAMES] == expected
    assert (found["delivered"], found["dropped"]) == (PACKETS, 0)


@pytest.mark.parametrize("size_b", [64, 1518])
@pytest.mark.parametrize("where", KINDS, ids="-".join)
def test_copied_bytes(lab, where, size_b):
    """Every copy moves the whole frame."""
    found = lab.isolated(path(where[1]), where[0], PACKETS, size_b=size_b)
    assert found["copied_bytes"] == PACKETS * TABLE[where][NAMES.index("copies")] * size_b


@pytest.mark.parametrize("where", [w for w in KINDS if w[0] in ("tx", "rx")], ids="-".join)
def test_ops_of_an_isolated_packet(lab, where):
    """One packet is one descriptor, one link hop and one NIC descriptor, at one call decision.

    The checksum is Snabb's business only for a driver that has agreed on CSUM: Linux's.
    """
    direction, kind = where
    found = lab.isolated(path(kind), direction, PACKETS)
    queue, nic = {"tx": ("vhost_deq", "nic_tx"), "rx": ("vhost_enq", "nic_rx")}[direction]
    once = (f"snabb.{queue}", "snabb.vhost_byte", f"snabb.{nic}", "snabb.link", "call.check")
    assert [found[op] for op in once] == [PACKETS] * len(once)
    others = {"snabb.vhost_deq", "snabb.vhost_enq", "snabb.nic_tx", "snabb.nic_rx"} - {*once}
    assert all(found[op] == 0 for op in others)
    assert found["csum.byte"] == (PACKETS if kind == "linux" else 0)


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_halts_are_an_exit_and_a_switch_each(lab, direction):
    """A guest that halts adds one HLT exit and one switch per halt: 2 halts in tx, 1 in rx.

    The call is made slow, so that the guest of tx sleeps before it comes.
    """
    prices = lab.with_prices({"irq.inject_host": "40us"})
    halting = path(guest__idle="halt", guest__halt_poll="0us")
    found = lab.isolated(halting, direction, PACKETS, prices)
    halts = PACKETS * HALTS[direction]
    expected = [PACKETS * n for n in TABLE[direction, "linux"]]
    expected[NAMES.index("exits")] = expected[NAMES.index("context_switches")] = halts
    assert [found[name] for name in NAMES] == expected


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_a_packet_waits_for_less_than_a_breath(direction):
    """Not pacing, an isolated packet waits for the look of the next breath, at most one of 1.58 us.

    A breath: 580 ns of its own and the microsecond of the transmit head. 160 packets whose phases
    step through it by a hundredth: the longest wait is longer by 0.99 of a breath.
    """
    step = int(BREATH_US * US / 100)
    at = [50 * US * (i + 1) + i * step for i in range(160)]
    out = lossless(play(path("dpdk" if direction == "tx" else "linux"), direction, at)).outcome
    late = out.delivered_ps - out.arrived_ps
    assert 0.9 * BREATH_US * US < np.ptp(late) < BREATH_US * US


# -- whole breaths --------------------------------------------------------------------------------


def breaths(played: Played, op: str) -> list[int]:
    """Return how often an op was paid in each breath, from the trace.

    The first is the one in which something was found after breaths that found nothing.
    """
    found = [0]
    for event in played.outcome.trace:
        if event.what == "pay":
            name = played.program.uses[event.use].op
            if name == "snabb.breath":
                found.append(0)
            elif name == op:
                found[-1] += 1
    return found


def saturated(lab, kind: str, breath: str) -> Played:
    """Return a guest that sends as fast as it can to a Snabb whose breath costs this much."""
    prices = lab.with_prices({"snabb.breath": breath})
    source = SourceRow("source", 0, "saturate")
    played = play(path(kind), "tx", [0] * 2000, source=source, prices=prices, trace=True)
    return lossless(played)


@pytest.mark.parametrize(("kind", "ring", "calls"), [("linux", 238, 1), ("dpdk", 256, 0)])
def test_a_breath_drains_the_ring_of_the_guest(lab, kind, ring, calls):
    """Saturated in tx: the guest fills its ring during a breath, the next one takes all of it.

    With breaths of 1 ms each but the first and the last takes what the ring holds, 256, or 238 of
    Linux, which stops at the packet that leaves fewer than 19 of 256 slots. It publishes and rings
    the doorbell once for all of them, and calls once, if at all.
    """
    played = saturated(lab, kind, "1ms")
    assert set(breaths(played, "snabb.vhost_deq")[1:-1]) == {ring}
    assert set(breaths(played, "sys.eventfd_write")[1:-1]) == {calls}
    assert set(breaths(played, "pcie.doorbell")[1:-1]) == {1}
    assert set(breaths(played, "pcie.mmio_read")[1:-1]) == {1}


@pytest.mark.parametrize("kind", ["linux", "dpdk"])
def test_one_call_and_one_doorbell_a_breath_at_most(lab, kind):
    """Saturated at the list's prices, whatever a breath finds: never two of either in one."""
    played = saturated(lab, kind, "580ns")
    calls, bells = (breaths(played, op) for op in ("sys.eventfd_write", "pcie.doorbell"))
    assert max(bells) == 1
    assert max(calls) <= 1
    assert played.counters["kicks"] == played.counters["exits"] == 0
    assert played.per_packet("copies") == 1
    assert played.counters["syscalls"] == played.counters["calls"]


def test_a_breath_pulls_102_from_the_nic():
    """Overloaded in rx each breath takes a tenth of a link, 1023 // 10, and no more.

    3000 frames at once: 2048 descriptors take as many, the others are dropped by the NIC. 20
    breaths take 102 each, one the last 8.
    """
    played = lossless(play(path("dpdk"), "rx", at_once(3000), trace=True))
    pulled = [n for n in breaths(played, "snabb.nic_rx") if n]
    assert pulled == [*[102] * 20, 8]
    assert drops(played) == {"nic.rx": 3000 - 2048}


def test_more_is_pulled_if_asked_for():
    """``nic.pull`` changes how many packets a breath takes, and nothing else of an idle one."""
    played = play(path("dpdk", nic__pull=500), "rx", at_once(1200), trace=True)
    assert [n for n in breaths(played, "snabb.nic_rx") if n] == [500, 500, 200]


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_one_call_for_all_that_a_breath_moved(direction):
    """50 packets of one breath are one used index, one write() to callfd, one interrupt.

    Breaths are 10 ms apart, so that all packets are there at the next one. They arrive 1 us apart
    in rx; in tx the guest sends them one after another, and asks for one completion interrupt.
    """
    slow = path(snabb__pacing="fixed", snabb__period="10ms")
    at = [12_000 * US + i * US for i in range(50)]
    played = lossless(play(slow, direction, at, trace=True))
    moved = "snabb.vhost_deq" if direction == "tx" else "snabb.vhost_enq"
    assert [n for n in breaths(played, moved) if n] == [50]
    assert played.counters["calls"] == played.counters["interrupts"] == 1
    assert played.ops["call.check"] == 1
    assert played.delivered == 50


# -- links that overflow --------------------------------------------------------------------------


def test_a_full_link_drops_what_the_guest_sends_too_much():
    """A breath pulls all 150 packets of the guest, its link holds 100: the last 50 are lost there.

    Fixed breaths of 10 ms: all 150 are in the guest's ring at the next one. They have been copied,
    and their used entries published, before the link refuses them.
    """
    slow = path("dpdk", snabb__pacing="fixed", snabb__period="10ms", snabb__link=100)
    played = lossless(play(slow, "tx", at_once(150)))
    assert drops(played) == {"snabb.from_guest": 50}
    assert (played.outcome.dropped >= 0).nonzero()[0].tolist() == [*range(100, 150)]
    assert played.counters["copies"] == 150
    assert played.delivered == 100


def test_a_full_link_drops_what_the_nic_pulls_too_much():
    """A breath pulls 102 packets from the NIC onto a link of 60: 42 are lost there, uncopied.

    The guest has buffers for all that the link holds, so each breath starts with an empty link.
    204 packets at once are two full pulls.
    """
    played = lossless(play(path("dpdk", snabb__link=60), "rx", at_once(204)))
    assert drops(played) == {"snabb.to_guest": 2 * 42}
    assert played.counters["copies"] == played.delivered == 2 * 60


def test_packets_wait_on_the_link_for_buffers_of_the_guest(lab):
    """A guest without buffers: its packets stay on the link, and the link overflows, nothing else.

    A ring of 64 buffers, and a guest that takes a second for a packet; a link of 100; 400 packets
    at once, pulled 102, 102, 102, 94. Breath 1: 100 onto the link, 2 lost, 64 pushed, 36 stay.
    Breath 2: 64 fit, 38 lost, no buffers. Breaths 3 and 4: 102 and 94 lost. What waits on the link
    comes in when the guest gives buffers back.
    """
    prices = lab.with_prices({"guest.virtio_rx": "1s"})
    slow = path(snabb__link=100, virtqueue__size=64)
    played = play(slow, "rx", at_once(400), prices=prices, trace=True)
    pushed = [n for n in breaths(played, "snabb.vhost_enq") if n]
    assert pushed[0] == 64
    assert drops(played) == {"snabb.to_guest": 2 + 38 + 102 + 94}
    assert played.delivered == 64 + 100


def test_a_slow_wire_backs_up_to_the_link():
    """1518 B at 1 Gbit/s: the NIC's ring fills, the link behind it too, and there Snabb drops.

    It goes on pulling, so that the guest, which sends all the time, is never held up. The wire is
    never idle: frames are (1518 + 20) x 8 ns apart.
    """
    made = path("dpdk", nic__descriptors=64, snabb__link=100)
    source, slow = SourceRow("source", 0, "saturate"), Host(nic_bps=10**9)
    played = play(made, "tx", [0] * 1000, source=source, size_b=1518, host=slow)
    assert drops(lossless(played)) == {"snabb.from_guest": 1000 - played.delivered}
    delivered = played.outcome.delivered_ps[played.outcome.delivered_ps >= 0]
    assert set(np.diff(delivered).tolist()) == {1538 * 8 * 1000}


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "where"),
    [
        ("snabb.pacing", "lazy", "snabb.pacing"),
        ("snabb.link", 0, "snabb.link"),
        ("snabb.pages", "giant", "snabb.pages"),
        ("snabb.period", "0us", "snabb.period"),
        ("snabb.max_sleep", "-1us", "snabb.max_sleep"),
        ("nic.pull", 0, "nic.pull"),
        ("nic.descriptors", 16, "nic.descriptors"),
    ],
)
def test_options_that_there_are_not(option, value, where):
    """An option's value that means nothing is refused, and named."""
    with pytest.raises(InputError) as refused:
        path().but({option: value})
    assert refused.value.where.endswith(where)


def test_a_tap_without_reads_is_refused():
    """The Tap app reads one packet a breath at least."""
    with pytest.raises(InputError, match="at least 1"):
        snabb.tap(pull=0)
