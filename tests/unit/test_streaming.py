"""Runs by chunks: packets, prices and figures are those of the same run in memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtsim import choosing, ledger, paths
from virtsim.compose import Host, compose
from virtsim.costing import columns_of
from virtsim.costs import profile
from virtsim.engines.compiling.machine import available
from virtsim.errors import EngineRefusal, HostError, InputError
from virtsim.experiment import run
from virtsim.model.path import Path as Chain
from virtsim.parts import guest
from virtsim.running import play
from virtsim.scenario import from_compare
from virtsim.summary import summarize
from virtsim.traffic import ChunkedStream, chunked

RATE, NIC = Fraction(3_000_000), 25 * 10**9
MADE = {
    "constant": lambda n: chunked.constant(RATE, 64, n),
    "poisson": lambda n: chunked.poisson(RATE, 64, n, seed=3, replication=1),
    "onoff": lambda n: chunked.onoff(RATE, 64, n, seed=3, burst=Fraction(5)),
    "imix": lambda n: chunked.imix(RATE / 2, n, seed=3),
    "saturate": lambda n: chunked.saturate(1518, n),
    "poisson, by the link": lambda n: chunked.spaced(chunked.poisson(RATE * 9, 64, n, 3), NIC),
    "imix, by the link": lambda n: chunked.spaced(chunked.imix(RATE * 3, n, seed=3), NIC),
}
BOOK = profile("skylake-2018-mitig").override(
    {
        "ovsdpdk.emc": {"value": "26ns", "dist": "lognormal", "cv": 2},
        "vhostuser.deq_byte": {"value": "0.055ns/B", "dist": "gamma", "cv": "0.5"},
    },
    "test",
)


def ovs() -> Chain:
    """Return OVS-DPDK with a DPDK guest."""
    return paths.path("vhost-user-ovs").swap("guest", guest.dpdk(nic="virtio"))


@pytest.mark.parametrize("name", MADE)
@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 200), size=st.integers(1, 60))
def test_wherever_a_stream_is_cut_its_packets_are_the_same(name: str, n: int, size: int) -> None:
    """Chunk by chunk the packets are those of the stream in memory."""
    stream = MADE[name](n)
    whole = stream.whole()
    at_ps, size_b = (np.concatenate(x) for x in zip(*stream.chunks(size), strict=True))
    assert np.array_equal(at_ps, whole.at_ps)
    assert np.array_equal(size_b, whole.size_b)


@given(start=st.integers(0, 90), n=st.integers(1, 9))
def test_prices_of_a_chunk_are_those_of_the_run(start: int, n: int) -> None:
    """A price is drawn by the packet's number and paid by its size, wherever a chunk begins."""
    stream = chunked.imix(RATE, 100, seed=3).whole()
    program = compose(ovs(), "tx", Host(), BOOK)
    draws = {"seed": 1, "replication": 2}
    whole = columns_of(program, BOOK, stream.size_b, NIC, **draws)
    mine = columns_of(
        program, BOOK, stream.size_b[start : start + n], NIC, **draws, start=start, alike=False
    )
    for all_of_them, some in zip(whole, mine, strict=True):
        each = np.broadcast_to(all_of_them, 100)[start : start + n]
        assert np.array_equal(np.broadcast_to(some, len(each)), each)


@pytest.mark.skipif(not available(), reason="numba is not installed")
@pytest.mark.parametrize("direction", ["tx", "rx", "pvp", "v2v"])
@pytest.mark.parametrize("name", ["constant", "poisson", "onoff", "imix", "saturate"])
def test_a_run_by_chunks_has_the_figures_of_the_run_in_memory(name: str, direction: str) -> None:
    """All figures and the ledger, over several chunks: arrivals, sizes, draws and the window."""
    n = 140_000
    stream = MADE[name](n)
    if direction in ("rx", "pvp"):
        if name == "saturate":
            pytest.skip("a full link is a constant rate")
        stream = chunked.spaced(stream, NIC)
    args = (ovs(), direction, BOOK, Host())
    by_chunks = play(*args, stream, seed=5)
    held = play(*args, stream.whole(), seed=5)
    assert by_chunks.packets is None
    assert held.engine == by_chunks.engine == "vector"
    assert by_chunks.tally == held.tally
    assert summarize(by_chunks) == summarize(held)
    first, second = (list(ledger.rows(p.program, p.outcome)) for p in (by_chunks, held))
    assert first == second


