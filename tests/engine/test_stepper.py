"""The stepper agrees with the reference integer for integer, or it refuses."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from virtsim import choosing, paths, running, traffic
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import profile
from virtsim.engines import stepper
from virtsim.engines.compiling import machine
from virtsim.engines.reference import run as reference
from virtsim.engines.stepper import (
    batches,
    checks,
    clock,
    cores,
    delivering,
    emitting,
    polling,
    ready,
    results,
    rings,
    tables,
    waiting,
)
from virtsim.engines.stepper.kernel import run_slice
from virtsim.engines.stepper.rows import channel, world
from virtsim.errors import EngineRefusal
from virtsim.model.path import Path
from virtsim.outcome import Job, Outcome, Packets
from virtsim.parts import guest
from virtsim.program import PaceRow, Program, SourceRow
from virtsim.semantics import DUE, MASK
from virtsim.summary import summarize
from virtsim.testing import (
    Case,
    Rows,
    check_engine,
    closed_loop,
    one_stage,
    producer_consumer,
    programs,
    shared_core,
    tandem,
)

slow_is_fine = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
MITIG = "skylake-2018-mitig"


class Checked:
    """An array that knows its bounds: no index is negative, or behind its end."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getitem__(self, at: int) -> int:
        assert 0 <= at < len(self.array), f"read at {at} of {len(self.array)}"
        return int(self.array[at])

    def __setitem__(self, at: int, value: int) -> None:
        assert 0 <= at < len(self.array), f"write at {at} of {len(self.array)}"
        self.array[at] = value


def in_python(program: Program, job: Job) -> Outcome:
    """Play on the routines as they stand, uncompiled, with every index checked."""
    return stepper.play(program, job, lambda a, p, c: run_slice(Checked(a), Checked(p), Checked(c)))


# -- random Programs ---------------------------------------------------------------------------


@settings(slow_is_fine, max_examples=500)
@given(programs())
def test_agreement_on_random_programs(case: Case) -> None:
    """Stamps, counters, ledger and thread states are the reference's, integer for integer."""
    check_engine(reference, stepper.run, case.program, case.job)


@settings(slow_is_fine, max_examples=60)
@given(programs(max_stages=5, max_packets=40))
def test_agreement_without_compiling(case: Case) -> None:
    """The same routines, run as plain Python, agree too and never leave their arrays."""
    check_engine(reference, in_python, case.program, case.job)


@settings(slow_is_fine, max_examples=60)
@given(programs(max_packets=40))
def test_slices_and_memory_that_grows_change_nothing(case: Case) -> None:
    """A run in slices of a few events, and without spare memory at its start, is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stepper, "SLICE", 3)
        patch.setattr(tables, "NODES", 0)
        patch.setattr(tables, "EVENTS", 0)
        check_engine(reference, stepper.run, case.program, case.job)


def test_memory_grows_when_landings_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two channels tell a stage in turn while its thread is at something long: none is forgotten.

    Alternating landings are not counted together, so each needs a word of its own.
    """
    rows = Rows()
    busy, ring, other, back = rows.thread(), rows.ring(), rows.ring(), rows.ring(4, frees="done")
    rows.woken(rows.stage(busy, other, rows.use("long", 10_000)), other, mode="always")
    stage = rows.stage(busy, ring, rows.use("serve", 1), out=back, entry=rows.use("entry", 1))
    rows.woken(stage, ring, mode="always")
    told = rows.channel(back, stage, forward=False, mode="always")
    assert told == 2
    rows.woken(rows.stage(rows.thread(), back, rows.use("eat", 3)), back)
    rows.source(other)
    rows.source(ring)
    n = 600
    case = rows.case([0, *range(1, 4 * n, 4)], [0, *[1] * n])
    grown: list[int] = []
    monkeypatch.setattr(stepper, "grown", lambda a: grown.append(1) or results.grown(a))
    monkeypatch.setattr(tables, "NODES", 0)
    monkeypatch.setattr(tables, "EVENTS", 0)
    check_engine(reference, stepper.run, case.program, case.job)
    assert grown


# -- shipped paths -----------------------------------------------------------------------------

