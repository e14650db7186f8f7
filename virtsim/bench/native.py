"""The hand-written C loops: compiled on the spot, if there is a C compiler."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from virtsim.bench.answer import Answer, blank
from virtsim.bench.works import WORKS, Work
from virtsim.errors import HostError
from virtsim.outcome import Ints

SOURCES = Path(__file__).parent / "c"
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
COMPILERS = ("cc", "gcc", "clang")
NO_COMPILER = "no C compiler"

Column = ctypes.POINTER(ctypes.c_int64)
"""An array of int64, as C is given it."""

Given = tuple[int, Answer]
"""What a loop gives back: its checksum, and what it wrote."""


class _Work(ctypes.Structure):
    """``struct work`` of work.h."""

    _fields_ = (
        ("rx_n", ctypes.c_int64),
        ("tx_n", ctypes.c_int64),
        ("at", Column),
        ("cost", ctypes.POINTER(Column)),
        ("fate", Column),
        ("count", Column),
    )


class Loops:
    """The compiled loops."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def prepare(self, work: Work) -> Callable[[], Given]:
        """Return a function that plays a work, and does nothing else.

        Its arrays are made here, once: a second call writes where the first one wrote.
        """
        loop = getattr(self._library, work.name.lower())
        loop.restype, loop.argtypes = ctypes.c_uint64, (ctypes.POINTER(_Work),)
        answer = blank(work)
        columns = [work.column(use) for use in range(len(work.program.uses))]
        costs = (Column * len(columns))(*(_column(c) for c in columns))
        received = int((work.job.packets.source == 0).sum()) if len(work.program.sources) > 1 else 0
        at = work.job.packets.at_ps
        asked = _Work(
            received, len(work) - received, _column(at), costs,
            _column(answer.fate), _column(answer.counters),
        )  # fmt: skip
        kept = (at, columns, costs)

        def play() -> Given:
            assert kept
            answer.counters[:] = 0
            return loop(ctypes.byref(asked)), answer

        return play


def read(given: Given) -> Answer:
    """Return the answer of a loop.

    Raises
    ------
    HostError
        If the loop's own checksum is not that of what it wrote.
    """
    checksum, answer = given
    if checksum != answer.checksum:
        want = f"{answer.checksum}, that of the stamps it wrote"
        raise HostError("C loop", f"its checksum is {checksum}", want)
    return answer


def play(loops: Loops, work: Work) -> Answer:
    """Play a work once."""
    return read(loops.prepare(work)())


def compiler() -> list[str] | None:
    """Return the command of the C compiler: ``$CC``, else the first that is there."""
    named = os.environ.get("CC", "").split()
    for words in [named] if named else [[name] for name in COMPILERS]:
        if shutil.which(words[0]):
            return words
    return None


@contextmanager
def compiled() -> Iterator[Loops | str]:
    """Compile the loops for the time of a ``with``; without a compiler give the reason instead."""
    cc = compiler()
    if cc is None:
        yield NO_COMPILER
        return
    with tempfile.TemporaryDirectory(prefix="virtsim-bench-") as folder:
        library = Path(folder) / "loops.so"
        sources = [str(SOURCES / f"{name.lower()}.c") for name in WORKS]
        done = subprocess.run(
            [*cc, *FLAGS, "-o", str(library), *sources], capture_output=True, text=True
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            yield f"{cc[0]} failed: {said[0] if said else f'exit code {done.returncode}'}"
        else:
            yield Loops(library)


def _column(values: Ints) -> ctypes._Pointer[ctypes.c_int64]:
    assert values.dtype == np.int64
    assert values.flags.c_contiguous
    return values.ctypes.data_as(Column)
