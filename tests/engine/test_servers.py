"""Devices that serve several packets side by side."""

import heapq
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim.engines.reference import run
from virtsim.errors import EngineRefusal
from virtsim.program import SourceRow
from virtsim.testing import Case, Rows, check_laws


def device(at_ps: list[int], servers: int, service: int, room: int = 0) -> Case:
    """Return a device with so many servers behind one ring."""
    rows = Rows("device")
    ring = rows.ring(room)
    thread = rows.thread(wait="always", host_cpu=False)
    work = rows.use("service", service, busy=False)
    rows.woken(rows.stage(thread, ring, work, servers=servers), ring, mode="flags")
    rows.source(ring)
    return rows.case(at_ps)


@pytest.mark.parametrize(("outstanding", "servers"), [(1, 4), (3, 4), (4, 4), (8, 4), (32, 8)])
def test_closed_loop_through_parallel_servers(outstanding: int, servers: int) -> None:
    """N outstanding on k servers of S: the i-th of all ends at S x ceil(i / min(N, k)).

    min(N, k) packets are in service at any time and end together; whoever ends lets the next one
    come at once.
    """
    case = device([0] * 50, servers, 100)
    loop = SourceRow("loop", 0, "closed", outstanding)
    case = Case(replace(case.program, sources=(loop,)), case.job)
    out = run(case.program, case.job)
    abreast = min(outstanding, servers)
    assert out.delivered_ps.tolist() == [100 * -(-i // abreast) for i in range(1, 51)]


@given(
    gaps=st.lists(st.integers(0, 60), min_size=1, max_size=40),
    servers=st.integers(1, 5),
    service=st.integers(1, 100),
)
def test_parallel_servers_are_first_come_first_served(
    gaps: list[int], servers: int, service: int
) -> None:
    """Each packet starts when it has come and a server is free, in the order of arrival."""
    at_ps = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    case = device(at_ps, servers, service)
    out = run(case.program, case.job)
    check_laws(case.program, case.job, out)
    free = [0] * servers
    ends = []
    for at in at_ps:
        end = max(at, heapq.heappop(free)) + service
        heapq.heappush(free, end)
        ends.append(end)
    assert out.delivered_ps.tolist() == ends


def test_host_thread_has_no_parallel_servers() -> None:
    """Servers side by side are a device's: a CPU that serves two packets at once is refused."""
    case = device([0], 2, 10)
    cpu = replace(case.program.threads[0], host_cpu=True)
    with pytest.raises(EngineRefusal, match="a device's"):
        run(replace(case.program, threads=(cpu,)), case.job)
