"""Timers: a stage that has its turn later."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.clock import at
from virtsim.engines.stepper.ready import enqueue
from virtsim.engines.stepper.rows import event, stage, world
from virtsim.semantics import DUE


@seldom
def requeue(a: Words, p: Words, c: Words, s: int) -> None:
    """Let a stage go on later: at the end of its queue, or when its timer says so."""
    if a[s + stage.TIMER_PS]:
        a[s + stage.TIMER_SERIAL] += 1
        start_timer(a, s)
    else:
        enqueue(a, p, c, s, 0)


@seldom
def start_timer(a: Words, s: int) -> None:
    """Let a stage have its turn when its timer says so."""
    a[s + stage.TIMER_RUNNING] = 1
    when = a[world.NOW] + a[s + stage.TIMER_PS]
    at(a, when, DUE, a[s + stage.TIMER_RANK], event.TIMER, s, a[s + stage.TIMER_SERIAL])


@seldom
def expire(a: Words, p: Words, c: Words, s: int, serial: int) -> bool:
    """End a timer; tell whether it was still running."""
    if not a[s + stage.TIMER_RUNNING] or a[s + stage.TIMER_SERIAL] != serial:
        return False
    a[s + stage.TIMER_RUNNING] = 0
    enqueue(a, p, c, s, 0)
    return True


@seldom
def delay_turn(a: Words, p: Words, c: Words, s: int) -> None:
    """First delivery: start the timer. A second one while it runs: have the turn now."""
    a[s + stage.TIMER_SERIAL] += 1
    if a[s + stage.TIMER_RUNNING]:
        a[s + stage.TIMER_RUNNING] = 0
        enqueue(a, p, c, s, 0)
    else:
        start_timer(a, s)
