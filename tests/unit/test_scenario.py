"""Scenarios: what a file says, and the runs that it comes to."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from virtsim.errors import InputError
from virtsim.model.ring import Notify
from virtsim.scenario import (
    RunSpec,
    from_compare,
    json_schema,
    load,
    resolve,
    resolved_yaml,
    to_yaml,
)

STATES = "[{rate: 100kpps, stay: 1ms}, {rate: 2Mpps, stay: 50us}]"
SIX = ("e1000", "virtio-qemu", "vhost-net", "vhost-user-ovs", "vhost-user-snabb", "sriov")
SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
BASE = """\
virtsim: 1
name: t
profile: skylake-2018-mitig
direction: tx
traffic: {kind: poisson, rate: 1Mpps, size: 64B, packets: 100}
paths: [vhost-net]
seed: 1
"""


def runs(folder: Path, text: str = "", old: str = "", new: str = "") -> tuple[RunSpec, ...]:
    """Resolve the small scenario with lines added and one text replaced."""
    file = folder / "s.yaml"
    file.write_text(BASE.replace(old, new) + text + "\n", encoding="utf-8")
    return resolve(load(file))


def call(run: RunSpec) -> Notify:
    """Return how the device notifies the guest."""
    queue = next(p for p in run.path.parts if p.name == "virtqueue")
    notify = queue.options["call"]
    assert isinstance(notify, Notify)
    return notify


def option(run: RunSpec, name: str) -> object:
    """Return an option of a run's path by its dotted name."""
    part, _, key = name.partition(".")
    return next(p for p in run.path.parts if p.name == part).options[key]


def test_the_committed_schema_is_the_generated_one() -> None:
    """scenario/schema.json is what json_schema() returns."""
    text = resources.files("virtsim.scenario").joinpath("schema.json").read_text("utf-8")
    assert json.loads(text) == json_schema()


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda f: f.stem)
def test_shipped_scenarios_resolve_and_name_their_schema(file: Path) -> None:
    """Each shipped scenario resolves, and its first line names the schema for editors."""
    first = file.read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../virtsim/scenario/schema.json"
    assert resolve(load(file))


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda f: f.stem)
def test_the_resolved_form_comes_to_the_same_runs(file: Path, tmp_path: Path) -> None:
    """A scenario's resolved form, loaded again, comes to equal runs and the same resolved form."""
    scenario = load(file)
    again = tmp_path / "resolved.yaml"
    again.write_text(resolved_yaml(scenario, tmp_path), "utf-8")
    assert resolve(load(again)) == resolve(scenario)
    assert resolved_yaml(load(again), tmp_path) == again.read_text("utf-8")
    again.write_text(resolved_yaml(scenario), "utf-8")
    assert resolve(load(again)) == resolve(scenario)


def test_resolved_form_fills_defaults_and_spells_sweeps(tmp_path: Path) -> None:
    """The resolved form has every default, and each value of a sweep; units stay text."""
    file = tmp_path / "s.yaml"
    file.write_text(BASE + "sweep: {traffic.rate: {from: 1Mpps, to: 2Mpps, steps: 3}}\n", "utf-8")
    text = resolved_yaml(load(file))
    assert "traffic.rate: [1Mpps, 1.5Mpps, 2Mpps]" in text
    for line in ("replications: 1", "warmup: 10%", "rate: 1Mpps", "nic: 25Gbps"):
        assert line in text


def test_a_run_for_each_of_everything(tmp_path: Path) -> None:
    """Points x paths x directions x replications runs; the last swept key runs fastest."""
    text = "replications: 2\nsweep: {traffic.size: [64B, 1518B], guest.queue: [64, 128, 256]}"
    found = runs(tmp_path, text, "direction: tx", "direction: [tx, rx]")
    assert len(found) == 6 * 2 * 2
    points = list(dict.fromkeys(tuple(run.point.items()) for run in found))
    assert points[0] == (("traffic.size", "64B"), ("guest.queue", "64"))
    assert points[1] == (("traffic.size", "64B"), ("guest.queue", "128"))
    assert {run.traffic.size_b for run in found} == {64, 1518}
    assert [option(run, "virtqueue.size") for run in found[::4]] == [64, 128, 256] * 2


