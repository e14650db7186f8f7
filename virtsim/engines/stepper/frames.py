"""The stack of a thread: what it does when it goes on.

A routine that has to wait leaves its frame on the stack and returns ``STOP``, and so does every
routine that called it; when the thread goes on, the frame on top is resumed at the step that it
noted, and when it is done the frame below. A routine that need not wait returns ``DONE`` at once:
then its caller just goes on, and the stack is only used for its locals.
"""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.stepper.rows import frame, thread, world


def push(a: Words, t: int, routine: int) -> int:
    """Put a frame on a thread's stack and return it."""
    f = a[t + thread.TOP] + frame.SIZE
    if f > a[t + thread.HIGHEST]:
        a[world.ERROR], a[world.ERROR_AT] = world.TOO_DEEP, a[t + thread.INDEX]
        f = a[t + thread.HIGHEST]
    a[t + thread.TOP] = f
    a[f + frame.ROUTINE] = routine
    a[f + frame.STEP] = 0
    return f


def pop(a: Words, t: int) -> int:
    """Take the frame on top off a thread's stack: its routine is done."""
    a[t + thread.TOP] -= frame.SIZE
    return world.DONE


def stop(a: Words, f: int, step: int) -> int:
    """Note where a routine goes on."""
    a[f + frame.STEP] = step
    return world.STOP
