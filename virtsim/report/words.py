"""Findings in words, made from the numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from virtsim.breakeven import BreakEven
from virtsim.figures.data import Cell
from virtsim.figures.kinds import COPY, CPU_KINDS, SLEEP, SYSCALL, Kind
from virtsim.report.evidence import QEMU, Crossing, Isolated
from virtsim.units import format_rate, format_time

ALL = 0.99
"""Share of the offered rate from which on a path is said to deliver all of it."""

TIE = "\N{NO-BREAK SPACE}"
"""Keeps a number and its unit on one line."""

Best = Callable[..., str]
"""How the first of several is found: min or max."""

ALIKE = 1.005
"""Factor up to which two figures are called the same."""

COUNTER_NAMES = {
    "copies": "copies",
    "syscalls": "calls",
    "kicks": "kicks",
    "interrupts": "interrupts",
    "context_switches": "context switches",
}


def time(ns: float) -> str:
    """Write nanoseconds with three digits and a real micro sign."""
    return format_time(ns * 1000).replace("us", "µs").replace(" ", TIE)


def rate(pps: float) -> str:
    """Write packets per second with three digits."""
    return format_rate(pps).replace(" ", TIE)


def number(value: float) -> str:
    """Write a factor with three digits at most."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def count(value: float) -> str:
    """Write how often something happens: whole numbers as such, others to a hundredth."""
    if abs(value - round(value)) < 1e-9:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.005 else "almost 0"


def listing(items: Sequence[str]) -> str:
    """Join words as a sentence does: a, b and c."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def findings(cells: Sequence[Cell], found: Sequence[BreakEven]) -> list[str]:
    """Return what a direction's headline runs say: latency, throughput, money, break-even."""
    return [
        *_silent(cells),
        *_latency(cells),
        *_throughput(cells),
        *_losses(cells),
        *_difference(cells),
        *_break_even(cells, found),
    ]


def ranked(cells: Sequence[Cell], name: str) -> list[tuple[float, Cell]]:
    """Return figures and cells by rising figure, without those that have none."""
    known = [(value, cell) for cell in cells if (value := cell.value(name)) is not None]
    return sorted(known, key=lambda pair: pair[0])


def _silent(cells: Sequence[Cell]) -> Iterator[str]:
    for cell in cells:
        if not cell.delivered:
            yield f"{cell.label} delivers nothing: of its packets there are only drops to report."


def _latency(cells: Sequence[Cell]) -> Iterator[str]:
    order = ranked(cells, "latency_ns.p50")
    if not order:
        return
    least, best = order[0]
    if len(order) == 1:
        yield f"{best.label}: half of the packets take at most {time(least)}{_tail(best)}."
        return
    rest = [f"{c.label} takes {time(ns)} ({_times(ns / least)})" for ns, c in order[1:]]
    yield f"Lowest latency: {best.label}, with a median of {time(least)}; {listing(rest)}."
    yield from _certainty([c for _, c in order], "latency_ns.p50", "medians", time, min)


def _tail(cell: Cell) -> str:
    p99 = cell.value("latency_ns.p99")
    return "" if p99 is None else f", 99 of 100 at most {time(p99)}"


def _times(factor: float) -> str:
    return "as long" if factor < ALIKE else f"{number(factor)} times as long"


def _certainty(
    order: Sequence[Cell], name: str, noun: str, write: Callable[[float], str], best: Best
) -> Iterator[str]:
    """Say whether the first of an order is still the first with all prices low, and high."""
    bounds = [(cell, mine) for cell in order if (mine := cell.bounds(name))]
    if len(bounds) < 2 or not all(c.levels(name) for c in order):
        return
    spans = [f"{write(b[0])} to {write(b[1])} for {c.label}" for c, b in bounds]
    between = f"the {noun} span {listing(spans)}"
    upsets = [words for level in ("low", "high") if (words := _upset(order, name, level, best))]
    if upsets:
        yield f"The order is not certain: {listing(upsets)}. Over all prices {between}."
    else:
        yield f"That first place holds with all prices low and with all prices high; {between}."