def test_what_cannot_go_by_chunks_is_held() -> None:
    """Where the engine asked for needs all packets, they are made at once."""
    stream = chunked.poisson(RATE / 10, 64, 500, seed=1)
    args = (paths.path("vhost-net"), "tx", BOOK, Host())
    assert summarize(play(*args, stream)) == summarize(play(*args, stream.whole()))
    polled = (ovs(), "tx", BOOK, Host())
    assert play(*polled, stream, engine="reference").packets is not None


@pytest.mark.parametrize("packets", [0, 10**9 + 1])
def test_a_stream_has_packets_and_not_too_many(packets: int) -> None:
    """From one to a thousand million."""
    with pytest.raises(InputError, match="1 to 1000000000"):
        ChunkedStream(packets, chunked.saturate(64, 1).make, "none")


def test_a_run_that_is_too_long_is_refused_before_any_is_played() -> None:
    """A path whose threads are woken has to be in memory: the message says how much that is."""
    long = from_compare(("vhost-net",), rate="1Mpps", packets=10**8, profile=BOOK.name)
    with pytest.raises(EngineRefusal, match=r"at most (10000000|2000000) a run of vhost-net"):
        run(long)


def test_stamps_of_a_long_run_go_to_a_file_or_nowhere() -> None:
    """What no memory holds is not kept as rows: the message names the option that writes it."""
    if not available():
        pytest.skip("numba is not installed")
    long = from_compare(("vhost-user-ovs",), rate="1Mpps", packets=10**8, profile=BOOK.name)
    with pytest.raises(InputError, match="packets-to"):
        run(long.but({"guest": {"driver": "dpdk"}}), packets=True)


# -- packets that are written ----------------------------------------------------------------------


def test_every_packet_goes_to_a_file(tmp_path: Path) -> None:
    """A file for each run of a typical price, with the packets of ``Result.packets``."""
    parquet = pytest.importorskip("pyarrow.parquet")
    both = from_compare(("vhost-net", "sriov"), rate="20Mpps", packets=900, profile=BOOK.name)
    result = run(both.but({"direction": "rx"}), packets=True, packets_to=tmp_path / "new")
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == ["0000-vhost-net-rx.parquet", "0001-sriov-rx.parquet"]
    assert result.packets.dropped.notna().any()
    for i, file in enumerate(files):
        table = parquet.read_table(file).to_pandas()
        kept = result.packets[result.packets.run == i].reset_index(drop=True)
        lost = table.dropped.notna()
        assert lost.equals(kept.dropped.notna())
        assert table.dropped[lost].tolist() == kept.dropped[lost].tolist()
        numbers = [name for name in table if name != "dropped"]
        assert table[numbers].fillna(-1).astype(int).eq(kept[numbers]).all(axis=None)


def test_a_file_that_cannot_be_written_is_the_environment_s_fault(tmp_path: Path) -> None:
    """One message that names the file; nothing half written is left under its name."""
    (tmp_path / "file").write_text("in the way")
    stream = chunked.poisson(RATE, 64, 50, seed=1)
    where = tmp_path / "file" / "packets.parquet"
    with pytest.raises(HostError, match=r"packets\.parquet"):
        play(ovs(), "tx", BOOK, Host(), stream, packets_to=where)


def test_without_a_compiler_long_runs_go_by_chunks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are lists then, of which no more are held than the reference holds packets."""
    monkeypatch.setattr(choosing, "available", lambda: False)
    assert choosing.held() == choosing.held("reference") < choosing.MOST_PACKETS["vector"]
    program = compose(ovs(), "tx", Host(), BOOK)
    choosing.check_length(program, 10**9, chunked=True)
    with pytest.raises(EngineRefusal, match="at most 2000000"):
        choosing.check_length(program, 2_000_001, chunked=False)
