"""What a scenario came to: runs, ledger and latencies as tables, with their birth certificate."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virtsim.errors import HostError, InputError
from virtsim.histogram import Histogram
from virtsim.ledger import Row

if TYPE_CHECKING:
    import pandas as pd

    from virtsim.figures import Plots

KEYS = ("path", "label", "direction", "profile", "engine", "seed", "replication", "point")
"""What names a run."""

LEDGER = tuple(column.name for column in fields(Row))
"""Columns of the ledger, after those that name the run."""

PacketRow = tuple[int, int, int, int, str | None]
"""A packet: number, bytes, when it arrived and was delivered (ps, -1: never), who dropped it."""

TABLES = ("runs", "ledger", "latency", "packets")


@dataclass(frozen=True)
class Record:
    """One run as it came back: its summary, ledger rows and latency histogram, all plain."""

    summary: Mapping[str, Any]
    ledger: tuple[tuple[Any, ...], ...]
    latency: tuple[tuple[int, int], ...]
    packets: tuple[PacketRow, ...] = ()


@dataclass(frozen=True)
class Result:
    """All runs of a scenario.

    Parameters
    ----------
    name
        The scenario's.
    resolved
        The fully resolved scenario as YAML, from which everything can be run again.
    records
        One per path, direction, point and replication.
    provenance
        Versions, profile hash, seed, CPU, git revision, UTC.
    notes
        What was done to the input on the way, in words.
    inputs
        Files that the scenario read, such as a capture; they are kept with the result.
    """

    name: str
    resolved: str
    records: tuple[Record, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Short name of exactly this experiment: what was asked, at which prices, by which code."""
        return str(self.provenance.get("fingerprint", ""))

    @property
    def summaries(self) -> list[dict[str, Any]]:
        """Entries of ``runs`` in the JSON output."""
        return [dict(record.summary) for record in self.records]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run; nested figures as dotted columns (``latency_ns.p50``)."""
        import pandas as pd

        flat = [_flatten(r.summary) | {"run": i} for i, r in enumerate(self.records)]
        return pd.DataFrame(flat).set_index("run")

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """One row per run, thread, stage, op and cause: count, busy_ps, delay_ps, bytes."""
        import pandas as pd

        keys = ("path", "label", "direction")
        data = [
            (i, *(r.summary[k] for k in keys), *row)
            for i, r in enumerate(self.records)
            for row in r.ledger
        ]
        return pd.DataFrame(data, columns=["run", *keys, *LEDGER])

    @cached_property
    def latency(self) -> pd.DataFrame:
        """Latency histograms: per run the highest value of each bucket (ps) and its count."""
        import pandas as pd

        data = [(i, ps, n) for i, r in enumerate(self.records) for ps, n in r.latency]
        return pd.DataFrame(data, columns=["run", "latency_ps", "count"])

    @cached_property
    def packets(self) -> pd.DataFrame:
        """Per-packet stamps (arrived, delivered, size, dropped), if they were asked for."""
        import pandas as pd

        data = [(i, *row) for i, r in enumerate(self.records) for row in r.packets]
        names = ["run", "packet", "size_b", "arrived_ps", "delivered_ps", "dropped"]
        return pd.DataFrame(data, columns=names)

    def hdr(self, run: int) -> str:
        """Return the latencies of a run (ps) as text that HdrHistogram's libraries decode."""
        from virtsim.hdr import encoded

        return encoded(Histogram.of_steps(self.records[run].latency))

    @property
    def plot(self) -> Plots:
        """Figures of this result (matplotlib)."""
        from virtsim.figures import Plots

        return Plots(self)

    def as_json(self) -> dict[str, Any]:
        """Return what ``run --json`` prints."""
        return {
            "virtsim": 1,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "runs": self.summaries,
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }

    def save(self, root: Path, extra: Mapping[str, str] | None = None) -> Path:
        """Write the result directory, whole or not at all.

        Parameters
        ----------
        root
            Directory that holds one directory per scenario and fingerprint.
        extra
            More text files by name, such as the report.

        Raises
        ------
        HostError
            If the disk is full or the directory may not be written.
        """
        target = root / self.name / self.fingerprint
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
                made = Path(scratch) / "new"
                made.mkdir(mode=0o755)
                self._write(made, extra or {})
                if target.exists():
                    os.replace(target, Path(scratch) / "old")
                os.replace(made, target)
        except OSError as error:
            raise HostError(
                str(error.filename or target),
                f"cannot write results: {error.strerror}",
                "a directory that can be written, with room on its disk",
                "choose another with --out",
            ) from error
        return target

    def _write(self, into: Path, extra: Mapping[str, str]) -> None:
        (into / "resolved.yaml").write_text(self.resolved, encoding="utf-8")
        _dump(into / "summary.json", self.as_json())
        _dump(into / "provenance.json", dict(self.provenance))
        for table in TABLES:
            frame = getattr(self, table)
            if len(frame):
                _plain(frame).to_parquet(into / f"{table}.parquet", index=table == "runs")
        for path in self.inputs:
            shutil.copyfile(path, into / path.name)
        for name, text in extra.items():
            (into / name).write_text(text, encoding="utf-8")