def test_runs_can_be_sent_to_another_process(tmp_path: Path) -> None:
    """A run survives pickling, and makes the same packets afterwards."""
    for run in runs(tmp_path, "replications: 2", "direction: tx", "direction: [tx, rx]"):
        again = pickle.loads(pickle.dumps(run))
        assert again == run
        assert (again.stream().at_ps == run.stream().at_ps).all()


def test_every_path_sees_the_same_packets(tmp_path: Path) -> None:
    """Packets depend on seed and replication, never on the path."""
    found = runs(tmp_path, "replications: 2", "[vhost-net]", "[vhost-net, virtio-qemu]")
    first, second, other, _ = (run.stream().at_ps for run in found)
    assert (first == other).all()
    assert (first != second).any()


def test_ranges(tmp_path: Path) -> None:
    """A range is even in its values or their logarithms, and keeps unit and whole numbers."""
    linear = runs(tmp_path, "sweep: {traffic.rate: {from: 0.1Mpps, to: 2Mpps, steps: 20}}")
    assert [run.point["traffic.rate"] for run in linear][:3] == ["0.1Mpps", "0.2Mpps", "0.3Mpps"]
    log = runs(tmp_path, "sweep: {guest.queue: {from: 64, to: 1024, steps: 5, scale: log}}")
    assert [run.point["guest.queue"] for run in log] == ["64", "128", "256", "512", "1024"]
    sizes = runs(tmp_path, "sweep: {traffic.size: {from: 64B, to: 1518B, steps: 4}}")
    assert [run.point["traffic.size"] for run in sizes] == ["64B", "549B", "1033B", "1518B"]


def test_what_may_be_swept(tmp_path: Path) -> None:
    """Profiles, prices, the host and an option of every path can be swept."""
    text = (
        "sweep: {profile: [haswell-2014, modern-2022], costs.exit.light: [900ns],"
        " host.nic: [10Gbps], but.vhost.spin: [5us], placement.vcpu0: [3]}"
    )
    for run in runs(tmp_path, text):
        assert run.profile.name == run.point["profile"]
        assert run.profile.cost("exit.light").value == 900
        assert run.host.nic_bps == 10**10
        assert option(run, "vhost.spin") == "5us"
        assert run.host.placement == {"vcpu0": 3}


def test_guest_and_host_apply_to_all_paths_but_wins(tmp_path: Path) -> None:
    """The guest and the host change every path of the file; ``but`` has the last word."""
    text = "guest: {driver: pktgen, burst: 8, queue: 512, idle: poll}\nhost: {apicv: false}"
    entry = "{path: vhost-net, label: b, but: {guest.burst: 4, virtqueue.call: kvm.irqfd}}"
    plain, changed = runs(tmp_path, text, "[vhost-net]", f"[virtio-qemu, {entry}]")
    assert (option(plain, "guest.burst"), option(changed, "guest.burst")) == (8, 4)
    assert option(plain, "virtqueue.size") == option(changed, "virtqueue.size") == 512
    assert option(changed, "guest.idle") == "poll"
    assert call(plain).intrude == ("irq.deliver_noapicv",)
    assert call(plain).send == ("irq.signal_msi",)
    assert call(changed).intrude == ()


