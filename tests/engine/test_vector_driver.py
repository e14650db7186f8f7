"""A driver and a worker that spins on its ring before it asks to be kicked."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from virtsim import traffic
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import profile
from virtsim.engines import reference, stepper, vector
from virtsim.engines.vector import machine
from virtsim.engines.vector.driver import acting, sending, working
from virtsim.engines.vector.driver.rows import run, thread, worker
from virtsim.outcome import Job, Packets
from virtsim.parts import guest
from virtsim.paths import SHIPPED
from virtsim.program import ArmRow, Program, SourceRow, SpinRow
from virtsim.testing import Case, Rows, check_engine, check_laws
from virtsim.testing.driving import spinners

SPARE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
PRICES = profile("skylake-2018-mitig")


def is_driver(case: Case) -> bool:
    """Tell whether a case is played as a driver and its worker."""
    found = vector.kind_of(case.program, case.job)
    return found is vector.driver


def agree(case: Case) -> None:
    """Check that the engine agrees with the reference on a case."""
    assert is_driver(case)
    check_engine(reference.run, vector.run, case.program, case.job)


# -- random programs -------------------------------------------------------------------------------


def test_random_workers_that_spin_agree() -> None:
    """Stamps, ledger, turns of the loop, states and the end are the reference's, and lawful."""
    played: list[bool] = []

    @settings(max_examples=300, deadline=None, suppress_health_check=SPARE)
    @given(spinners())
    def check(case: Case) -> None:
        played.append(is_driver(case))
        if played[-1]:
            agree(case)
            out = vector.run(case.program, case.job)
            check_laws(case.program, case.job, out, may_hold=True)

    check()
    assert sum(played) > 0.7 * len(played)


