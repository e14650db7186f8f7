"""The shipped scenarios of pvp and v2v, at a reduced size: they run, and say what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from virtsim import experiment
from virtsim.scenario import load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SIX = ["e1000", "virtio-qemu", "vhost-net", "vhost-user-ovs", "vhost-user-snabb", "sriov"]
KERNEL, POLLED = SIX[:3], SIX[3:]


def runs(name: str, packets: int) -> list[dict[str, Any]]:
    """Return all runs of a shipped scenario with fewer packets."""
    scenario = load(SCENARIOS / f"{name}.yaml").but({"traffic.packets": packets})
    return experiment.run(scenario, workers=1).summaries


@pytest.fixture(scope="module")
def pvp() -> list[dict[str, Any]]:
    """Return the runs of pvp.yaml."""
    return runs("pvp", 600)


@pytest.fixture(scope="module")
def v2v() -> list[dict[str, Any]]:
    """Return the runs of v2v.yaml."""
    return runs("v2v", 400)


def at(found: list[dict[str, Any]], key: str, **point: str) -> dict[str, Any]:
    """Return a figure by path at one point of the sweep (dots written __)."""
    wanted = {name.replace("__", "."): value for name, value in point.items()}
    mine = [run for run in found if run["point"] == wanted]
    assert [run["label"] for run in mine] == SIX
    return {run["label"]: run[key] for run in mine}


def test_every_path_and_guest_is_played(pvp: list[Any], v2v: list[Any]) -> None:
    """Six paths, two guests and three loads each; what was offered is delivered, dropped or held.

    That time and money reconcile is checked by every run, or it fails.
    """
    for found, direction in ((pvp, "pvp"), (v2v, "v2v")):
        assert len(found) == 6 * 2 * 3
        assert {run["direction"] for run in found} == {direction}
        for run in found:
            assert run["in_flight"] == 0
            assert run["delivered_pps"] > 0


def test_a_polling_host_forwards_what_a_kernel_cannot(pvp: list[Any]) -> None:
    """At 1 Mpps into a polling guest, a switch in userspace or a function delivers all of it.

    The kernel's worker moves each packet twice and delivers about two thirds, QEMU and an emulated
    NIC less than half.
    """
    delivered = at(pvp, "delivered_pps", guest__driver="dpdk", traffic__rate="1Mpps")
    assert all(delivered[path] == pytest.approx(1e6, rel=0.01) for path in POLLED)
    assert all(delivered[path] < 0.75e6 for path in KERNEL)
    assert delivered["vhost-net"] > max(delivered["e1000"], delivered["virtio-qemu"])


def test_a_bridging_guest_levels_the_polled_paths(pvp: list[Any]) -> None:
    """At 4 Mpps a guest that bridges in its kernel is the limit on all three polled paths."""
    polling = at(pvp, "delivered_pps", guest__driver="dpdk", traffic__rate="4Mpps")
    bridging = at(pvp, "delivered_pps", guest__driver="linux", traffic__rate="4Mpps")
    for path in POLLED:
        assert 0.9e6 < bridging[path] < 1.4e6
        assert polling[path] > 2 * bridging[path]


def test_more_under_way_is_more_throughput_and_more_latency(v2v: list[Any]) -> None:
    """In a closed loop the rate grows with what is under way, until a thread is saturated.

    N = rate x latency holds at every point (here the loop thinks for no time).
    """
    for run in v2v:
        n = int(run["point"]["traffic.outstanding"])
        seconds = run["latency_ns"]["mean"] * 1e-9
        assert run["offered_pps"] * seconds == pytest.approx(n, rel=0.2)
    for driver in ("dpdk", "linux"):
        rates = [
            at(v2v, "delivered_pps", guest__driver=driver, traffic__outstanding=n)
            for n in ("1", "8", "64")
        ]
        for path in SIX:
            first, second, third = (rate[path] for rate in rates)
            assert first < second <= third * 1.05


def test_one_thread_between_two_guests_is_quickest(v2v: list[Any]) -> None:
    """One packet at a time: a poller that serves both guests beats two workers that wake up.

    Between polling guests it beats the NIC's switch too: memory is nearer than PCIe.
    """
    found = at(v2v, "delivered_pps", guest__driver="dpdk", traffic__outstanding="1")
    for polled in ("vhost-user-ovs", "vhost-user-snabb"):
        assert found[polled] > found["sriov"]
        assert all(found[polled] > 5 * found[path] for path in KERNEL)
    latency = at(v2v, "latency_ns", guest__driver="dpdk", traffic__outstanding="64")
    assert latency["sriov"]["p50"] < min(latency[path]["p50"] for path in SIX[:5])
