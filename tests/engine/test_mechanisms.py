"""What emulated NICs, passthrough and userspace switches need, in the smallest Programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from virtsim.engines.reference import run
from virtsim.errors import EngineRefusal
from virtsim.outcome import Outcome
from virtsim.program import NONE, PaceRow
from virtsim.testing import Case, check_laws
from virtsim.testing.rows import HARDIRQ, PROCESS, SOFTIRQ, Rows


def played(case: Case) -> Outcome:
    """Play a case with a trace and check the laws."""
    case = case.traced()
    outcome = run(case.program, case.job)
    check_laws(case.program, case.job, outcome, run=run)
    return outcome


def times(outcome: Outcome, case: Case, op: str) -> list[int]:
    """Return when a use of an op began."""
    uses = case.program.uses
    return [e.at_ps for e in outcome.trace if e.what == "pay" and uses[e.use].op == op]


# -- pollers -----------------------------------------------------------------------------------


def poller_before(slots: int, frees: str, service: int, n: int) -> Case:
    """Return a poller with packets enough, a ring of so many slots, and a slow server."""
    rows = Rows("poller")
    poller = rows.thread(
        wait="poll", loop=rows.use("loop", 1), idle_loop=rows.use("idle", 1, "poll")
    )
    server = rows.thread()
    first, ring = rows.ring(), rows.ring(slots, frees=frees)
    rows.stage(
        poller, first, rows.use("make", 2), out=ring, full="wait", gather="burst", batch=32,
        publish="batch", decide="batch", reclaims=frees == "reclaim",
        poll=rows.use("look", 1, "poll"),
    )  # fmt: skip
    serve = rows.stage(server, ring, rows.use("serve", service))
    rows.woken(serve, ring, mode="flags")
    rows.source(kind="saturate")
    return rows.case([0] * n)


@pytest.mark.parametrize("frees", ["take", "done", "reclaim"])
def test_a_poller_that_waits_takes_no_more_than_there_is_room_for(frees: str) -> None:
    """A poller that waits offers a burst no larger than the room ahead.

    Nothing is dropped, and a slow server is never out of work: n packets take n services, after
    the first burst is made.
    """
    case = poller_before(4, frees, service=50, n=40)
    out = played(case)
    assert (out.dropped == NONE).all()
    first_burst = 1 + 4 * 2
    assert out.delivered_ps[-1] == first_burst + 40 * 50


def test_a_poller_that_waits_needs_its_ring_alone() -> None:
    """A burst is sized by the room there is; a second producer would take it meanwhile."""
    case = poller_before(4, "done", 50, 5)
    other = replace(case.program.stages[0], name="other")
    program = replace(case.program, stages=(*case.program.stages, other))
    with pytest.raises(EngineRefusal, match="cannot be played") as refused:
        run(program, case.job)
    assert any("one producer" in reason for reason in refused.value.reasons)


def paced(pace: PaceRow, at: list[int]) -> Case:
    """Return a poller that may sleep between iterations; each costs 1, a packet 10."""
    rows = Rows("paced")
    thread = rows.thread(
        wait="poll", loop=rows.use("loop", 1), idle_loop=rows.use("idle", 1, "poll"), pace=pace
    )
    rows.stage(thread, rows.ring(), rows.use("serve", 10), gather="burst", batch=4)
    rows.source()
    return rows.case(at)


def test_an_idle_poller_sleeps_longer_and_longer() -> None:
    """Each iteration without packets adds a step to the sleep before the next, up to its longest.

    With steps of 5 up to 12, iterations of 1 start 5, then 11, then 13 apart.
    """
    case = paced(PaceRow(step_ps=5, max_ps=12), [1000])
    starts = times(played(case), case, "idle")
    gaps = np.diff(starts)
    assert starts[0] == 5
    assert gaps[:4].tolist() == [1 + 10, 1 + 12, 1 + 12, 1 + 12]


def test_a_busy_iteration_halves_the_sleep_and_is_not_followed_by_one() -> None:
    """After a packet the sleep is halved, not slept; the next idle iteration adds a step again."""
    case = paced(PaceRow(step_ps=8, max_ps=64), [100, 1000])
    out = played(case)
    idle = times(out, case, "idle")
    served = int(out.delivered_ps[0])
    before = [t for t in idle if t < 100]
    slept = np.diff(before).tolist()
    assert slept == [1 + 8 * (k + 2) for k in range(len(slept))]
    after = next(t for t in idle if t >= served)
    longest = 8 * (len(before) + 1)
    assert after == served  # no sleep after work
    assert next(t for t in idle if t > after) == after + 1 + longest // 2 + 8


def test_a_fixed_pace_keeps_its_period() -> None:
    """With a period, iterations start that far apart as long as their work fits into it."""
    case = paced(PaceRow(period_ps=20), [55, 130, 400])
    out = played(case)
    starts = times(out, case, "idle") + times(out, case, "loop")
    assert all(start % 20 == 0 for start in starts)
    assert [int(t) for t in out.delivered_ps] == [60 + 11, 140 + 11, 400 + 11]


def test_falling_asleep_is_part_of_a_fixed_pace() -> None:
    """What a poller pays to fall asleep is taken off its sleep: the period of 20 stays 20.

    Where the cost of 19 leaves less than nothing of it, the sleep is a picosecond: the next starts
    are 19 + 1 apart, plus the iteration of 1.
    """
    for cost, apart in ((7, 20), (19, 21)):
        rows = Rows("paced")
        fall = rows.use("fall", cost, "poll")
        thread = rows.thread(
            wait="poll", loop=rows.use("loop", 1), idle_loop=rows.use("idle", 1, "poll"),
            pace=PaceRow(period_ps=20, uses=fall),
        )  # fmt: skip
        rows.stage(thread, rows.ring(), rows.use("serve", 10), gather="burst", batch=4)
        rows.source()
        case = rows.case([500])
        starts = times(played(case), case, "idle")
        assert set(np.diff(starts).tolist()) == {apart}


def test_two_paced_pollers_let_a_run_end() -> None:
    """Pollers that only sleep and look keep no run alive: it ends with its last packet."""
    rows = Rows("two")
    for _ in range(2):
        pace = PaceRow(step_ps=3, max_ps=30)
        thread = rows.thread(
            wait="poll", loop=rows.use("loop", 1), idle_loop=rows.use("idle", 1, "poll"), pace=pace
        )
        rows.stage(thread, rows.ring(), rows.use("serve", 10), gather="burst")
    rows.source()
    out = played(rows.case([50]))
    assert out.end_ps == out.delivered_ps[0]


def test_what_the_end_of_a_run_cuts_short_is_booked_as_far_as_it_went() -> None:
    """An idle use of 50 from 0, interrupted from 15 to 35, is at 8 ps of work when all is over."""
    rows = Rows("cut")
    poller = rows.thread(
        wait="poll", loop=rows.use("loop", 50), idle_loop=rows.use("idle", 50, "poll"),
        pace=PaceRow(step_ps=1, max_ps=1),
    )  # fmt: skip
    rows.stage(poller, rows.ring(), rows.use("never", 10), gather="burst")
    server, ring = rows.thread(), rows.ring()
    rows.woken(rows.stage(server, ring, rows.use("serve", 4)), ring, mode="flags")
    rows.interruptions.append((0, (15,), (20,)))
    rows.source(ring)
    case = rows.case([5])
    out = played(case)
    idle = [use.op for use in case.program.uses].index("idle")
    assert out.end_ps == 9
    assert (out.count[:, idle].sum(), out.busy_ps[:, idle].sum()) == (0, 8)


# -- calls --------------------------------------------------------------------------------------


def called(level: int, rx_at: list[int]) -> Case:
    """Return a sender that calls a device on its own thread, with interrupts from outside."""
    rows = Rows("called")
    vcpu = rows.thread(wait="always")
    queue, ring, other = rows.ring(), rows.ring(8), rows.ring()
    send = rows.stage(vcpu, queue, rows.use("send", 10), out=ring)
    device = rows.stage(
        vcpu, ring, rows.use("device", 40), role="called", on_empty="leave", level=level
    )
    receive = rows.stage(vcpu, other, rows.use("receive", 5), level=SOFTIRQ)
    rows.woken(send, queue, mode="flags")
    rows.channel(ring, device, mode="call", send=rows.use("exit", 7, "kick"))
    rows.woken(receive, other, mode="flags")
    rows.source(queue)
    rows.source(other)
    at = [0, 0, *rx_at]
    return rows.case(at, [0, 0, *[1] * len(rx_at)])


def test_a_called_stage_runs_inside_its_callers_turn() -> None:
    """The caller stands still while the called stage works.

    Each packet costs both of them and the exit; the second is sent when the first has left.
    """
    out = played(called(PROCESS, []))
    assert out.delivered_ps.tolist() == [10 + 7 + 40, 2 * (10 + 7 + 40)]


def test_nothing_of_the_guest_runs_inside_an_exit() -> None:
    """What arrives during a call at the most urgent level is served after it.

    During one at process level it is served between two uses of the call.
    """
    standing = played(called(HARDIRQ, [12]))
    assert standing.delivered_ps[2] == 10 + 7 + 40 + 5
    yielding = played(called(PROCESS, [12]))
    assert yielding.delivered_ps[2] == 10 + 7 + 5


def test_a_called_stage_is_no_less_urgent_than_its_caller() -> None:
    """It could be interrupted by its own caller, which would then call it a second time."""
    case = called(PROCESS, [])
    stages = (replace(case.program.stages[0], level=SOFTIRQ), *case.program.stages[1:])
    with pytest.raises(EngineRefusal) as refused:
        run(replace(case.program, stages=stages), case.job)
    assert any("as urgent as its caller" in reason for reason in refused.value.reasons)


# -- latches and relays ---------------------------------------------------------------------------


def latched(at: list[int], **line: object) -> Case:
    """Return a handler behind an interrupt with a mask: entry 3, packet 10, unmasking 2."""
    rows = Rows("latched")
    thread, ring = rows.thread(wait="always"), rows.ring()
    stage = rows.stage(
        thread, ring, rows.use("serve", 10), entry=rows.use("entry", 3, "entry"), recheck="none"
    )
    rows.woken(stage, ring, mode="latch", rearm=rows.use("unmask", 2, "rearm"), **line)
    rows.source()
    return rows.case(at)


def test_a_latch_forgets_nothing_while_it_is_masked() -> None:
    """A packet that lands between the last look (13) and the unmasking (until 15) was latched.

    The unmasking itself sends the interrupt; nobody looks at the ring again.
    """
    case = latched([0, 14])
    out = played(case)
    assert out.delivered_ps.tolist() == [13, 15 + 3 + 10]
    assert len(times(out, case, "entry")) == 2


def test_a_latch_interrupts_once_for_what_was_served_while_masked() -> None:
    """A packet served by the same poll was latched as well.

    The line is raised for it though it is gone, as an emulated NIC's is; the second interrupt
    finds nothing.
    """
    case = latched([0, 5])
    out = played(case)
    assert out.delivered_ps.tolist() == [13, 23]
    assert times(out, case, "entry") == [0, 25]


def test_moderation_keeps_latched_interrupts_apart() -> None:
    """However dense the packets are, no two interrupts are closer than the gap."""
    case = latched(list(range(0, 1500, 30)), gap_ps=100)
    starts = times(played(case), case, "entry")
    assert len(starts) > 4
    assert min(np.diff(starts)) >= 100


def test_an_interrupt_that_is_put_off_is_paid_by_its_relay() -> None:
    """Inside the window the sender pays nothing; the relay's thread wakes at its end and pays."""
    rows = Rows("late")
    sender, handler, timer = rows.thread(), rows.thread(wait="always"), rows.thread()
    queue, ring = rows.ring(), rows.ring(8)
    send = rows.stage(sender, queue, rows.use("send", 10), out=ring)
    serve = rows.stage(handler, ring, rows.use("serve", 1), recheck="none")
    relay = rows.stage(timer, NONE, role="relay", entry=rows.use("raise later", 6, "entry"))
    rows.woken(send, queue, mode="flags")
    paid = rows.use("raise", 4, "call")
    rows.woken(serve, ring, mode="latch", gap_ps=100, send=paid, via=relay, via_when="late")
    rows.source()
    case = rows.case([0, 30])
    out = played(case)
    assert times(out, case, "raise") == [10]
    assert times(out, case, "raise later") == [14 + 100]
    assert out.delivered_ps.tolist() == [15, 14 + 100 + 6 + 1]


def test_a_delivery_passes_one_relay_after_another() -> None:
    """Each relay pays on its own thread and wakes the next; the packet waits for the sum."""
    rows = Rows("relays")
    ring = rows.ring()
    handler = rows.thread(wake=rows.use("wake", 8, "wake", busy=False))
    first, second = rows.thread(), rows.thread(signal=rows.use("signal", 5, "wake"))
    stage = rows.stage(handler, ring, rows.use("serve", 1))
    behind = rows.stage(second, NONE, role="relay", entry=rows.use("two", 20, "entry"))
    front = rows.stage(first, NONE, role="relay", entry=rows.use("one", 10, "entry"), inline=behind)
    rows.woken(stage, ring, mode="flags", via=front)
    rows.source()
    out = played(rows.case([0]))
    assert out.delivered_ps[0] == 10 + 5 + 20 + 8 + 1
