"""What happens when two things happen at once: integers by hand from the text of the semantics.

In every test, times are picoseconds and a rank is a place in the tables: sources, channels, stage
timers, then threads.
"""

from __future__ import annotations

import pytest

from virtsim.engines.reference import run
from virtsim.errors import EngineRefusal
from virtsim.outcome import STATES, Outcome
from virtsim.program import SpinRow
from virtsim.testing import Case, Rows, check_laws, one_stage

BUSY, POLLING, RUNNABLE, ASLEEP = range(len(STATES))


def played(case: Case) -> Outcome:
    """Play a case, twice, and hold it against the laws."""
    outcome = run(case.program, case.job)
    check_laws(case.program, case.job, outcome, run=run)
    return outcome


def times(case: Case, outcome: Outcome, op: str) -> int:
    """Return how often an op was used."""
    mine = [i for i, use in enumerate(case.program.uses) if use.op == op]
    return int(outcome.count[:, mine].sum())


# -- arrivals and checks -----------------------------------------------------------------------


def bursts(at_ps: list[int]) -> Case:
    """Return a server that takes bursts of up to 64: 3 per burst, 10 per packet."""
    rows = Rows()
    ring = rows.ring()
    batch = rows.use("burst", 3, "batch")
    stage = rows.stage(
        rows.thread(), ring, rows.use("serve", 10), gather="burst", batch=64, batch_uses=batch,
        entry=rows.use("entry", 0, "entry"),
    )  # fmt: skip
    rows.woken(stage, ring)
    rows.source()
    return rows.case(at_ps)


def test_a_burst_is_what_was_published_up_to_and_including_now() -> None:
    """Two packets arrive as the first burst ends, at 0 + 3 + 10 = 13: phase 0 precedes phase 1.

    So the check at 13 finds both: one burst of two, 13 + 3 + 10 = 26 and 36, two bursts in all. The
    server was not asleep and not armed: one entry in all.
    """
    case = bursts([0, 13, 13])
    out = played(case)
    assert out.delivered_ps.tolist() == [13, 26, 36]
    assert times(case, out, "burst") == 2
    assert times(case, out, "entry") == 1


def test_all_arrivals_of_one_instant_come_before_any_check() -> None:
    """Forty packets of one source at 5 are all due in phase 0 of the first round: one burst."""
    case = bursts([5] * 40)
    out = played(case)
    assert times(case, out, "burst") == 1
    assert out.delivered_ps.tolist() == [18 + 10 * i for i in range(40)]


def test_an_arrival_precedes_the_take_that_would_have_made_room() -> None:
    """A ring of one place: at 10 the source (phase 0) finds it full, the server takes in phase 1.

    The first packet is in service from 0 to 10, the second in the ring from 1; the third drops.
    """
    rows = Rows()
    ring = rows.ring(1)
    rows.woken(rows.stage(rows.thread(), ring, rows.use("serve", 10)), ring)
    rows.source()
    out = played(rows.case([0, 1, 10]))
    assert out.dropped.tolist() == [-1, -1, 0]
    assert out.delivered_ps.tolist() == [10, 20, -1]


# -- who pays ----------------------------------------------------------------------------------


def two_producers(mode: str, first: int) -> tuple[Case, list[int]]:
    """Return two producers that publish to one sleeper at 10; the threads' order is given."""
    rows = Rows()
    order = [first, 1 - first]
    threads = [-1, -1]
    for who in order:
        threads[who] = rows.thread()
    sleeper = rows.thread(
        signal=rows.use("signal", 7, "wake"), wake=rows.use("wake", 4, "wake", busy=False)
    )
    inputs, shared = [rows.ring(), rows.ring()], rows.ring()
    stages = [
        rows.stage(threads[i], inputs[i], rows.use(f"make{i}", 10), out=shared) for i in (0, 1)
    ]
    for stage, ring in zip(stages, inputs, strict=True):
        rows.woken(stage, ring, mode="flags")
        rows.source(ring)
    eat = rows.stage(sleeper, shared, rows.use("eat", 10))
    rows.woken(eat, shared, mode=mode, send=rows.use("send", 5, "kick"))
    return rows.case([0, 0], [0, 1]), stages


@pytest.mark.parametrize("first", [0, 1])
def test_the_producer_of_lower_rank_pays_the_kick(first: int) -> None:
    """Two publications at 10 to one sleeper: the first in rank crosses the event and pays.

    Its send ends at 15 and claims the sleeper, the signal at 22, the wake-up at 26: 36 and 46. The
    other's entry was not the one that the event named.
    """
    case, stages = two_producers("event", first)
    out = played(case)
    send, signal = ([u.op for u in case.program.uses].index(op) for op in ("send", "signal"))
    assert out.count[stages[first]][[send, signal]].tolist() == [1, 1]
    assert out.count[stages[1 - first]][[send, signal]].tolist() == [0, 0]
    assert sorted(out.delivered_ps.tolist()) == [36, 46]
    assert out.delivered_ps[first] == 36


