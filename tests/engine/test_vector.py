"""The vector engine: integer for integer what the reference says, or a refusal with reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtsim import traffic
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import profile
from virtsim.engines import reference, vector
from virtsim.errors import EngineRefusal
from virtsim.outcome import Job, Packets
from virtsim.parts import guest, snabb
from virtsim.paths import SHIPPED
from virtsim.program import CoreRow, PaceRow, Program, SourceRow, SpinRow
from virtsim.testing import (
    Case,
    Rows,
    check_engine,
    check_laws,
    closed_loop,
    one_stage,
    producer_consumer,
    programs,
    shared_core,
    tandem,
)
from virtsim.testing.driving import drivers
from virtsim.testing.streams import pairs, pollers, servers, tandems

SPARE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
KINDS = {
    "tandem": tandems, "pair": pairs, "servers": servers, "pollers": pollers, "driver": drivers,
}  # fmt: skip
often = settings(max_examples=150, deadline=None, suppress_health_check=SPARE)


def agree(case: Case) -> None:
    """Check that the two engines agree on a case."""
    check_engine(reference.run, vector.run, case.program, case.job)


def kind(case: Case) -> str:
    """Return the kind of Program that a case is for the engine, "" for none."""
    found = vector.kind_of(case.program, case.job)
    return found.__name__.rpartition(".")[2] if found else ""


# -- agreement on random programs ----------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_random_programs_of_each_kind_agree(name: str) -> None:
    """Stamps, counters, ledger, states, wake-ups, stops and the end are the reference's."""
    seen: list[str] = []

    @often
    @given(KINDS[name]())
    def check(case: Case) -> None:
        if kind(case):
            agree(case)
        seen.append(kind(case))

    check()
    assert seen.count(name) > 0.7 * len(seen)


def test_random_drivers_stop_spin_and_are_left_alone() -> None:
    """What makes a driver difficult comes up: it stops, is caught spinning, waits for ever."""
    seen: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, suppress_health_check=SPARE, derandomize=True)
    @given(drivers())
    def check(case: Case) -> None:
        if not kind(case):
            return
        out = vector.run(case.program, case.job)
        seen["stops"] += bool(out.stops.any())
        seen["spins"] += bool(out.spin_hits.any())
        seen["left"] += bool((out.delivered_ps < 0).any())
        seen["wakes"] += bool(out.wakeups.any())

    check()
    assert seen["stops"] > 100
    assert seen["wakes"] > 100
    assert seen["spins"] > 5
    assert seen["left"] > 5


@settings(max_examples=300, deadline=None, suppress_health_check=SPARE)
@given(programs())
def test_any_program_agrees_or_is_refused_with_reasons(case: Case) -> None:
    """Of all Programs there can be the engine plays some; it refuses all others, and says why."""
    if kind(case):
        agree(case)
        return
    with pytest.raises(EngineRefusal) as refusal:
        vector.run(case.program, case.job)
    assert refusal.value.reasons


@pytest.mark.parametrize(
    "case",
    [
        tandem([10, 20, 5], [3, 4, 5, 60, 60, 61], room=1),
        tandem([[5, 9, 1], 7], [0, 0, 7]),
        producer_consumer(60, 4, (10, 7), (3, 2), (20, 30), (2, 1)),
        producer_consumer(60, 4, (3, 7), (3, 2), (20, 30), (1, 3)),
        one_stage([0, 5, 5, 90], entry=3, wake=4, channel={"mode": "always"}),
        one_stage([0, 5, 5, 90], [3, 4, 5, 6], channel={"mode": "once"}),
    ],
)
def test_the_kit_s_plain_rings_agree(case: Case) -> None:
    """Servers in a row, producer and consumer, and one server of the test kit are covered."""
    assert kind(case)
    agree(case)


# -- agreement on the paths ----------------------------------------------------------------------


def paths() -> list[tuple[str, str, str]]:
    """Return path, direction and variant of everything polled that is shipped."""
    names = ("vhost-user-ovs", "vhost-user-snabb", "sriov")
    return [
        (name, direction, variant)
        for name in names
        for direction in ("tx", "rx", "pvp", "v2v")
        for variant in (("adaptive", "busy", "fixed") if "snabb" in name else ("",))
    ]


