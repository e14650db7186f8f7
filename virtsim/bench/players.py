"""Who plays a standard work: the C loops, the engines, and plain SimPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from virtsim.bench import native, plain
from virtsim.bench.answer import Answer
from virtsim.bench.works import Work
from virtsim.errors import EngineRefusal, VirtsimError
from virtsim.outcome import Job, Outcome
from virtsim.program import Program

C, PLAIN, REFERENCE = "C", "plain SimPy", "reference"
Engine = Callable[[Program, Job], Outcome]


@dataclass(frozen=True)
class Player:
    """Plays works. ``prepare`` returns what is timed, ``read`` makes an answer of what it gave."""

    name: str
    prepare: Callable[[Work], Callable[[], Any]]
    read: Callable[[Any], Answer] = lambda given: given


@dataclass(frozen=True)
class Absent:
    """Somebody who cannot play, and why."""

    name: str
    why: str


def engine(name: str) -> Engine:
    """Return an engine's function: of the package of its name."""
    run: Engine = import_module(f"virtsim.engines.{name}").run
    return run


def players(engines: Sequence[str], loops: native.Loops | str) -> Iterator[Player | Absent]:
    """Yield everybody, the C loops first and plain SimPy last."""
    if isinstance(loops, str):
        yield Absent(C, loops)
    else:
        yield Player(C, loops.prepare, native.read)
    for name in engines:
        yield engine_player(name)
    yield Player(PLAIN, lambda work: lambda: plain.play(work))


def engine_player(name: str) -> Player:
    """Return an engine as a player; what is timed includes its tables and its outcome."""

    def prepare(work: Work) -> Callable[[], Outcome]:
        run = engine(name)
        return lambda: run(work.program, work.job)

    return Player(name, prepare, Answer.of)


def reason(error: VirtsimError) -> str:
    """Return why somebody refused, in one line."""
    reasons = error.reasons if isinstance(error, EngineRefusal) else ()
    return "; ".join(reasons) or error.got