@pytest.mark.parametrize("driver", ["linux", "pktgen", "dpdk"])
def test_a_guest_of_the_file_keeps_each_paths_nic(tmp_path: Path, driver: str) -> None:
    """``guest.driver`` replaces the guest of every path, and not the NIC that it drives."""
    paths = f"[{', '.join(SIX)}, {{name: m, parts: [{{guest.linux: {{nic: vf}}}}, vf]}}]"
    found = runs(tmp_path, f"guest: {{driver: {driver}, idle: poll}}", "[vhost-net]", paths)
    assert [option(run, "guest.nic") for run in found] == ["e1000", *["virtio"] * 4, "vf", "vf"]
    assert {run.path.parts[0].made_by.__name__ for run in found} == {driver}
    assert {option(run, "guest.idle") for run in found} == {"poll"}


def test_a_generator_receives_as_linux_does() -> None:
    """In rx a pktgen guest is a Linux guest: the generator is a sender, and nothing else."""
    pktgen, linux = (
        resolve(from_compare(SIX, direction=["rx"], sets=guest | {"guest.idle": "poll"}))
        for guest in ({"guest.driver": "pktgen"}, {"guest.driver": "linux"})
    )
    assert [run.program().digest for run in pktgen] == [run.program().digest for run in linux]


def test_an_own_guest_stands_unless_the_file_has_another(tmp_path: Path) -> None:
    """A path's own DPDK guest keeps its options, also under options that the file sets for all."""
    own = "[{name: m, parts: [{guest.dpdk: {burst: 16, nic: vf}}, vf]}]"
    (run,) = runs(tmp_path, "", "[vhost-net]", own)
    assert (option(run, "guest.burst"), option(run, "guest.nic")) == (16, "vf")
    (run,) = runs(tmp_path, "guest: {driver: dpdk, idle: poll}", "[vhost-net]", own)
    assert option(run, "guest.burst") == 16
    (run,) = runs(tmp_path, "guest: {driver: dpdk, burst: 8}", "[vhost-net]", own)
    assert option(run, "guest.burst") == 8


def test_the_files_queue_is_whatever_ring_the_nic_has(tmp_path: Path) -> None:
    """``guest.queue`` is the length of the virtqueues, of e1000's rings, of a function's rings."""
    found = runs(tmp_path, "guest: {queue: 1024}", "[vhost-net]", f"[{', '.join(SIX)}]")
    rings = {"e1000": "e1000.ring", "sriov": "vf.ring"}
    assert {option(run, rings.get(run.label, "virtqueue.size")) for run in found} == {1024}


def test_apicv_is_every_devices(tmp_path: Path) -> None:
    """``host.apicv`` reaches the interrupts of all devices: virtio's, e1000's, a function's.

    A function's are remapped then: VT-d posts to the page that APICv reads.
    """
    for run in runs(tmp_path, "host: {apicv: false}", "[vhost-net]", f"[{', '.join(SIX)}]"):
        part = {"e1000": "e1000", "sriov": "vf"}.get(run.label)
        apicv = option(run, f"{part}.apicv") if part else not call(run).intrude
        assert apicv is False
        assert part != "vf" or option(run, "vf.interrupts") == "remapped"


def test_directions_say_where_packets_come_from(tmp_path: Path) -> None:
    """In rx and pvp they come by the link, spaced by it; in tx and v2v a guest sends them."""
    text = "direction: [tx, rx, pvp, v2v]"
    tx, rx, pvp, v2v = runs(tmp_path, "guest: {driver: dpdk}", "direction: tx", text)
    assert [run.direction for run in (tx, rx, pvp, v2v)] == ["tx", "rx", "pvp", "v2v"]
    assert (tx.stream().at_ps == v2v.stream().at_ps).all()
    assert (rx.stream().at_ps == pvp.stream().at_ps).all()
    assert any(note.startswith("pvp: arrivals are") for note in pvp.notes)
    kinds = [run.source.kind for run in runs(
        tmp_path, "", f"{BASE.splitlines()[3]}\n{BASE.splitlines()[4]}",
        f"{text}\ntraffic: {{kind: saturate, size: 64B, packets: 9}}",
    )]  # fmt: skip
    assert kinds == ["saturate", "open", "open", "saturate"]


