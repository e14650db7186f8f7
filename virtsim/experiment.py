"""Run all of a scenario: every path, direction, point and replication, side by side."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from virtsim import __version__
from virtsim.choosing import MOST_PACKETS, check_length, held
from virtsim.errors import InputError
from virtsim.result import Record, Result
from virtsim.scenario import RunSpec, Scenario, load, resolve, resolved_yaml
from virtsim.scenario.sweeping import values
from virtsim.tasks import Keep, Level, OnProgress, Task, play_all

LEVELS: tuple[Level, ...] = ("typical", "low", "high")
BOUNDED = ("delivered_pps", "latency_ns.p50")
"""Figures whose bounds are reported."""


def run(
    scenario: Scenario | str | Path,
    *,
    engine: str = "auto",
    on_progress: OnProgress | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    bounds: bool = True,
    packets: bool = False,
    packets_to: Path | None = None,
) -> Result:
    """Run a scenario.

    Parameters
    ----------
    scenario
        A scenario, or the file that holds one.
    engine
        "auto" takes the first engine that is exact; a name runs that engine or refuses.
    on_progress
        Called with packets finished and packets in all.
    executor
        A ``concurrent.futures.Executor``; by default a pool of ``workers`` processes (one per CPU).
    bounds
        Also play with all prices low, and with all high: two runs more for each of the headline.
    packets
        Keep the stamps of each run's first million packets in ``Result.packets``.
    packets_to
        A directory that gets a Parquet file for each run, with a row for every packet.

    Raises
    ------
    InputError
        For anything wrong in the scenario.
    EngineRefusal
        If the engine that was asked for cannot be exact.
    """
    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    specs = resolve(scenario)
    _check_lengths(specs, engine, packets)
    keep = Keep(packets, packets_to)
    tasks = list(_tasks(scenario, specs, engine, keep, bounds))
    done = play_all(tasks, executor, workers, on_progress)
    records = tuple(_record(i, done) for i in range(len(specs)))
    inputs = _inputs(scenario)
    text = resolved_yaml(scenario, inputs[0].parent if inputs else None)
    notes = tuple(dict.fromkeys([*(n for spec in specs for n in spec.notes), *_lint(records)]))
    birth = _provenance(text, inputs, specs, records)
    return Result(scenario.name, text, records, birth, notes, inputs)


STEADY = 20_000
"""Measured packets from which on queues that fill or drain at the ends of a run do not matter."""


def _lint(records: Sequence[Record]) -> Iterator[str]:
    """Yield what a reader should know about how far the headline's figures can be trusted."""
    for r in (record.summary for record in records if record.summary["headline"]):
        offered, delivered = r["offered_pps"], r["delivered_pps"]
        late = bool(offered and delivered and delivered < 0.97 * offered)
        if (late or r["drops"]) and r["measured"] < STEADY:
            yield (
                f"{r['label']} ({r['direction']}) is overloaded: with {r['measured']} measured "
                f"packets its figures are those of queues that fill; play {STEADY} or more."
            )


def _inputs(scenario: Scenario) -> tuple[Path, ...]:
    """Return the files that a scenario reads besides itself."""
    file = getattr(scenario.fields.traffic, "file", None)
    return () if file is None else ((scenario.document.folder / file).absolute(),)


def _tasks(
    scenario: Scenario, specs: Sequence[RunSpec], engine: str, keep: Keep, bounds: bool
) -> Iterator[Task]:
    """Yield what has to be played: each spec, and the headline ones at low and high prices too."""
    wanted = headline(scenario)
    for i, spec in enumerate(specs):
        at_headline = dict(spec.point) == wanted
        bounded = bounds and at_headline and spec.replication == 0
        for level in LEVELS if bounded else LEVELS[:1]:
            yield Task(i, spec, level, engine, at_headline, keep if level == "typical" else Keep())


def headline(scenario: Scenario) -> dict[str, str]:
    """Return the point of a sweep that stands for the scenario.

    On each axis that is the scenario's own value if it is among those swept, else the middle one.
    """
    own = scenario.fields.model_dump(by_alias=True)
    chosen: dict[str, str] = {}
    for key, axis in scenario.fields.sweep.items():
        texts = [v if isinstance(v, str) else json.dumps(v) for v in values(key, axis)]
        mine: Any = own
        for name in key.split("."):
            mine = mine.get(name) if isinstance(mine, dict) else None
        text = mine if isinstance(mine, str) else json.dumps(mine)
        chosen[key] = text if text in texts else texts[len(texts) // 2]
    return chosen


def _check_lengths(specs: Sequence[RunSpec], engine: str, rows: bool) -> None:
    """Refuse runs that no memory holds before any is played."""
    for spec in specs:
        if spec.packets <= min(MOST_PACKETS.values()):
            continue
        chunked = spec.traffic.chunked(spec.direction, spec.host) is not None
        check_length(spec.program(), spec.packets, engine, chunked=chunked)
        if rows and spec.packets > held():
            raise InputError(
                "packets", f"the stamps of {spec.packets} packets of a run are to be kept",
                f"at most {held()} packets", "'--packets-to DIR' writes them to files as they come",
            )  # fmt: skip


def _record(index: int, done: dict[tuple[int, str], Record]) -> Record:
    """Join a run with the runs at low and high prices into one record with bounds."""
    record = done[index, "typical"]
    levels = [done[index, level] for level in LEVELS if (index, level) in done]
    bounds = {name: _range(levels, name) for name in BOUNDED} if len(levels) > 1 else None
    at = {level: done.get((index, level)) for level in LEVELS}
    by_level = {
        level: {name: _pick(r.summary, name) for name in BOUNDED} for level, r in at.items() if r
    }
    added = {"bounds": bounds, "levels": by_level if bounds else None}
    return Record({**record.summary, **added}, record.ledger, record.latency, record.packets)


def _range(records: list[Record], name: str) -> list[float] | None:
    values = [_pick(r.summary, name) for r in records]
    known = [v for v in values if v is not None]
    return [min(known), max(known)] if len(known) == len(values) else None


def _pick(tree: Any, name: str) -> float | None:
    for key in name.split("."):
        tree = tree[key]
    return None if tree is None else float(tree)


def _provenance(
    text: str, inputs: Sequence[Path], specs: Sequence[RunSpec], records: Sequence[Record]
) -> dict[str, Any]:
    """Return the birth certificate of a result."""
    import numpy
    import simpy

    profiles = {s.profile.name: s.profile.hash for s in specs}
    programs = sorted({r.summary["program"] for r in records})
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs}
    asked = json.dumps([text, files, profiles, programs, __version__], sort_keys=True)
    return {
        "fingerprint": hashlib.sha256(asked.encode()).hexdigest()[:12],
        "virtsim": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "simpy": simpy.__version__,
        "profiles": profiles,
        "programs": programs,
        "inputs": files,
        "seed": specs[0].seed if specs else None,
        "engine": sorted({r.summary["engine"] for r in records}),
        "cpu": _cpu(),
        "git": _revision(),
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _revision() -> str | None:
    """Return the git revision of virtsim's own source, None outside of a checkout."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
            capture_output=True, text=True, check=True, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
