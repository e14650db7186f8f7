"""How far a run has come, on the terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

LONG = 15_000
"""Packets that take the reference engine about two seconds."""


class Progress:
    """A progress bar on stderr for runs that take longer than about two seconds.

    It is called with packets finished and packets in all. Between two calls a spinner and a clock
    go on, as a run in another process only reports its end.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._since = 0.0

    def __enter__(self) -> Progress:
        self._since = time.monotonic()
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show how far it has come."""
        late = total > LONG or time.monotonic() - self._since > 1.0
        if self._bar is None and late and sys.stderr.isatty():
            self._start(total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def _start(self, total: int) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("packets {task.completed:,.0f} of {task.total:,.0f}"),
            progress.BarColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