TRAFFICS: dict[str, Callable[[int], traffic.PacketStream]] = {
    "poisson": lambda n: traffic.poisson(Fraction(300_000), 64, n, seed=1),
    "overload": lambda n: traffic.imix(Fraction(3_000_000), n, seed=2),
    "saturate": lambda n: traffic.saturate(1518, n),
    "request": lambda n: traffic.request(4, 64, n, think_ps=1_000_000),
}


@pytest.mark.parametrize("kind", TRAFFICS)
@pytest.mark.parametrize("direction", ["tx", "rx"])
@pytest.mark.parametrize("name", paths.SHIPPED)
def test_agreement_on_shipped_paths(name: str, direction: str, kind: str) -> None:
    """Every shipped path, both ways, with open, saturating and closed traffic and drawn prices."""
    stream = TRAFFICS[kind](300)
    if direction == "rx" and stream.kind == "saturate":
        pytest.skip("nobody saturates a receiver")
    case = composed(paths.path(name), direction, stream)
    check_engine(reference, stepper.run, case.program, case.job)


def composed(path: Path, direction: str, stream: traffic.PacketStream) -> Case:
    """Compose and price a path for a stream."""
    book, host = profile(MITIG), Host()
    source = SourceRow("source", 0, stream.kind, stream.outstanding, stream.think_ps)
    program = compose(path, direction, host, book, source)
    zeros = np.zeros(len(stream), dtype=np.int64)
    packets = Packets(
        np.ascontiguousarray(stream.at_ps), np.ascontiguousarray(stream.size_b), zeros
    )
    return Case(program, Job(price(program, book, packets, host.nic_bps), packets, warmup=30))


# -- small Programs with known results ---------------------------------------------------------


def switched_at_birth() -> Case:
    """Return two threads of one core: one naps at 0, the other pays a switch of 17 at once.

    Nothing else is on the clock then, and yet it must not run ahead of the first packet, at 10.
    """
    rows = Rows()
    core = rows.core(switch=rows.use("switch", 17, "switch"), quantum_ps=71)
    ring, behind = rows.ring(), rows.ring()
    first = rows.thread(
        core, "poll", loop=rows.use("loop", 3, "loop"), idle_loop=rows.use("idle", 5, "poll"),
        pace=PaceRow(step_ps=19, max_ps=50),
    )  # fmt: skip
    rows.stage(
        first, ring, rows.use("serve", 4), poll=rows.use("look", 2, "poll"), out=behind,
        gather="burst",
    )  # fmt: skip
    rows.woken(rows.stage(rows.thread(core, "always"), behind, rows.use("serve", 6)), behind)
    rows.source(ring)
    return rows.case([10, 10, 12, 70])


KNOWN = {
    "switch at birth": switched_at_birth(),
    "FC": producer_consumer(60, 8, (50, 200), (400, 30), (500, 90)),
    "FP": producer_consumer(60, 8, (200, 50), (40, 300), (50, 900), (2, 3)),
    "tandem": tandem([10, [3, 30, 1, 9, 5, 7, 2, 80]], [3, 4, 5, 5, 5, 9, 9, 200], room=2),
    "loop": closed_loop(50, 4, [7, 11], think=5),
    "shared core": shared_core([10, 7, 30], 3, list(range(0, 400, 9)), 25),
    "moderated": one_stage([0, 1, 2, 50, 51, 200], 5, entry=3, wake=9, channel={"gap_ps": 70}),
    "coalesced": one_stage([0, 1, 2, 50, 51], channel={"hold_n": 3, "hold_ps": 40}),
    "delayed": one_stage([0, 1, 2, 50, 51], timer_ps=33, budget=2),
}


@pytest.mark.parametrize("name", KNOWN)
def test_agreement_on_known_results(name: str) -> None:
    """The small Programs whose results are derived elsewhere: both engines have them alike."""
    check_engine(reference, stepper.run, KNOWN[name].program, KNOWN[name].job)
    check_engine(reference, in_python, KNOWN[name].program, KNOWN[name].job)


def test_progress_is_told_and_never_goes_back() -> None:
    """A long run tells how far it is, and 100 000 packets through one server are all delivered."""
    case = tandem([10], np.arange(0, 2_000_000, 20).tolist())
    told: list[tuple[int, int]] = []
    out = stepper.run(case.program, replace(case.job, on_progress=lambda *x: told.append(x)))
    assert (out.delivered_ps == case.job.packets.at_ps + 10).all()
    assert told == sorted(told)
    assert len(told) > 1
    assert {of for _, of in told} == {100_000}


