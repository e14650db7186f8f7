"""The way of one packet, read backwards off its trace: what it waited for, step by step.

The cost equation says the same without playing, for all Programs that leave a single answer; this
serves the others, such as a poller that sleeps between its looks for as long as its past decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from virtsim.equation import POLL_WAIT, QUEUED, WAITS, Equation, Kind, Term
from virtsim.outcome import Event, Prices
from virtsim.program import Program
from virtsim.walk.rows import Bar, Row

NAP = "nap"
"""Symbol of the wait for a poller that sleeps between its looks."""


@dataclass(frozen=True, slots=True)
class _Span:
    """An op or a delay of the trace, between two times (ps)."""

    start: int
    end: int
    thread: str
    use: int


def way(
    program: Program, prices: Prices, trace: tuple[Event, ...], at_ps: int, size_b: int
) -> Equation:
    """Return what a packet that arrived at ``at_ps`` waited for, as a sum that is its latency."""
    spans = [_span(event, prices) for event in trace if event.what in ("pay", "delay")]
    threads = {s.ring: s.thread for s in program.stages if s.role in ("take", "called")}
    number = {row.name: i for i, row in enumerate(program.rings)}
    terms: list[Term] = []
    before, thread = at_ps, ""
    for event in trace:
        if event.packet < 0 or event.what not in ("publish", "take", "deliver"):
            continue
        if event.what == "take":
            thread = program.threads[threads[number[event.ring]]].name
        terms += _steps(program, spans, (before, event.at_ps), thread, size_b)
        before = event.at_ps
        if event.what == "deliver":
            break
    return Equation(at_ps, tuple(terms))


def marked(rows: tuple[Row, ...], found: Equation) -> tuple[Row, ...]:
    """Return a walk's rows with the steps of a way marked, and its waits among them."""
    spans = [(a - found.at_ps, b - found.at_ps, term) for a, b, term in found.intervals()]
    critical = {(a, b, term.op, term.who) for a, b, term in spans}
    waits = [
        Row(a, term.who, term.op, Bar(term.who, a, b, term.op, term.cause, term.kind, True))
        for a, b, term in spans
        if term.op in (NAP, *WAITS)
    ]
    known = [replace(row, bar=_mark(row.bar, critical)) if row.bar else row for row in rows]
    return tuple(sorted([*known, *waits], key=lambda row: row.at_ps))


def _mark(bar: Bar, critical: set[tuple[int, int, str, str]]) -> Bar:
    return replace(bar, critical=(bar.start_ps, bar.end_ps, bar.op, bar.thread) in critical)


def _span(event: Event, prices: Prices) -> _Span:
    offset, step = int(prices.offset[event.use]), int(prices.step[event.use])
    ps = int(prices.flat[offset + max(0, event.packet) * step])
    start = event.at_ps + dict(event.detail).get("after", 0)
    return _Span(start, start + ps, event.thread, event.use)


def _steps(
    program: Program, spans: list[_Span], between: tuple[int, int], thread: str, size_b: int
) -> list[Term]:
    """Return what led up to the end of a stretch, found from there back to its beginning.

    That is what ``thread`` did, or else what ended just when it began: a kick, a relay, a wake-up.
    What began before the packet came, or is not in the trace, is a wait.
    """
    begin, now = between
    terms: list[Term] = []
    while now > begin:
        ending = [s for s in spans if s.end == now and s.start < now]
        span = next((s for s in ending if s.thread == thread), ending[0] if ending else None)
        if span is None or span.start < begin:
            known = [s.end for s in spans if s.thread == thread and s.start >= begin]
            start = max([begin, *(end for end in known if end < now)])
            terms.append(_wait(program, thread, now - start))
        else:
            start = span.start
            terms.append(_term(program, span, size_b))
        now = start
    return terms[::-1]


def _term(program: Program, span: _Span, size_b: int) -> Term:
    row = program.uses[span.use]
    kind: Kind = "busy" if row.busy else "delay"
    times = size_b if row.per_byte else 1
    return Term(row.op, times, span.end - span.start, span.thread, row.part, row.cause, kind)


def _wait(program: Program, thread: str, ps: int) -> Term:
    row = next(row for row in program.threads if row.name == thread)
    if row.pace is not None:
        return Term(NAP, 1, ps, thread, "", "wake", "delay")
    if row.wait == "poll":
        return Term(POLL_WAIT, 1, ps, thread, "", POLL_WAIT, POLL_WAIT)
    return Term(QUEUED, 1, ps, thread, "", QUEUED, "delay")
