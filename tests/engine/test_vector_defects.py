"""The vector engine without a compiler, and with defects planted in it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from virtsim.engines import counting, reference, vector
from virtsim.engines.vector import machine
from virtsim.engines.vector.driver import acting, sending, working
from virtsim.engines.vector.driver.rows import driver, worker
from virtsim.engines.vector.driver.rows import run as clock
from virtsim.engines.vector.pair import items
from virtsim.engines.vector.pollers import parking, paying, playing, rings, turns
from virtsim.engines.vector.pollers.rows import run as head
from virtsim.engines.vector.pollers.rows import thread
from virtsim.engines.vector.servers import playing as serving
from virtsim.engines.vector.streams.feeds import Held
from virtsim.engines.vector.streams.playing import reasons, stream
from virtsim.engines.vector.tandem import hops
from virtsim.semantics import DUE
from virtsim.testing import Case, check_engine
from virtsim.testing.driving import drivers, spinners
from virtsim.testing.streams import pairs, pollers, servers, tandems

SPARE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
KINDS = {
    "tandem": tandems, "pair": pairs, "servers": servers, "pollers": pollers, "driver": drivers,
    "spinner": spinners,
}  # fmt: skip
SEARCH = settings(
    max_examples=3000, deadline=None, phases=[Phase.generate], derandomize=True, database=None,
    suppress_health_check=SPARE,
)  # fmt: skip


def agree(case: Case) -> None:
    """Check that the engine agrees with the reference, if it accepts the case."""
    if vector.kind_of(case.program, case.job):
        check_engine(reference.run, vector.run, case.program, case.job)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no compiler be there."""
    monkeypatch.setattr(machine, "available", lambda: False)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", KINDS)
def test_without_a_compiler_the_same_comes_out(name: str) -> None:
    """The kernels are plain functions; uncompiled they say the same."""

    @settings(max_examples=25, deadline=None, suppress_health_check=SPARE)
    @given(KINDS[name]())
    def check(case: Case) -> None:
        agree(case)

    check()


@pytest.mark.usefixtures("plain")
def test_streams_run_without_a_compiler() -> None:
    """Chunk by chunk as well, and hops that drop nobody are scans over the column."""

    @settings(max_examples=60, deadline=None, suppress_health_check=SPARE)
    @given(st.one_of(tandems(), pairs()), st.integers(0, 4))
    def check(case: Case, bits: int) -> None:
        if reasons(case.program):
            return
        out = reference.run(case.program, case.job)
        feed = Held(case.job.packets, case.job.prices)
        booked, got = stream(case.program, feed, warmup=case.job.warmup, chunk=1 << bits)
        sizes, n_rings = case.job.packets.size_b, len(case.program.rings)
        assert got == counting.tally(out, sizes, n_rings, case.job.warmup)
        assert np.array_equal(booked.busy_ps, out.busy_ps)

    check()


def late_slot(a: Any, r: int, now: int) -> None:
    """Count a slot that is given back in this very instant, whoever comes first."""
    rings.learn(a, r, now * head.ROUNDS + head.ROUNDS - 1, 1)


def impatient(a: Any, t: int, position: int) -> int:
    """Say that a poller looks at a ring as soon as it parks."""
    return 0


def blind(a: Any, r: int, now: int, turn: int) -> int:
    """Look at a ring a moment too early."""
    return waiting(a, r, now - 1, turn)


def forgetful(a: Any, t: int, now: int) -> None:
    """Book no looks that found nothing."""
    paying.spend(a, t, thread.POLLING, a[t + thread.PARKED_PS], now)


def silent(a: Any, s: int) -> None:
    """Leave notifications on."""


class Sooner:
    """Stamps that seem to lie a picosecond earlier."""

    def __init__(self, words: Any) -> None:
        self.words = words

    def __getitem__(self, at: int) -> int:
        """Return a word that is too small."""
        return int(self.words[at]) - 1

    def __setitem__(self, at: int, value: int) -> None:
        """Change a word."""
        self.words[at] = value