# -- planted defects ---------------------------------------------------------------------------


def ranks_backwards(a: Any, when: int, phase: int, rank: int) -> int:
    """Order what happens in one phase by rank backwards."""
    return TURN_OF(a, when, phase, 200 - rank)


def due_in_this_round(a: Any, when: int, phase: int, rank: int) -> int:
    """Let a delivery after zero time join the round that is under way."""
    turn = TURN_OF(a, when, phase, rank)
    return turn - world.TURN if phase == DUE and turn >= world.TURN else turn


TURN_OF = clock.turn_of
DEFECTS: dict[str, tuple[Any, str, Any]] = {
    "an event index that is off by one": (
        delivering, "need_event",
        lambda event, new, old: ((new - event) & MASK) < ((new - old) & MASK),
    ),
    "a share of nothing": (delivering, "event_share", lambda position, *_: position),
    "ranks backwards": (clock, "turn_of", ranks_backwards),
    "one round for all": (clock, "turn_of", due_in_this_round),
    "a latch that is never raised": (channel, "LATCH", 99),
    "a gap that is not kept": (delivering, "earliest", lambda a, h: a[world.NOW]),
    "one slot more": (emitting, "free", lambda a, r: polling.free(a, r) + 1),
    "a bonus for nothing taken back": (rings, "reclaim", lambda a, r: 0),
    "a spin that never adapts": (waiting, "halt_poll_next", lambda poll_ps, *_, **__: poll_ps),
    "a look one loop late": (
        ready, "next_poll", lambda now, first, every: polling.next_poll(now + 1, first, every)
    ),
    "a poller that looks everywhere at once": (polling, "reached", lambda a, t, at: a[world.NOW]),
    "no quantum": (cores, "must_yield", lambda a, t: False),
    "interruptions that are free": (cores, "stretched", lambda a, k, start, busy: start + busy),
    "an interruption too many": (delivering, "waits_quietly", lambda a, t: False),
    "a budget of one more": (
        batches, "burst_take", lambda there, most, left: max(0, min(there, most, left + 1))
    ),
}  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_seen(defect: str) -> None:
    """A rule that is changed in one place is found out by a few hundred random Programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*DEFECTS[defect])
        with pytest.raises((AssertionError, EngineRefusal, IndexError)):
            compare_all()


def compare_all() -> None:
    """Hold the routines against the reference: on the small Programs, then on random ones."""
    for known in KNOWN.values():
        check_engine(reference, briefly, known.program, known.job)

    @seed(1)
    @settings(
        slow_is_fine, max_examples=400, database=None, phases=[Phase.generate],
        report_multiple_bugs=False,
    )  # fmt: skip
    @given(programs(max_stages=4, max_packets=20))
    def look(case: Case) -> None:
        check_engine(reference, briefly, case.program, case.job)

    look()


def briefly(program: Program, job: Job) -> Outcome:
    """Play in plain Python, and give up on a run that does not end."""
    slices = iter(range(5))

    def kernel(a: Any, p: Any, c: Any) -> int:
        assert next(slices, None) is not None, "it does not end"
        a[world.LIMIT] = a[world.EVENTS] + 2000
        return run_slice(a, p, c)

    return stepper.play(program, job, kernel)


# -- refusals ----------------------------------------------------------------------------------


def test_an_instant_that_does_not_end_is_refused() -> None:
    """A closed loop through a stage that takes no time: as the reference, and as it words it."""
    rows = Rows()
    ring = rows.ring()
    rows.woken(rows.stage(rows.thread(), ring), ring)
    rows.source(ring, kind="closed", outstanding=1)
    case = rows.case([0] * 20_000)
    with pytest.raises(EngineRefusal, match="rounds"):
        stepper.run(case.program, case.job)


def test_what_cannot_be_exact_is_refused_with_all_reasons() -> None:
    """A trace, a negative price, arrivals that go back, overlapping interruptions: all named."""
    rows = Rows()
    ring = rows.ring()
    thread = rows.thread()
    rows.woken(rows.stage(thread, ring, rows.use("serve", -1)), ring)
    rows.source(ring)
    rows.interruptions.append((0, (5, 6), (3, 3)))
    case = rows.case([9, 4]).traced()
    with pytest.raises(EngineRefusal) as refused:
        stepper.run(case.program, case.job)
    said = " ".join(refused.value.reasons)
    for reason in ("trace", "negative", "order of their arrival", "overlap"):
        assert reason in said


@pytest.mark.parametrize("item", [0, (1 << 49)])
def test_time_that_stands_still_or_runs_out_is_refused(item: int) -> None:
    """A stage's visit costs at least 1 ps, and a run lasts at most 2^60 ps."""
    case = tandem([item], [0] * 5000)
    with pytest.raises(EngineRefusal) as refused:
        stepper.run(case.program, case.job)
    assert any("1 ps" in r or "lasts longer" in r for r in refused.value.reasons)


