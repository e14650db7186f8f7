"""The stepper: one compiled, time-ordered interpreter of all Programs.

It plays what the reference engine plays, in the same order, and agrees with it integer for integer.
``rows`` names the words of the one array that holds a run's state, ``tables`` fills it, ``clock``
orders events, and ``kernel`` is the loop; each routine of the reference's that may have to wait is
a routine here that notes where it stands (see ``frames``). All of it is plain Python, of
which ``compiling`` makes machine code: once for all Programs, and for a Program that is played
often once more, with what its ``form`` says worked out beforehand (see ``kernels``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from virtsim.engines.stepper.checks import check_playable, reasons, refusal
from virtsim.engines.stepper.results import grown, outcome
from virtsim.engines.stepper.rows import world
from virtsim.engines.stepper.tables import arena, packet_table
from virtsim.outcome import Ints, Job, Outcome
from virtsim.program import Program

NAME = "stepper"
Kernel = Callable[[Ints, Ints, Ints], int]
SLICE = 100_000
"""Events after which the kernel comes back, for progress and for Ctrl-C."""


def run(program: Program, job: Job) -> Outcome:
    """Play a Program and return what happened.

    Raises
    ------
    EngineRefusal
        If the tables contradict themselves, one instant does not end, there is no compiler, or the
        job asks for what this engine cannot do exactly.
    """
    check_playable(program, job)
    from virtsim.engines.stepper.kernels import kernel_for

    return play(program, job, kernel_for(program, job))


def play(program: Program, job: Job, kernel: Kernel) -> Outcome:
    """Play a Program on a kernel: the compiled one, or the same routines in plain Python."""
    c, first = packet_table(program, job)
    a = arena(program, job, first)
    p = np.ascontiguousarray(job.prices.flat, dtype=np.int64)
    finished = 0
    while True:
        a[world.LIMIT] = a[world.EVENTS] + SLICE
        why = kernel(a, p, c)
        if why == world.FAILED:
            raise refusal(program, a)
        if why == world.GROW:
            a = grown(a)
        if job.on_progress and a[world.FINISHED] >= finished + 256:
            finished = int(a[world.FINISHED])
            job.on_progress(finished, len(job.packets))
        if why == world.OVER:
            return outcome(program, a, c)


__all__ = ["NAME", "play", "reasons", "run"]
