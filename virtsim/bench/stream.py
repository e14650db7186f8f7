"""A very long stream, played in a process of its own: how long it takes, and its peak memory."""

from __future__ import annotations

import json
import sys
import time
from fractions import Fraction
from typing import Any

from virtsim.bench.memory import forget_peak, highest, in_process
from virtsim.bench.works import LOADS, SEED, US, work

PACKETS = 10**9
FEW = 1000
"""Packets of the play before, which loads whatever is loaded once."""


def measured(packets: int) -> dict[str, Any] | None:
    """Return seconds, peak and figures of a stream of W2, None if its process failed."""
    return in_process(__name__, str(packets))


def play(packets: int) -> dict[str, Any]:
    """Play W2 with all that is random drawn inside; return its drops and its tail (us)."""
    from virtsim.chance import stream_key
    from virtsim.engines.vector.streams.drawing import Drawn, Exponential
    from virtsim.engines.vector.streams.playing import stream

    served = [
        Exponential(stream_key(SEED, 0, f"bench.W2.serve{i}"), round(load * US))
        for i, load in enumerate(LOADS)
    ]
    feed = Drawn(packets, Exponential(stream_key(SEED, 0, "bench.W2.gap"), US), served)
    _, tally = stream(work("W2", 1).program, feed)
    far = tally.latency.percentile(Fraction(9999, 10_000))
    return {"drops": sum(tally.drops), "p9999_us": None if far is None else far / US}


def main(packets: int) -> None:
    """Play once and print what it took as JSON."""
    play(FEW)
    forget_peak()
    start = time.perf_counter()
    found = play(packets)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": highest(), **found}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
