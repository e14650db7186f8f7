"""The stack of a thread: what it does when it goes on.

A routine that has to wait leaves its frame on the stack and returns ``STOP``, and so does every
routine that called it; when the thread goes on, the frame on top is resumed at the step that it
noted, and when it is done the frame below. A routine that need not wait returns ``DONE`` at once:
then its caller just goes on, and the stack is only used for its locals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from virtsim.engines.compiling.words import Words, dispatched
from virtsim.engines.stepper.rows import frame, thread, world

Routine = TypeVar("Routine", bound=Callable[..., object])


def resumed(kind: int) -> Callable[[Routine], Routine]:
    """Mark the routine that goes on with frames of a kind, at the step where one was stopped.

    A specialised kernel has a copy of it for each step.
    """

    def mark(routine: Routine) -> Routine:
        routine.frame = kind  # type: ignore[attr-defined]
        return dispatched("step")(routine)

    return mark


def push(a: Words, t: int, routine: int, row: int) -> int:
    """Put a frame on a thread's stack and return it: a routine, and the row that it is about."""
    f = a[t + thread.TOP] + frame.SIZE
    if f > a[t + thread.HIGHEST]:
        a[world.ERROR], a[world.ERROR_AT] = world.TOO_DEEP, a[t + thread.INDEX]
        f = a[t + thread.HIGHEST]
    a[t + thread.TOP] = f
    a[f + frame.WHAT] = row * frame.ROUTINES + routine
    a[f + frame.STEP] = 0
    return f


def pop(a: Words, t: int) -> int:
    """Take the frame on top off a thread's stack: its routine is done."""
    a[t + thread.TOP] -= frame.SIZE
    return world.DONE


def stop(a: Words, f: int, routine: int, step: int) -> int:
    """Note where a routine goes on. Which routine is in the frame; here it says who stops where."""
    a[f + frame.STEP] = step
    return world.STOP
