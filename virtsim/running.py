"""Play one run: compose, price, choose an engine, and keep what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import Profile
from virtsim.errors import EngineRefusal, InputError
from virtsim.model.path import Path
from virtsim.outcome import Job, Outcome, Packets
from virtsim.program import Program, SourceRow
from virtsim.traffic import PacketStream

ENGINES = ("reference",)
Progress = Callable[[int, int], None]
MOST_PACKETS = 2_000_000
"""What the reference engine holds in memory (about a gigabyte) and plays in some minutes."""


def check_length(packets: int, where: str = "traffic.packets") -> None:
    """Refuse a run that the reference engine could not hold.

    Raises
    ------
    EngineRefusal
        With more than two million packets.
    """
    if packets > MOST_PACKETS:
        raise EngineRefusal(
            where,
            f"{packets} packets, which engine 'reference' would have to hold at once",
            f"at most {MOST_PACKETS} a run",
            "percentiles up to p99.9 are steady from some ten thousand packets on",
        )


@dataclass(frozen=True)
class Played:
    """One path in one direction on one stream: its tables, what it was asked, what it did."""

    program: Program
    packets: Packets
    outcome: Outcome
    engine: str
    n_warmup: int
    nic_bps: int


def choose_engine(engine: str, program: Program) -> tuple[str, str]:
    """Return the engine that plays a Program, and why it was chosen.

    Raises
    ------
    InputError
        If there is no engine of that name.
    """
    if engine == "auto":
        return "reference", "it is the only engine, and exact for every Program"
    if engine not in ENGINES:
        raise InputError(
            "engine", f"there is no engine '{engine}'", f"auto or {', '.join(ENGINES)}"
        )
    return engine, "it was asked for"


def play(
    path: Path,
    direction: str,
    profile: Profile,
    host: Host,
    stream: PacketStream,
    *,
    warmup: float = 0.1,
    engine: str = "auto",
    seed: int = 1,
    replication: int = 0,
    trace: bool = False,
    on_progress: Progress | None = None,
) -> Played:
    """Run a path once.

    Parameters
    ----------
    stream
        The packets; a closed loop or a saturating sender says so in its ``kind``.
    warmup
        Share of the packets that is played but not measured.
    trace
        Keep every step (for one or a few packets).

    Raises
    ------
    InputError
        If the path cannot be composed or priced, or the engine is unknown.
    EngineRefusal
        If the engine cannot play it exactly.
    """
    check_length(len(stream))
    source = SourceRow("source", 0, stream.kind, stream.outstanding, stream.think_ps)
    program = compose(path, direction, host, profile, source)
    name, _ = choose_engine(engine, program)
    packets = Packets(
        np.ascontiguousarray(stream.at_ps),
        np.ascontiguousarray(stream.size_b),
        np.zeros(len(stream), dtype=np.int64),
    )
    prices = price(program, profile, packets, host.nic_bps, seed=seed, replication=replication)
    n_warmup = min(int(len(stream) * warmup), len(stream) - 1)
    job = Job(prices, packets, n_warmup, trace, on_progress)
    # Imported here: SimPy is not needed by those who only read results.
    from virtsim.engines import reference

    return Played(program, packets, reference.run(program, job), name, n_warmup, host.nic_bps)