@pytest.mark.parametrize("first", [0, 1])
def test_only_the_one_that_claims_a_sleeper_signals_it(first: int) -> None:
    """Mode "always": both send until 15; the first in rank finds the target asleep and claims it.

    The second's delivery merges with what is pending: it pays no signal, and nobody wakes twice.
    """
    case, stages = two_producers("always", first)
    out = played(case)
    send, signal = ([u.op for u in case.program.uses].index(op) for op in ("send", "signal"))
    assert out.count[stages[first]][[send, signal]].tolist() == [1, 1]
    assert out.count[stages[1 - first]][[send, signal]].tolist() == [1, 0]
    assert sorted(out.delivered_ps.tolist()) == [36, 46]
    assert out.wakeups.tolist() == [1, 1, 1]


# -- reclaim, blocked publication, sleep -------------------------------------------------------


def blocked(mode: str, producer_first: bool) -> Case:
    """Return three items through a ring of one slot, freed at the end of consumption."""
    rows = Rows()
    fields = {
        "signal": rows.use("signal", 7, "wake"),
        "wake": rows.use("wake", 4, "wake", busy=False),
    }
    threads = {}
    for who in ("producer", "consumer") if producer_first else ("consumer", "producer"):
        threads[who] = rows.thread(**(fields if who == "consumer" else {}))  # type: ignore[arg-type]
    send, queue = rows.ring(), rows.ring(1, frees="done")
    make = rows.stage(threads["producer"], send, rows.use("make", 2), out=queue, full="block")
    entry = rows.use("entry", 1, "entry")
    eat = rows.stage(threads["consumer"], queue, rows.use("eat", 10), entry=entry)
    rows.woken(make, send, mode="flags")
    rows.woken(eat, queue, mode=mode, send=rows.use("send", 5, "kick"))
    rows.source(send, kind="saturate")
    return rows.case([0] * 3)


@pytest.mark.parametrize(
    ("mode", "producer_first", "sends"),
    [("event", True, 3), ("event", False, 3), ("flags", True, 3), ("flags", False, 1)],
)
def test_a_freed_slot_a_blocked_producer_and_a_consumer_about_to_sleep(
    mode: str, producer_first: bool, sends: int
) -> None:
    """Nobody sleeps through a publication of the same instant; who is told depends on the rank.

    The first item is made at 2, announced until 7, the consumer signalled until 14 and awake at 18;
    entry until 19, eaten at 29. At 29, round 0: the slot is free (phase 0), the consumer finds the
    ring empty and re-arms (phase 1), the producer that is blocked since 16 publishes (phase 2). It
    decides and the consumer looks once more in phase 1 of round 1, in rank order. The look finds
    the item and turns notifications off: by flags, a producer that comes after it sends nothing;
    with the event index nothing can be taken back, the entry that was asked for is there. Sleep is
    phase 3, and never comes: 39 and 49, one wake-up, one signal.

    What was sent while the consumer worked stays pending, merged: one spurious entry at the end.
    """
    case = blocked(mode, producer_first)
    out = played(case)
    assert out.delivered_ps.tolist() == [29, 39, 49]
    assert times(case, out, "send") == sends
    assert times(case, out, "signal") == 1
    assert times(case, out, "wake") == 1
    assert times(case, out, "entry") == 1 + (sends > 1)


# -- re-arm and publication --------------------------------------------------------------------


@pytest.mark.parametrize(("producer_first", "sends", "rearms"), [(True, 1, 2), (False, 2, 3)])
@pytest.mark.parametrize("mode", ["event", "flags"])
def test_rearm_that_completes_as_a_publication_comes(
    mode: str, producer_first: bool, sends: int, rearms: int
) -> None:
    """Both are due at 23. Lower rank: published before the re-arm, found by the look, no kick.

    Higher rank: published after it, a kick is paid, and the look finds the packet all the same; the
    kick is spurious: one more entry, one more re-arm. First packet: made at 2, sent until 7, eaten
    at 17, re-armed at 23. Second: arrives at 21, made at 23. Either way it is eaten from 23 to 33.
    """
    rows = Rows()
    threads = [rows.thread(), rows.thread()]
    producer, consumer = threads if producer_first else threads[::-1]
    send, queue = rows.ring(), rows.ring()
    make = rows.stage(producer, send, rows.use("make", 2), out=queue)
    eat = rows.stage(consumer, queue, rows.use("eat", 10), entry=rows.use("entry", 0, "entry"))
    rows.woken(make, send, mode="flags")
    kick, rearm = rows.use("send", 5, "kick"), rows.use("rearm", 6, "rearm")
    rows.woken(eat, queue, mode=mode, send=kick, rearm=rearm)
    rows.source(send)
    case = rows.case([0, 21])
    out = played(case)
    assert out.delivered_ps.tolist() == [17, 33]
    assert times(case, out, "send") == times(case, out, "entry") == sends
    assert times(case, out, "rearm") == rearms


# -- timers, cores, spins, pollers -------------------------------------------------------------