def test_without_apicv_a_call_that_is_never_made_stays_so(tmp_path: Path) -> None:
    """``apicv`` leaves a virtqueue without calls as it is."""
    entry = "[{path: vhost-user-ovs, but: {virtqueue.call: never}}]"
    (run,) = runs(tmp_path, "host: {apicv: false}", "[vhost-net]", entry)
    assert call(run) == Notify("never")


def test_forward_none_ends_at_the_tap(tmp_path: Path) -> None:
    """``forward: none`` cuts a path behind its tap; one without a tap stays whole."""
    tap, ovs = runs(tmp_path, "host: {forward: none}", "[vhost-net]", "[vhost-net, vhost-user-ovs]")
    assert [part.name for part in tap.path.parts][-1] == "tap"
    assert [part.name for part in ovs.path.parts][-1] == "nic"


def test_paths_of_parts(tmp_path: Path) -> None:
    """A path can be put together in YAML as in Python."""
    parts = (
        "[{name: mine, parts: [{guest.pktgen: {burst: 16}}, {virtqueue: {size: 1024, kick:"
        " {kvm.ioeventfd: {by: port}}, call: never}}, {vhost.worker: {batch: 16}}, tap, nic]}]"
    )
    (run,) = runs(tmp_path, "", "[vhost-net]", parts)
    assert run.label == "mine"
    assert [p.name for p in run.path.parts] == ["guest", "virtqueue", "vhost", "tap", "nic"]
    assert option(run, "vhost.batch") == 16
    assert option(run, "virtqueue.kick") == Notify("ioeventfd", "driver", send=("kick.vcpu",))


def test_a_thread_that_a_path_lacks_is_not_placed(tmp_path: Path) -> None:
    """Placement names the threads of all paths; each path takes its own, and what is for all."""
    text = "placement: {vhost: 3, pmd: 4, pmd_node: 1, snabb: 5, vcpu0.b: 6, memory_node: 1}"
    vhost, ovs = runs(tmp_path, text, "[vhost-net]", "[vhost-net, vhost-user-ovs]")
    both = {"memory_node": 1}
    assert {"vhost": 3, **both}.items() <= vhost.host.placement.items()
    assert {"pmd": 4, "pmd_node": 1, **both}.items() <= ovs.host.placement.items()
    assert not {"pmd", "pmd_node", "snabb"} & set(vhost.host.placement)
    assert not {"vhost", "snabb"} & set(ovs.host.placement)


def test_saturate_in_rx_is_a_full_link(tmp_path: Path) -> None:
    """In rx a saturating source is the link at its rate, and the notes say so."""
    tx, rx = runs(
        tmp_path, "", "direction: tx\ntraffic: {kind: poisson, rate: 1Mpps,",
        "direction: [tx, rx]\ntraffic: {kind: saturate,",
    )  # fmt: skip
    assert (tx.source.kind, rx.source.kind) == ("saturate", "open")
    assert (tx.stream().kind, rx.stream().kind) == ("saturate", "open")
    spacing = Fraction((64 + 20) * 8 * 10**12, 25 * 10**9)
    assert rx.stream().at_ps[-1] == round(99 * spacing)
    assert tx.notes == ()
    assert "full link" in rx.notes[0]


def test_rx_arrivals_are_spaced_by_the_link(tmp_path: Path) -> None:
    """In rx no frame's last bit comes sooner after the last than the frame takes; tx is free."""
    tx, rx = runs(tmp_path, "host: {nic: 1Gbps}", "direction: tx", "direction: [tx, rx]")
    wire_ps = (64 + 20) * 8 * 1000
    assert np.diff(tx.stream().at_ps).min() < wire_ps
    assert np.diff(rx.stream().at_ps).min() >= wire_ps
    assert (rx.stream().at_ps >= tx.stream().at_ps).all()
    assert rx.notes


