"""The reference engine against results that were derived without it."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from virtsim.engines.reference import run
from virtsim.oracles import (
    ProdCons,
    closed_loop,
    little,
    md1_wait,
    mg1_wait,
    mm1k_loss,
    saturation,
    sleeping,
)
from virtsim.outcome import Outcome
from virtsim.program import ArmRow, SourceRow
from virtsim.testing import Case, Rows, check_laws, producer_consumer, tandem
from virtsim.testing import closed_loop as looped

SETS = 12
"""Random parameter sets per regime."""


def played(case: Case) -> Outcome:
    """Play a case and hold it against the laws."""
    outcome = run(case.program, case.job)
    check_laws(case.program, case.job, outcome)
    return outcome


def time_per_item(p: ProdCons, n_cycles: int = 6) -> Fraction:
    """Return the time per item over whole cycles, from one notification to a later one.

    The first two cycles and the last are left out: the run starts empty and ends with no more work.
    """
    filling = p.slots * p.wc // (p.wc - p.wp) if p.regime == "FP" else p.slots
    case = producer_consumer(
        filling + (n_cycles + 3) * p.cycle + p.kp + 1,
        p.slots, (p.wp, p.wc), (p.np, p.nc), (p.sp, p.sc), (p.kp, p.kc),
    ).traced()  # fmt: skip
    out = run(case.program, case.job)
    # A threshold above one leaves the last few items of a finite run unannounced: they may stay.
    check_laws(case.program, case.job, out, may_hold=p.kp > 1)
    side = ("forward", int(p.regime != "FP"))
    told = [
        e.at_ps for e in out.trace if e.what == "notify" and e.ring == "r1" and side in e.detail
    ]
    first, last = told[2], told[-2]
    items = np.count_nonzero((out.delivered_ps > first) & (out.delivered_ps <= last))
    return Fraction(last - first, int(items))


def drawn(regime: str, n: int, *, thresholds: bool = False) -> list[ProdCons]:
    """Draw parameter sets of one regime whose cycles are short enough to be simulated."""
    rng = random.Random(f"{regime} {thresholds}")
    found: list[ProdCons] = []
    while len(found) < n:
        slots = rng.choice([2, 4, 8, 16, 64])
        top = max(1, slots // 2) if thresholds else 1
        p = ProdCons(
            slots, *(rng.randint(50, 2000) for _ in "ww"), *(rng.randint(0, 4000) for _ in "nn"),
            *(rng.randint(0, 8000) for _ in "ss"), *(rng.randint(1, top) for _ in "kk"),
        )  # fmt: skip
        if p.regime == regime and p.cycle <= 200:
            found.append(p)
    return found


@pytest.mark.parametrize("regime", ["FC", "FP", "SS", "SCS", "SPS"])
def test_producer_consumer_in_every_regime(regime: str) -> None:
    """Time per item is that of Lettieri, Maffione and Rizzo within 1 %, in all five regimes.

    Deterministic prices; measured over whole cycles after the first ones; notifications at the
    first item and the first slot (Kp = Kc = 1).
    """
    for p in drawn(regime, SETS):
        got, want = time_per_item(p), p.time_per_item
        assert abs(got / want - 1) < 0.01, (p, float(got), float(want))


@pytest.mark.parametrize("regime", ["FC", "FP"])
def test_producer_consumer_with_thresholds(regime: str) -> None:
    """The same with the producer told at Kc slots and the consumer at Kp items."""
    for p in drawn(regime, SETS // 2, thresholds=True):
        got, want = time_per_item(p), p.time_per_item
        assert abs(got / want - 1) < 0.01, (p, float(got), float(want))


@pytest.mark.parametrize(("wc", "sc", "want"), [(180, 4000, 210), (50, 4000, 274), (20, 100, 2200)])
def test_a_faster_consumer_lowers_throughput(wc: int, sc: int, want: int) -> None:
    """L = 256, Wp = 200, Np = 2000: 210, 274 and 2200 per item as the consumer gets faster.

    FC: T = Wp + Np/m with m = floor(Sc / (Wp - Wc)) + 1. Wc = 180: m = 4000/20 + 1 = 201, T = 200 +
    9.95. Wc = 50: m = floor(4000/150) + 1 = 27, T = 200 + 74.07. Wc = 20, Sc = 100: m = 1, a kick
    per item.
    """
    p = ProdCons(256, 200, wc, np=2000, sc=sc)
    assert round(p.time_per_item) == want
    assert abs(time_per_item(p, 2) / p.time_per_item - 1) < 0.002


def test_regimes_meet_at_the_critical_length() -> None:
    """A queue of the critical length is the shortest without a slow start, by the definition."""
    for regime in ("FC", "FP", "SS"):
        for p in drawn(regime, 20):
            consumer, producer = p.critical_slots
            for slots in range(2, 200):
                q = ProdCons(slots, p.wp, p.wc, p.np, p.nc, p.sp, p.sc)
                assert q.slow_consumer_start == (slots < consumer) or slots == consumer - 1
                assert q.slow_producer_start == (slots < producer) or slots == producer - 1
            assert not ProdCons(consumer, p.wp, p.wc, sc=p.sc).slow_consumer_start


def test_an_isolated_item_costs_all_four_steps() -> None:
    """Made, announced, started, consumed: Wp + Np + Sc + Wc for an item that finds both at rest."""
    p = ProdCons(8, 200, 50, np=700, sc=900)
    out = played(producer_consumer(1, p.slots, (p.wp, p.wc), (p.np, p.nc), (p.sp, p.sc)))
    assert out.delivered_ps[0] - out.arrived_ps[0] == p.idle_latency == 1850


# -- the sleep discipline ----------------------------------------------------------------------


def sleepers(n: int, slots: int, wp: int, wc: int, yc: int) -> Case:
    """Return a consumer that looks again every yc when it found nothing: a timer tells it to."""
    rows = Rows("sleepers")
    made, eaten = rows.use("make", wp), rows.use("eat", wc)
    send, queue = rows.ring(), rows.ring(slots, frees="done")
    make = rows.stage(rows.thread(), send, made, out=queue, full="wait")
    eat = rows.stage(rows.thread(), queue, eaten, timer_ps=yc)
    rows.woken(make, send, mode="flags")
    rows.woken(eat, queue)
    back = rows.channel(queue, make, forward=False)
    rows.arm(make, ArmRow(back, "stop", "next"))
    rows.source(send, kind="saturate")
    return rows.case([0] * n)


@pytest.mark.parametrize(
    ("slots", "wp", "wc", "yc"), [(16, 100, 60, 1300), (64, 100, 80, 6000), (16, 60, 100, 500)]
)
def test_a_consumer_that_sleeps_within_the_bound_costs_nothing(
    slots: int, wp: int, wc: int, yc: int
) -> None:
    """A sleep shorter than (L-1) Wp - Wc never stalls the producer: T = max(Wp, Wc)."""
    low, high = sleeping(slots, wp, wc, 0, yc)
    assert low == high == max(wp, wc)
    done = played(sleepers(20 * slots, slots, wp, wc, yc)).delivered_ps
    k = 10 * slots
    assert abs((done[-1] - done[k]) / (len(done) - 1 - k) / float(low) - 1) < 0.02


@pytest.mark.parametrize(("slots", "wp", "wc", "yc"), [(8, 100, 60, 5000), (16, 100, 90, 9000)])
def test_a_consumer_that_oversleeps_stays_in_bounds(slots: int, wp: int, wc: int, yc: int) -> None:
    """A longer sleep stalls the producer: max(Wp, Wc) < T <= max(Wp + Yp/L, Wc + Yc/L)."""
    low, high = sleeping(slots, wp, wc, 0, yc)
    done = played(sleepers(40 * slots, slots, wp, wc, yc)).delivered_ps
    k = 10 * slots
    got = (done[-1] - done[k]) / (len(done) - 1 - k)
    assert float(low) < got <= float(high) * 1.01


# -- queues ------------------------------------------------------------------------------------


def poisson(rng: np.random.Generator, n: int, mean: float) -> list[int]:
    """Return n arrival times of a Poisson process."""
    return np.cumsum(rng.exponential(mean, n)).astype(np.int64).tolist()


def lindley(at: list[int], service: int) -> list[int]:
    """Return the waits at one server, by W' = max(0, W + S - gap)."""
    waits = [0]
    for earlier, later in pairwise(at):
        waits.append(max(0, waits[-1] + service - (later - earlier)))
    return waits


