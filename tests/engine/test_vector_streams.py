"""Streams: the same as a run in memory, in bounded memory, with a histogram."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtsim import chance, histogram
from virtsim.bench.works import work
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import profile
from virtsim.engines import counting, reference, vector
from virtsim.engines.vector import machine
from virtsim.engines.vector.columns import columns_of
from virtsim.engines.vector.streams.drawing import Drawn, Exponential, Table
from virtsim.engines.vector.streams.feeds import Held
from virtsim.engines.vector.streams.playing import reasons, stream
from virtsim.errors import EngineRefusal
from virtsim.outcome import Job, Outcome, Packets, Prices
from virtsim.parts import guest
from virtsim.paths import SHIPPED
from virtsim.program import SourceRow
from virtsim.tally import Tally
from virtsim.testing import Case, one_stage, tandem
from virtsim.testing.laws import Run
from virtsim.testing.streams import pairs, pollers, tandems

SPARE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
US = 1_000_000


STAMPS = ("arrived_ps", "delivered_ps", "dropped")
Come = tuple[dict[str, Any], Tally]
"""What a run comes to: all that is booked, and the tally of its packets."""


def streamed(case: Case, chunk: int, **more: Any) -> Come:
    """Play a case as a stream."""
    feed = Held(case.job.packets, case.job.prices)
    return come(*stream(case.program, feed, warmup=case.job.warmup, chunk=chunk, **more))


def whole(case: Case, run: Run = vector.run) -> Come:
    """Play a case in memory."""
    out = run(case.program, case.job)
    sizes = case.job.packets.size_b
    return come(out, counting.tally(out, sizes, len(case.program.rings), case.job.warmup))


def come(out: Outcome, counted: Tally) -> Come:
    """Return what two runs have to agree on, stamps apart."""
    booked = {k: v for k, v in out.digest().items() if k not in STAMPS}
    return booked | {"window_ps": out.window_ps}, counted


@settings(max_examples=250, deadline=None, suppress_health_check=SPARE)
@given(st.one_of(tandems(), pairs(), pollers()), st.integers(0, 6))
def test_a_stream_comes_to_what_the_reference_says(case: Case, bits: int) -> None:
    """Wherever chunks end: drops, latencies, ledger, states, wake-ups and the end are the same."""
    if vector.refusals(case.program) or reasons(case.program):
        return
    try:
        got = streamed(case, 1 << bits)
    except EngineRefusal as refusal:
        if "do not fit a chunk" in str(refusal):
            return
        raise
    assert got == whole(case, reference.run)


@pytest.mark.parametrize(
    ("name", "direction", "kind"),
    [
        ("vhost-user-ovs", "tx", "saturate"),
        ("vhost-user-ovs", "rx", "open"),
        ("vhost-user-snabb", "pvp", "open"),
        ("sriov", "v2v", "open"),
    ],
)
def test_paths_stream_across_many_chunks(name: str, direction: str, kind: str) -> None:
    """Ten thousand packets in chunks of 4096 come to what one run in memory comes to."""
    path = SHIPPED[name]()
    path = path.swap("guest", guest.dpdk(nic=path.parts[0].options["nic"]))
    book, n = profile("skylake-2018-mitig"), 10_000
    program = compose(path, direction, Host(), book, SourceRow("s", 0, kind))  # type: ignore[arg-type]
    at = np.arange(n) * 400_000 if kind == "open" else np.zeros(n)
    packets = Packets(
        at.astype(np.int64), np.resize([64, 1518, 64], n), np.zeros(n, dtype=np.int64)
    )
    job = Job(price(program, book, packets, 25 * 10**9), packets, n // 10)
    case = Case(program, job)
    assert streamed(case, 4096) == whole(case)


def test_a_stream_is_refused_with_reasons() -> None:
    """Servers that pay for their sleep are no stream, nor is a chunk that is too small."""
    case = one_stage([0, 1], entry=3, wake=2)
    assert reasons(case.program)
    with pytest.raises(EngineRefusal, match="stream") as refusal:
        streamed(case, 16)
    assert refusal.value.reasons
    with pytest.raises(EngineRefusal, match="no packets"):
        streamed(tandem([3], []), 16)


def test_a_stream_is_refused_for_the_prices_that_a_run_is_refused_for() -> None:
    """Who wakes at prices that differ from item to item is no pair, by chunks either."""
    given_work = work("W3", 9)
    case = Case(given_work.program, given_work.job)
    wakes = {use for thread in case.program.threads for use in thread.wake}
    columns = columns_of(case.job.prices, 9)
    unlike = [np.arange(9) + 5 if use in wakes else column for use, column in enumerate(columns)]
    lengths = [len(column) for column in unlike]
    prices = Prices(np.concatenate(unlike), np.cumsum([0, *lengths])[:-1], np.array(lengths) // 9)
    assert streamed(case, 4)
    with pytest.raises(EngineRefusal, match="prices that differ"):
        streamed(Case(case.program, replace(case.job, prices=prices)), 4)


# -- the histogram ---------------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1))
def test_buckets_are_those_of_the_project(value: int) -> None:
    """The kernel's bucket of a value is the one that every reported percentile comes from."""
    mine = counting.bucket(value)
    assert mine == int(histogram.bucket_of(np.array([value]))[0]) < histogram.BUCKETS
    lower, upper = histogram.highest_in(np.array([mine - 1, mine])).tolist()
    assert (lower if mine else -1) < value <= upper


