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

ENGINES = ("reference", "stepper")
Progress = Callable[[int, int], None]
MOST_PACKETS = {"reference": 2_000_000, "stepper": 10_000_000}
"""What an engine holds in memory: the reference about 500 bytes a packet, the stepper about 200,
and each of them 8 more for every price that differs from packet to packet."""


def check_length(packets: int, where: str = "traffic.packets", engine: str = "auto") -> None:
    """Refuse a run that an engine could not hold.

    Raises
    ------
    EngineRefusal
        With more packets than ``MOST_PACKETS`` says of the engine ("auto": of the best there is).
    """
    if engine == "auto":
        from virtsim.engines.compiling.machine import available

        engine = "stepper" if available() else "reference"
    most = MOST_PACKETS[engine]
    if packets > most:
        raise EngineRefusal(
            where,
            f"{packets} packets, which engine '{engine}' would have to hold at once",
            f"at most {most} a run",
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


def choose_engine(engine: str, program: Program, *, trace: bool = False) -> tuple[str, str]:
    """Return the engine that plays a Program, and why it was chosen.

    The stepper pays off from some hundred packets on, once its machine code is there: loading it
    takes as long as the reference takes for those. Compiling it, once per installation, takes as
    long as the reference takes for some ten thousand.

    Raises
    ------
    InputError
        If there is no engine of that name.
    """
    if engine == "auto":
        from virtsim.engines import stepper

        reasons = stepper.reasons(program, trace=trace)
        if reasons:
            return "reference", f"engine 'stepper' cannot play it: {reasons[0]}"
        return "stepper", "it is exact for this Program, and the fastest"
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
    source = SourceRow("source", 0, stream.kind, stream.outstanding, stream.think_ps)
    program = compose(path, direction, host, profile, source)
    name, _ = choose_engine(engine, program, trace=trace)
    check_length(len(stream), engine=name)
    packets = Packets(
        np.ascontiguousarray(stream.at_ps),
        np.ascontiguousarray(stream.size_b),
        np.zeros(len(stream), dtype=np.int64),
    )
    prices = price(program, profile, packets, host.nic_bps, seed=seed, replication=replication)
    n_warmup = min(int(len(stream) * warmup), len(stream) - 1)
    job = Job(prices, packets, n_warmup, trace, on_progress)
    return Played(program, packets, _engine(name)(program, job), name, n_warmup, host.nic_bps)


def _engine(name: str) -> Callable[[Program, Job], Outcome]:
    """Return an engine. Imported here: those who only read results need neither it nor SimPy."""
    if name == "stepper":
        from virtsim.engines import stepper

        return stepper.run
    from virtsim.engines import reference

    return reference.run
