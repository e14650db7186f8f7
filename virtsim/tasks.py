"""Tasks: one run each, played in this process or side by side in others."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import takewhile
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Literal

from virtsim import ledger
from virtsim.choosing import held
from virtsim.errors import VirtsimError
from virtsim.result import PacketRow, Record
from virtsim.running import Played, play
from virtsim.scenario import RunSpec
from virtsim.summary import polled, summarize

Level = Literal["low", "typical", "high"]
OnProgress = Callable[[int, int], None]
MAX_PACKET_ROWS = 1_000_000

MOMENT_S, SHORT = 0.1, 5000
"""How long runs of so few packets are played in this process before others are started: they take
as long to start, and what the first run has loaded and compiled they have from this one."""


@dataclass(frozen=True)
class Keep:
    """Where packets are kept: with the result, in a directory with a file for each run."""

    rows: bool = False
    directory: Path | None = None

    def file(self, index: int, spec: RunSpec) -> Path | None:
        """Return the file of one run."""
        if self.directory is None:
            return None
        label = re.sub(r"[^\w.-]+", "-", spec.label)[:80]
        return self.directory / f"{index:04d}-{label}-{spec.direction}.parquet"


@dataclass(frozen=True)
class Task:
    """One run of one engine: a spec at one level of all prices."""

    index: int
    spec: RunSpec
    level: Level
    engine: str
    headline: bool = True
    keep: Keep = Keep()


def play_all(
    tasks: list[Task],
    executor: Executor | None,
    workers: int | None,
    on_progress: OnProgress | None,
) -> dict[tuple[int, str], Record]:
    """Play tasks with a pool, or one of ``workers`` processes; return records by run and level."""
    total = sum(t.spec.packets for t in tasks)
    if on_progress:
        on_progress(0, total)
    if executor is not None:
        return _side_by_side(tasks, executor, 1, 0, total, on_progress)
    workers = min(workers or os.cpu_count() or 1, len(tasks))
    if workers <= 1:
        return _in_turn(tasks, total, on_progress)
    short = list(takewhile(lambda task: task.spec.packets <= SHORT, tasks))
    done = _in_turn(short, total, on_progress, MOMENT_S)
    left = tasks[len(done) :]
    if not left:
        return done
    finished = sum(t.spec.packets for t in tasks[: len(done)])
    batch = max(1, len(left) // (8 * workers)) if len(short) == len(tasks) else 1
    stop = multiprocessing.Event()
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(stop,)) as pool:
        try:
            return done | _side_by_side(left, pool, batch, finished, total, on_progress)
        except BaseException:
            # An error or Ctrl-C: what is queued is dropped, what runs ends itself, and tidies up.
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _in_turn(
    tasks: list[Task], total: int, on_progress: OnProgress | None, seconds: float = math.inf
) -> dict[tuple[int, str], Record]:
    """Play one after the other in this process, until none is left or so many seconds are over."""
    done: dict[tuple[int, str], Record] = {}
    before, began = 0, time.monotonic()
    for task in tasks:
        if time.monotonic() - began >= seconds:
            break
        start = before
        tell = (lambda n, _all, s=start: on_progress(s + n, total)) if on_progress else None
        done[task.index, task.level] = play_task(task, tell)
        before += task.spec.packets
    if on_progress:
        on_progress(before, total)
    return done


def _side_by_side(
    tasks: list[Task], pool: Executor, batch: int, finished: int, total: int,
    on_progress: OnProgress | None,
) -> dict[tuple[int, str], Record]:  # fmt: skip
    """Play in other processes; a batch is sent at once, with a single copy of what it shares."""
    done: dict[tuple[int, str], Record] = {}
    for task, record in zip(tasks, pool.map(_play, tasks, chunksize=batch), strict=True):
        done[task.index, task.level] = record
        finished += task.spec.packets
        if on_progress:
            on_progress(finished, total)
    return done


_STOP: ContextVar[Event | None] = ContextVar("stop", default=None)
"""Is set where a process plays tasks for another one, which may tell it to stop."""


class Stopped(Exception):  # noqa: N818 - nobody sees it: another error has been told
    """A task was given up, as it is of no use any more."""


def _begin(stop: Event) -> None:
    """Begin a process: Ctrl-C is for the parent, who says when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _STOP.set(stop)


def _play(task: Task) -> Record:
    """Play a task that another process waits for, or as much as it wants of it."""
    _go_on()
    return play_task(task, _go_on)


def _go_on(_done: int = 0, _total: int = 0) -> None:
    stop = _STOP.get()
    if stop is not None and stop.is_set():
        raise Stopped


def play_task(task: Task, on_progress: OnProgress | None = None) -> Record:
    """Play one task and return its record (in whichever process).

    Raises
    ------
    VirtsimError
        If the run breaks a law of conservation: a defect of virtsim, reported as such.
    """
    spec = task.spec
    played = play(
        spec.path,
        spec.direction,
        spec.profile.level(task.level),
        spec.host,
        spec.packets_of(held()),
        warmup=spec.warmup,
        engine=task.engine,
        seed=spec.seed,
        replication=spec.replication,
        packets_to=task.keep.file(task.index, spec),
        on_progress=on_progress,
    )
    broken = ledger.check(played.program, played.outcome)
    if broken:
        raise VirtsimError(
            f"{spec.label} ({spec.direction})",
            "the ledger does not reconcile: " + "; ".join(broken),
            "a run that conserves time and packets",
            "this is a defect of virtsim, please report it",
        )
    return Record(
        _named(task, played) | summarize(played),
        tuple(tuple(vars(row).values()) for row in ledger.rows(played.program, played.outcome)),
        played.tally.latency.steps(),
        _packets(played) if task.keep.rows else (),
    )


def _named(task: Task, played: Played) -> dict[str, Any]:
    spec = task.spec
    return {
        "path": spec.path.name,
        "label": spec.label,
        "direction": spec.direction,
        "profile": spec.profile.name,
        "engine": played.engine,
        "seed": spec.seed,
        "replication": spec.replication,
        "point": dict(spec.point),
        "headline": task.headline,
        "polled": polled(played.program),
        "program": played.program.digest[:12],
    }


def _packets(played: Played) -> tuple[PacketRow, ...]:
    from virtsim.engines.writing import ring_names

    out = played.outcome
    if played.packets is None:
        return ()  # see _check_lengths
    n = min(len(played.packets), MAX_PACKET_ROWS)
    names = {-1: None} | dict(enumerate(ring_names(played.program)))
    columns = (played.packets.size_b, out.arrived_ps, out.delivered_ps)
    where = [names[ring] for ring in out.dropped[:n].tolist()]
    return tuple(zip(range(n), *(column[:n].tolist() for column in columns), where, strict=True))
