"""What the pace of Snabb's breaths costs a packet and spares a core: sleeps, from the trace."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from virtsim import paths, traffic
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.summary import summarize
from virtsim.testing import Played, check_laws, isolated, play

US = 1_000_000
BREATH_US = Fraction("1.58")
"""A breath that finds nothing: snabb.breath, and pcie.mmio_read of the transmit ring's head."""

AWAKE_US = Fraction("4.78")
"""A breath that finds nothing, 1.58, and falling asleep after it, 3.2 (sys.nanosleep)."""

AROUND_US = AWAKE_US + 50
"""What passes from breath to breath besides the sleep: with the timer's slack of 50."""


PACES = ("busy", "adaptive", "fixed")


def path(kind: str = "dpdk", **changes: object) -> Path:
    """Return the path with a guest that does not halt; options are part__option."""
    made = paths.path("vhost-user-snabb")
    made = made.but({"guest.idle": "poll"}) if kind == "linux" else made.swap("guest", guest.dpdk())
    return made.but({name.replace("__", "."): value for name, value in changes.items()})


def lossless(played: Played) -> Played:
    """Return what was played, if it keeps the laws of the engine."""
    check_laws(played.program, played.job, played.outcome)
    return played


def starts(played: Played) -> list[Fraction]:
    """Return when breaths began (us), from the trace."""
    return [Fraction(t, US) for t in played.times("snabb.breath")]


def naps(begins: list[Fraction]) -> list[Fraction]:
    """Return the sleeps (us) between breaths that found nothing."""
    return [b - a - AROUND_US for a, b in pairwise(begins)]


def test_the_sleep_grows_by_a_microsecond_up_to_100():
    """Breaths without packets sleep 1, 2, 3 .. 100, 100 us; each costs 54.78 us besides.

    The first sleep comes before the first breath, so that between the first two it is 2 us.
    """
    played = play(path("dpdk", snabb__pacing="adaptive"), "tx", [20_000 * US], trace=True)
    assert naps(starts(lossless(played)))[:103] == [*range(2, 101), 100, 100, 100, 100]


@pytest.mark.parametrize(("packets", "longest"), [(1, 51), (2, 26), (3, Fraction("13.5"))])
def test_a_breath_with_packets_halves_the_sleep_and_skips_it(packets, longest):
    """After breaths with packets, one in each, 100 us are halved as often; then a step is added.

    Packets come 1 us apart to a NIC that a breath takes one from: no breath with a packet is
    followed by a sleep. Half of 25 is 12.5 here, where Snabb drops the half microsecond.
    """
    one = path("dpdk", snabb__pacing="adaptive", nic__pull=1)
    at = [*(20_000 * US + i * US for i in range(packets)), 21_000 * US]
    played = lossless(play(one, "rx", at, trace=True))
    first = Fraction(played.times("snabb.nic_rx")[0], US)
    after = [t for t in starts(played) if t > first]
    assert all(b - a < 2 for a, b in pairwise(after[:packets]))
    assert naps(after[packets - 1 : packets + 2]) == [longest, longest + 1]


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_an_isolated_packet_waits_for_the_sleep(direction):
    """Without a pace it waits for a breath of 1.58 us at most, with the adaptive one for 154.78.

    That is the sleep of 100 us, the timer's slack of 50 and 4.78 awake; half of it on average. The
    packets are 20 ms apart, in which the sleep has grown back, and come at any phase of it.
    """
    gap = 100 + AROUND_US
    at = [20_000 * US * (i + 1) + i * 37 % 155 * US for i in range(60)]
    kind = "dpdk" if direction == "tx" else "linux"
    busy, adaptive = (late_us(path(kind, snabb__pacing=p), direction, at) for p in PACES[:2])
    waits = adaptive - busy.min()
    assert 0.9 * gap < waits.max() < gap + BREATH_US
    assert waits.mean() == pytest.approx(float(gap / 2), rel=0.05)


def late_us(made: Path, direction: str, at: list[int]) -> np.ndarray:
    """Return the latencies of packets (us)."""
    out = lossless(play(made, direction, at)).outcome
    return (out.delivered_ps - out.arrived_ps) / US


def test_a_busy_stream_never_sleeps(lab):
    """At 1 Mpps a breath, of 1.58 us at least, always finds a packet: 2000 more, no more sleep."""
    made = path("dpdk", snabb__pacing="adaptive")
    found = lab.added(made, "rx", lambda n: traffic.constant(Fraction(10**6), 64, n), 1000, 2000)
    assert (found["delivered"], found["sys.nanosleep"], found["syscalls"]) == (2000, 0, 0)


@pytest.mark.parametrize("period", [100, 250])
def test_a_fixed_pace_keeps_its_period(period):
    """Breaths begin a period apart, with packets or without: a late timer shifts all of them.

    A packet waits for a period at most.
    """
    made = path("dpdk", snabb__pacing="fixed", snabb__period=f"{period}us")
    played = lossless(play(made, "tx", isolated(20, 333 * US), trace=True))
    assert {b - a for a, b in pairwise(starts(played))} == {period}
    late = (played.outcome.delivered_ps - played.outcome.arrived_ps) / US
    assert late.max() < period + 5


def test_what_a_pace_costs_a_core(lab):
    """Not pacing burns the core; at 100 packets a second the adaptive pace sleeps most of it.

    It is awake 4.78 us of each breath, and breaths are 105.78 to 154.78 us apart: 51 us of sleep
    right after a packet, 100 us later on. A fixed one of 100 us is awake 4.78 in 100.
    """
    awake, core_ns = {}, {}
    for pace in PACES:
        stream = traffic.constant(Fraction(100), 64, 20)
        played = lab.play(path("dpdk", snabb__pacing=pace), "tx", stream)
        names = [thread.name for thread in played.program.threads]
        busy, polling, *_ = played.outcome.window[names.index("snabb")].tolist()
        t0, t1 = played.outcome.window_ps
        awake[pace] = (busy + polling) / (t1 - t0)
        core_ns[pace] = summarize(played)["per_packet"]["core_ns"]
    assert awake["busy"] == 1
    assert 4.78 / 154.78 < awake["adaptive"] < 4.78 / 105.78
    assert awake["fixed"] == pytest.approx(0.0478, rel=0.01)
    spared = core_ns["busy"] - core_ns["adaptive"]
    assert spared == pytest.approx((1 - awake["adaptive"]) * 1e7, rel=0.06)
