"""Which engine plays a run, and why: the first that is exact and pays off, or the one asked for."""

from __future__ import annotations

from collections.abc import Callable

from virtsim.engines.compiling.machine import available
from virtsim.errors import EngineRefusal, InputError, did_you_mean
from virtsim.outcome import Job, Outcome, Prices
from virtsim.program import Program

Engine = Callable[[Program, Job], Outcome]

ENGINES = ("reference", "stepper", "vector")
MOST_PACKETS = {"reference": 2_000_000, "stepper": 10_000_000, "vector": 10_000_000}
"""What an engine holds in memory: the reference about 500 bytes a packet, the others about 200,
and each of them 8 more for every price that differs from packet to packet. Engine 'vector' plays
what is more a chunk at a time."""

WHY = {
    "vector": "packets' times follow from those before them, so it is exact, and the fastest",
    "stepper": "it is exact for this Program, and the fastest that is",
}


def choose_engine(
    engine: str, program: Program, prices: Prices | None = None, *, trace: bool = False
) -> tuple[str, str]:
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
        for name, why in WHY.items():
            reasons = refusals(name, program, prices, trace=trace)
            if not reasons:
                return name, why
        return "reference", f"engine 'stepper' cannot play it: {reasons[0]}"
    if engine not in ENGINES:
        raise InputError(
            "engine",
            f"there is no engine '{engine}'",
            f"auto or {', '.join(ENGINES)}",
            did_you_mean(engine, ("auto", *ENGINES)),
        )
    return engine, "it was asked for"


def refusals(
    engine: str, program: Program, prices: Prices | None = None, *, trace: bool = False
) -> list[str]:
    """Return why an engine cannot play a Program exactly; none means that it can."""
    if engine == "reference":
        return program.problems()
    if engine == "stepper":
        from virtsim.engines import stepper

        return stepper.reasons(program, trace=trace)
    from virtsim.engines import vector

    traced = ["it keeps no trace"] if trace else []
    return [*traced, *vector.refusals(program, prices)]


def held(engine: str = "vector") -> int:
    """Return how many packets of a run an engine holds in memory.

    Without a compiler columns are lists, which take as much as the reference's events.
    """
    if engine == "vector" and not available():
        return MOST_PACKETS["reference"]
    return MOST_PACKETS[engine]


def check_length(program: Program, packets: int, engine: str = "auto", *, chunked: bool) -> None:
    """Refuse a run that no memory would hold.

    Parameters
    ----------
    chunked
        Whether its packets can be made a chunk at a time.

    Raises
    ------
    EngineRefusal
        With more packets than ``MOST_PACKETS`` says of the engine, unless it plays them by chunks.
    """
    name, _ = choose_engine(engine, program)
    if packets <= held(name):
        return
    reasons = [
        *([] if name == "vector" else [f"engine '{name}' does not play by chunks"]),
        *([] if chunked else ["packets of this kind of traffic are not made by chunks"]),
        *(_stream_reasons(program) if name == "vector" else []),
    ]
    if reasons:
        raise EngineRefusal(
            "traffic.packets",
            f"{packets} packets, which engine '{name}' would have to hold at once",
            f"at most {held(name)} a run of {program.name}",
            "Percentiles up to p99.9 are steady from some ten thousand packets on",
            reasons,
        )


def plays_by_chunks(program: Program, engine: str = "auto") -> bool:
    """Tell whether a run is played a chunk at a time, if its packets are made so."""
    return choose_engine(engine, program)[0] == "vector" and not _stream_reasons(program)


def _stream_reasons(program: Program) -> list[str]:
    from virtsim.engines.vector.streams.playing import reasons

    return reasons(program)


def engine_of(name: str) -> Engine:
    """Return an engine. Imported here: those who only read results need neither it nor SimPy."""
    if name == "stepper":
        from virtsim.engines import stepper

        return stepper.run
    if name == "vector":
        from virtsim.engines import vector

        return vector.run
    from virtsim.engines import reference

    return reference.run