def test_traffic_kinds(tmp_path: Path) -> None:
    """Every kind of traffic resolves, with the source that plays it."""
    for said, kind in (
        ("{kind: constant, rate: 1Mpps, size: 64B}", "open"),
        ("{kind: onoff, rate: 1Mpps, size: 64B, burst: 8, duty: 20%}", "open"),
        (f"{{kind: mmpp, states: {STATES}, size: 64B}}", "open"),
        ("{kind: imix, rate: 1Mpps}", "open"),
        ("{kind: request, size: 64B, outstanding: 4, think: 5us}", "closed"),
    ):
        old = "{kind: poisson, rate: 1Mpps, size: 64B, packets: 100}"
        (run,) = runs(tmp_path, "", old, said)
        assert run.source.kind == run.stream().kind == kind
        assert run.source.outstanding == run.stream().outstanding
        assert run.source.think_ps == run.stream().think_ps
        assert len(run.stream()) == run.packets == 10_000
        again = tmp_path / "resolved.yaml"
        again.write_text(resolved_yaml(load(tmp_path / "s.yaml")), "utf-8")
        assert resolve(load(again)) == (run,)


def test_a_capture_is_found_beside_its_scenario() -> None:
    """A capture's name is relative to the scenario file; its packets are as many as asked for."""
    file = next(file for file in SCENARIOS if file.stem == "backends")
    run = resolve(load(file))[0]
    assert len(run.stream()) == run.packets == 4000
    assert run.stream().label == "pcap:http_mix.pcap"


@pytest.mark.parametrize("said", ["10%", "0.1"])
def test_warmup_is_a_share(tmp_path: Path, said: str) -> None:
    """A warm-up is a share, with or without a percent sign."""
    assert runs(tmp_path, f"warmup: {said}")[0].warmup == 0.1


def test_compare_makes_a_scenario_without_a_file(tmp_path: Path) -> None:
    """The command line's comparison is a scenario that can be saved and loaded."""
    sets = {"exit.light": "900ns", "guest.idle": "poll"}
    scenario = from_compare(["vhost-net", "virtio-qemu"], rate="1Mpps", sets=sets)
    found = resolve(scenario)
    assert [run.label for run in found] == ["vhost-net", "virtio-qemu"]
    assert found[0].profile.cost("exit.light").value == 900
    assert option(found[0], "guest.idle") == "poll"
    saved = tmp_path / "saved.yaml"
    saved.write_text(to_yaml(scenario), "utf-8")
    assert resolve(load(saved)) == found


def test_compare_blames_the_command_line() -> None:
    """Without a file an error stands on the command line."""
    with pytest.raises(InputError) as caught:
        from_compare(["vhost-net"], rate="5")
    assert caught.value.where == "command line  traffic.rate"
    with pytest.raises(InputError) as caught:
        from_compare(["vhost-net"], sets={"exit.lite": "1ns"})
    assert caught.value.hint == "Did you mean 'exit.light'?"


def test_a_changed_scenario_is_checked_again(tmp_path: Path) -> None:
    """``but`` gives a scenario with another value, or says what is wrong with it."""
    scenario = from_compare(["vhost-net"], rate="1Mpps")
    assert resolve(scenario.but({"seed": 7}))[0].seed == 7
    with pytest.raises(InputError) as caught:
        scenario.but({"seed": -7})
    assert caught.value.where == "command line  seed"


def test_an_error_that_no_swept_value_names_says_the_point(tmp_path: Path) -> None:
    """What is wrong at one point of a sweep only says which point."""
    with pytest.raises(InputError) as caught:
        runs(tmp_path, "host: {cstates: [C1E]}\nsweep: {host.forward: [none]}", ": tx", ": rx")
    assert caught.value.where.endswith("sweep.host.forward[0]")
    with pytest.raises(InputError) as caught:
        runs(tmp_path, "sweep: {traffic.packets: [100, 1000000000]}", "1Mpps", "1pps")
    assert caught.value.where.endswith("traffic.rate (at traffic.packets=1000000000)")
