"""What stamps come to: counted by a kernel, by columns, in chunks, or one by one, the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtsim.engines import counting, reference
from virtsim.histogram import Histogram
from virtsim.outcome import Outcome
from virtsim.tally import Tally
from virtsim.testing import one_stage

N_RINGS = 3
# How a packet ended: when after its arrival it was delivered, or the ring that dropped it; -1 is
# in flight, and -2 was never sent.
ends = st.one_of(
    st.integers(0, 2**50).map(lambda late: (late, -1)),
    st.integers(0, N_RINGS - 1).map(lambda ring: (-1, ring)),
    st.just((-1, -1)),
    st.just((-2, -1)),
)
packets = st.lists(st.tuples(st.integers(0, 2**40), ends, st.integers(64, 1518)), max_size=40)
Packets = list[tuple[int, tuple[int, int], int]]
EMPTY = reference.run(one_stage([0]).program, one_stage([0]).job)


def outcome_of(given: Packets) -> tuple[Outcome, np.ndarray]:
    """Return an Outcome with these stamps, and sizes."""
    arrived = [-1 if late == -2 else at for at, (late, _), _ in given]
    delivered = [at + late if late >= 0 else -1 for at, (late, _), _ in given]
    dropped = [ring for _, (_, ring), _ in given]
    columns = [np.array(x, dtype=np.int64) for x in (arrived, delivered, dropped)]
    stamps = dict(zip(("arrived_ps", "delivered_ps", "dropped"), columns, strict=True))
    return replace(EMPTY, **stamps), np.array([b for *_, b in given], dtype=np.int64)


def one_by_one(given: Packets, warmup: int) -> Tally:
    """Count as a person would: the packets that arrived, in the order of their arrival."""
    when = [-1 if late == -2 else at for at, (late, _), _ in given]
    order = sorted(range(len(given)), key=lambda k: when[k])
    window = [k for k in order if when[k] >= 0][warmup:]
    mine = [given[k] for k in window if given[k][1][0] >= 0]
    times = [at + late for at, (late, _), _ in mine]
    lost = [ring for _, (late, ring), _ in given if late < 0 and ring >= 0]
    done = sum(late >= 0 for _, (late, _), _ in given)
    return Tally(
        n=len(given),
        delivered=done,
        in_flight=len(given) - done - len(lost),
        drops=tuple(lost.count(ring) for ring in range(N_RINGS)),
        measured=len(window),
        delivered_measured=len(mine),
        bytes_measured=sum(b for *_, b in mine),
        first_ps=min(times, default=-1),
        last_ps=max(times, default=-1),
        latency=Histogram.of(np.array([late for _, (late, _), _ in mine], dtype=np.int64)),
    )


@pytest.fixture(params=["kernel", "columns"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count by the kernel, or by columns as where no compiler is."""
    if request.param == "columns":
        monkeypatch.setattr(counting, "available", lambda: False)
    elif not counting.available():
        pytest.skip("there is no compiler")


@pytest.mark.usefixtures("way")
def test_any_stamps_come_to_what_a_person_counts() -> None:
    """In whatever order packets arrive, delivered, dropped, in flight or never sent."""

    @settings(deadline=None)
    @given(packets, st.integers(0, 45))
    def check(given: Packets, warmup: int) -> None:
        out, sizes = outcome_of(given)
        assert counting.tally(out, sizes, N_RINGS, warmup) == one_by_one(given, warmup)

    check()


@pytest.mark.usefixtures("way")
def test_chunks_of_any_size_come_to_the_same() -> None:
    """Where a stream is cut does not matter."""

    @settings(deadline=None)
    @given(packets, st.integers(0, 45), st.integers(1, 9))
    def check(given: Packets, warmup: int, chunk: int) -> None:
        sent = sorted(p for p in given if p[1][0] != -2)
        out, sizes = outcome_of(sent)
        counter = counting.Counter(N_RINGS, warmup)
        for k in range(0, len(sent), chunk):
            part = slice(k, k + chunk)
            counter.take(
                out.arrived_ps[part], out.delivered_ps[part], out.dropped[part], sizes[part]
            )
        assert counter.tally() == counting.tally(out, sizes, N_RINGS, warmup)

    check()


@pytest.mark.parametrize("alike", [np.array([64]), np.broadcast_to(np.int64(64), 5)])
@pytest.mark.usefixtures("way")
def test_one_size_stands_for_all(alike: np.ndarray) -> None:
    """A column of sizes that are all alike may be one number."""
    out, _ = outcome_of([(k, (7, -1), 64) for k in range(5)])
    assert counting.tally(out, alike, N_RINGS, 2).bytes_measured == 3 * 64


@pytest.mark.usefixtures("way")
def test_sums_do_not_overflow() -> None:
    """Millions of packets, each years late, have the mean that they have."""
    n, late = 70_000, 1 << 60
    stamps = (np.zeros(n, dtype=np.int64), np.full(n, late), np.full(n, -1))
    counter = counting.Counter(N_RINGS, 0)
    counter.take(*stamps, np.array([64]))
    assert counter.tally().latency.mean == late
