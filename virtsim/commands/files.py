"""Files that commands write."""

from __future__ import annotations

import tempfile
from pathlib import Path

from virtsim.errors import HostError


def probe(out: Path, option: str = "--out") -> None:
    """Find out before a long run whether its results can be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        got, want = f"cannot write results: {error.strerror}", "a directory that can be written"
        raise HostError(str(out), got, want, f"choose another with {option}") from error


def write(path: Path, text: str) -> None:
    """Write a text file, or say why it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(
            str(path), f"cannot be written: {error.strerror}", "a writable file"
        ) from error