def _upset(order: Sequence[Cell], name: str, level: str, best: Best) -> str:
    """Say who comes first at a level of all prices, if that is somebody else."""
    known = {c.label: c.levels(name)[level] for c in order if level in c.levels(name)}
    first = order[0].label
    if first not in known:
        return ""
    winner = best(known, key=lambda label: known[label])
    ratio = max(known[winner], known[first]) / max(min(known[winner], known[first]), 1e-9)
    if winner == first or ratio < ALIKE:
        return ""
    return f"with all prices {level} {winner} comes first"


def _throughput(cells: Sequence[Cell]) -> Iterator[str]:
    order = ranked(cells, "delivered_pps")[::-1]
    offered = [cell.value("offered_pps") or 0.0 for _, cell in order]
    if not order or not max(offered):
        return
    same = min(offered) * 1.02 > max(offered)
    all_of_it = all(pps >= ALL * o for (pps, _), o in zip(order, offered, strict=True))
    if same and all_of_it:
        who = order[0][1].label if len(order) == 1 else "Every path"
        yield f"{who} delivers the {rate(max(offered))} that are offered, to within 1{TIE}%."
        return
    most, best = order[0]
    out_of = f" of {rate(max(offered))} offered" if same else ""
    if len(order) == 1:
        yield f"{best.label} delivers {rate(most)}{out_of}."
        return
    rest = [f"{c.label} delivers {rate(pps)}{_share(pps, most)}" for pps, c in order[1:]]
    yield f"Most throughput: {best.label}, with {rate(most)}{out_of}; {listing(rest)}."
    yield from _certainty([c for _, c in order], "delivered_pps", "delivered rates", rate, max)


def _share(pps: float, most: float) -> str:
    if not most or most / max(pps, 1e-9) < ALIKE:
        return ", as much"
    return f" ({100 * pps / most:.3g}{TIE}% of that)"


def _losses(cells: Sequence[Cell]) -> Iterator[str]:
    for cell in cells:
        if cell.loss:
            places = [f"{100 * n / cell.packets:.3g} at {where}" for where, n in cell.drops.items()]
            share = f"{100 * cell.loss:.3g}{TIE}%"
            yield f"{cell.label} drops {share} of its packets: {listing(places)}."


def _difference(cells: Sequence[Cell]) -> Iterator[str]:
    pair = extremes(cells)
    if pair is None:
        return
    dear, cheap = pair
    a, b = dear.value("per_packet.cpu_ns"), cheap.value("per_packet.cpu_ns")
    assert a is not None
    assert b is not None
    yield from _polling_counted(dear, cheap)
    yield (
        f"In CPU time {dear.label} spends {time(a)} on a packet and {cheap.label} {time(b)}. "
        f"The ledger says what the {time(a - b)} between them are made of: "
        f"{'; '.join(_kind_words(dear, cheap, kind) for kind in telling(dear, cheap))}."
    )


def _polling_counted(dear: Cell, cheap: Cell) -> Iterator[str]:
    """Say what polling does to the order of two paths, if it turns it."""
    a, b = dear.value("per_packet.core_ns"), cheap.value("per_packet.core_ns")
    if a is not None and b is not None and b > a * ALIKE:
        yield (
            f"Polling counted, it is the other way round from CPU time: the cores of "
            f"{cheap.label} are taken for {time(b)} a packet, those of {dear.label} for {time(a)}."
        )


def extremes(cells: Sequence[Cell]) -> tuple[Cell, Cell] | None:
    """Return the paths that spend most and least CPU time on a packet, None if they are one."""
    order = ranked(cells, "per_packet.cpu_ns")
    if len(order) < 2 or order[-1][0] < order[0][0] * ALIKE:
        return None
    return order[-1][1], order[0][1]


