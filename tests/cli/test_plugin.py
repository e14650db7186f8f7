"""A package of a third party adds a path, a part, prices and traffic to an unchanged virtsim."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtsim import paths
from virtsim.costs import profile
from virtsim.errors import InputError
from virtsim.parts import all_parts
from virtsim.scenario import Scenario, resolve
from virtsim.testing import check_laws, check_path, isolated, play
from virtsim.traffic import all_sources

PACKAGE = Path(__file__).parents[1] / "plugin"
SCENARIO = """\
virtsim: 1
name: plugged
profile: microvm-host
direction: [tx, rx, pvp, v2v]
traffic: {kind: source, source: staircase, options: {steps: 3}, packets: 150}
paths:
  - firecracker
  - name: mine
    parts: [guest.linux, {virtqueue: {kick: kvm.ioeventfd, call: kvm.irqfd}},
            {firecracker.net: {batch: 8}}, tap, bridge, nic]
  - virtio-qemu
seed: 1
"""

pytestmark = pytest.mark.filterwarnings("ignore:plugin '")
"""The package brings broken plugins on purpose."""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the package as an installer does: its file and its entry points on the path."""
    said = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    info = tmp_path / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {said['name']}\nVersion: {said['version']}\n", "utf-8")
    groups = (
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
        for group, entries in said["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(PACKAGE))
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("firecracker", None)


@pytest.fixture
def file(installed: Path) -> Path:
    """Return a scenario that uses everything that the package brings."""
    found = installed / "plugged.yaml"
    found.write_text(SCENARIO, encoding="utf-8")
    return found


# -- as a user sees it -----------------------------------------------------------------------------


def test_paths_lists_it(call, installed: Path) -> None:
    """`paths` shows the path behind the shipped ones, with its part and its directions."""
    code, out, _ = call("paths", "--json")
    assert code == 0
    rows = json.loads(out)
    assert [row["path"] for row in rows] == [*paths.SHIPPED, "firecracker"]
    assert rows[-1]["directions"] == ["tx", "rx", "pvp", "v2v"]
    assert "firecracker" in rows[-1]["parts"]


def test_run_plays_it_beside_the_shipped_ones(call, file: Path) -> None:
    """`run` plays the path, and one of parts with its own part, on its traffic at its prices."""
    code, out, _ = call("run", file, "--json", "--out", file.parent / "results")
    assert code == 0
    data = json.loads(out)
    assert Path(data["results"], "report.html").is_file()
    assert {(run["label"], run["direction"]) for run in data["runs"]} == {
        (label, direction)
        for label in ("firecracker", "mine", "virtio-qemu")
        for direction in ("tx", "rx", "pvp", "v2v")
    }
    for run in data["runs"]:
        assert run["profile"] == "microvm-host"
        assert run["delivered_pps"] > 0
        assert run["in_flight"] == 0


def test_explain_and_walk_tell_of_it(call, file: Path) -> None:
    """`explain` shows its tables and what it agrees on; `walk` follows a packet through it."""
    code, out, _ = call("explain", file, "--json")
    assert code == 0
    data = json.loads(out)
    assert any("firecracker.tx" in line for line in data["programs"]["firecracker (tx)"])
    assert "MRG_RXBUF" in data["features"]["firecracker"]["virtqueue"]["agreed"]
    code, out, _ = call("explain", "firecracker")
    assert code == 0
    assert "firecracker (v2v)" in out
    code, out, _ = call("walk", "firecracker", "--profile", "microvm-host")
    assert code == 0
    assert "tap.write" in out


def test_broken_plugins_are_warnings_that_name_them(installed: Path) -> None:
    """What does not load, makes something else, or takes a shipped name is left out, and named."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        known, parts = paths.all_paths(), all_parts()
    said = [str(each.message) for each in caught]
    assert [(name, why) for name, why in (
        ("'broken-path' (virtsim.paths: firecracker:no_such_path)", "it did not load"),
        ("'no-path' (virtsim.paths: firecracker:staircase)", "it did not load"),
        ("'vhost-net' (virtsim.paths: firecracker:firecracker)", "of that name already"),
        ("'broken.part' (virtsim.parts: no_such_module:part)", "ModuleNotFoundError"),
    ) if not any(name in line and why in line for line in said)] == []  # fmt: skip
    assert len(said) == 4
    assert known["vhost-net"] is paths.SHIPPED["vhost-net"]
    assert not {"broken-path", "no-path"} & set(known)
    assert "broken.part" not in parts


def test_the_command_line_warns_in_one_line_each(installed: Path) -> None:
    """A broken plugin does not stop a command: a line on stderr, the listing on stdout, code 0."""
    places = os.pathsep.join([str(installed), str(PACKAGE)])
    done = subprocess.run(
        [sys.executable, "-c", "from virtsim.cli import main; main()", "paths"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": places},
    )  # fmt: skip
    assert "firecracker: virtio-net in Firecracker's VMM thread" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("warning: plugin '") for line in lines)


def test_what_a_plugin_refuses_is_told_at_its_place(installed: Path) -> None:
    """A bad option, an unknown one, a source that fails, a misspelling: one message at its key.

    Whatever the plugin raised.
    """
    good = {
        "virtsim": 1, "name": "t", "profile": "microvm-host", "direction": "tx", "seed": 1,
        "traffic": {"kind": "constant", "rate": "1Mpps", "size": "64B", "packets": 9},
        "paths": ["firecracker"],
    }  # fmt: skip
    queue = {"virtqueue": {"kick": "kvm.ioeventfd", "call": "kvm.irqfd"}}

    def mine(**options: object) -> list[object]:
        parts = ["guest.linux", queue, {"firecracker.net": options}, "tap", "nic"]
        return [{"name": "mine", "parts": parts}]

    staircase = {"kind": "source", "source": "staircase", "packets": 9}
    for changes, where, got in (
        ({"paths": mine(batch=0)}, "paths[0].parts[2].firecracker.net.batch", "batches of 0"),
        ({"paths": mine(burst=1)}, "paths[0].parts[2].firecracker.net.burst", "has no option"),
        ({"paths": ["fire"]}, "paths[0]", "there is no path 'fire'"),
        ({"profile": "microvm"}, "profile", "'microvm' is not a profile"),
        ({"traffic": staircase | {"source": "stairs"}}, "traffic.source", "no source 'stairs'"),
        ({"traffic": staircase | {"options": {"steps": 0}}}, "traffic.options", "ZeroDivision"),
        ({"traffic": staircase | {"options": {"up": 1}}}, "traffic.options", "TypeError"),
    ):
        with pytest.raises(InputError) as caught:
            resolve(Scenario.of(good | changes))
        assert caught.value.where.endswith(where)
        assert got in caught.value.got
        if got.startswith(("there is no path", "'microvm'", "no source")):
            assert "Did you mean" in str(caught.value.hint) or "one of" in caught.value.want


def test_without_the_package_its_names_are_unknown() -> None:
    """What is not installed is refused as any other name: nothing is left behind."""
    assert "firecracker" not in paths.all_paths()
    assert "firecracker.net" not in all_parts()
    assert "staircase" not in all_sources()
    with pytest.raises(InputError):
        profile("microvm-host")


# -- and it is Firecracker -------------------------------------------------------------------------


def test_counts_of_an_isolated_packet(installed: Path) -> None:
    """As virtio-qemu, but one copy in, no bottom half behind a second wait, interrupts by eventfd.

    Out: a kick (1 exit) wakes the VMM (1 switch): epoll_wait, eventfd, writev, a write() to the
    irqfd: 4 calls, one copy. In: epoll_wait, read, write() to the irqfd, read for EAGAIN: 4, one
    copy instead of QEMU's two.
    """
    made = paths.path("firecracker").but({"guest.idle": "poll"})
    common = {"calls": 1, "interrupts": 1, "context_switches": 1, "syscalls": 4, "copies": 1}
    check_path(made, "tx", common | {"exits": 1, "exits_user": 0, "kicks": 1})
    check_path(made, "rx", common | {"exits": 0, "kicks": 0})


@pytest.mark.parametrize("direction", ["tx", "rx", "pvp", "v2v"])
def test_laws_hold(installed: Path, direction: str) -> None:
    """Time, money and packets are conserved and order is kept, alone and under load."""
    made = paths.path("firecracker")
    for at in (isolated(10), [300_000 * (i + 1) for i in range(600)]):
        run = play(made, direction, at)
        check_laws(run.program, run.job, run.outcome)


def test_one_interrupt_decision_for_all_that_is_there(installed: Path) -> None:
    """32 frames that wait in the queue together are 32 writes and one interrupt decision.

    With batches of 8 there are four. (QEMU decides for every packet.)
    """
    made = paths.path("firecracker").but({"guest.idle": "poll"})
    at = [0] * 32
    prices = profile("skylake-2018-mitig").override({"wake.sched": "200us"}, "test")
    for batch, decisions in ((32768, 1), (8, 4)):
        run = play(made.but({"firecracker.batch": batch}), "tx", at, prices=prices, trace=True)
        decided = [
            e for e in run.outcome.trace
            if e.what == "decide" and e.ring == "virtqueue.tx" and dict(e.detail)["forward"] == 0
        ]  # fmt: skip
        assert run.ops["tap.write"] == 32
        assert len(decided) == decisions