def load(directory: Path | str) -> Result:
    """Read a result directory back.

    Raises
    ------
    InputError
        If it is not one, or a file in it cannot be read or does not hold what it should.
    """
    directory = Path(directory)
    where = str(directory)
    if not (directory / "summary.json").is_file():
        raise InputError(
            where, "there is no summary.json here", "a result directory",
            "'virtsim run FILE' prints where it wrote one",
        )  # fmt: skip
    try:
        return _read(directory)
    except InputError:
        raise
    except OSError as error:
        got = f"{error.filename or 'a file'} cannot be read: {error.strerror or error}"
        raise InputError(where, got, "the files that 'run' wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        got = f"a damaged result: {type(error).__name__}: {error}"
        raise InputError(
            where, got, "the files that 'run' wrote", "Run the scenario again"
        ) from error


def _read(directory: Path) -> Result:
    import pandas as pd

    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    resolved = (directory / "resolved.yaml").read_text(encoding="utf-8")
    ledger = pd.read_parquet(directory / "ledger.parquet")
    latency = pd.DataFrame(columns=["run", "latency_ps", "count"])
    if any(run["latency_ns"]["mean"] is not None for run in summary["runs"]):
        latency = pd.read_parquet(directory / "latency.parquet")
    ledgers = _by_run(ledger, LEDGER)
    latencies = _by_run(latency, ["latency_ps", "count"])
    records = tuple(
        Record(_checked(entry), tuple(ledgers.get(i, ())), tuple(latencies.get(i, ())))
        for i, entry in enumerate(summary["runs"])
    )
    birth = dict(summary["provenance"])
    inputs = tuple(directory / name for name in birth.get("inputs", {}))
    notes = tuple(str(note) for note in summary["notes"])
    return Result(str(summary["name"]), resolved, records, birth, notes, inputs)


def _checked(entry: Any) -> dict[str, Any]:
    """Return a run's entry if it holds what every run holds."""
    missing = [key for key in (*KEYS, "latency_ns", "per_packet", "threads") if key not in entry]
    if missing:
        raise ValueError(f"a run without {', '.join(missing)}")
    return dict(entry)


def _by_run(frame: pd.DataFrame, columns: Iterable[str]) -> dict[int, list[tuple[Any, ...]]]:
    names = ["run", *columns]
    found: dict[int, list[tuple[Any, ...]]] = {}
    for run, *row in frame[names].itertuples(index=False, name=None):
        found.setdefault(int(run), []).append(tuple(row))
    return found


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and key != "drops":
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = dict(value) if isinstance(value, Mapping) else value
    return flat


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn cells that Parquet has no type for (drops by place, bounds) into JSON text."""
    made = frame.copy()
    for column in made.columns[made.dtypes.eq("object")]:
        if made[column].map(lambda cell: isinstance(cell, dict | list)).any():
            made[column] = made[column].map(json.dumps)
    return made


def _dump(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