def test_latencies_are_those_of_the_stamps() -> None:
    """Percentiles, mean, least and greatest latency are those of an Outcome's stamps."""
    n = 20_000
    case = two_servers(n)
    out = vector.run(case.program, case.job)
    mine = out.delivered_ps[n // 10 :] - out.arrived_ps[n // 10 :]
    late = mine[out.delivered_ps[n // 10 :] >= 0]
    counted = histogram.Histogram.of(late)
    _, got = streamed(case, 1024)
    assert got.latency == counted
    assert (got.latency.total, got.latency.high) == (sum(late.tolist()), late.max())
    assert got.delivered_measured == len(late)


def test_percentiles_agree_with_hdrhistogram() -> None:
    """The HdrHistogram library, three digits, says the same within the width of a bucket."""
    hdrh = pytest.importorskip("hdrh.histogram")
    case = two_servers(20_000)
    out = vector.run(case.program, case.job)
    _, tally = streamed(case, 4096)
    theirs = hdrh.HdrHistogram(1, 10**13, 3)
    done = np.flatnonzero(out.delivered_ps >= 0)
    for k in done[done >= case.job.warmup]:
        theirs.record_value(int(out.delivered_ps[k] - out.arrived_ps[k]))
    counted, n = tally.latency, tally.delivered_measured
    for rank in (1, n // 2, n * 9 // 10, n * 99 // 100, n - 3, n):  # each rounds shares its own way
        mine = counted.percentile(Fraction(rank, n))
        assert mine is not None
        assert abs(theirs.get_value_at_percentile(100 * rank / n) - mine) <= mine / 1000


def two_servers(n: int) -> Case:
    """Return two servers with drawn services, the second with eight places."""
    words = [chance.draws(1, 0, name, n) for name in "abc"]
    gaps, first, second = (
        np.maximum(chance.exponential_gaps(mean, u), 1)
        for mean, u in zip((US, 8 * US // 10, 9 * US // 10), words, strict=True)
    )
    case = tandem([first.tolist(), second.tolist()], np.cumsum(gaps).tolist())
    rows = case.program.rings
    program = replace(case.program, rings=(rows[0], replace(rows[1], capacity=8)))
    return Case(program, replace(case.job, warmup=n // 10))


# -- draws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [True, False])
@given(key=st.integers(0, 2**64 - 1), mean=st.integers(1, 2**40), start=st.integers(0, 2**40))
def test_draws_are_those_of_chance(compiled: bool, key: int, mean: int, start: int) -> None:
    """Drawn inside, chunk by chunk, a time is the one that ``chance`` draws for its number."""
    n = 9000  # the last step of the exponential comes about twice
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(machine, "available", lambda: False)
        words = np.arange(start, start + n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        words += np.uint64(key)
        chance._mix(words)
        out = np.zeros(n, dtype=np.int64)
        Exponential(key, mean).fill(out, start)
        assert np.array_equal(out, np.maximum(chance.exponential_gaps(mean, words), 1))
        times = chance.scaled(mean, "lognormal", Fraction(1, 2), _every_entry())
        Table(key, times).fill(out, start)
        assert np.array_equal(out, chance.scaled(mean, "lognormal", Fraction(1, 2), words))


def _every_entry() -> chance.Words:
    return np.arange(chance.ENTRIES, dtype=np.uint64) << np.uint64(64 - chance.TABLE_BITS)


def test_what_is_drawn_inside_is_what_is_drawn_beforehand() -> None:
    """A stream with its draws inside comes to what a run on the same draws in memory comes to."""
    n = 5000
    case = two_servers(n)
    keys = [chance.stream_key(1, 0, name) for name in "abc"]
    gap, first, second = (
        Exponential(key, mean)
        for key, mean in zip(keys, (US, 8 * US // 10, 9 * US // 10), strict=True)
    )
    got = stream(case.program, Drawn(n, gap, [first, second]), warmup=n // 10, chunk=512)
    assert come(*got) == whole(case)


# -- packets kept ----------------------------------------------------------------------------------


def test_packets_go_to_a_file(tmp_path: Path) -> None:
    """A row for each packet, null where it has not been; progress is told on the way."""
    parquet = pytest.importorskip("pyarrow.parquet")
    case = two_servers(3000)
    told: list[int] = []
    path = tmp_path / "packets.parquet"
    streamed(case, 512, packets_to=path, on_progress=lambda done, _: told.append(done))
    out = vector.run(case.program, case.job)
    table = parquet.read_table(path).to_pandas()
    assert table.packet.tolist() == list(range(3000))
    assert table.delivered_ps.fillna(-1).astype(int).tolist() == out.delivered_ps.tolist()
    names = [ring.drop or ring.name for ring in case.program.rings]
    assert table.dropped.astype(object).where(table.dropped.notna(), None).tolist() == [
        None if ring < 0 else names[ring] for ring in out.dropped.tolist()
    ]
    assert table.arrived_ps.tolist() == out.arrived_ps.tolist()
    assert told == sorted(told)
    assert told[-1] == 3000