def telling(dear: Cell, cheap: Cell) -> list[Kind]:
    """Return the kinds of work that tell two paths apart, the largest difference first.

    System calls, switches and copies are always among them: they are what is asked about.
    """
    gaps = {k: dear.by_kind.get(k, 0.0) - cheap.by_kind.get(k, 0.0) for k in CPU_KINDS}
    whole = sum(gaps.values())
    asked = (SYSCALL, SLEEP, COPY)
    kept = [k for k in CPU_KINDS if k in asked or abs(gaps[k]) > 0.1 * abs(whole)]
    return sorted(kept, key=lambda k: -abs(gaps[k]))


def _kind_words(dear: Cell, cheap: Cell, kind: Kind) -> str:
    gap = dear.by_kind.get(kind, 0.0) - cheap.by_kind.get(kind, 0.0)
    counts = [
        f"{count(a)} against {count(b)} {COUNTER_NAMES[name]} a packet"
        for name in kind.counters
        if (a := dear.value(f"per_packet.{name}")) is not None
        and (b := cheap.value(f"per_packet.{name}")) is not None
    ]
    how = f" ({', '.join(counts)})" if counts else ""
    if abs(gap) < 0.5:
        return f"{kind.name} nothing{how}"
    return f"{kind.name} {time(abs(gap))} {'more' if gap > 0 else 'less'}{how}"


def _break_even(cells: Sequence[Cell], found: Sequence[BreakEven]) -> Iterator[str]:
    if found:
        yield from (one.sentence() for one in found)
        return
    name = "per_packet.core_ns"
    for polled in (c for c in cells if c.polled):
        mine = polled.value(name)
        others = [(v, c) for v, c in ranked(cells, name) if not c.polled]
        if mine is None or not others:
            continue
        against = [f"{time(v)} of {c.label}" for v, c in others]
        yield (
            f"Polling included, the cores of {polled.label} cost {time(mine)} a packet at this "
            f"load, against {listing(against)}; from which rate on the polled core pays, "
            f"a sweep over traffic.rate tells."
        )


def isolated(found: Sequence[Isolated]) -> Iterator[str]:
    """Yield, by direction, how long an isolated packet takes on each path."""
    for direction in dict.fromkeys(one.direction for one in found):
        known = [
            (one.equation.value_ps / 1000, one.label)
            for one in found
            if one.direction == direction and one.equation is not None
        ]
        if known:
            times = listing([f"{time(ns)} on {label}" for ns, label in sorted(known)])
            yield f"In {direction} an isolated packet takes {times}."


def claim(rows: Sequence[Crossing]) -> list[str]:
    """Say which of switches and crossings vhost-net saves against QEMU, the verdict last."""
    vhost = next((row for row in rows if row.path != QEMU), None)
    others = [row for row in rows if row.path == QEMU]
    if vhost is None or not others:
        return []
    parts = [
        f"Against {row.label}, {vhost.label} "
        f"{_saves(row.context_switches, vhost.context_switches, 'context switch', 'es')} and "
        f"{_saves(row.crossings, vhost.crossings, 'user/kernel crossing', 's')} a packet."
        for row in others
    ]
    return [*parts, _verdict(vhost, others)]


def _verdict(vhost: Crossing, others: Sequence[Crossing]) -> str:
    switches = any(row.context_switches > vhost.context_switches for row in others)
    crossings = any(row.crossings > vhost.crossings for row in others)
    if switches and crossings:
        return f"What {vhost.label} saves here is both."
    if crossings:
        return f"What {vhost.label} saves here is user/kernel crossings, not context switches."
    if switches:
        return f"What {vhost.label} saves here is context switches, not user/kernel crossings."
    return f"{vhost.label} saves neither here."


def _saves(theirs: float, mine: float, noun: str, plural: str) -> str:
    gap = theirs - mine
    pair = f"({count(mine)} against {count(theirs)})"
    if not gap:
        return f"saves no {noun} {pair}"
    verb = "saves" if gap > 0 else "adds"
    return f"{verb} {count(abs(gap))} {noun}{'' if abs(gap) == 1 else plural} {pair}"