@pytest.mark.parametrize(("load", "rel"), [(0.3, 0.04), (0.5, 0.04), (0.7, 0.09)])
def test_md1_mean_wait(load: float, rel: float) -> None:
    """M/D/1: mean wait = rho S / (2 (1 - rho)), over 6 x 6000 packets.

    The spread of the mean grows with the load, so the tolerance does. Each single wait is that of
    Lindley's recursion, exactly.
    """
    service, waits = 1_000_000, []
    for seed in range(6):
        at = poisson(np.random.default_rng([seed, 7]), 6000, service / load)
        out = played(tandem([service], at))
        each = out.delivered_ps - out.arrived_ps - service
        assert each.tolist() == lindley(at, service)
        waits.append(each.mean())
    assert np.mean(waits) == pytest.approx(md1_wait(load, service), rel=rel)


def test_mg1_with_a_start_up_at_each_busy_period() -> None:
    """M/G/1 with set-up D before each busy period waits D (2 + r D) / (2 (1 + r D)) longer.

    The engine's wake-up delay is that set-up: constant service, load 0.5, D = 2 S; r is the rate.
    """
    service, setup, waits = 1_000_000, 2_000_000, []
    for seed in range(4):
        rows = Rows()
        wake = rows.use("wake", setup, "wake", busy=False)
        ring = rows.ring()
        stage = rows.stage(rows.thread(wake=wake), ring, rows.use("serve", service))
        rows.woken(stage, ring)
        rows.source()
        case = rows.case(poisson(np.random.default_rng(seed), 6000, service / 0.5))
        out = played(case)
        waits.append((out.delivered_ps - out.arrived_ps).mean() - service)
    assert np.mean(waits) == pytest.approx(mg1_wait(0.5, service, 0.0, setup), rel=0.04)