def test_random_workers_spin_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a spin difficult comes up, ties of looks, ends and arrivals above all."""
    seen: Counter[str] = Counter()
    look, spun = acting.look, working.spun

    def watched_look(a: Any) -> None:
        look(a)
        end = a[worker.LOOK_FROM] + a[worker.SPIN_PS]
        since = a[run.NOW] - a[worker.LOOK_FROM]
        on_time = since % a[worker.LOOK_EVERY] == 0
        seen["put as it looks"] += on_time
        seen["put as the spin ends"] += a[run.NOW] == end
        whole = a[worker.SPIN_PS] % a[worker.LOOK_EVERY] == 0
        seen["a look due as it ends"] += whole and a[thread.WORKER + thread.KEY] == end

    def watched_end(a: Any) -> int:
        over = a[run.NOW] == a[worker.LOOK_FROM] + a[worker.SPIN_PS]
        found = a[run.PUT] > a[run.FETCHED]
        seen["found"] += found and not over
        seen["found at last"] += found and over
        seen["kicked for nothing"] += bool(a[worker.READY]) and not found
        seen["in vain"] += over and not found
        arrivals = a[a[run.AT] : a[run.AT] + a[run.N_PACKETS]]
        seen["an arrival as it ends"] += over and a[run.NOW] in arrivals
        return int(spun(a))

    monkeypatch.setattr(machine, "available", lambda: False)
    for module in (acting, sending):
        monkeypatch.setattr(module, "look", watched_look)
    monkeypatch.setattr(working, "spun", watched_end)

    @settings(max_examples=300, deadline=None, suppress_health_check=SPARE, derandomize=True)
    @given(spinners())
    def check(case: Case) -> None:
        if is_driver(case):
            vector.run(case.program, case.job)

    check()
    assert min(seen["found"], seen["in vain"]) > 100
    assert seen["kicked for nothing"] > 20
    ties = [what for what in seen if " as " in what or what == "found at last"]
    assert len(ties) == 5
    assert min(seen[what] for what in ties) > 20, seen


# -- by hand ---------------------------------------------------------------------------------------


def spinner(at_ps: list[int], most: int = 40, turn: int = 10) -> Case:
    """Return a driver that sends in 5 and a worker that eats in 10 and spins."""
    rows = Rows()
    sides = [rows.thread(wait="always"), rows.thread(spin=SpinRow(
        most, armed=False, turn=rows.use("look", turn, "poll")))]  # fmt: skip
    send, queue = rows.ring(), rows.ring(16, frees="reclaim")
    sender = rows.stage(sides[0], send, rows.use("send", 5), out=queue, full="stop", room=1)
    handler = rows.stage(sides[0], queue, role="reclaim", restarts=sender, level=1)
    eater = rows.stage(sides[1], queue, rows.use("eat", 10))
    rows.woken(sender, send)
    rows.woken(eater, queue, mode="flags")
    call = rows.channel(queue, handler, forward=False)
    rows.arm(handler, ArmRow(call, "entry", "off"), ArmRow(call, "empty", "next"))
    rows.arm(sender, ArmRow(call, "stop", "share"))
    rows.source(send)
    return rows.case(at_ps)


@pytest.mark.parametrize(
    ("second", "delivered", "turns", "wakeups"),
    [
        (14, 35, 5, 1),  # put at 19: seen by the look of 25
        (20, 35, 5, 1),  # put at 25, as it looks
        (21, 45, 6, 1),  # put at 26: seen by the look of 35
        (50, 65, 8, 1),  # put at 55, as the spin ends: seen by that last look
        (51, 66, 8, 2),  # put at 56: the spin is over, the worker sleeps and is kicked
    ],
)
def test_a_spin_from_15_to_55_looks_every_10(
    second: int, delivered: int, turns: int, wakeups: int
) -> None:
    """The first packet is put at 5 and eaten at 15; all spins together pay so many whole turns.

    After the second packet the worker spins in vain, for 4 turns.
    """
    case = spinner([0, second])
    out = vector.run(case.program, case.job)
    assert out.delivered_ps.tolist() == [15, delivered]
    assert out.count[len(case.program.stages) + 1, 0] == turns
    assert out.wakeups.tolist() == [0, wakeups]
    agree(case)


def test_a_spin_turns_notifications_off_once_more() -> None:
    """An event index that is off and was not crossed moves up as a spin begins, mid-batch as well.

    At 9 the worker has asked for the entry behind packet 1 (k = 2), finds packet 1, and turns off
    what was not crossed. It eats packet 2 until 12 and spins: the index moves to 2. The batch of
    packets 2 and 3, decided on at 15, crosses that. So a kick comes for nothing: after packet 3 the
    worker has another turn, spins in that from 17 to 21, and asks for the third time until 22.
    """
    rows = Rows()
    sides = [rows.thread(wait="always"), rows.thread(spin=SpinRow(
        4, armed=False, turn=rows.use("look", 1, "poll")))]  # fmt: skip
    send, queue = rows.ring(), rows.ring(16, frees="reclaim")
    sender = rows.stage(sides[0], send, rows.use("send", [3, 4, 1, 4]), out=queue, full="stop",
                        batch=5, decide="batch")  # fmt: skip
    handler = rows.stage(sides[0], queue, role="reclaim", restarts=sender, level=1)
    eater = rows.stage(sides[1], queue, rows.use("eat", 1))
    ask = rows.use("ask", 1, "rearm")
    rows.woken(sender, send)
    rows.woken(eater, queue, rearm=ask, k=2)
    rows.channel(queue, handler, forward=False)
    rows.source(send)
    case = rows.case([0, 5, 10, 10])
    out = vector.run(case.program, case.job)
    assert out.count[eater][ask[0]] == 3
    assert out.end_ps == 22
    agree(case)


# -- the path --------------------------------------------------------------------------------------


def sending_path(part: str, spin: str, source: SourceRow, variant: str = "C") -> Program:
    """Return vhost-net tx with a worker that spins."""
    path = SHIPPED["vhost-net"]()
    make = {"linux": guest.linux, "pktgen": guest.pktgen}[part]
    path = path.swap("guest", make(nic=path.parts[0].options["nic"]))
    path = path.but({"vhost.spin": spin, "vhost.variant": variant})
    return compose(path, "tx", Host(), PRICES, source)


def job_of(program: Program, rate: int, size_b: int, n: int) -> Job:
    """Return packets at a rate, 0 for all that can be sent, with their prices."""
    made = traffic.poisson(Fraction(rate), size_b, n, seed=1) if rate else None
    stream = made or traffic.saturate(size_b, n)
    at, sizes = np.ascontiguousarray(stream.at_ps), np.ascontiguousarray(stream.size_b)
    packets = Packets(at, sizes, np.zeros(n, dtype=np.int64))
    return Job(price(program, PRICES, packets, Host().nic_bps), packets, n // 10)


@pytest.mark.parametrize("variant", ["A", "C"])
@pytest.mark.parametrize("part", ["linux", "pktgen"])
@pytest.mark.parametrize("spin", ["1us", "20us", "90us"])
def test_vhost_net_agrees_where_it_spins(part: str, spin: str, variant: str) -> None:
    """From 50 000 packets a second, where a spin is in vain, to all that the guest can send.

    Before a spin the batch in hand is flushed: variant A asks no earlier than C then.
    """
    for rate, size_b in ((50_000, 1518), (300_000, 64), (10**6, 64), (0, 64)):
        source = SourceRow("s", 0) if rate else SourceRow("s", 0, "saturate")
        program = sending_path(part, spin, source, variant)
        agree(Case(program, job_of(program, rate, size_b, 600)))


def test_a_long_run_agrees_with_the_stepper() -> None:
    """Tens of thousands of packets, with free-running indexes that wrap around."""
    program = sending_path("linux", "20us", SourceRow("s", 0))
    job = job_of(program, 200_000, 64, 70_000)
    check_engine(stepper.run, vector.run, program, job)


# -- refusals --------------------------------------------------------------------------------------


def test_a_worker_that_spins_after_it_has_asked_is_refused() -> None:
    """Halt polling is a vCPU's; a worker's look costs the same whatever the packet."""
    program = sending_path("linux", "20us", SourceRow("s", 0))
    at = program.stages[2].thread
    row = program.threads[at]
    assert row.spin is not None
    assert not vector.refusals(program)
    halts = replace(row, spin=replace(row.spin, armed=True), idle=row.signal)
    by_byte = replace(row, spin=replace(row.spin, turn=program.stages[2].item))
    for changed, why in ((halts, "after it has asked"), (by_byte, "costs by the byte")):
        threads = tuple(changed if i == at else t for i, t in enumerate(program.threads))
        refusals = vector.refusals(replace(program, threads=threads))
        assert any(why in each for each in refusals), refusals
