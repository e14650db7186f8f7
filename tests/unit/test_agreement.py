"""What driver and device agree on decides what is played: rings and notifications fall back."""

from __future__ import annotations

import pytest

from virtsim import paths
from virtsim.compose import Host, compose
from virtsim.compose.agreement import as_agreed
from virtsim.costs import profile
from virtsim.errors import InputError
from virtsim.explain import explain
from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.program import Program
from virtsim.scenario import Scenario
from virtsim.testing import check_laws, isolated, play

PRICES = profile("skylake-2018-mitig")
DIRECTIONS = ("tx", "rx", "pvp", "v2v")
PACKING = ("virtio-qemu", "vhost-user-ovs")
"""Paths whose device offers packed rings; the kernel's worker and Snabb do not."""


def path(name: str, driver: str = "linux", **changes: object) -> Path:
    """Return a path with a guest and with options changed (part__option)."""
    found = paths.path(name).swap("guest", getattr(guest, driver)())
    return found.but({key.replace("__", "."): value for key, value in changes.items()})


def program(made: Path, direction: str = "tx") -> Program:
    """Return the Program of a path."""
    return compose(made, direction, Host(), PRICES)


def modes(made: Path, direction: str = "tx") -> set[str]:
    """Return how notifications of a path's virtqueues are held back."""
    found = program(made, direction)
    return {c.mode for c in found.channels if found.rings[c.ring].virtqueue}


def variants(found: Program) -> set[str]:
    """Return the ops that look at a packed ring."""
    return {use.op.partition(":")[0] for use in found.uses if use.op.endswith(":packed")}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", PACKING)
def test_a_packed_ring_is_played_where_both_sides_have_it(name: str, direction: str) -> None:
    """All ops of the two parts at a packed ring that look at an index are their variants.

    Whatever has such a variant appears as nothing else, in the second guest too; the run keeps all
    laws, and a packet alone is sooner through, as no index line has to come over.
    """
    split, packed = path(name, guest__idle="poll"), path(name, virtqueue__ring="packed")
    packed = packed.but({"guest.idle": "poll"})
    found = program(packed, direction)
    assert found.notes == ()
    assert variants(found)
    assert not variants(found) & {use.op for use in found.uses}
    plain = {use.op for use in program(split, direction).uses}
    assert {use.op.removesuffix(":packed") for use in found.uses} == plain
    runs = [play(each, direction, isolated(6)) for each in (split, packed)]
    for run in runs:
        check_laws(run.program, run.job, run.outcome)
    late = [int((r.outcome.delivered_ps - r.outcome.arrived_ps)[-1]) for r in runs]
    assert late[1] < late[0]


@pytest.mark.parametrize("driver", ["linux", "dpdk"])
@pytest.mark.parametrize("name", ["vhost-net", "vhost-user-snabb"])
def test_a_packed_ring_falls_back_to_a_split_one(name: str, driver: str) -> None:
    """A device that does not offer packed rings has a split one, as in QEMU; a note says so."""
    asked = program(path(name, driver, virtqueue__ring="packed"))
    assert asked.digest == program(path(name, driver)).digest
    (note,) = (note for note in asked.notes if "RING_PACKED" in note)
    assert note.startswith(f"{name}: a split ring, not a packed one")
    assert "not offered by the device" in note


def test_a_packed_ring_of_any_size_has_nothing_to_fall_back_to() -> None:
    """300 descriptors are a packed ring; where it must be split they are refused, with why."""
    odd = {"virtqueue__ring": "packed", "virtqueue__size": 300}
    ring = next(r for r in program(path("vhost-user-ovs", **odd)).rings if r.virtqueue)
    assert ring.capacity == 300
    with pytest.raises(InputError) as caught:
        program(path("vhost-net", **odd))
    assert caught.value.where == "virtqueue.size"
    assert "a power of two" in caught.value.want
    assert "packed rings are not offered by the device" in caught.value.got


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", ["virtio-qemu", "vhost-net"])
def test_the_drivers_decide_how_kicks_are_held_back(name: str, direction: str) -> None:
    """Linux accepts an event index; DPDK's driver does not, so its paths use flags and say so."""
    assert modes(path(name), direction) == {"event"}
    asked = path(name, "dpdk")
    assert modes(asked, direction) == {"flags"}
    assert any("EVENT_IDX: not accepted by the driver" in n for n in program(asked).notes)


def test_where_nobody_is_told_nothing_is_noted() -> None:
    """A switch and a driver that both poll never notify: how they would is no news."""
    found = program(path("vhost-user-ovs", "dpdk"))
    assert found.notes == ()
    assert not any(found.rings[c.ring].virtqueue for c in found.channels)
    assert program(path("vhost-user-ovs", "dpdk", virtqueue__ring="packed")).notes == ()


def test_the_devices_decide_too() -> None:
    """Snabb offers no event index: asked for one, its path uses flags, as it says by itself."""
    asked = path("vhost-user-snabb", virtqueue__suppress="event_idx")
    assert modes(asked) == {"flags"}
    assert program(asked).digest == program(path("vhost-user-snabb")).digest
    assert any("EVENT_IDX: not offered by the device" in note for note in program(asked).notes)
    assert program(path("vhost-user-snabb")).notes == ()


@pytest.mark.parametrize(("suppress", "mode"), [("always", "always"), ("flags", "flags")])
def test_what_needs_no_feature_is_as_asked(suppress: str, mode: str) -> None:
    """Only an event index is negotiated; whatever else a path asks for needs nobody's consent."""
    for driver in ("linux", "dpdk"):
        found = path("vhost-net", driver, virtqueue__suppress=suppress)
        assert modes(found) == {mode}
        assert program(found).notes == ()


def test_a_path_without_a_virtqueue_has_nothing_to_agree_on() -> None:
    """e1000 and a virtual function are no virtio devices."""
    for name in ("e1000", "sriov"):
        assert as_agreed(paths.path(name)) == (paths.path(name), ())


def test_what_fell_away_is_told_before_a_run() -> None:
    """`explain` and every result carry the note."""
    data = {
        "virtsim": 1, "name": "t", "profile": "skylake-2018-mitig", "direction": "tx", "seed": 1,
        "traffic": {"kind": "constant", "rate": "10kpps", "size": "64B", "packets": 10},
        "paths": [{"path": "vhost-net", "but": {"virtqueue.ring": "packed"}}],
    }  # fmt: skip
    found = explain(Scenario.of(data))
    assert any("a split ring, not a packed one" in note for note in found["notes"])
