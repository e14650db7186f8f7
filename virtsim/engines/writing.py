"""A row for each packet in a Parquet file, written chunk by chunk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from virtsim.errors import HostError
from virtsim.outcome import Ints
from virtsim.program import Program


class Writer:
    """Writes packets as they end; without a path it writes nothing.

    A file system's error is a HostError that names the file.

    Columns: ``packet``, ``arrived_ps``, ``delivered_ps`` (null unless delivered), ``dropped`` (the
    ring's name, null unless dropped) and ``size_b``.

    Parameters
    ----------
    path
        The file, None for none.
    rings
        Names of the rings, by their numbers.
    """

    def __init__(self, path: Path | None, rings: Sequence[str]) -> None:
        self._path, self._rings, self._seen = path, rings, 0
        self._file: Any = None

    def __enter__(self) -> Writer:
        return self

    @property
    def _part(self) -> Path:
        """The file while it is written: under its own name it is whole."""
        assert self._path is not None
        return self._path.with_name(f"{self._path.name}.part")

    def take(self, arrived: Ints, delivered: Ints, dropped: Ints, sizes: Ints) -> None:
        """Write the next packets."""
        if self._path is None:
            return
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.table({
            "packet": np.arange(self._seen, self._seen + len(arrived)),
            "arrived_ps": _column(arrived, arrived < 0),
            "delivered_ps": _column(delivered, delivered < 0),
            "dropped": pyarrow.DictionaryArray.from_arrays(
                _column(dropped, dropped < 0), list(self._rings)
            ),
            "size_b": np.ascontiguousarray(sizes),
        })  # fmt: skip
        with _at_fault(self._path):
            if self._file is None:
                self._part.parent.mkdir(parents=True, exist_ok=True)
                self._file = parquet.ParquetWriter(self._part, table.schema)
            self._file.write_table(table)
        self._seen += len(arrived)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None or self._path is None:
            return
        try:
            with _at_fault(self._path):
                self._file.close()
                if error is None:
                    self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)


@contextmanager
def _at_fault(path: Path) -> Iterator[None]:
    """Say of a file system's error which file it was about."""
    try:
        yield
    except OSError as error:
        raise HostError(
            str(path), f"cannot be written: {_said(error)}",
            "a file that can be written, with room on its disk",
        ) from error  # fmt: skip


def ring_names(program: Program) -> list[str]:
    """Return how the rings of a Program are called where they drop packets."""
    return [ring.drop or ring.name for ring in program.rings]


def _said(error: OSError) -> str:
    """Return what is wrong in the system's words: a library's own are about itself."""
    return os.strerror(error.errno) if error.errno else str(error)


def _column(values: Ints, missing: Any) -> Any:
    """Return a column, null where a value is missing."""
    import pyarrow

    return pyarrow.array(np.ascontiguousarray(values), mask=missing)
