"""Tables of a report: rows of figures, each with its unit, its bounds and its spread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from virtsim.figures.data import Cell
from virtsim.figures.kinds import CPU_KINDS
from virtsim.outcome import STATES
from virtsim.report.reasons import ALIKE


@dataclass(frozen=True)
class Value:
    """One cell of a table: its text, what is said in small print below, whether it is the best."""

    text: str
    small: tuple[str, ...] = ()
    best: bool = False


NOTHING = Value("–")


@dataclass(frozen=True)
class Row:
    """One line of a table: what it is, its unit, one value per path."""

    name: str
    unit: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Block:
    """Lines that belong together, under a heading of their own."""

    name: str
    rows: tuple[Row, ...]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _three(value: float) -> str:
    """Write three digits, trailing zeros included: 8.50, 11.0, 174."""
    size = abs(value)
    return f"{value:,.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def _often(value: float) -> str:
    """Write an event rate to a thousandth, nothing at all as 0."""
    return f"{value:.3f}" if value else "0"


@dataclass(frozen=True)
class Measure:
    """A figure that a table shows: where it is found, and how it is written.

    ``better`` is "low", "high" or "" for a figure that is neither good nor bad.
    """

    name: str
    unit: str
    key: str
    scale: float = 1.0
    better: str = ""
    write: Callable[[float], str] = _three


def _rates(cells: Sequence[Cell]) -> tuple[Measure, ...]:
    rates = [v for c in cells for v in c.values("offered_pps") + c.values("delivered_pps")]
    unit, scale = ("Mpps", 1e6) if max(rates, default=0.0) >= 1e6 else ("kpps", 1e3)
    return (
        Measure("offered", unit, "offered_pps", scale),
        Measure("delivered", unit, "delivered_pps", scale, "high"),
        Measure("goodput", "Mbit/s", "goodput_bps", 1e6, "high"),
    )


LATENCY = (
    Measure("median (p50)", "µs", "latency_ns.p50", 1000, "low"),
    Measure("p99", "µs", "latency_ns.p99", 1000, "low"),
    Measure("p99.9", "µs", "latency_ns.p999", 1000, "low"),
    Measure("mean", "µs", "latency_ns.mean", 1000, "low"),
)
TIME = (
    Measure("CPU time, busy", "ns/packet", "per_packet.cpu_ns", 1, "low", _whole),
    Measure("core time, busy and polling", "ns/packet", "per_packet.core_ns", 1, "low", _whole),
)
EVENTS = (
    Measure("VM exits", "per packet", "per_packet.exits", write=_often),
    Measure("of these to user space", "per packet", "per_packet.exits_user", write=_often),
    Measure("kicks", "per packet", "per_packet.kicks", write=_often),
    Measure("interrupts", "per packet", "per_packet.interrupts", write=_often),
    Measure("host system calls", "per packet", "per_packet.syscalls", write=_often),
    Measure("host context switches", "per packet", "per_packet.context_switches", write=_often),
    Measure("copies", "per packet", "per_packet.copies", write=_often),
    Measure("bytes copied", "per packet", "per_packet.copied_bytes", write=_whole),
)


def paths_table(cells: Sequence[Cell]) -> tuple[Block, ...]:
    """Return the table of paths: one column per cell, lines by topic."""
    return (
        _block("Throughput", _rates(cells), cells),
        _block("Latency", LATENCY, cells),
        _block("Time spent", TIME, cells),
        _block("Events", EVENTS, cells),
        Block("Limits", tuple(_limits(cells))),
    )


def kinds_table(cells: Sequence[Cell]) -> tuple[Row, ...]:
    """Return CPU time per packet (ns) by kind of work, one column per cell."""
    used = [k for k in CPU_KINDS if any(k in cell.by_kind for cell in cells)]
    rows = [
        Row(kind.name, "ns/packet", tuple(_spent(cell, cell.by_kind.get(kind)) for cell in cells))
        for kind in used
    ]
    sums = tuple(_spent(cell, sum(cell.by_kind.values())) for cell in cells)
    return (*rows, Row("all", "ns/packet", sums))


def threads_table(cells: Sequence[Cell]) -> tuple[Row, ...]:
    """Return each thread's core, node and shares of the window, in the order of the cells.

    A line's name is that of the path, its unit the thread; the values are those of the columns
    core, node, busy, polling, runnable and asleep. Shares are means over the replications.
    """
    return tuple(
        Row(cell.label, name, (Value(core), Value(node), *shares))
        for cell in cells
        for name, core, node, shares in _threads(cell)
    )


def _threads(cell: Cell) -> Iterator[tuple[str, str, str, tuple[Value, ...]]]:
    for name, row in cell.first["threads"].items():
        every = [record.summary["threads"][name] for record in cell.records]
        shares = tuple(_share([thread.get(state) for thread in every]) for state in STATES)
        yield name, str(row["core"] or "none"), str(row.get("node", 0)), shares


def _share(values: Sequence[float | None]) -> Value:
    known = [value for value in values if value is not None]
    return Value(f"{100 * sum(known) / len(known):.1f}") if known else NOTHING


def _spent(cell: Cell, ns: float | None) -> Value:
    return Value(_whole(ns or 0.0)) if cell.delivered else NOTHING


def _block(name: str, measures: Sequence[Measure], cells: Sequence[Cell]) -> Block:
    return Block(name, tuple(_row(measure, cells) for measure in measures))


def _row(measure: Measure, cells: Sequence[Cell]) -> Row:
    best = _best(measure, cells)
    return Row(measure.name, measure.unit, tuple(_value(measure, c, best) for c in cells))


def _best(measure: Measure, cells: Sequence[Cell]) -> float | None:
    """Return the figure to be marked, None where all are alike or none is better."""
    known = [value for cell in cells if (value := cell.value(measure.key)) is not None]
    if not measure.better or len(known) < 2 or max(known) < min(known) * ALIKE:
        return None
    return min(known) if measure.better == "low" else max(known)


def _value(measure: Measure, cell: Cell, best: float | None) -> Value:
    value = cell.value(measure.key)
    if value is None:
        return NOTHING
    small = []
    spread, bounds = cell.spread(measure.key), cell.bounds(measure.key)
    if spread and measure.key != "offered_pps":
        small.append(f"± {measure.write(spread / measure.scale)}")
    if bounds:
        low, high = (measure.write(b / measure.scale) for b in bounds)
        small.append(f"{low} to {high}")
    return Value(measure.write(value / measure.scale), tuple(small), value == best)


def _limits(cells: Sequence[Cell]) -> list[Row]:
    return [
        Row("dropped", "% of packets, where", tuple(_drops(cell) for cell in cells)),
        Row("regime", "", tuple(_said(cell, "regime") for cell in cells)),
        Row("bottleneck", "thread or link", tuple(_said(cell, "bottleneck") for cell in cells)),
    ]


def _drops(cell: Cell) -> Value:
    shares: Mapping[str, float] = {p: n / cell.packets for p, n in cell.drops.items() if n}
    if not shares:
        return Value("0")
    places = tuple(f"{100 * s:.3g} at {place}" for place, s in shares.items())
    return Value(f"{100 * cell.loss:.3g}", places)


def _said(cell: Cell, key: str) -> Value:
    words = [record.summary.get(key) for record in cell.records]
    found = list(dict.fromkeys(str(word) for word in words if word))
    return Value(", ".join(found)) if found else Value("none")
