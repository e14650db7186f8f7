"""The entry: a Program, a feed, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from virtsim.engines.counting import Counter
from virtsim.engines.vector import chain, pair, pollers, tandem
from virtsim.engines.vector.streams.feeds import Feed
from virtsim.engines.writing import Writer, ring_names
from virtsim.errors import EngineRefusal
from virtsim.outcome import Ints, Outcome, Prices
from virtsim.program import Program
from virtsim.tally import Tally

KINDS = (tandem, pair, pollers)
CHUNK = 1 << 16


def reasons(program: Program) -> list[str]:
    """Return why a Program cannot be played as a stream; none means that it can."""
    common = [*chain.reasons(program)]
    if common:
        return common
    accepted = [kind for kind in KINDS if not any(kind.reasons(program))]
    if not accepted:
        return ["threads are woken: only what is polled, or never told, is played by chunks"]
    return min(([*_stream_reasons(kind, program)] for kind in accepted), key=len)


def _stream_reasons(kind: ModuleType, program: Program) -> Iterator[str]:
    if kind is not pollers:
        return
    order = chain.rings_in_order(program)
    for i in order[1:]:
        if not program.rings[i].capacity:
            yield f"{program.rings[i].name} may hold any number of packets"


def stream(
    program: Program,
    feed: Feed,
    *,
    warmup: int = 0,
    chunk: int = CHUNK,
    packets_to: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Outcome, Tally]:
    """Play a Program on a feed in bounded memory, and return what it comes to.

    Parameters
    ----------
    feed
        The packets with their prices.
    warmup
        Packets that are played but not measured.
    chunk
        Packets held at a time, a power of two: at least as many as may be under way at once.
    packets_to
        A Parquet file to be written, a row for each packet.
    on_progress
        Told how many packets have ended, of how many.

    Returns
    -------
    Outcome
        Without stamps.
    Tally
        What the stamps come to.

    Raises
    ------
    EngineRefusal
        If the Program cannot be played as a stream, or more packets are under way than a chunk.
    """
    why = reasons(program) if feed.n else ["there are no packets"]
    kinds = [kind for kind in KINDS if not any(kind.reasons(program))]
    if not why:
        why = [*_price_reasons(kinds[0], program, feed)]
    if why:
        raise EngineRefusal(
            program.name, "engine 'vector' cannot play it as a stream", "rings of limited size",
            reasons=why,
        )  # fmt: skip
    counter = Counter(len(program.rings), warmup)
    with Writer(packets_to, ring_names(program)) as writer:
        done = 0

        def sink(arrived: Ints, delivered: Ints, dropped: Ints, sizes: Ints) -> None:
            nonlocal done
            counter.take(arrived, delivered, dropped, sizes)
            writer.take(arrived, delivered, dropped, sizes)
            done += len(arrived)
            if on_progress:
                on_progress(done, feed.n)

        outcome = kinds[0].stream(program, feed, warmup, chunk, sink)
    return outcome, counter.tally()


def _price_reasons(kind: ModuleType, program: Program, feed: Feed) -> Iterator[str]:
    """Yield what a kind cannot play at these prices: two packets tell which of them differ."""
    if hasattr(kind, "price_reasons"):
        columns = feed.chunk(0, min(2, feed.n)).columns
        offset = np.cumsum([0, *(len(column) for column in columns)])[:-1]
        step = np.array([int(len(column) > 1) for column in columns])
        yield from kind.price_reasons(program, Prices(np.concatenate(columns), offset, step))
