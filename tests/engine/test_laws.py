"""Laws that hold for every Program, on random ones, and for every price, on the shipped paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from virtsim import paths
from virtsim.costs import profile, profile_names
from virtsim.engines.reference import run
from virtsim.model.ops import included
from virtsim.outcome import Outcome, Prices
from virtsim.parts import guest
from virtsim.program import NONE, Program, SourceRow
from virtsim.testing import (
    Case,
    Played,
    Rows,
    check_engine,
    check_laws,
    isolated,
    one_stage,
    play,
    programs,
    shared_core,
    tandem,
)

SHIPPED = ("virtio-qemu", "vhost-net", "vhost-user-ovs")
MITIG = "skylake-2018-mitig"
FLOOD = SourceRow("flood", 0, "saturate")
slow_is_fine = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


# -- random Programs ---------------------------------------------------------------------------


@settings(slow_is_fine, max_examples=400)
@given(programs())
def test_every_law_on_random_programs(case: Case) -> None:
    """Time and money balance, packets end once and in order, nothing is stuck, twice is the same.

    The laws are those of check_laws; a packet left over when nothing happens any more is a lost
    wake-up, since all traffic is finite and every stage is told of work or looks for it.
    """
    check_laws(case.program, case.job, run(case.program, case.job), run=run)


def features(program: Program, outcome: Outcome) -> Iterator[str]:
    """Name what a Program has and what came of it."""
    for stage in program.stages:
        yield from (f"full {stage.full}" for _ in [0] if stage.out != NONE)
        yield from (f"{stage.role}", f"gather {stage.gather}", f"done {stage.done}")
        yield from (f"{stage.on_empty}", f"decide {stage.decide}", f"publish {stage.publish}")
        yield from (name for name in ("defer", "reclaims", "timer_ps") if getattr(stage, name))
        yield f"recheck {stage.recheck}"
        yield from ("cleans" for _ in [0] if stage.cleans != NONE)
        yield from (
            "relay behind relay" for _ in [0] if stage.role == "relay" and stage.inline >= 0
        )
        polls = program.threads[stage.thread].wait == "poll"
        yield from ("poller waits" for _ in [0] if polls and stage.full == "wait")
        yield from ("budget" for _ in [0] if stage.budget < 1 << 30)
        yield stage.flush
    for channel in program.channels:
        yield f"{channel.mode} {'forward' if channel.forward else 'reverse'}"
        yield from (name for name in ("gap_ps", "hold_ps", "intrude") if getattr(channel, name))
        yield from (f"via {channel.via_when}" for _ in [0] if channel.via != NONE)
    for thread in program.threads:
        yield from (thread.wait, *(["softirq"] if thread.softirq else []))
        yield from ("paced by rate" if p.period_ps else "paced" for p in [thread.pace] if p)
        spin = thread.spin
        yield from (["armed spin" if spin.armed else "quiet spin"] if spin else [])
    yield from (source.kind for source in program.sources)
    yield from ("two sources" for _ in program.sources[1:])
    yield from ("visible" for ring in program.rings if ring.visible)
    lines = [c for ring in program.rings for c in (ring.forward, ring.reverse) if c != NONE]
    yield from ("shared line" for _ in lines[len(set(lines)) :])
    yield from ("shared core" for _ in program.threads[len(program.cores) :])
    stages = [s.thread for s in program.stages if s.role == "take"]
    yield from ("shared thread" for _ in stages[len(set(stages)) :])
    yield from ("interruptions" for _ in program.interruptions)
    for name in ("stops", "spin_hits", "stolen_ps", "wakeups"):
        yield from (f"some {name}" for _ in [0] if getattr(outcome, name).any())
    yield from (
        "restarted" for i, s in enumerate(program.stages) if s.full == "stop" and outcome.stops[i]
    )
    yield from ("some drops" for _ in [0] if (outcome.dropped >= 0).any())


OFTEN = {
    "event forward": 200, "event reverse": 75, "gap_ps": 60, "hold_ps": 90, "publish batch": 220,
    "restarted": 20, "shared core": 50, "closed": 30, "shared thread": 70, "some drops": 100,
    "some wakeups": 350,
}  # fmt: skip
"""In how many of 600 Programs what is hard to play alike occurs, at least: event indices,
moderation, publishing in batches, stops and restarts, shared cores, closed loops."""


def test_random_programs_reach_every_feature() -> None:
    """What the laws are checked on has everything that a Program can say, and makes it happen.

    What engines could easily play unlike one another is there in a good share of all Programs.
    """
    seen: Counter[str] = Counter()

    @settings(slow_is_fine, max_examples=600, derandomize=True, database=None)
    @given(programs())
    def look(case: Case) -> None:
        seen.update(set(features(case.program, run(case.program, case.job))))

    look()
    fulls = {f"full {how}" for how in ("drop", "block", "stop", "wait", "hold", "retry")}
    modes = {
        f"{m} {d}"
        for m in ("event", "flags", "always", "once", "latch")
        for d in ("forward", "reverse")
    }
    modes |= {"call forward", "via always", "via asleep", "via late", "relay behind relay"}
    modes |= {"called", "relay", "cleans", "shared line", "recheck none"}
    work = {"take", "reclaim", "inline", "gather fill", "gather burst", "budget", "defer"}
    work |= {"done before", "done after", "done never", "rearm", "serve_armed", "reclaims"}
    work |= {"before_rearm", "after_rearm", "timer_ps", "gap_ps", "hold_ps", "intrude", "visible"}
    work |= {f"{what} {how}" for what in ("decide", "publish") for how in ("each", "batch")}
    waits = {"sleep", "always", "poll", "softirq", "armed spin", "quiet spin", "shared core"}
    waits |= {"paced", "paced by rate", "poller waits"}
    waits |= {"shared thread", "interruptions", "open", "saturate", "closed", "two sources"}
    happened = {f"some {what}" for what in ("stops", "spin_hits", "stolen_ps", "wakeups", "drops")}
    assert fulls | modes | work | waits | happened <= seen.keys()
    assert {what: seen[what] for what, least in OFTEN.items() if seen[what] < least} == {}


# -- the kit itself ----------------------------------------------------------------------------


def test_a_lost_wakeup_is_seen() -> None:
    """A sleeper whose channel never sends leaves its packets: the laws call that by its name."""
    case = one_stage([0, 5], channel={"mode": "never"})
    with pytest.raises(AssertionError, match="wake-up was lost"):
        check_laws(case.program, case.job, run(case.program, case.job))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"end_ps": 1}, "do not fill the run"),
        ({"busy_ps": 0}, "booked"),
        ({"dropped": 0}, "delivered and dropped"),
        ({"delivered_ps": 0}, "before it arrived"),
    ],
)
def test_a_false_outcome_is_seen(change: dict[str, int], law: str) -> None:
    """An outcome that breaks a law is told which."""
    case = tandem([10, 20], [3, 4, 5])
    out = run(case.program, case.job)
    (name, value), true = next(iter(change.items())), out
    old = getattr(true, name)
    false = replace(true, **{name: value if isinstance(old, int) else np.full_like(old, value)})
    with pytest.raises(AssertionError, match=law):
        check_laws(case.program, case.job, false)


def test_engines_that_differ_are_told_apart() -> None:
    """Two engines agree integer for integer or the stamps that differ are named."""
    case = tandem([10, 20], [3, 4, 5])
    check_engine(run, run, case.program, case.job)

    def dearer(program: Program, job: object) -> Outcome:
        prices = case.job.prices
        raised = Prices(prices.flat + 1, prices.offset, prices.step)
        return run(program, replace(case.job, prices=raised))

    with pytest.raises(AssertionError, match="delivered_ps"):
        check_engine(run, dearer, case.program, case.job)


def test_threads_of_one_core_take_turns() -> None:
    """Two stages on one core: 10 each, a switch of 3, first come, first served.

    0 to 10 the first stage works; it hands on and sleeps, for its next packet is not there yet.
    The second comes on with a switch, 13 to 23. The packet of 15 waits for the core until 23, and
    pays a switch: 26 to 36; then the second stage again: 39 to 49.
    """
    out = run(*(lambda c: (c.program, c.job))(shared_core([10, 10], 3, [0, 15], 1000)))
    assert out.delivered_ps.tolist() == [23, 49]


def test_a_quantum_ends_a_turn() -> None:
    """With more work and a quantum of 25 a thread has the core until a use ends after it.

    Two flows of 10 per packet, four packets each, switch 1. The first has the core from 0 to 30,
    where its third use ends. The other pays the switch, 31, and its quantum of 25 from 30 is over
    with its third use at 61. Then the first again, 62 to 72, and the other, 73 to 83.
    """
    rows = Rows()
    core = rows.core(switch=rows.use("switch", 1, "switch"), quantum_ps=25)
    for i in range(2):
        ring = rows.ring()
        rows.woken(rows.stage(rows.thread(core), ring, rows.use(f"serve{i}", 10)), ring)
        rows.source(ring)
    case = rows.case([0] * 8, [0, 0, 0, 0, 1, 1, 1, 1])
    out = run(case.program, case.job)
    check_laws(case.program, case.job, out)
    assert out.delivered_ps.tolist() == [10, 20, 30, 72, 41, 51, 61, 83]


# -- the shipped paths -------------------------------------------------------------------------


def rate(played: Played) -> float:
    """Return packets per microsecond, once the start is over."""
    done = np.sort(played.outcome.delivered_ps[played.outcome.delivered_ps >= 0])
    skip = len(done) // 3
    return (len(done) - 1 - skip) / (done[-1] - done[skip]) * 1e6


@pytest.mark.parametrize("name", SHIPPED)
def test_half_the_ring_does_not_deliver_more(name: str) -> None:
    """At saturation a ring half as large delivers no more: 256, 128, 64, 32 places out.

    Half a percent is left for the start, which is a larger part of a run in smaller steps.
    """
    rates = []
    for size in (256, 128, 64, 32):
        path = paths.path(name).but({"virtqueue.size": size, "guest.idle": "poll"})
        played = play(path, "tx", [0] * 1500, source=FLOOD)
        check_laws(played.program, played.job, played.outcome)
        rates.append(rate(played))
    assert all(b <= a * 1.005 for a, b in pairwise(rates)), rates


@pytest.mark.parametrize("name", SHIPPED)
def test_half_the_receive_ring_does_not_deliver_more(name: str) -> None:
    """10 Mpps in, more than any path takes: of 2000 packets a smaller ring delivers no more."""
    counts = []
    for size in (256, 128, 64):
        path = paths.path(name).but({"virtqueue.size": size, "guest.idle": "poll"})
        played = play(path, "rx", [100_000 * i for i in range(2000)])
        check_laws(played.program, played.job, played.outcome)
        counts.append(played.delivered)
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_small_receive_ring_is_refilled(name: str, size: int) -> None:
    """virtnet_receive refills when more than min(budget, ring) / 2 buffers are missing.

    So a ring of 32 is refilled from 17 on. Refilled from 33 on it never is, and once it is used up
    nothing is delivered any more.
    """
    path = paths.path(name).but({"virtqueue.size": size, "guest.idle": "poll"})
    played = play(path, "rx", isolated(2 * size))
    assert played.delivered == 2 * size


@pytest.mark.parametrize("idle", ["poll", "halt"])
@pytest.mark.parametrize("book", profile_names())
def test_order_of_the_backends(book: str, idle: str) -> None:
    """A flood of pktgen, 64 B: virtio-qemu < vhost-net < vhost-user-ovs on every machine.

    Whoever is the bottleneck, what a busy side would be told of is suppressed: at most 2 kicks in
    1000 packets (vhost-user: none), and under 1 interrupt in 100. While the queue is full that is
    one per 3/4 of what is in flight; at the very end, when no more are sent, one per packet.
    """
    rates = []
    for name in SHIPPED:
        path = paths.path(name).swap("guest", guest.pktgen(idle=idle))
        played = play(path, "tx", [0] * 1500, prices=profile(book), source=FLOOD, trace=True)
        check_laws(played.program, played.job, played.outcome)
        assert played.delivered == 1500
        assert played.per_packet("kicks") <= (0 if name == "vhost-user-ovs" else 0.002)
        interrupts = played.times("irq.guest_entry")
        assert sum(t < 0.8 * played.outcome.end_ps for t in interrupts) <= 0.01 * 1500
        rates.append(rate(played))
    assert rates[0] < rates[1] < rates[2]


WALKS = [(name, way) for name in SHIPPED[:2] for way in ("tx", "rx")]


@pytest.mark.parametrize(("name", "way"), WALKS)
def test_a_price_up_is_a_latency_up(name: str, way: str) -> None:
    """An isolated packet is later by the rise of a price times its uses on the packet's way.

    That way is walked backwards from the delivery, from each use to the one that ended as it began;
    it fills the latency without a gap. An op also stands for those inside whose price it is.
    (vhost-user is left out: its poller's phase moves with the prices.)
    """
    path = paths.path(name).but({"guest.idle": "poll"})
    book = profile(MITIG)
    base = play(path, way, isolated(1), trace=True)
    end = int(base.outcome.delivered_ps[0])
    chain = walked(base, end, int(base.outcome.arrived_ps[0]))
    assert len(chain) > 10
    for op in sorted(set(chain) & book.costs.keys()):
        cost = book.cost(op)
        n = sum(op == use or op in included(use) for use in chain if use in book.costs)
        if cost.unit == "ns":
            dearer = book.override({op: f"{float(cost.value) + 1000}ns"}, "test")
            late = int(play(path, way, isolated(1), prices=dearer).outcome.delivered_ps[0])
            assert late - end == n * 1_000_000, op


def walked(played: Played, end: int, arrived: int) -> list[str]:
    """Return the ops on a packet's way, last first."""
    price = played.job.prices.flat[played.job.prices.offset].tolist()
    ended: dict[int, tuple[int, str]] = {}
    for e in played.outcome.trace:
        if e.what in ("pay", "delay") and price[e.use]:
            began = e.at_ps + dict(e.detail).get("after", 0)
            op = played.program.uses[e.use].op.partition(":")[0]
            ended.setdefault(began + price[e.use], (began, op))
    ops = []
    while end > arrived:
        end, op = ended[end]
        ops.append(op)
    assert end == arrived
    return ops
