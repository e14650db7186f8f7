"""OVS's pmd-sleep-max: when a poll-mode thread sleeps, how long, and what wakes it for good.

The rules are those of lib/dpif-netdev.c, pmd_thread_main: a sleep a microsecond longer after each
iteration, none and back to nothing after one in which a queue gave half a burst (16).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from virtsim import paths, traffic
from virtsim.costs import cost_of
from virtsim.errors import InputError
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.testing import Played, check_laws, play

US = 1_000_000
RX = 20_000 * US
"""When packets come: the sleeps of 100 us at most have long reached that."""


def path(sleep: str, **changes: object) -> Path:
    """Return the path with a polling DPDK guest and a poll-mode thread that sleeps so long."""
    made = paths.path("vhost-user-ovs").swap("guest", guest.dpdk()).but({"ovs.sleep": sleep})
    return made.but({name.replace("__", "."): value for name, value in changes.items()})


def played(made: Path, at_ps: list[int], direction: str = "rx") -> Played:
    """Return a traced run that keeps the laws of the engine."""
    found = play(made, direction, at_ps, trace=True)
    check_laws(found.program, found.job, found.outcome)
    return found


def around_us(lab) -> Fraction:
    """Return what an iteration that finds nothing takes, sleep apart (us).

    Falling asleep, the slack of a microsecond, the loop, a look at each of the two queues.
    """
    ops = ("sys.nanosleep", "sys.timer_slack:1us", "pmd.loop", "pmd.empty_poll", "pmd.empty_poll")
    return sum((cost_of(lab.prices, op).value for op in ops), Fraction(0)) / 1000


def naps(lab, found: Played, since: int = 0) -> list[Fraction]:
    """Return the sleeps (us) between iterations that found nothing and began at or after a time."""
    begins = [Fraction(t, US) for t in found.times("pmd.loop") if t >= since]
    return [b - a - around_us(lab) for a, b in pairwise(begins)]


def test_it_never_sleeps_unless_told_to():
    """pmd-sleep-max is 0: no sleep, no system call, no way to fall asleep at all."""
    found = played(path("0us"), [RX])
    assert found.ops["sys.nanosleep"] == found.counters["syscalls"] == 0
    assert all(thread.pace is None for thread in found.program.threads)


@pytest.mark.parametrize("longest", [10, 100])
def test_the_sleep_grows_by_a_microsecond(lab, longest):
    """1, 2, 3 us and so on up to the longest; the first of them comes before the first look."""
    found = naps(lab, played(path(f"{longest}us"), [RX]))
    assert found[: longest + 1] == [*range(2, longest + 1), longest, longest]


def test_half_a_burst_on_one_queue_ends_it(lab):
    """16 packets at once: no sleep after them, and the next is 1 us; 15 are as good as none.

    The work on 16 takes less than falling asleep, 3.2 us, so that the next iteration tells.
    """
    busy, few = (played(path("100us"), [RX] * n + [2 * RX]) for n in (16, 15))
    first = busy.times("nicpmd.rx_burst")[0]
    after = [t for t in busy.times("pmd.loop") if t > first]
    assert after[0] - first < 3.2 * US
    assert naps(lab, busy, after[0])[:4] == [1, 2, 3, 4]
    first = few.times("nicpmd.rx_burst")[0]
    after = [t for t in few.times("pmd.loop") if t > first]
    assert naps(lab, few, after[0])[:3] == [100, 100, 100]


def test_traffic_bounds_the_sleep(lab):
    """At 1 Mpps 16 packets have come after 16 us at most, whatever the longest sleep is.

    A sleep that is long enough finds them, and the sleeps start from nothing again.
    """
    found = played(path("1ms"), [RX + i * US for i in range(2000)])
    end = RX + 2000 * US
    begins = [Fraction(t, US) for t in found.times("pmd.loop") if end - 500 * US < t < end]
    assert max(b - a for a, b in pairwise(begins)) < 16 + around_us(lab)
    assert found.ops["sys.nanosleep"] > 0


def test_a_saturated_thread_never_sleeps(lab):
    """Bursts of 32 in every iteration: 3200 more packets, no sleep more."""
    found = lab.added(path("100us"), "tx", lambda n: traffic.saturate(64, n), 1600, 3200)
    assert (found["delivered"], found["sys.nanosleep"], found["syscalls"]) == (3200, 0, 0)


def test_an_isolated_packet_waits_for_the_sleep(lab):
    """Later than without by the sleep of 100 us and what is around it, at most; half on average."""
    at = [RX * (i + 1) + i * 37 % 105 * US for i in range(40)]
    late = {}
    for sleep in ("0us", "100us"):
        out = played(path(sleep), at).outcome
        late[sleep] = (out.delivered_ps - out.arrived_ps) / US
    waits = late["100us"] - late["0us"].min()
    gap = float(100 + around_us(lab))
    assert 0.9 * gap < waits.max() < gap + 1
    assert waits.mean() == pytest.approx(gap / 2, rel=0.1)


def test_it_spares_its_core(lab):
    """At 100 packets a second it is awake for 3.2 us and an iteration of each 105 us or so."""
    shares = {}
    for sleep in ("0us", "100us"):
        found = lab.play(path(sleep), "rx", traffic.constant(Fraction(100), 64, 20))
        at = [thread.name for thread in found.program.threads].index("pmd")
        busy, polling, *_ = found.outcome.window[at].tolist()
        shares[sleep] = (busy + polling) / (found.outcome.window_ps[1] - found.outcome.window_ps[0])
    slack = Fraction(1)
    assert shares["0us"] == 1
    awake = float((around_us(lab) - slack) / (100 + around_us(lab)))
    assert shares["100us"] == pytest.approx(awake, rel=0.02)


def test_the_slack_is_a_microsecond_at_most(lab):
    """OVS asks for a fine timer, so that it oversleeps by 1 us, not by the default of 50."""
    price = cost_of(lab.prices, "sys.timer_slack:1us")
    assert (price.low, price.value, price.high) == (1000, 1000, 1000)
    none = lab.with_prices({"sys.timer_slack": "0ns"})
    assert cost_of(none, "sys.timer_slack:1us").value == 0
    assert cost_of(none, "sys.timer_slack:1us").moved_by == ("sys.timer_slack",)


@pytest.mark.parametrize("sleep", ["11ms", "-1us", "soon"])
def test_sleeps_that_ovs_does_not_take(sleep):
    """Longer than the 10 ms of an RCU quiesce interval, negative, or no time at all."""
    with pytest.raises(InputError) as refused:
        path(sleep)
    assert refused.value.where.endswith("ovs.sleep")
