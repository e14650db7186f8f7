"""Peak memory of one play, measured in a process of its own.

The kernel keeps the highest resident size of a process (``VmHWM`` of ``/proc/self/status``), and
sets it back when asked to. Where there is no such file the highest size of the process since it
began is taken (``getrusage``).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SMALL = 200
"""Packets of the play before, which loads whatever is loaded once."""


def peak(work: str, player: str, packets: int) -> dict[str, float | None]:
    """Return the peak of one play in a process of its own, and what of it was not there before.

    Both in MB, and None if that process failed.
    """
    found = in_process(__name__, work, player, str(packets))
    return found or {"peak_mb": None, "own_mb": None}


def in_process(module: str, *args: str) -> dict[str, Any] | None:
    """Run a module in a process of its own; return the JSON it prints, None if it failed."""
    command = [sys.executable, "-m", module, *args]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def resident(key: str) -> float | None:
    """Return a size of this process from its status (MB)."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith(f"{key}:")]
    return int(sizes[0]) / 1024 if sizes else None


def forget_peak() -> None:
    """Let the highest resident size begin at the present one, if the kernel allows."""
    try:
        RESET.write_text("5")
    except OSError:
        return


def highest() -> float:
    """Return the highest resident size of this process (MB)."""
    now = resident("VmHWM")
    if now is not None:
        return now
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main(work: str, player: str, packets: int) -> None:
    """Play once and print the peak as JSON."""
    from virtsim.bench import native
    from virtsim.bench.players import Player, players
    from virtsim.bench.works import work as make
    from virtsim.choosing import ENGINES

    with native.compiled() as loops:
        everybody = {p.name: p for p in players(ENGINES, loops)}
        one = everybody[player]
        assert isinstance(one, Player), one
        one.prepare(make(work, SMALL))()
        given = make(work, packets)
        play = one.prepare(given)
        forget_peak()
        before = resident("VmRSS")
        kept = play()
        most = highest()
        assert kept is not None
    print(json.dumps({"peak_mb": most, "own_mb": None if before is None else most - before}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