def polled(name: str, direction: str, variant: str, source: SourceRow | None = None) -> Program:
    """Return a path with a DPDK guest as a Program."""
    path = SHIPPED[name]()
    path = path.swap("guest", guest.dpdk(nic=path.parts[0].options["nic"]))
    if variant:
        path = path.swap("snabb", snabb.vhost(pacing=variant))  # type: ignore[arg-type]
    return compose(path, direction, Host(), profile("skylake-2018-mitig"), source)


def played(program: Program, at_ps: Any, sizes: Any, warmup: int) -> Case:
    """Return a Program with packets and the prices of the shipped profile."""
    n = len(at_ps)
    packets = Packets(
        np.asarray(at_ps, dtype=np.int64), np.asarray(sizes, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    prices = price(program, profile("skylake-2018-mitig"), packets, 25 * 10**9)
    return Case(program, Job(prices, packets, warmup))


@pytest.mark.parametrize(("name", "direction", "variant"), paths())
def test_every_polled_path_agrees(name: str, direction: str, variant: str) -> None:
    """Isolated packets, two loads up to far too much, and a sender that saturates."""
    program = polled(name, direction, variant)
    assert not vector.refusals(program)
    agree(played(program, [(i + 1) * 50_000_000 for i in range(12)], [64] * 12, 2))
    sizes = np.resize([64, 1518, 594], 300)
    for rate in (10**6, 25 * 10**6):
        at = traffic.poisson(Fraction(rate), 64, 300, seed=3).at_ps
        agree(played(program, at, sizes, 30))
    if direction in ("tx", "v2v"):
        program = polled(name, direction, variant, SourceRow("s", 0, "saturate"))
        agree(played(program, [0] * 300, sizes, 30))


def driven(part: str, idle: str, source: SourceRow, name: str = "vhost-net") -> Program:
    """Return a path with a Linux guest that sends, as a Program."""
    path = SHIPPED[name]()
    make = {"linux": guest.linux, "pktgen": guest.pktgen}[part]
    path = path.swap("guest", make(nic=path.parts[0].options["nic"]))
    path = path.but({"guest.idle": idle}) if idle else path
    return compose(path, "tx", Host(), profile("skylake-2018-mitig"), source)


@pytest.mark.parametrize(("part", "idle"), [("linux", "halt"), ("linux", "poll"), ("pktgen", "")])
@pytest.mark.parametrize("name", ["vhost-net", "virtio-qemu"])
def test_a_sending_driver_agrees(name: str, part: str, idle: str) -> None:
    """Isolated packets, loads from little to far too much, and a sender that saturates."""
    program = driven(part, idle, SourceRow("s", 0), name)
    assert not vector.refusals(program)
    agree(played(program, [(i + 1) * 50_000_000 for i in range(12)], [64] * 12, 2))
    sizes = np.resize([64, 1518, 594], 600)
    for rate in (10**5, 3 * 10**5, 10**7):
        at = traffic.poisson(Fraction(rate), 64, 600, seed=3).at_ps
        agree(played(program, at, sizes, 60))
    program = driven(part, idle, SourceRow("s", 0, "saturate"), name)
    agree(played(program, [0] * 1500, [64] * 1500, 50))


def test_a_worker_that_asks_before_it_flushes_agrees() -> None:
    """vhost-net up to Linux 6.15 (variant A) asks for a kick with its last batch in hand."""
    path = SHIPPED["vhost-net"]().but({"vhost.variant": "A"})
    program = compose(path, "tx", Host(), profile("skylake-2018-mitig"))
    assert not vector.refusals(program)
    at = traffic.poisson(Fraction(5 * 10**5), 64, 800, seed=5).at_ps
    agree(played(program, at, [64] * 800, 60))


def test_a_worker_s_turn_ends_on_bytes() -> None:
    """Packets of 4000 bytes use up vhost-net's 512 KiB before its 256 packets."""
    program = driven("pktgen", "", SourceRow("s", 0, "saturate"))
    agree(played(program, [0] * 800, [4000] * 800, 50))


def test_a_device_that_may_be_too_slow_is_refused() -> None:
    """Where packets might find a NIC's ring full, what the NIC does comes back to the worker."""
    program = driven("pktgen", "", SourceRow("s", 0, "saturate"))
    case = played(program, [0] * 10, [60000] * 10, 0)
    assert vector.refusals(case.program, case.job.prices) == ["nic.tx may overflow"]
    with pytest.raises(EngineRefusal, match="may overflow"):
        vector.run(case.program, case.job)


def test_rings_overflow_on_the_paths() -> None:
    """Far too many packets are dropped at the same rings by both engines."""
    program = polled("vhost-user-ovs", "rx", "")
    case = played(program, np.arange(6000) * 20_000, [64] * 6000, 0)
    agree(case)
    assert (vector.run(case.program, case.job).dropped >= 0).sum() > 1000


# -- ties, by hand -------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "delivered", "looks"), [(13, 19, 1), (14, 19, 1), (15, 29, 2)])
def test_a_publication_and_a_look_at_one_instant(at: int, delivered: int, looks: int) -> None:
    """Loop 4, look 6: looks start at 4, 14, 24. What comes at 14 is seen at 14 (phase 0 first)."""
    rows = Rows()
    loop, idle = rows.use("loop", 4, "loop"), rows.use("idle", 4, "poll")
    ring = rows.ring()
    rows.stage(
        rows.thread(wait="poll", loop=loop, idle_loop=idle), ring, rows.use("serve", 5),
        gather="burst", on_empty="leave", poll=rows.use("look", 6, "poll"),
    )  # fmt: skip
    rows.source()
    case = rows.case([at])
    out = vector.run(case.program, case.job)
    assert out.delivered_ps.tolist() == [delivered]
    assert out.count[0][3] == looks
    agree(case)


def two_pollers(first: int, full: str, frees: str, kind: str, at_ps: list[int]) -> Case:
    """Return a poller that makes items of 10 for one that eats in 10, with one place between."""
    rows = Rows()
    threads = [-1, -1]
    for who in (first, 1 - first):
        threads[who] = rows.thread(wait="poll")
    send, queue = rows.ring(), rows.ring(1, frees=frees)
    rows.stage(threads[0], send, rows.use("make", 10), out=queue, full=full, gather="burst",
               batch=4, on_empty="leave")  # fmt: skip
    rows.stage(threads[1], queue, rows.use("eat", 10), gather="burst", batch=4, on_empty="leave")
    rows.source(send, kind=kind)
    return rows.case(at_ps)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("frees", "delivered"), [("done", [20, 40, 60]), ("take", [20, 30, 40])])
def test_a_slot_freed_and_a_burst_sized_at_one_instant(
    first: int, frees: str, delivered: list[int]
) -> None:
    """Made at 10, eaten until 20. Freed when done: at 20, in phase 0, and the look of 20 sees it.

    Freed when taken: the maker, which parked at 10 for want of room, is found at 10 again, for the
    take comes in a later round of that instant. It is the same whoever comes first in the tables.
    """
    case = two_pollers(first, "wait", frees, "saturate", [0, 0, 0])
    assert vector.run(case.program, case.job).delivered_ps.tolist() == delivered
    agree(case)


@pytest.mark.parametrize(("first", "dropped"), [(0, [-1, 1]), (1, [-1, -1])])
def test_a_slot_freed_and_a_publication_at_one_instant(first: int, dropped: list[int]) -> None:
    """Both in phase 0 of 20, in rank order: the eater's slot is there only if it comes first."""
    case = two_pollers(first, "drop", "done", "open", [0, 1])
    case = Case(replace(case.program, stages=tuple(
        replace(row, batch=1) for row in case.program.stages)), case.job)  # fmt: skip
    assert vector.run(case.program, case.job).dropped.tolist() == dropped
    agree(case)


@pytest.mark.parametrize("first", [0, 1])
def test_two_pollers_that_look_at_one_instant(first: int) -> None:
    """A packet handed on at 20, when the eater ends too: its look, in phase 1 of 20, finds it."""
    case = two_pollers(first, "drop", "take", "open", [0, 10])
    assert vector.run(case.program, case.job).delivered_ps.tolist() == [20, 30]
    agree(case)


# -- refusals ------------------------------------------------------------------------------------


def rows_of(change: Callable[[Rows], None]) -> Program:
    """Return a poller with one stage, changed."""
    rows = Rows()
    ring = rows.ring()
    stage = rows.stage(
        rows.thread(wait="poll"), ring, rows.use("serve", 5), gather="burst", on_empty="leave"
    )
    assert stage == 0
    rows.source()
    change(rows)
    return rows.program()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.change(0, gather="fill"), "looking again after every packet"),
        (lambda r: r.change(0, item=()), "takes no time"),
        (lambda r: r.change(0, role="reclaim"), "of role 'reclaim'"),
        (lambda r: r.change(0, reclaims=True), "reclaims from no ring"),
        (lambda r: r.source(), "2 sources"),
        (lambda r: r.interruptions.append((0, (5,), (5,))), "interrupted"),
        (lambda r: r.thread(0), "share a core"),
        (lambda r: r.woken(0, 0), "notifies a poller"),
    ],
)
def test_what_is_refused_and_why(change: Callable[[Rows], None], reason: str) -> None:
    """A Program that is not one of the kinds is refused, and the first thing that keeps it is."""
    program = rows_of(change)
    assert any(reason in each for each in vector.refusals(program)), vector.refusals(program)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (closed_loop(5, 2, [3]), "closed loop"),
        (shared_core([3, 4], 1, [0, 1], 50), "share a core"),
        (one_stage([0], timer_ps=5), "more than a server"),
        (one_stage([0], channel={"gap_ps": 3}), "moderated"),
        (one_stage([0]).traced(), "a trace is asked for"),
        (tandem([3], []), "no packets"),
    ],
)
def test_jobs_that_are_refused(case: Case, reason: str) -> None:
    """Running what is refused says the reason and what plays it instead."""
    with pytest.raises(EngineRefusal, match="stepper") as refusal:
        vector.run(case.program, case.job)
    assert reason in "\n".join(refusal.value.reasons)


