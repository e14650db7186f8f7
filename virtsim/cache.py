"""What was worked out before, kept in files: where Python keeps its own, or with the user.

A file holds the digest of its key and data, then the data. One that was cut short, or was made from
something else, is as good as none; so is one that cannot be read or written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def load(name: str, key: bytes) -> bytes | None:
    """Return what was stored under a name with just this key, None if nothing was."""
    for place in _places():
        try:
            digest, data = _split((place / name).read_bytes())
        except OSError:
            continue
        if digest == _digest(key, data):
            return data
    return None


def store(name: str, key: bytes, data: bytes) -> None:
    """Keep data under a name, in place of what was kept there, wherever it can be written."""
    for place in _places():
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            _write(place / name, _digest(key, data) + data)
            return


def _places() -> Iterator[Path]:
    yield Path(__file__).parent / "__pycache__"
    home = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if os.path.isabs(home):  # it is not where nobody knows whose home this would be
        yield Path(home) / "virtsim"


def _digest(key: bytes, data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(key).digest() + data).digest()


def _split(kept: bytes) -> tuple[bytes, bytes]:
    size = hashlib.sha256().digest_size
    return kept[:size], kept[size:]


def _write(file: Path, kept: bytes) -> None:
    """Write a file whole or not at all."""
    # Imported here: who only reads is quicker without it.
    import tempfile

    handle, scratch = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as into:
            into.write(kept)
        os.replace(scratch, file)
    except BaseException:
        os.unlink(scratch)
        raise
