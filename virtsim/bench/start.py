"""Time to the first result: ``virtsim run`` of a small scenario, as a user waits for it.

The first result is the table of figures; the command goes on to write files and to draw a report,
so its *whole* time is measured too. The package is copied without any cache of machine code, and
its caches are sent to an empty folder: *cold* is the first run of a new installation, *warm* every
later one. Python's own bytecode is there both times, as pip leaves it, and so is whatever
matplotlib has found out about the fonts.
"""

from __future__ import annotations

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import virtsim
from virtsim.bench import goals
from virtsim.bench.rows import Row, Tell

WARM_RUNS = 3
CACHES = "__pycache__"
SCENARIO = """\
virtsim: 1
name: first
profile: skylake-2018-mitig
direction: tx
traffic: {kind: poisson, rate: 200kpps, size: 64B, packets: 1000}
paths: [vhost-net]
seed: 1
"""


class Took(NamedTuple):
    """How long a run takes on the clock, to its first result and as a whole, and of CPU."""

    seconds: float
    whole_seconds: float
    cpu_seconds: float


def measure(tell: Tell) -> list[Row]:
    """Return a row for the cold run and one for the warm, which is the median of several."""
    with tempfile.TemporaryDirectory(prefix="virtsim-bench-") as folder:
        place = Path(folder)
        tell("first result: copying the package")
        environment = _installed(place)
        tell("first result: cold")
        cold = _run(place, environment)
        tell("first result: warm")
        warm = [_run(place, environment) for _ in range(WARM_RUNS)]
    medians = Took(*map(statistics.median, zip(*warm, strict=True)))
    return [_row("cold", cold), _row("warm", medians)]


def _row(start: str, took: Took) -> Row:
    row: Row = {"start": start} | took._asdict()
    return row | {"goals": goals.verdicts(goals.OF_START[start], row)}


def _installed(place: Path) -> Mapping[str, str]:
    """Copy the package to a place without its caches; return an environment that has it first."""
    package = Path(virtsim.__file__).parent
    shutil.copytree(package, place / "lib" / "virtsim", ignore=shutil.ignore_patterns(CACHES))
    compileall.compile_dir(place / "lib", quiet=2)
    (place / "first.yaml").write_text(SCENARIO, encoding="utf-8")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    own = {
        "PYTHONPATH": str(place / "lib"),
        "NUMBA_CACHE_DIR": str(place / "numba"),
        "XDG_CACHE_HOME": str(place / "cache"),
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR") or str(cache / "matplotlib"),
    }
    return {**os.environ, **own}


def _run(place: Path, environment: Mapping[str, str]) -> Took:
    """Return how long one run takes, CPU time with that of its worker processes."""
    code = "from virtsim.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "first.yaml", "--out", "results"]
    before, start = _cpu_seconds(), time.perf_counter()
    with subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        first = time.perf_counter() - start
        running.communicate()
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return Took(first, time.perf_counter() - start, _cpu_seconds() - before)


def _cpu_seconds() -> float:
    """Return the CPU time of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system