@pytest.mark.parametrize("idle", ["halt", "poll"])
def test_a_linux_guest_is_refused(idle: str) -> None:
    """Its vCPU runs several stages at several levels."""
    path = SHIPPED["vhost-user-ovs"]().but({"guest.idle": idle})
    program = compose(path, "tx", Host(), profile("skylake-2018-mitig"))
    assert vector.refusals(program)


def test_threads_that_wait_in_other_ways_are_refused() -> None:
    """A thread that spins is not a plain server; a nap of no time is no pace."""
    case = one_stage([0])
    spin = replace(case.program.threads[0], spin=SpinRow(5, armed=False))
    assert vector.refusals(replace(case.program, threads=(spin,)))
    program = rows_of(lambda rows: None)
    pace = replace(program.threads[0], pace=PaceRow(step_ps=0, max_ps=5))
    assert vector.refusals(replace(program, threads=(pace,)))


def test_the_first_kind_that_accepts_plays() -> None:
    """The hop-by-hop kind is for what costs nothing but its work; others go to the next kind."""
    case = tandem([3, 4], [0, 5])
    assert kind(case) == "tandem"
    use = case.program.stages[0].item[0]
    deep = replace(case.program, cores=(CoreRow("c", idle_states=((1, use),)), CoreRow("d")))
    assert kind(Case(deep, case.job)) == "servers"
    agree(Case(deep, case.job))


# -- laws ------------------------------------------------------------------------------------------


@often
@given(st.one_of(tandems(), pairs(), servers(), pollers(), drivers()))
def test_laws_hold_on_what_it_plays(case: Case) -> None:
    """Time, money, packets and order are conserved without asking the reference."""
    if kind(case):
        check_laws(case.program, case.job, vector.run(case.program, case.job), may_hold=True)
