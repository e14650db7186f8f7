"""Who paid what, for whom and why: counters and stamps turned into money, once, for all engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from virtsim.model.ops import counts_of
from virtsim.outcome import STATES, Outcome
from virtsim.program import Program

COUNTERS = (
    "exits",
    "exits_user",
    "kicks",
    "calls",
    "interrupts",
    "context_switches",
    "syscalls",
    "copies",
    "copied_bytes",
    "wakes",
    "doorbells",
)
"""Event counters, as `ops.yaml` names them."""

POLL = "poll"
SPIN = "spin"
"""The op of polling time that no use was booked for: an idle guest's loop, a halt poll."""

BUSY, POLLING, _, _ = range(len(STATES))


@dataclass(frozen=True)
class Row:
    """One line: so often, this op, for this cause, paid by this thread in this stage."""

    thread: str
    core: str
    stage: str
    part: str
    op: str
    cause: str
    count: int
    busy_ps: int
    delay_ps: int
    bytes: int


def rows(program: Program, outcome: Outcome) -> Iterator[Row]:
    """Yield the ledger of a run: all that was booked, and the polling time that is left over."""
    n_stages = len(program.stages)
    booked_polling = [0] * len(program.threads)
    for payer, u in np.argwhere(outcome.count + outcome.busy_ps + outcome.delay_ps):
        use = program.uses[u]
        inside = payer < n_stages
        thread = program.stages[payer].thread if inside else int(payer) - n_stages
        busy = int(outcome.busy_ps[payer, u])
        booked_polling[thread] += busy if use.cause == POLL else 0
        yield Row(
            program.threads[thread].name,
            program.cores[program.threads[thread].core].name,
            program.stages[payer].name if inside else "",
            use.part,
            use.op,
            use.cause,
            int(outcome.count[payer, u]),
            busy,
            int(outcome.delay_ps[payer, u]),
            int(outcome.bytes[payer, u]),
        )
    for t, row in enumerate(program.threads):
        left = int(outcome.total[t, POLLING]) - booked_polling[t]
        if left and row.host_cpu:
            core = program.cores[row.core].name
            yield Row(row.name, core, "", row.name, SPIN, POLL, 0, left, 0, 0)


def counters(program: Program, outcome: Outcome) -> dict[str, int]:
    """Return how far the run moved each event counter."""
    totals = dict.fromkeys(COUNTERS, 0)
    for u, use in enumerate(program.uses):
        n = int(outcome.count[:, u].sum())
        for name, each in counts_of(use.op).items():
            totals[name] += int(outcome.bytes[:, u].sum()) if use.per_byte else n * each
    return totals


def check(program: Program, outcome: Outcome) -> list[str]:
    """Return every law of conservation that a run breaks; an empty list is the rule.

    For each thread busy + polling + runnable + asleep is the time that passed, what the ledger
    books as busy is the busy time to the picosecond, and what it books as polling is no more than
    the polling time. Every packet is delivered, dropped at a named ring, or in flight.
    """
    broken: list[str] = []
    paid, polled = _by_thread(program, outcome)
    for t, row in enumerate(program.threads):
        if int(outcome.total[t].sum()) != outcome.end_ps:
            broken.append(
                f"{row.name}: states sum to {outcome.total[t].sum()}, not {outcome.end_ps}"
            )
        if paid[t] != int(outcome.total[t, BUSY]):
            broken.append(f"{row.name}: {paid[t]} ps booked, {outcome.total[t, BUSY]} ps busy")
        if polled[t] > int(outcome.total[t, POLLING]):
            broken.append(
                f"{row.name}: {polled[t]} ps of polls, {outcome.total[t, POLLING]} polling"
            )
    delivered, dropped = outcome.delivered_ps >= 0, outcome.dropped >= 0
    if (delivered & dropped).any():
        broken.append("a packet was delivered and dropped")
    return broken


def _by_thread(program: Program, outcome: Outcome) -> tuple[list[int], list[int]]:
    paid, polled = [0] * len(program.threads), [0] * len(program.threads)
    for payer, u in np.argwhere(outcome.busy_ps):
        inside = payer < len(program.stages)
        t = program.stages[payer].thread if inside else int(payer) - len(program.stages)
        into = polled if program.uses[u].cause == POLL else paid
        into[t] += int(outcome.busy_ps[payer, u])
    return paid, polled


def per_packet(total: int, delivered: int) -> float | None:
    """Return a figure per delivered packet, None if nothing was delivered."""
    return float(Fraction(total, delivered)) if delivered else None
