"""e1000: register exits, what runs inside them, and interrupts that keep their distance."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim import paths, traffic
from virtsim.costs import profile, profile_names
from virtsim.errors import InputError
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.testing import Played, play

PACKETS = 16
"""As many as the driver posts receive buffers at a time, so that its write of RDT is one."""

NAMES = (
    *("exits", "exits_user", "kicks", "calls", "interrupts"),
    *("syscalls", "context_switches", "copies", "doorbells"),
)
WINDOW_PS = 128_000_000
REGISTER = "exit.user_mmio"
PER_INTERRUPT = 5
"""Register accesses of one interrupt: ICR, IMC, STATUS in its handler, IMS, STATUS after NAPI."""


def emulated(**changes: object) -> Path:
    """Return the path with a guest that does not halt, and options changed (part__option)."""
    spelt = {key.replace("__", "."): value for key, value in changes.items()}
    return paths.path("e1000").but({"guest.idle": "poll", **spelt})


def sender(**options: object) -> Path:
    """Return the path with a pktgen guest."""
    return paths.path("e1000").swap("guest", guest.pktgen(nic="e1000", **options))


def row(found: Counter[str], packets: int = PACKETS) -> dict[str, Fraction]:
    """Return the counters that the tables have, per packet, without those that are 0."""
    return {name: Fraction(found[name], packets) for name in NAMES if found[name]}


def paid(played: Played, op: str, *causes: str) -> int:
    """Return how often an op was paid for some causes."""
    uses = enumerate(played.program.uses)
    mine = [i for i, use in uses if use.op == op and use.cause in causes]
    return int(played.outcome.count[:, mine].sum())


def evenly(rate: int, n: int) -> list[int]:
    """Return arrivals at an even rate."""
    return [10**12 * (i + 1) // rate for i in range(n)]


# -- isolated packets ----------------------------------------------------------------------------


def test_isolated_tx(lab):
    """A packet sent alone: 6 exits to QEMU, 1 exit for the EOI, 3 system calls, 2 copies.

    The write of TDT is an exit to QEMU; in it QEMU copies the frame into its buffer (copy 1),
    writes it to tap (1 call, copy 2; bridge and the NIC's doorbell lie inside) and raises the line
    (ioctl, 1 call). The handler reads ICR (exit; QEMU lowers the line: ioctl), writes IMC and reads
    STATUS (2 exits), NAPI writes IMS and reads STATUS (2 exits); the EOI of a level is an exit that
    stays in KVM. No thread but the vCPU's takes part: no switch. A TDT write is no virtio kick.
    """
    assert row(lab.isolated(emulated(), "tx", PACKETS)) == {
        **{"exits": 7, "exits_user": 6, "calls": 1, "interrupts": 1},
        **{"syscalls": 3, "copies": 2, "doorbells": 1},
    }


def test_isolated_rx(lab):
    """A packet received alone: 5 + 1/16 exits to QEMU, 1 for the EOI, 5 system calls, 2 copies.

    Tap wakes the main loop (1 switch): ppoll, read (copy 1), copy into the guest's buffer (copy 2),
    KVM_IRQ_LINE up, read once more for EAGAIN; then the interrupt as in tx, whose ICR read lowers
    the line by the fifth call. RDT is written for 16 buffers at a time.
    """
    sixteenth = Fraction(1, 16)
    assert row(lab.isolated(emulated(), "rx", PACKETS)) == {
        **{"exits": 6 + sixteenth, "exits_user": 5 + sixteenth, "calls": 1, "interrupts": 1},
        **{"syscalls": 5, "context_switches": 1, "copies": 2},
    }


@pytest.mark.parametrize("size_b", [64, 1518])
@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_copied_bytes(lab, direction, size_b):
    """Both copies move the whole frame."""
    found = lab.isolated(emulated(), direction, PACKETS, size_b=size_b)
    assert found["copied_bytes"] == 2 * size_b * PACKETS


def test_pktgen_and_socket_count_alike(lab):
    """An isolated packet of pktgen is a burst of 1: the same exits as from a socket."""
    found = [row(lab.isolated(path, "tx", PACKETS)) for path in (sender(), emulated())]
    assert found[0] == found[1]


@pytest.mark.parametrize(("direction", "user", "syscalls"), [("tx", 1, 1), ("rx", 1, 3)])
def test_dpdk_guest_takes_no_interrupt(lab, direction, user, syscalls):
    """A PMD masks the interrupt: what is left is TDT, or RDT after each burst of the default.

    tx: the exit with its write to tap. rx: ppoll, read, EAGAIN, and a write of RDT per burst
    (rx_free_thresh 0), here of 1 packet.
    """
    path = paths.path("e1000").swap("guest", guest.dpdk(nic="e1000"))
    found = row(lab.isolated(path, direction, PACKETS))
    wanted = {"exits": user, "exits_user": user, "syscalls": syscalls, "copies": 2}
    more = {"doorbells": 1} if direction == "tx" else {"context_switches": 1}
    assert found == wanted | more


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_a_halt_is_an_exit_and_a_switch(lab, direction):
    """A guest that halts does so once per packet, in tx too: its interrupt is raised in its exit.

    With virtio the completion comes from another thread and ends a halt of its own; here the guest
    has taken it before it has nothing to do.
    """
    never = row(lab.isolated(emulated(), direction, PACKETS))
    halting = emulated(guest__idle="halt", guest__halt_poll="0us")
    found = lab.isolated(halting, direction, PACKETS)
    more = {name: never.get(name, 0) + 1 for name in ("exits", "context_switches")}
    assert row(found) == never | more
    assert found["hlt.exit"] == found["hlt.block"] == found["hlt.resume"] == PACKETS


@pytest.mark.parametrize(("direction", "more"), [("tx", 0), ("rx", 1)])
def test_without_apicv(lab, direction, more):
    """Without APICv a running vCPU is left for an interrupt (rx); one in an exit is so already.

    The EOI of a level is an exit in either case.
    """
    with_apicv = row(lab.isolated(emulated(), direction, PACKETS))
    found = lab.isolated(emulated(e1000__apicv=False), direction, PACKETS)
    assert row(found) == with_apicv | {"exits": with_apicv["exits"] + more}
    assert found["irq.deliver_noapicv"] == more * PACKETS
    assert found["irq.eoi_level"] == PACKETS


def test_refill_at_the_end_of_each_poll(lab):
    """With ``refill: poll`` an isolated packet has a write of RDT of its own, as Linux does it."""
    late, each = (
        row(lab.isolated(emulated(guest__refill=refill), "rx", PACKETS))
        for refill in ("batch", "poll")
    )
    whole = {name: late[name] + Fraction(15, 16) for name in ("exits", "exits_user")}
    assert each == late | whole


# -- at any load ---------------------------------------------------------------------------------

LOADS = st.tuples(st.integers(1_000, 400_000), st.integers(20, 70))


@given(load=LOADS, idle=st.sampled_from(["poll", "halt"]))
def test_tx_registers_are_tdt_writes_and_five_per_interrupt(load, idle):
    """Sent by sockets: accesses to registers = packets + 5 x interrupts, at any rate."""
    rate, n = load
    played = play(emulated(guest__idle=idle), "tx", evenly(rate, n))
    assert played.delivered == n
    assert paid(played, REGISTER, "kick") == n
    assert played.ops[REGISTER] == n + PER_INTERRUPT * played.counters["interrupts"]
    assert played.counters["exits_user"] == played.ops[REGISTER]


@given(load=LOADS, refill=st.sampled_from(["batch", "poll"]))
def test_rx_registers_are_rdt_writes_and_five_per_interrupt(load, refill):
    """Received: accesses to registers = RDT writes + 5 x interrupts, at any rate.

    RDT is written once per poll that ends with 16 buffers missing (batch), or per 16 packets of a
    poll and for what is left at its end (poll).
    """
    rate, n = load
    played = play(emulated(guest__refill=refill), "rx", evenly(rate, n), trace=True)
    polls = polled(played)
    assert sum(polls) == n
    of_interrupts = PER_INTERRUPT * played.counters["interrupts"]
    assert played.ops[REGISTER] == rdt_writes(polls, refill) + of_interrupts


def polled(played: Played) -> list[int]:
    """Return the packets of each NAPI poll."""
    found: list[int] = []
    for event in played.outcome.trace:
        op = played.program.uses[event.use].op if event.what == "pay" else ""
        if op == "guest.napi_round":
            found.append(0)
        elif op == "guest.e1000_rx":
            found[-1] += 1
    return found


def rdt_writes(polls: list[int], refill: str) -> int:
    """Return how often polls of so many packets write RDT."""
    if refill == "poll":
        return sum(math.ceil(n / 16) for n in polls)
    missing = writes = 0
    for n in polls:
        missing += n
        if missing >= 16:
            missing, writes = 0, writes + 1
    return writes


@pytest.mark.parametrize("direction", ["tx", "rx", "pvp"])
@given(load=LOADS, window=st.sampled_from([None, "30us", "250us"]))
def test_at_most_one_interrupt_per_window(direction, load, window):
    """After a raise at t the k-th further interrupt comes at t + k windows at the earliest.

    Raises in a closed window are put off by a timer, whose own way through the main loop only
    delays them; so it is asked from every raise that no timer made.
    """
    rate, n = load
    changes = {} if window is None else {"e1000__mitigation": window}
    gap_ps = {None: WINDOW_PS, "30us": 30_000_000, "250us": 250_000_000}[window]
    played = play(emulated(**changes), direction, evenly(rate, n), trace=True)
    taken = played.times("irq.guest_entry")
    for raised, by in raises(played):
        if by != "e1000.timer":
            later = [t for t in taken if t >= raised]
            assert all(t >= raised + k * gap_ps for k, t in enumerate(later))


def raises(played: Played) -> list[tuple[int, str]]:
    """Return when each raise of the line was done, and the stage that paid for it."""
    uses = played.program.uses
    prices = played.job.prices
    line = {i: int(prices.flat[prices.offset[i]]) for i, u in enumerate(uses) if u.op == "irq.line"}
    trace = (e for e in played.outcome.trace if e.what == "pay" and e.use in line)
    return [(e.at_ps + line[e.use], e.stage) for e in trace]


@pytest.mark.parametrize("rate", [2_000, 20_000])
def test_without_mitigation_every_tdt_write_interrupts(rate):
    """QEMU without mitigation: one interrupt per packet, as each packet ends its own exit."""
    played = play(emulated(e1000__mitigation="0us"), "tx", evenly(rate, 40))
    assert played.counters["interrupts"] == played.counters["calls"] == 40


def test_mitigation_saves_interrupts():
    """At 50 kpps a window of 128 us holds 6 or 7 packets, which share an interrupt."""
    at = evenly(50_000, 500)
    off, on = (play(emulated(e1000__mitigation=w), "tx", at) for w in ("0us", "128us"))
    assert off.counters["interrupts"] == 500
    windows = (at[-1] - at[0]) // WINDOW_PS
    assert windows - 1 <= on.counters["interrupts"] <= windows + 2


@pytest.mark.parametrize("direction", ["tx", "pvp"])
def test_the_guest_stands_still_during_the_exit(direction):
    """From the write of TDT to its end nothing of the guest runs, not even its interrupt handler.

    The vCPU thread's work that the guest stands still for follows on without a gap: the exit,
    then each frame's descriptor, copies, tap, bridge and NIC. There are as many such runs as writes
    of TDT, though interrupts are raised in them.
    """
    path = sender() if direction == "tx" else emulated()
    played = play(path, direction, [0] * 320 if direction == "tx" else evenly(90_000, 320),
                  trace=True)  # fmt: skip
    uses = played.program.uses
    mine = [e for e in played.outcome.trace if e.what == "pay" and e.thread == "vcpu0"]
    runs = [list(run) for still, run in groupby(mine, key=lambda e: uses[e.use].exit) if still]
    inside = [[uses[e.use] for e in run] for run in runs]
    sending = [run for run in inside if any(use.op == "e1000.tx_desc" for use in run)]
    assert len(sending) == paid(played, REGISTER, "kick") - paid_refills(played)
    assert all((run[0].op, run[0].cause) == (REGISTER, "kick") for run in sending)
    assert {use.op for use in sending[0]} >= {"e1000.tx_desc", "tap.write", "bridge.fwd"}
    assert any(use.op == "irq.line" for run in sending for use in run)


def paid_refills(played: Played) -> int:
    """Return the writes of RDT, which are kicks, too."""
    return sum(event.what == "refill" for event in played.outcome.trace)


def test_no_interrupt_is_taken_inside_an_exit():
    """An interrupt raised inside the exit is taken at its end: deliveries cost no exit of theirs.

    Neither APICv's notification nor, without, an exit for it: the vCPU is not in guest mode.
    """
    for apicv in (True, False):
        played = play(emulated(e1000__apicv=apicv), "tx", evenly(1000, 20))
        assert played.counters["interrupts"] == 20
        assert played.ops["irq.deliver_apicv"] == played.ops["irq.deliver_noapicv"] == 0


# -- at saturation -------------------------------------------------------------------------------


@pytest.mark.parametrize("burst", [1, 8, 32])
def test_saturated_tx_writes_tdt_once_a_burst(lab, burst):
    """960 more packets: 960 / burst writes of TDT, and one write to tap and two copies each.

    Beyond that only interrupts make exits and calls: 5 register accesses and an EOI, a line raised
    and lowered. Those are at most one per 128 us.
    """
    found = lab.added(sender(burst=burst), "tx", lambda n: traffic.saturate(64, n), 320, 960)
    interrupts = found["interrupts"]
    assert found["exits_user"] == 960 // burst + PER_INTERRUPT * interrupts
    assert found["exits"] == found["exits_user"] + interrupts
    assert found["tap.write"] == found["delivered"] == 960
    assert found["copies"] == 2 * 960
    late = found["qemu.loop"]
    assert found["syscalls"] == 960 + 2 * interrupts + late
    assert late <= interrupts


def test_saturated_rx_reads_50_per_iteration(lab):
    """More than QEMU can take: 50 reads per ppoll, no EAGAIN read, a tap that drops.

    1 + 1/50 system calls a packet, besides those of interrupts: the line up and down, and the
    iteration of the main loop that runs the mitigation timer along with the tap.
    """
    stream = traffic.constant(Fraction(1_500_000), 64, 4000)
    played = lab.play(emulated(), "rx", stream, trace=True)
    found = lab.counts(played)
    reads = [n for n in lab.rounds(played, "qemu", "qemu.loop", "tap.read") if n]
    assert set(reads[:-1]) == {50}
    assert found["tap.read_empty"] == 1
    assert found["dropped"] > 0
    interrupts = found["interrupts"]
    assert found["syscalls"] == found["tap.read"] + found["qemu.loop"] + 1 + 2 * interrupts
    assert found["copies"] == 2 * found["tap.read"]


def test_saturated_guest_writes_rdt_once_per_16(lab):
    """A guest that is the limit polls 64 packets a round, and Linux writes RDT four times in it.

    NAPI never completes, so 64 packets more are 4 exits more: 1/16, and nothing else.
    """
    prices = lab.with_prices({"guest.e1000_rx": "6us"})
    path = emulated(guest__refill="poll")
    played = lab.play(path, "rx", traffic.constant(Fraction(200_000), 64, 1600), prices,
                      trace=True)  # fmt: skip
    polls = polled(played)
    whole = [n for n in polls if n == 64]
    assert len(whole) >= 10
    accesses = lab.rounds(played, "vcpu0", "guest.napi_round", REGISTER)
    inner = [k for k, (n, after) in enumerate(pairwise(polls)) if n == after == 64]
    assert {accesses[k] for k in inner} == {4}


@pytest.mark.parametrize("book", profile_names())
def test_shares_of_a_mid_load(book):
    """At 50 kpps (6.4 packets a window) a packet's share of interrupts is about 1/6.4.

    tx: 1 + 5/6.4 exits to QEMU; rx: 5/6.4, and at most 1/16 for RDT.
    """
    n = 400
    at = evenly(50_000, n)
    windows = (at[-1] - at[0]) // WINDOW_PS
    for direction, least, most in (("tx", 1, 1), ("rx", 0, Fraction(1, 16))):
        played = play(emulated(), direction, at, prices=profile(book))
        interrupts = played.counters["interrupts"]
        assert windows - 1 <= interrupts <= windows + 2
        own = played.per_packet("exits_user") - Fraction(PER_INTERRUPT * interrupts, n)
        assert least <= own <= most


# -- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"e1000.ring": 8}, "ring"),
        ({"e1000.mitigation": "soon"}, "mitigation"),
        ({"guest.refill": "sometimes"}, "refill"),
        ({"e1000.itr": "1us"}, "itr"),
    ],
)
def test_refused(changes, where):
    """What the parts cannot be is refused at its place."""
    with pytest.raises(InputError) as caught:
        paths.path("e1000").but(changes)
    assert where in str(caught.value)


def test_a_shorter_ring_of_receive_buffers_starves_earlier(lab):
    """A slow guest with 32 instead of 256 buffers: QEMU waits for RDT, and tap drops more."""
    prices = lab.with_prices({"guest.e1000_rx": "8us"})
    lost = []
    for ring in (256, 32):
        path = emulated(e1000__ring=ring, guest__refill="poll")
        stream = traffic.constant(Fraction(250_000), 64, 3000)
        found = lab.counts(lab.play(path, "rx", stream, prices))
        lost.append(found["dropped"])
    assert lost[1] > lost[0]
