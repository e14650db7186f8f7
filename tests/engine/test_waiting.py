"""Ways of waiting, each in the smallest Program that has it: integers by hand."""

from __future__ import annotations

from virtsim.engines.reference import run
from virtsim.outcome import STATES, Outcome
from virtsim.program import ArmRow, SpinRow
from virtsim.testing import Case, Rows, check_laws

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


def flusher(at_ps: list[int]) -> Case:
    """Return a producer (1 per packet, 5 per kick) and a consumer that serves armed once more."""
    rows = Rows()
    send, queue = rows.ring(), rows.ring()
    make = rows.stage(rows.thread(), send, rows.use("make", 1), out=queue)
    eat = rows.stage(rows.thread(), queue, rows.use("eat", 10), on_empty="serve_armed")
    rows.woken(make, send, mode="flags")
    kick, rearm = rows.use("kick", 5, "kick"), rows.use("rearm", 3, "rearm")
    channel = rows.woken(eat, queue, send=kick, rearm=rearm)
    rows.arm(eat, ArmRow(channel, "take", "next"))
    rows.source(send)
    return rows.case(at_ps)


def test_no_kick_while_the_first_flush_goes_on() -> None:
    """QEMU's pop moves the event index only while notifications are on: none in the first flush.

    Kick at 1, sent by 6, eaten 6 to 16. The packet of 11 is published at 12, while the last known
    one is eaten: no kick. It is eaten 16 to 26, then the re-arm until 29 finds nothing.
    """
    case = flusher([0, 11])
    out = played(case)
    assert out.delivered_ps.tolist() == [16, 26]
    assert times(case, out, "kick") == times(case, out, "rearm") == 1


def test_the_second_flush_is_armed_at_every_packet() -> None:
    """What comes during the re-arm is served armed; whatever comes during that costs a kick.

    Eaten 6 to 16. The packets of 15 and 16 are published at 16 and 17, unarmed: 16 to 26, 26 to 36;
    re-arm until 39. That of 37, published at 38, is served armed from 39 to 49. That of 40, at 41,
    is the entry that was asked for at 39: a kick. The second flush eats it too, until 59, turns
    notifications off and goes on. The kick's entry comes first and has the same turn: nothing, and
    a re-arm until 62.
    """
    case = flusher([0, 15, 16, 37, 40])
    out = played(case)
    assert out.delivered_ps.tolist() == [16, 26, 36, 49, 59]
    assert (times(case, out, "kick"), times(case, out, "rearm")) == (2, 2)
    assert out.end_ps == 62


def spinners(at_ps: list[int], source: list[int]) -> Case:
    """Return two stages on one thread that spins for 20, in looks of 4, before it re-arms (1)."""
    rows = Rows()
    thread = rows.thread(spin=SpinRow(20, armed=False, turn=rows.use("look", 4, "poll")))
    for i in range(2):
        ring = rows.ring()
        stage = rows.stage(thread, ring, rows.use(f"serve{i}", 10), turn=rows.use(f"turn{i}", 2))
        rows.woken(stage, ring, send=rows.use(f"send{i}", 3, "kick"), rearm=rows.use("rearm", 1))
        rows.source(ring)
    return rows.case(at_ps, source)


def test_a_spin_finds_the_next_packet_without_a_wakeup() -> None:
    """Served 2 to 12, looks at 12, 16, 20, ...: the packet of 17 is found at 20, no new turn.

    vhost's busy poll ends with arming the other queue again (1): served 21 to 31. Then the spin
    runs out at 51, and both stages are armed: the other and the one that spun.
    """
    case = spinners([0, 17], [0, 0])
    out = played(case)
    assert out.delivered_ps.tolist() == [12, 31]
    assert out.wakeups.tolist() == [1]
    assert (times(case, out, "turn0"), times(case, out, "turn1")) == (1, 0)
    assert times(case, out, "look") == 2 + 5
    assert out.total[0].tolist() == [2 + 10 + 10 + 1 + 1 + 1, 8 + 20, 0, 0]
    assert times(case, out, "rearm") == 3


def test_stages_that_spin_on_one_thread_let_one_another_work() -> None:
    """A packet for the other stage ends the spin at the next look; the spinner queues behind it.

    First stage: 2 to 12; the packet of 17 for the second is seen at 20. Its turn: 22 to 32. By then
    the first is ready, so the second re-arms at once (33); the first's turn (35) finds nothing and
    spins, alone, until 55.
    """
    case = spinners([0, 17], [0, 1])
    out = played(case)
    assert out.delivered_ps.tolist() == [12, 32]
    assert (times(case, out, "turn0"), times(case, out, "turn1")) == (2, 1)
    assert out.wakeups.tolist() == [1]


def test_two_threads_that_never_sleep_may_share_a_core() -> None:
    """A poller and a thread that waits without sleeping take turns, and the run still ends.

    It ends when nothing is left but passing the core on.
    """
    rows = Rows()
    core = rows.core(switch=rows.use("switch", 1, "switch"), quantum_ps=50)
    first, second = rows.ring(), rows.ring()
    loop, idle = rows.use("loop", 4, "loop"), rows.use("idle", 4, "poll")
    poller = rows.thread(core, "poll", loop=loop, idle_loop=idle)
    rows.stage(poller, first, rows.use("poll", 5), poll=rows.use("look", 6, "poll"), out=second)
    rows.woken(rows.stage(rows.thread(core, "always"), second, rows.use("serve", 5)), second)
    rows.source(first)
    out = played(rows.case([10, 300]))
    assert (out.delivered_ps > 0).all()
    assert out.end_ps < 1000
