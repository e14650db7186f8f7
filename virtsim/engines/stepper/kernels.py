"""Which kernel plays a run: the one for all Programs, or one that is made for its form.

Making one takes some seconds, the longer the more threads and stages there are; with it a packet
takes about two thirds of the time. So it is made once a process has played many packets of a form;
it is kept, and from then on loaded for every run that is not short. Both play the same routines,
so no result depends on the choice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from virtsim.engines.compiling.machine import compiled, is_kept
from virtsim.engines.compiling.routines import Untranslatable
from virtsim.engines.stepper.form import Form
from virtsim.engines.stepper.kernel import run_slice
from virtsim.outcome import Ints, Job
from virtsim.program import Program

Kernel = Callable[[Ints, Ints, Ints], int]

PAYS = 500_000
"""Packets of one form that a process plays, per thread and stage, before a kernel is made for it:
half a second for each, and what is saved on so many packets is half of that at least."""

SHORT = 50_000
"""Packets below which finding and loading a kernel takes longer than it saves."""


def kernel_for(program: Program, job: Job) -> Kernel:
    """Return the kernel for a run."""
    packets = len(job.packets)
    if packets >= SHORT:
        form = Form(program, job)
        tally = played(form)
        tally.packets += packets
        pays = PAYS * (len(program.threads) + len(program.stages))
        if tally.specialises and (tally.packets >= pays or is_kept(run_slice, form)):
            try:
                return compiled(run_slice, form)
            except Untranslatable:
                tally.specialises = False
    return compiled(run_slice)


class Tally:
    """What a process has played of a form, and whether there can be a kernel for it."""

    def __init__(self) -> None:
        self.packets, self.specialises = 0, True


@functools.cache
def played(form: Form) -> Tally:
    """Return the tally of a form."""
    return Tally()