def test_timer_expiry_and_second_kick_at_once() -> None:
    """Kick at 0, timer until 20, second kick at 20: both phase 0. The stage starts by the timer.

    The kick is pending at once but served in phase 1, when the timer no longer runs: it starts a
    new one, until 40. The turn from 20 (3 per turn) serves both: 33 and 43. The timer's turn at 43
    finds nothing: two turns.
    """
    rows = Rows()
    ring = rows.ring()
    turn = rows.use("turn", 3, "turn")
    stage = rows.stage(rows.thread(), ring, rows.use("serve", 10), turn=turn, timer_ps=20)
    rows.woken(stage, ring, mode="always")
    rows.source()
    case = rows.case([0, 20])
    out = played(case)
    assert out.delivered_ps.tolist() == [33, 43]
    assert times(case, out, "turn") == 2


def test_second_kick_before_the_timer_starts_the_stage_at_once() -> None:
    """Kicks at 0 and 15, timer 20: served from 15, and the timer is gone with it."""
    out = played(one_stage([0, 15], 10, timer_ps=20, channel={"mode": "always"}))
    assert out.delivered_ps.tolist() == [25, 35]
    assert out.end_ps == 35


def test_two_sleepers_woken_onto_one_idle_core() -> None:
    """Both start at 100 onto a core idle for 100: 4 and the exit of a state of 6, each of them.

    At 110 the first in rank takes the core until 120; the other finds it busy, and pays the switch
    of 3 when its turn comes: 123 to 133. It was runnable from 100 to 120.
    """
    rows = Rows()
    exit_ = rows.use("exit", 6, "wake", busy=False)
    wake = rows.use("wake", 4, "wake", busy=False)
    switch = rows.use("switch", 3, "switch")
    core = rows.core(switch=switch, idle_states=((50, exit_[0]), (101, exit_[0])))
    for i in range(2):
        ring = rows.ring()
        stage = rows.stage(rows.thread(core, wake=wake), ring, rows.use(f"serve{i}", 10))
        rows.woken(stage, ring)
        rows.source(ring)
    out = played(rows.case([100, 100], [0, 1]))
    assert out.delivered_ps.tolist() == [120, 133]
    assert out.total[0].tolist() == [10, 0, 10, 113]
    assert out.total[1].tolist() == [13, 0, 20, 100]
    assert out.wakeups.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("at", "delivered", "loops", "polls"), [(13, 19, 2, 1), (14, 19, 2, 1), (15, 29, 3, 2)]
)
def test_poller_check_at_the_arrival_instant(
    at: int, delivered: int, loops: int, polls: int
) -> None:
    """Loop 4, look 6: looks start at 4, 14, 24. What arrives at 14 is found at 14, at 15 at 24.

    Until then only the clock passed: every idle use that ended is booked, and all of it is polling.
    """
    rows = Rows()
    loop, idle = rows.use("loop", 4, "loop"), rows.use("idle", 4, "poll")
    thread = rows.thread(wait="poll", loop=loop, idle_loop=idle)
    ring = rows.ring()
    rows.stage(thread, ring, rows.use("serve", 5), poll=rows.use("look", 6, "poll"))
    rows.source()
    case = rows.case([at])
    out = played(case)
    assert out.delivered_ps.tolist() == [delivered]
    assert (times(case, out, "idle"), times(case, out, "look")) == (loops, polls)
    assert out.total[0][POLLING] == 4 * loops + 6 * polls


@pytest.mark.parametrize(
    ("at", "delivered", "hits"), [(20, 35, 1), (36, 51, 1), (37, 49, 0), (60, 74, 0)]
)
def test_armed_spin_and_a_delivery_at_its_end(at: int, delivered: int, hits: int) -> None:
    """Resumed at 4, served until 14, idle use until 16, spin until 36; what comes at 36 is a hit.

    For a delivery is phase 0 and the end of the spin phase 1. A hit starts after 5: 20 + 5 + 10, 36
    + 5 + 10. At 37 the thread blocks (3, until 39), finds the delivery and goes on without having
    slept: 49. At 60 it sleeps and is resumed: 60 + 4 + 10.
    """
    rows = Rows()
    thread = rows.thread(
        idle=rows.use("idle", 2, "halt"), block=rows.use("block", 3, "halt"),
        resume=rows.use("resume", 4, "halt"), hit=rows.use("hit", 5, "wake", busy=False),
        spin=SpinRow(20, armed=True),
    )  # fmt: skip
    ring = rows.ring()
    rows.woken(rows.stage(thread, ring, rows.use("serve", 10)), ring)
    rows.source()
    out = played(rows.case([0, at]))
    assert out.delivered_ps.tolist() == [14, delivered]
    assert out.spin_hits.tolist() == [hits]


def test_an_instant_that_does_not_end_is_refused() -> None:
    """A closed loop through a stage that takes no time: each packet causes the next, in a round."""
    rows = Rows()
    ring = rows.ring()
    rows.woken(rows.stage(rows.thread(), ring), ring)
    rows.source(ring, kind="closed", outstanding=1)
    case = rows.case([0] * 20_000)
    with pytest.raises(EngineRefusal, match="rounds"):
        run(case.program, case.job)
