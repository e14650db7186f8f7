"""Play one run: compose, price, choose an engine, and keep what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as File

import numpy as np

from virtsim.choosing import check_length, choose_engine, engine_of, plays_by_chunks
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import Profile
from virtsim.model.path import Path
from virtsim.outcome import Ints, Job, Outcome, Packets
from virtsim.program import Program, SourceRow
from virtsim.tally import Tally
from virtsim.traffic import ChunkedStream, PacketStream

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Played:
    """One path in one direction on one stream: its tables, what it was asked, what it did.

    ``packets`` is None, and the Outcome has no stamps, if packets were made a chunk at a time.
    """

    program: Program
    packets: Packets | None
    outcome: Outcome
    tally: Tally
    engine: str
    n_warmup: int
    nic_bps: int


def play(
    path: Path,
    direction: str,
    profile: Profile,
    host: Host,
    stream: PacketStream | ChunkedStream,
    *,
    warmup: float = 0.1,
    engine: str = "auto",
    seed: int = 1,
    replication: int = 0,
    trace: bool = False,
    packets_to: File | None = None,
    on_progress: Progress | None = None,
) -> Played:
    """Run a path once.

    Parameters
    ----------
    stream
        The packets; a closed loop or a saturating sender says so in its ``kind``. Those of a
        ``ChunkedStream`` are played a chunk at a time if engine 'vector' may and can do that.
    warmup
        Share of the packets that is played but not measured.
    trace
        Keep every step (for one or a few packets).
    packets_to
        A Parquet file to be written, with a row for each packet.

    Raises
    ------
    InputError
        If the path cannot be composed or priced, or the engine is unknown.
    EngineRefusal
        If the engine cannot play it exactly.
    """
    source = SourceRow("source", 0, stream.kind, stream.outstanding, stream.think_ps)
    program = compose(path, direction, host, profile, source)
    n_warmup = min(int(len(stream) * warmup), len(stream) - 1)
    check_length(program, len(stream), engine, chunked=isinstance(stream, ChunkedStream))
    draws = {"seed": seed, "replication": replication}
    if isinstance(stream, ChunkedStream):
        if not trace and plays_by_chunks(program, engine):
            from virtsim import streaming

            feed = streaming.Feed(program, profile, stream, host.nic_bps, **draws)
            made = streaming.play(feed, n_warmup, packets_to, on_progress)
            return Played(program, None, *made, "vector", n_warmup, host.nic_bps)
        stream = stream.whole()
    packets = _packets(stream)
    prices = price(program, profile, packets, host.nic_bps, **draws)
    name, _ = choose_engine(engine, program, prices, trace=trace)
    outcome = engine_of(name)(program, Job(prices, packets, n_warmup, trace, on_progress))
    counted = _counted(program, outcome, packets.size_b, n_warmup, packets_to)
    return Played(program, packets, outcome, counted, name, n_warmup, host.nic_bps)


def _packets(stream: PacketStream) -> Packets:
    at_ps, size_b = (np.ascontiguousarray(column) for column in (stream.at_ps, stream.size_b))
    return Packets(at_ps, size_b, np.zeros(len(stream), dtype=np.int64))


def _counted(
    program: Program, outcome: Outcome, size_b: Ints, warmup: int, packets_to: File | None
) -> Tally:
    """Return what the stamps come to, and write them to a file if one is wanted."""
    from virtsim.engines.counting import tally
    from virtsim.engines.writing import Writer, ring_names

    with Writer(packets_to, ring_names(program)) as writer:
        writer.take(outcome.arrived_ps, outcome.delivered_ps, outcome.dropped, size_b)
    return tally(outcome, size_b, len(program.rings), warmup)
