"""Directions and paths on the command line: all paths by default, all directions by name."""

import json

import pytest

from virtsim.engines.compiling.machine import available

SIX = ["e1000", "virtio-qemu", "vhost-net", "vhost-user-ovs", "vhost-user-snabb", "sriov"]
SMALL = ("--rate", "100kpps", "--packets", 60, "--no-around", "--json")


@pytest.mark.parametrize("direction", ["tx", "rx", "pvp", "v2v"])
def test_compare_takes_all_paths_by_default(call, direction: str) -> None:
    """`compare` without paths compares the six that are shipped, in any direction."""
    code, out, _ = call("compare", *SMALL, "--direction", direction)
    assert code == 0
    runs = json.loads(out)["runs"]
    assert [run["path"] for run in runs] == SIX
    assert {run["direction"] for run in runs} == {direction}
    assert all(run["delivered_pps"] > 0 for run in runs)


def test_compare_takes_the_paths_that_it_is_given(call) -> None:
    """Paths that are named are those, in their order; a DPDK guest stands in each of them."""
    words = ("compare", "sriov", "vhost-net", *SMALL, "--set", "guest.driver=dpdk")
    code, out, _ = call(*words)
    assert code == 0
    assert [run["path"] for run in json.loads(out)["runs"]] == ["sriov", "vhost-net"]


def test_paths_says_in_which_directions_each_can_be_played(call) -> None:
    """`paths` lists the directions in which a path composes; a Linux guest bridges, so all four."""
    code, out, _ = call("paths", "--json")
    assert code == 0
    found = {row["path"]: row["directions"] for row in json.loads(out)}
    assert all(found[name] == ["tx", "rx", "pvp", "v2v"] for name in SIX)
    _, out, _ = call("paths")
    assert "[tx, rx, pvp, v2v]\n" in out


def test_paths_says_which_engine_covers_what(call) -> None:
    """Reference and stepper play everything; 'vector' at least what is polled from end to end."""
    _, out, _ = call("paths", "--json")
    found = {row["path"]: row["engines"] for row in json.loads(out)}
    every = {guest: ["tx", "rx", "pvp", "v2v"] for guest in ("linux", "dpdk", "pktgen")}
    for name in SIX:
        assert found[name]["reference"].keys() == every.keys()
        if available():
            assert found[name]["stepper"] == found[name]["reference"]
    for name in ("vhost-user-ovs", "vhost-user-snabb", "sriov"):
        assert {"tx", "rx"} <= set(found[name]["vector"]["dpdk"])
    _, out, _ = call("paths")
    assert "vector with guest dpdk (tx, rx, pvp, v2v)" in out


def test_explain_of_a_path_is_in_all_its_directions(call) -> None:
    """`explain PATH` shows what is played in each direction."""
    code, out, _ = call("explain", "sriov", "--json")
    assert code == 0
    programs = json.loads(out)["programs"]
    assert list(programs) == [f"sriov ({d})" for d in ("tx", "rx", "pvp", "v2v")]


def test_a_guest_that_cannot_is_refused_with_what_could(call) -> None:
    """A generator has no way through: one message, code 2, and the guests that have one."""
    words = ("compare", *SMALL, "--direction", "pvp", "--set", "guest.driver=pktgen")
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "guest.pktgen forwards nothing" in err
    assert "guest.linux bridges" in err