@pytest.mark.parametrize(("load", "k"), [(0.8, 4), (1.0, 3), (1.5, 5)])
def test_mm1k_loss(load: float, k: int) -> None:
    """M/M/1/K: loss = (1 - rho) rho^K / (1 - rho^(K+1)), within 6 % over 4 x 6000 packets.

    K counts the packet in service; a ring frees its slot when the packet is taken, so the ring has
    room for K - 1.
    """
    mean, lost = 1_000_000, []
    for seed in range(4):
        rng = np.random.default_rng([seed, k])
        at = poisson(rng, 6000, mean / load)
        service = np.maximum(1, rng.exponential(mean, 6000)).astype(np.int64).tolist()
        lost.append((played(tandem([service], at, room=k - 1)).dropped >= 0).mean())
    assert np.mean(lost) == pytest.approx(mm1k_loss(load, k), rel=0.06)


@pytest.mark.parametrize("outstanding", [1, 2, 3, 5, 9])
def test_closed_loop_is_exact(outstanding: int) -> None:
    """N packets round servers of 30, 100 and 20: max(100, 150/N) per packet, N times that each.

    Constant services settle into a cycle in which packets wait only for the slowest server. By
    Little's law N packets at that rate spend N times that long in the loop.
    """
    services, n = [30, 100, 20], 200
    out = played(looped(n, outstanding, services))
    per_packet, around = closed_loop(outstanding, services)
    done = out.delivered_ps
    k, m = 50, 100 - 100 % outstanding
    assert Fraction(int(done[k + m] - done[k]), m) == per_packet
    times = (done - out.arrived_ps)[k : k + m]
    assert Fraction(int(times.sum()), m) == around
    assert little(float(around), float(1 / per_packet)) == outstanding


def test_think_time_slows_a_loop_of_one() -> None:
    """One packet outstanding: services and think time in turn, nothing overlaps."""
    out = played(looped(10, 1, [30, 100], think=70))
    assert np.diff(out.arrived_ps).tolist() == [200] * 9


def test_saturation_bound() -> None:
    """Servers in a row, flooded, deliver one packet per service of the slowest."""
    rng = random.Random(5)
    for _ in range(10):
        services = [rng.randint(1, 500) for _ in range(rng.randint(1, 5))]
        case = tandem(services, [0] * 60)
        out = played(Case(case.program, case.job))
        gaps = np.diff(out.delivered_ps)
        assert set(gaps.tolist()) == {int(saturation(services))}


def test_saturating_source_stamps_when_service_starts() -> None:
    """A packet of a saturating source arrives when its sender starts it, not before."""
    rows = Rows()
    ring = rows.ring()
    rows.woken(rows.stage(rows.thread(), ring, rows.use("serve", 10)), ring)
    rows.sources.append(SourceRow("flood", ring, "saturate"))
    out = played(rows.case([0] * 5))
    assert out.arrived_ps.tolist() == [0, 10, 20, 30, 40]
    assert out.delivered_ps.tolist() == [10, 20, 30, 40, 50]