# -- choosing ----------------------------------------------------------------------------------


def test_auto_takes_the_fastest_that_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first exact engine that pays off, and why: without numba, or for traces, the slower."""
    easy, shared = tandem([10], [3]).program, shared_core([4, 5], 2, [3], 9).program
    assert choosing.choose_engine("auto", easy)[0] == "vector"
    assert choosing.choose_engine("auto", shared)[0] == "stepper"
    name, why = choosing.choose_engine("auto", easy, trace=True)
    assert (name, "trace" in why) == ("reference", True)
    monkeypatch.setattr(machine, "available", lambda: False)
    monkeypatch.setattr(checks, "available", lambda: False)
    name, why = choosing.choose_engine("auto", shared)
    assert (name, "numba" in why) == ("reference", True)
    with pytest.raises(EngineRefusal, match="cannot play it exactly") as refused:
        stepper.run(easy, tandem([10], [3]).job)
    assert "pip install" in str(refused.value)


def test_a_run_that_no_memory_holds_is_refused() -> None:
    """Above its limit an engine refuses; only 'vector' goes on, by chunks, if packets come so."""
    easy, shared = tandem([10], [3]).program, shared_core([4, 5], 2, [3], 9).program
    choosing.check_length(easy, 10**9, chunked=True)
    for program, engine, most, chunked, why in (
        (easy, "auto", 10_000_000, False, "not made by chunks"),
        (easy, "reference", 2_000_000, True, "does not play by chunks"),
        (shared, "auto", 10_000_000, True, "does not play by chunks"),
    ):
        with pytest.raises(EngineRefusal, match=f"at most {most}") as refused:
            choosing.check_length(program, most + 1, engine, chunked=chunked)
        assert any(why in reason for reason in refused.value.reasons)
        choosing.check_length(program, most, engine, chunked=chunked)


def test_every_engine_says_who_played() -> None:
    """`play` names what executed, and the numbers are the same."""
    path = paths.path("sriov").swap("guest", guest.dpdk(nic="vf"))
    args = (path, "tx", profile(MITIG), Host(), TRAFFICS["poisson"](200))
    played = {name: running.play(*args, engine=name) for name in choosing.ENGINES}
    assert {name: p.engine for name, p in played.items()} == {n: n for n in choosing.ENGINES}
    digests = [p.outcome.digest() for p in played.values()]
    assert digests[0] == digests[1] == digests[2]
    assert len({str(summarize(p)) for p in played.values()}) == 1


def test_without_a_compiler_everything_still_runs(tmp_path: pathlib.Path) -> None:
    """Without llvmlite the reference plays, or 'vector' uncompiled, and no import needs it."""
    code = """
import sys
sys.modules["llvmlite"] = sys.modules["numba"] = None
from fractions import Fraction
from virtsim import Host, paths, profile, running, traffic
stream = traffic.poisson(Fraction(300_000), 64, 50, seed=1)
for direction in ("tx", "rx"):
    args = (paths.path("vhost-net"), direction, profile("modern-2022"), Host(), stream)
    played = running.play(*args)
    same = running.play(*args, engine="reference")
    print(played.engine, played.outcome.digest() == same.outcome.digest())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines() == ["vector True", "reference True"]


def test_importing_virtsim_loads_no_compiler() -> None:
    """`import virtsim` pulls in neither numba nor llvmlite, and choosing an engine does not."""
    code = (
        "import sys, virtsim, virtsim.running, virtsim.engines.stepper\n"
        "print([m for m in ('numba', 'llvmlite', 'simpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