def eager(*given: Any) -> int:
    """Let a packet join that comes as a slot is freed."""
    return hop_at_edge(*given[:3], Sooner(given[3]), *given[4:])


def lazy(*given: Any) -> None:
    """Take a picosecond more to ask."""
    given[3][items.REARM] += given[6] > 1
    pass_items(*given)


def deaf(a: Any) -> None:
    """Sleep through an interrupt that was on its way when the driver fell asleep."""
    if a[acting.thread.DRIVER + acting.thread.MODE] != acting.thread.SLEEPING:
        rouse(a)


def rash(a: Any) -> bool:
    """Take the way of an interrupt to a running guest for one that has left it, too."""
    a[driver.IN_EXIT] = 0
    return interrupt(a)


def stubborn(a: Any, now: int) -> None:
    """Spin for as long as ever."""


def privileged(a: Any, item: int) -> None:
    """Leave at softirq level what has been there for too long."""


def pedantic(a: Any) -> int:
    """Open an iteration of the worker's loop for each thing that is ready."""
    a[worker.TO_SERVE] = 0
    return run_one(a)


def greedy(a: Any) -> int:
    """Stop a packet too late."""
    a[driver.ROOM] -= 1
    what = look_for_room(a)
    a[driver.ROOM] += 1
    return what


def drowsy(a: Any) -> None:
    """See at the next look of a spin what is put as the worker looks."""
    a[clock.NOW] += 1
    look(a)
    a[clock.NOW] -= 1


def heedless(a: Any) -> None:
    """Sleep on when a kick comes in a spin."""


def hasty(a: Any, t: int, when: int, phase: int, what: int) -> None:
    """End a spin before what comes at that instant."""
    call_at(a, t, when, DUE if what == worker.SPUN else phase, what)


def obsessed(a: Any) -> int:
    """Ask to be told after a spin in which a kick came for nothing."""
    a[worker.READY] = 0
    return spun(a)


def generous(a: Any) -> None:
    """Count the turn of a spin that was cut short."""
    a[clock.NOW] += a[worker.LOOK_EVERY] - 1
    book_turns(a)
    a[clock.NOW] -= a[worker.LOOK_EVERY] - 1


waiting, hop_at_edge, pass_items = rings.waiting, hops.hop_at_edge, items.pass_items
rouse, interrupt, look_for_room = acting.rouse, acting.interrupt, sending.look_for_room
run_one, look, call_at = working.run_one, acting.look, acting.call_at
spun, book_turns = working.spun, working.book_turns


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("name", "module", "function", "defect"),
    [
        ("pollers", turns, "learn_due", late_slot),
        ("pollers", parking, "until_look", impatient),
        ("pollers", parking, "waiting", blind),
        ("pollers", playing, "settle", forgetful),
        ("servers", serving, "disarm", silent),
        ("tandem", hops, "hop_at_edge", eager),
        ("pair", items, "pass_items", lazy),
        ("driver", acting, "rouse", deaf),
        ("driver", working, "interrupt", rash),
        ("driver", working, "run_one", pedantic),
        ("driver", sending, "adapt", stubborn),
        ("driver", sending, "demote", privileged),
        ("driver", sending, "look_for_room", greedy),
        ("spinner", sending, "look", drowsy),
        ("spinner", acting, "look", heedless),
        ("spinner", working, "call_at", hasty),
        ("spinner", working, "spun", obsessed),
        ("spinner", working, "book_turns", generous),
    ],
)
def test_planted_defects_are_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, module: ModuleType, function: str,
    defect: Callable[..., Any],
) -> None:  # fmt: skip
    """Each defect makes a difference on some random Program, so that agreement means something."""
    monkeypatch.setattr(module, function, defect)

    def differs(case: Case) -> bool:
        try:
            agree(case)
        except (AssertionError, IndexError, ValueError):
            return True
        return False

    try:
        find(KINDS[name](), differs, settings=SEARCH)
    except NoSuchExample:
        pytest.fail(f"nobody noticed that {function} is wrong")
