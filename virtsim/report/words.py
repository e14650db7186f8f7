"""Findings in words, made from the numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from virtsim.breakeven import BreakEven, gathered
from virtsim.figures.data import Cell
from virtsim.figures.kinds import COPY, CPU_KINDS, SLEEP, SYSCALL, Kind
from virtsim.report import reasons
from virtsim.report.evidence import QEMU, Crossing, Isolated
from virtsim.report.phrases import TIE, count, listing, number, rate, time
from virtsim.report.reasons import ALIKE
from virtsim.walk.way import NAP

ALL = 0.99
"""Share of the offered rate from which on a path is said to deliver all of it."""

Best = Callable[..., str]
"""How the first of several is found: min or max."""

MANY = 3
"""Paths up to which a sentence gives a range for each; the table gives those of more."""

COUNTER_NAMES = {
    "copies": "copies",
    "syscalls": "calls",
    "exits_user": "exits",
    "kicks": "kicks",
    "interrupts": "guest interrupts",
    "context_switches": "context switches",
}


def findings(
    cells: Sequence[Cell], found: Sequence[BreakEven], top: Sequence[Cell] = ()
) -> dict[str, list[str]]:
    """Return by topic what a direction's headline runs say, and those at the top of its sweep.

    That is the order of the paths in latency and in throughput and where it turns, what limits
    them, and what CPU time and cores they take.
    """
    steady = _steady(cells)
    turns = list(reasons.turns(steady, "latency_ns.p50", "low"))
    latency = [*_latency(cells), *turns, *reasons.halts(cells), *reasons.naps(cells, turns)]
    topics = {
        "Latency": [*_silent(cells), *latency],
        "Throughput": [*_throughput(cells), *_losses(cells)],
    }
    if top and not _same(top, cells):
        offered = max(cell.value("offered_pps") or 0.0 for cell in top)
        said = [*_throughput(top), *_losses(top), *_bounds(top)]
        topics[f"At the highest load of the sweep, {rate(offered)}"] = said
    else:
        topics["Throughput"] += _bounds(cells)
    topics["CPU time and cores"] = [*_difference(cells), *_break_even(cells, found)]
    return {topic: said for topic, said in topics.items() if said}


def _carries(cell: Cell) -> bool:
    """Tell whether a path delivers what it is offered; else its queues grow."""
    offered, delivered = cell.value("offered_pps"), cell.value("delivered_pps")
    return bool(offered and delivered and delivered >= ALL * offered)


def _steady(cells: Sequence[Cell]) -> list[Cell]:
    """Leave out who is overloaded, unless senders saturate or nobody is left."""
    return [c for c in cells if _carries(c)] or list(cells) if _alike(cells) else list(cells)


def _alike(cells: Sequence[Cell]) -> bool:
    """Tell whether all were offered the same load; senders that saturate each set their own."""
    offered = [cell.value("offered_pps") or 0.0 for cell in cells]
    return bool(offered) and min(offered) * 1.02 > max(offered)


def _same(a: Sequence[Cell], b: Sequence[Cell]) -> bool:
    return [cell.first["point"] for cell in a] == [cell.first["point"] for cell in b]


def _bounds(cells: Sequence[Cell]) -> list[str]:
    """Say what limits each path, and where the order of throughput turns."""
    return [*reasons.limits(cells), *reasons.turns(cells, "delivered_pps", "high")]


def ranked(cells: Sequence[Cell], name: str) -> list[tuple[float, Cell]]:
    """Return figures and cells by rising figure, without those that have none."""
    known = [(value, cell) for cell in cells if (value := cell.value(name)) is not None]
    return sorted(known, key=lambda pair: pair[0])


def _silent(cells: Sequence[Cell]) -> Iterator[str]:
    for cell in cells:
        if not cell.delivered:
            yield f"{cell.label} delivers nothing: of its packets there are only drops to report."


def _latency(cells: Sequence[Cell]) -> Iterator[str]:
    order = ranked(_steady(cells), "latency_ns.p50")
    known = [cell.label for _, cell in order]
    late = _overloaded([cell for cell in cells if cell.label not in known])
    if not order:
        return
    least, best = order[0]
    if len(order) == 1:
        yield f"{best.label}: half of the packets take at most {time(least)}{_tail(best)}."
        yield from late
        return
    rest = [f"{c.label} takes {time(ns)} ({_times(ns / least)})" for ns, c in order[1:]]
    yield f"Lowest latency: {best.label}, with a median of {time(least)}; {listing(rest)}."
    yield from _certainty([c for _, c in order], "latency_ns.p50", "medians", time, min)
    yield from late


def _overloaded(cells: Sequence[Cell]) -> Iterator[str]:
    """Name the medians that stand in no order, because they grow for as long as packets come."""
    known = [(c, ns) for c in cells if (ns := c.value("latency_ns.p50")) is not None]
    if known:
        medians = listing([f"{time(ns)} on {cell.label}" for cell, ns in known])
        yield (
            f"Overloaded, and so not in this order: a median of {medians}, of full or growing "
            "queues."
        )


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
    between = f"over all prices the {noun} span {listing(spans)}"
    if len(spans) > MANY:
        between = f"the table below has the ranges of the {noun}"
    upsets = [words for level in ("low", "high") if (words := _upset(order, name, level, best))]
    if upsets:
        yield f"The order is not certain: {listing(upsets)}; {between}."
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
    same = _alike([cell for _, cell in order])
    less = [(pps, cell) for pps, cell in order if not _carries(cell)]
    if same and len(less) < max(len(order), 2) and len(order) > len(less):
        yield _carried([cell for _, cell in order], less, max(offered))
        return
    most, best = order[0]
    out_of = f" of {rate(max(offered))} offered" if same else ""
    if len(order) == 1:
        yield f"{best.label} delivers {rate(most)}{out_of}."
        return
    rest = [f"{c.label} delivers {rate(pps)}{_share(pps, most)}" for pps, c in order[1:]]
    yield f"Most throughput: {best.label}, with {rate(most)}{out_of}; {listing(rest)}."
    yield from _certainty([c for _, c in order], "delivered_pps", "delivered rates", rate, max)


def _carried(cells: Sequence[Cell], less: Sequence[tuple[float, Cell]], offered: float) -> str:
    """Say who delivers what is offered, and how much of it the others do."""
    all_of_it = f"the {rate(offered)} that are offered, to within 1{TIE}%"
    if len(cells) == 1:
        return f"{cells[0].label} delivers {all_of_it}."
    if not less:
        return f"Every path delivers {all_of_it}."
    rest = [f"{c.label} delivers {rate(pps)} ({100 * pps / offered:.3g}{TIE}%)" for pps, c in less]
    names = [cell.label for _, cell in less]
    full = [cell.label for cell in cells if cell.label not in names]
    if len(full) > len(less):
        return f"All but {listing(names)} deliver {all_of_it}; {listing(rest)}."
    verb = "delivers" if len(full) == 1 else "deliver"
    return f"{listing(full)} {verb} {all_of_it}; {listing(rest)}."


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
        yield from gathered(found)
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
            (one.walk.latency_ps / 1000, one.label)
            for one in found
            if one.direction == direction and one.walk is not None
        ]
        if known:
            times = listing([f"{time(ns)} on {label}" for ns, label in sorted(known)])
            yield f"In {direction} an isolated packet takes {times}."
            yield from _napping([one for one in found if one.direction == direction])


def _napping(found: Sequence[Isolated]) -> Iterator[str]:
    """Say how much of an isolated packet's time is the rest of a poller's nap."""
    for one in found:
        terms = one.walk.way.terms if one.walk is not None else ()
        ps = sum(term.ps for term in terms if term.op == NAP)
        if ps:
            yield (
                f"On {one.label} {time(ps / 1000)} of that are what was left of the nap of its "
                "poller; after a longer silence it naps longer."
            )


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
