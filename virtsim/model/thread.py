"""Who does the work: threads, and the ways in which they wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ops = tuple[str, ...]
Kind = Literal["vcpu", "main_loop", "vhost_worker", "poller", "softirq", "device"]


@dataclass(frozen=True)
class Always:
    """Never sleeps and costs nothing while it waits: a device, or a guest that polls when idle."""


@dataclass(frozen=True)
class Sleep:
    """Sleeps when it has nothing to do, after spinning for a while.

    Parameters
    ----------
    spin_ps
        Longest spin before sleeping (ps); the name of a parameter op reads it from the profile.
    turn
        Ops of one turn of the spin loop.
    armed
        The spin comes after the re-arm and is ended by a delivery (halt polling); else it comes
        before it and is ended by a look at the rings (vhost busy polling).
    adaptive
        The spin grows and shrinks by KVM's halt-polling rule: ``start_ps``, ``grow``, ``shrink``.
    """

    spin_ps: int | str = 0
    turn: Ops = ()
    armed: bool = False
    adaptive: bool = False
    start_ps: int = 0
    grow: int = 2
    shrink: int = 2


@dataclass(frozen=True)
class Pace:
    """How long a poller sleeps between two iterations.

    After an iteration with fewer than ``few`` packets on every ring the sleep grows by ``step_ps``
    up to ``max_ps``; after another it is divided by ``relax`` (0: back to nothing) and not slept.
    With ``period_ps`` iterations start that far apart. ``sleep`` is paid, ``late`` is overshoot.
    """

    step_ps: int = 0
    max_ps: int = 0
    few: int = 1
    relax: int = 2
    period_ps: int = 0
    sleep: Ops = ("sys.nanosleep",)
    late: Ops = ("sys.timer_slack",)


@dataclass(frozen=True)
class Poll:
    """Looks at its rings for ever; ``loop`` opens each iteration, ``pace`` may put it to sleep."""

    loop: Ops = ()
    pace: Pace | None = None


Wait = Always | Sleep | Poll


@dataclass(frozen=True)
class Thread:
    """An execution context.

    ``signal`` is paid by who wakes it and ``wake`` passes before it runs; ``idle``, ``block``,
    ``resume`` and ``hit`` are what giving up the CPU costs (a vCPU's HLT exit, its scheduling out
    and in, the end of a halt poll); ``loop`` opens each iteration that dispatches something.
    """

    name: str
    kind: Kind
    wait: Wait
    loop: Ops = ()
    signal: Ops = ()
    wake: Ops = ()
    idle: Ops = ()
    block: Ops = ()
    resume: Ops = ()
    hit: Ops = ()


def sleeper(name: str, kind: Kind, *, wait: Sleep | None = None, loop: Ops = ()) -> Thread:
    """Return a host thread that the scheduler puts to sleep and wakes."""
    return Thread(
        name, kind, wait or Sleep(), loop=loop, signal=("wake.signal",), wake=("wake.sched",)
    )


def softirq(name: str = "softirq") -> Thread:
    """Return a host softirq context: interrupts start it, nobody pays for waking it."""
    return Thread(name, "softirq", Sleep())


def poller(name: str, loop: Ops, pace: Pace | None = None) -> Thread:
    """Return a poll-mode thread."""
    return Thread(name, "poller", Poll(loop, pace))


def device(name: str) -> Thread:
    """Return a piece of hardware."""
    return Thread(name, "device", Always())


CALLER = Thread("caller", "vcpu", Always())
"""Whichever thread notifies the stage: it runs there, at once."""

THE_POLLER = Thread("poller", "poller", Poll())
"""The poll-mode thread of the switch in the path, whatever part brings it."""
