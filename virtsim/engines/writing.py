"""A row for each packet in a Parquet file, written chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from virtsim.errors import HostError
from virtsim.outcome import Ints


class Writer:
    """Writes packets as they end; without a path it writes nothing.

    A file system's error is a HostError that names the file.

    Columns: ``packet``, ``arrived_ps``, ``delivered_ps`` (null unless delivered), ``dropped`` (the
    ring's number, null unless dropped) and ``size_b``.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._seen = path, 0
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
            "dropped": _column(dropped, dropped < 0),
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
            str(path), f"cannot be written: {error.strerror or error}",
            "a file that can be written, with room on its disk",
        ) from error  # fmt: skip


def _column(values: Ints, missing: Any) -> Any:
    """Return a column, null where a value is missing."""
    import pyarrow

    return pyarrow.array(np.ascontiguousarray(values), mask=missing)
