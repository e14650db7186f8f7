"""Families of bad scenario files: each is refused at its place, in words that help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from virtsim.costs import Profile, profile
from virtsim.errors import InputError
from virtsim.model import path as model
from virtsim.model.stage import Stage
from virtsim.paths import path as path_by_name
from virtsim.scenario import load, resolve

BASE = """\
virtsim: 1
name: t
profile: skylake-2018-mitig
direction: tx
traffic: {kind: poisson, rate: 1Mpps, size: 64B, packets: 100}
paths: [vhost-net]
seed: 1
"""
OWN = (
    "{name: m, parts: [guest.linux, "
    "{virtqueue: {kick: kvm.ioeventfd, call: kvm.irqfd}}, vhost.worker, tap, nic]}"
)

Case = tuple[str, str, str, str]


def refusal(folder: Path, text: str) -> InputError:
    """Return the error for a scenario file, its own name left out of ``where``."""
    file = folder / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        resolve(load(file))
    error = caught.value
    return InputError(error.where.replace(f"{file}", "bad.yaml"), error.got, error.want, error.hint)


def edited(edit: str) -> str:
    """Return the good scenario with one text replaced: ``old => new``, or with lines added."""
    old, arrow, new = edit.partition(" => ")
    if not arrow:
        return BASE + edit + "\n"
    assert old in BASE
    return BASE.replace(old, new)


def but(option: str) -> str:
    """Return the edit that changes an option of the path."""
    return f"[vhost-net] => [{{path: vhost-net, but: {{{option}}}}}]"


def own(old: str, new: str) -> str:
    """Return the edit that gives the scenario a path of parts, one of them changed."""
    assert old in OWN
    return f"[vhost-net] => [{OWN.replace(old, new, 1)}]"


KEYS: list[Case] = [
    ("seed: 1 => sed: 1", "bad.yaml:7:1  sed", "there is no key 'sed'", "one of virtsim, name"),
    ("seed: 1 => ", "bad.yaml:1:1", "the key 'seed' is missing", "all of virtsim, name"),
    ("virtsim: 1 => virtsim: 2", "bad.yaml:1:1  virtsim", "2 is not known here", "1"),
    ("name: t => name: ../t", "bad.yaml:2:1  name", "'../t' is not a name", "letters, digits"),
    ("mitig => mitigated", "bad.yaml:3:1  profile", "is not a profile", "one of haswell-2014"),
    ("tx => [tx, v2w]", "bad.yaml:4:17  direction[1]", "'v2w' is not a direction", "pvp, v2v"),
    ("tx => [tx, tx]", "bad.yaml:4:17  direction[1]", "'tx' is there twice", "each direction once"),
    ("tx => both", "bad.yaml:4:1  direction", "'both' is not a direction", "one of tx, rx, pvp"),
    ("tx => []", "bad.yaml:4:1  direction", "no direction", "some of tx, rx, pvp, v2v"),
    ("seed: 1 => seed: -1", "bad.yaml:7:1  seed", "-1 is too little", "at least 0"),
    ("seed: 1 => seed: '1'", "bad.yaml:7:1  seed", "'1' is not a whole number", "a whole number"),
    ("replications: 0", "bad.yaml:8:1  replications", "0 is too little", "at least 1"),
    ("replications: 1001", "bad.yaml:8:1  replications", "1001 is too much", "at most 1000"),
    ("warmup: 100%", "bad.yaml:8:1  warmup", "a share of 100%", "less than 100%"),
    ("warmup: -1", "bad.yaml:8:1  warmup", "'-1' is negative", "a number without a unit"),
]

TRAFFIC: list[Case] = [
    ("1Mpps => 1000", "bad.yaml:5:26  traffic.rate", "'1000' has no unit", "a packet rate"),
    ("1Mpps => 1mpps", "bad.yaml:5:26  traffic.rate", "'mpps' is not a known unit", "Mpps"),
    ("1Mpps => 64B", "bad.yaml:5:26  traffic.rate", "is a size, not a packet rate", "Mpps"),
    ("64B => 64", "bad.yaml:5:39  traffic.size", "'64' has no unit", "such as 64B"),
    ("64B => -64B", "bad.yaml:5:39  traffic.size", "'-64B' is negative", "such as 64B"),
    ("64B => 10B", "bad.yaml:5:39  traffic.size", "a frame of 10B", "64B to 65549B"),
    ("64B => 1MiB", "bad.yaml:5:39  traffic.size", "a frame of 1MiB", "64B to 65549B"),
    ("64B => [64B]", "bad.yaml:5:39  traffic.size", "is not a quantity", "such as 64B"),
    ("packets: 100 => packets: 0", "bad.yaml:5:50  traffic.packets", "too little", "at least 1"),
    ("packets: 100 => packets: 1e3", "bad.yaml:5:50  traffic.packets", "is not a whole", "a whole"),
    ("1Mpps => 0.000001pps", "bad.yaml:5:26  traffic.rate", "100 packets take 1e+08 s", "72057 s"),
    ("poisson => poison", "bad.yaml:5:11  traffic.kind", "is not a kind of traffic", "poisson"),
    ("kind: poisson, => ", "bad.yaml:5:1  traffic.kind", "there is no kind", "kind: poisson"),
    (
        "poisson => imix",
        "bad.yaml:5:36  traffic.size",
        "there is no key 'size'",
        "one of kind, rate",
    ),
]

PATHS: list[Case] = [
    ("[vhost-net] => [vhostnet]", "bad.yaml:6:9  paths[0]", "no path 'vhostnet'", "virtio-qemu"),
    ("[vhost-net] => []", "bad.yaml:6:1  paths", "the list is empty", "at least one item"),
    ("[vhost-net] => vhost-net", "bad.yaml:6:1  paths", "is not a list", "a list"),
    ("[vhost-net] => [5]", "bad.yaml:6:9  paths[0]", "5 is not a path", "{path: name"),
    (
        "[vhost-net] => [vhost-net, vhost-net]",
        "bad.yaml:6:20  paths[1]",
        "a second path called 'vhost-net'",
        "each label once",
    ),
    (
        "[vhost-net] => [{path: vhost-net, lable: x}]",
        "bad.yaml:6:27  paths[0].lable",
        "there is no key 'lable'",
        "one of path, label, but",
    ),
]

BUT: list[Case] = [
    ("vhost.spinn: 5us", "vhost.spinn", "part 'vhost' has no option 'spinn'", "weight_b, spin"),
    ("vhost.tx.spin: 50", "vhost.tx.spin", "'50' has no unit", "650ns or 1.9us"),
    ("vhost.batch: many", "vhost.batch", "'many' is not a whole number", "a whole number"),
    ("vhost.batch: true", "vhost.batch", "True is not a whole number", "a whole number"),
    ("guest.idle: spin", "guest.idle", "'spin' is not one of its values", "one of halt, poll"),
    ("vost.spin: 5us", "vost.spin", "has no part 'vost'", "one of guest, virtqueue, vhost"),
    ("spin: 5us", "spin", "'spin' names no option", "part.option"),
    ("virtqueue.size: 300", "virtqueue.size", "a split ring of 300", "a power of two"),
    ("virtqueue.size: 16", "virtqueue.size", "a Linux tx ring of 16", "at least 32"),
    ("virtqueue.kick: kvm.ioevent", "virtqueue.kick", "no notification 'kvm.ioevent'", "never"),
    ("virtqueue.kick: 5", "virtqueue.kick", "5 is not that", "a name, or one name with"),
]

PARTS: list[Case] = [
    (own("vhost.worker, ", ""), ":93  paths[0].parts[2]", "begins with a skb", "same kind of seam"),
    (
        own("tap", "tapp"),
        ":107  paths[0].parts[3]",
        "there is no part 'tapp'",
        "one of guest.linux",
    ),
    (own("tap,", "tap, tap,"), ":112  paths[0].parts[4]", "a second part named 'tap'", "each name"),
    (own("tap,", "[tap],"), ":107  paths[0].parts[3]", "['tap'] is not a part", "a name"),
    (own("tap,", "{tap: {queue: 0}},"), ":114  paths[0].parts[3].tap.queue", "of 0", "at least 1"),
    (
        own("tap,", "{tap: {que: 1}},"),
        ":114  paths[0].parts[3].tap.que",
        "no option 'que'",
        "queue",
    ),
    (own("tap,", "{tap: {queue: a}},"), ":114  paths[0].parts[3].tap.queue", "'a' is not", "whole"),
    (own("kick: kvm.ioeventfd", "kick: never"), ":9  paths[0]", "never come", "a kick (tx)"),
    (own("kick:", "size: 16, kick:"), "parts[1].virtqueue.size", "ring of 16", "at least 32"),
    (own("kick:", "size: 99, kick:"), "parts[1].virtqueue.size", "ring of 99", "a power of two"),
    (
        own("call: kvm.irqfd", "call: {kvm.irqfd: {apic: no}}"),
        "parts[1].virtqueue.call.kvm.irqfd.apic",
        "kvm.irqfd has no option 'apic'",
        "one of apicv, by",
    ),
]

SETTING: list[Case] = [
    ("guest: {vcpus: 2}", ":8:9  guest.vcpus", "a guest with 2 vCPUs", "1; more are not there yet"),
    ("guest: {driver: vpp}", ":8:9  guest.driver", "'vpp' is not known", "linux, pktgen, dpdk"),
    ("guest: {queue: 300}", ":8:9  guest.queue", "a split ring of 300", "a power of two"),
    ("guest: {queue: 16}", ":8:9  guest.queue", "a Linux tx ring of 16", "at least 32"),
    ("guest: {idel: halt}", ":8:9  guest.idel", "guest.linux has no option 'idel'", "nic, idle"),
    ("guest: {idle: spin}", ":8:9  guest.idle", "'spin' is not one of", "one of halt, poll"),
    ("guest: {halt_poll: 200}", ":8:9  guest.halt_poll", "'200' has no unit", "650ns"),
    ("guest: {burst: 8}", ":8:9  guest.burst", "has no option 'burst'", "one of nic, idle"),
    ("host: {nic: 25}", ":8:8  host.nic", "'25' has no unit", "such as 25Gbps"),
    ("host: {nic: 25Gpps}", ":8:8  host.nic", "is a packet rate, not a bit rate", "25Gbps"),
    ("host: {forward: brdige}", ":8:8  host.forward", "'brdige' is not", "one of bridge, none"),
    ("host: {cstates: [C1, C9]}", ":8:22  host.cstates[1]", "no idle state 'C9'", "some of C1"),
    ("host: {apicv: 1}", ":8:8  host.apicv", "1 is not true or false", "true or false"),
    ("placement: {vcpu: 1}", ":8:13  placement.vcpu", "no thread 'vcpu'", "pmd, qemu, qemu.b"),
    ("placement: {vcpu0: -1}", ":8:13  placement.vcpu0", "-1 is too little", "at least 0"),
    ("placement: {vcpu0: 1.5}", ":8:13  placement.vcpu0", "1.5 is not a whole", "a whole number"),
    ("placement: {pmd_nod: 1}", ":8:13  placement.pmd_nod", "no thread 'pmd_nod'", "some of"),
    ("placement: {pdm_node: 1}", ":8:13  placement.pdm_node", "no thread 'pdm'", "pmd_node, qemu"),
    ("placement: {nic_node: 8}", ":8:13  placement.nic_node", "there is no node 8", "0 to 7"),
    ("placement: {vhost_node: -1}", ":8:13  placement.vhost_node", "too little", "at least 0"),
    ("placement: {nic: 3}", ":8:13  placement.nic", "is a device", "its node, nic_node"),
    (
        "placement: {vcpu0: 2, vhost: 2, vhost_node: 1}",
        ":8:33  placement.vhost_node",
        "core 2 would be on node 0 for vcpu0 and on node 1 for vhost",
        "one node for the threads of one core",
    ),
    (
        "[vhost-net] => [vhost-user-ovs]\nguest: {idle: poll}\nplacement: {vcpu0: 1, pmd: 1}",
        ":8:23  placement.pmd",
        "core 1 is shared by vcpu0 and pmd, which both poll: each would burn it",
        "a core of its own",
    ),
    (
        "sweep: {placement.pmd_node: [0, 9]}",
        ":8:33  sweep.placement.pmd_node[1]",
        "there is no node 9",
        "0 to 7",
    ),
    (
        "costs: {exit.lite: 1ns}",
        ":8:9  costs.exit.lite",
        "'exit.lite' has no price",
        "an operation",
    ),
    ("costs: {exit.light: 900}", ":8:9  costs.exit.light", "'900' has no unit", "650ns"),
    ("costs: {exit.light: 900B}", ":8:9  costs.exit.light", "is a size, not a time", "650ns"),
    (
        "costs: {exit.light: {value: 1ns, dist: gama}}",
        ":8:9  costs.exit.light",
        "'gama' is not a distribution",
        "one of constant",
    ),
    ("costs: [a]", ":8:1  costs", "['a'] is not a mapping", "a mapping"),
]

SWEEPS: list[Case] = [
    ("traffic.size: []", ":9  sweep.traffic.size", "the list is empty", "at least one item"),
    ("traffic.size: 64B", ":9  sweep.traffic.size", "'64B' is not a mapping", "keys out of from"),
    ("traffic.size: [64B, 64B]", ":29  sweep.traffic.size[1]", "is there twice", "each value once"),
    ("traffic.size: [64B, 5B]", ":29  sweep.traffic.size[1]", "a frame of 5B", "64B to 65549B"),
    ("traffic.sise: [64B]", ":24  sweep.traffic.sise[0]", "there is no key 'sise'", "rate, size"),
    (
        "guest.queue: [256, 300]",
        ":28  sweep.guest.queue[1]",
        "a split ring of 300",
        "a power of two",
    ),
    ("but.vhost.spin: [0us, 5]", ":31  sweep.but.vhost.spin[1]", "'5' has no unit", "650ns"),
    ("costs.exit.lit: [1ns]", ":26  sweep.costs.exit.lit[0]", "has no price", "an operation"),
    ("profile: [a]", ":19  sweep.profile[0]", "'a' is not a profile", "one of haswell-2014"),
    ("seed: [1, 2]", ":9  sweep.seed", "'seed' cannot be swept", "profile, or a dotted key"),
    ("traffic: [1]", ":9  sweep.traffic", "'traffic' cannot be swept", "profile, or a dotted key"),
    (
        "traffic.rate: {from: 1Mpps, to: 2kpps, steps: 3}",
        ":37  sweep.traffic.rate.to",
        "'2kpps' is not in 'Mpps'",
        "one unit for both ends",
    ),
    (
        "traffic.rate: {from: 1Mpps, to: 2Mpps, steps: 1}",
        ":48  sweep.traffic.rate.steps",
        "1 is too little",
        "at least 2",
    ),
    (
        "traffic.rate: {from: 1Mpps, steps: 4}",
        ":9  sweep.traffic.rate",
        "the key 'to' is missing",
        "all of from, to, steps",
    ),
    (
        "traffic.rate: {from: 0pps, to: 9pps, steps: 4, scale: log}",
        ":9  sweep.traffic.rate",
        "a logarithmic range from or to 0",
        "ends above 0",
    ),
    (
        "traffic.rate: {from: 1pps, to: 9pps, steps: 9000},"
        " host.nic: {from: 1Gbps, to: 9Gbps, steps: 999}",
        ":1  sweep",
        "8991000 runs",
        "at most 100000",
    ),
]

SYNTAX: list[Case] = [
    ("", "bad.yaml", "the file is empty", "a scenario in YAML"),
    ("- a\n", "bad.yaml:1:1", "the file is a list", "keys at the top"),
    ("word", "bad.yaml:1:1", "the file is one value", "keys at the top"),
    ("a: [1\nb: 2", "bad.yaml:2:2", "expected ',' or ']', but got ':'", "a scenario in YAML"),
    (BASE + "seed: 2\n", "bad.yaml:8:1", 'found duplicate key "seed"', "a scenario in YAML"),
    ("a: 1\n---\nb: 2\n", "bad.yaml:2:1", "found another document", "a scenario in YAML"),
    ("a: *b", "bad.yaml:1:4", "found undefined alias 'b'", "a scenario in YAML"),
    ("a: \x07", "bad.yaml", "unacceptable character", "a scenario in YAML"),
]


def check(error: InputError, where: str, got: str, want: str) -> None:
    """Check an error: its place ends as said, the rest contains what is said."""
    assert error.where.endswith(where), error.where
    assert got in error.got, error.got
    assert want in error.want, error.want


@pytest.mark.parametrize("case", [*KEYS, *TRAFFIC, *PATHS, *PARTS, *SETTING], ids=lambda c: c[0])
def test_bad_values(tmp_path: Path, case: Case) -> None:
    """A wrong key or value is refused at its line and column, with what would be right."""
    edit, *rest = case
    check(refusal(tmp_path, edited(edit)), *rest)


@pytest.mark.parametrize("case", BUT, ids=lambda c: c[0])
def test_bad_options(tmp_path: Path, case: Case) -> None:
    """A wrong option of a path is refused at its own key."""
    edit, where, got, want = case
    check(refusal(tmp_path, edited(but(edit))), f"bad.yaml:6:33  paths[0].but.{where}", got, want)


@pytest.mark.parametrize("case", SWEEPS, ids=lambda c: c[0])
def test_bad_sweeps(tmp_path: Path, case: Case) -> None:
    """A sweep without a sense is refused, and a bad point at the value that made it."""
    edit, *rest = case
    check(refusal(tmp_path, edited(f"sweep: {{{edit}}}")), *rest)


@pytest.mark.parametrize("case", SYNTAX, ids=lambda c: repr(c[0][-20:]))
def test_bad_yaml(tmp_path: Path, case: Case) -> None:
    """What is no YAML mapping is refused at the place where it stops being one."""
    text, where, got, want = case
    check(refusal(tmp_path, text), where, got, want)


def test_misspellings_are_guessed(tmp_path: Path) -> None:
    """A word near a known one is answered with that one."""
    for edit, hint in (
        ("seed: 1 => sed: 1", "seed"),
        ("poisson => poison", "poisson"),
        ("[vhost-net] => [vhostnet]", "vhost-net"),
        (but("vhost.spinn: 5us"), "spin"),
        (but("virtqueue.kick: kvm.ioevent"), "kvm.ioeventfd"),
        (own("tap", "tapp"), "tap"),
        ("costs: {exit.lite: 1ns}", "exit.light"),
        ("placement: {vcpu: 1}", "vcpu0"),
        ("placement: {pmd_nod: 1}", "pmd_node"),
        ("placement: {memroy_node: 1}", "memory_node"),
        ("guest: {idel: poll}", "idle"),
        ("tx => v2w", "v2v"),
    ):
        assert refusal(tmp_path, edited(edit)).hint == f"Did you mean '{hint}'?"


def test_other_problems_are_counted(tmp_path: Path) -> None:
    """The first problem is told, the others are counted."""
    text = BASE.replace("64B", "64").replace("packets: 100", "packets: 0").replace("tx", "up")
    error = refusal(tmp_path, text)
    assert error.where.endswith("direction")
    assert error.hint == "2 more problems follow"


@pytest.mark.parametrize("kind", ["missing", "truncated", "no capture"])
def test_bad_captures(tmp_path: Path, kind: str) -> None:
    """A capture that cannot be played is refused at the key that names it, before any run."""
    file = tmp_path / "a.pcap"
    header = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    record = bytes(8) + (60).to_bytes(4, "little") * 2
    if kind != "missing":
        file.write_bytes(header + record + bytes(10) if kind == "truncated" else b"text and text")
    text = edited("kind: poisson, rate: 1Mpps, size: 64B => kind: pcap, file: a.pcap")
    got = {"missing": "does not exist", "truncated": "is cut short", "no capture": "not a capture"}
    want = "a complete file" if kind == "truncated" else "a pcap or pcapng file"
    check(refusal(tmp_path, text), "bad.yaml:5:23  traffic.file", got[kind], want)


def test_a_path_without_a_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that the profile does not price is refused at the path that spends it."""

    def without(name: str, where: str) -> Profile:
        full = profile(name, where)
        return replace(full, costs={k: v for k, v in full.costs.items() if k != "vhost.tx_pkt"})

    monkeypatch.setattr("virtsim.scenario.resolving.profile_by_name", without)
    check(refusal(tmp_path, BASE), "bad.yaml:6:9  paths[0]", "'vhost.tx_pkt' has no price", "an op")


def test_a_path_with_an_unknown_op(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's part that names no known op is refused at the path that has it."""
    odd = model.Part("odd", "skb", "skb", tx=(Stage("odd", ops=("odd.work",)),))
    monkeypatch.setattr(
        "virtsim.scenario.building.path_by_name",
        lambda name, where: path_by_name(name, where).swap("bridge", odd),
    )
    check(refusal(tmp_path, BASE), "bad.yaml:6:9  paths[0]", "'odd.work' is not an op", "one of")


def test_unreadable_files(tmp_path: Path) -> None:
    """A missing file, a directory and a file not in UTF-8 are bad input that names the file."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: \xe9\n")
    for file, got in (
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "cannot be read"),
        (latin, "byte 6 is not UTF-8"),
    ):
        with pytest.raises(InputError) as caught:
            load(file)
        assert caught.value.where == str(file)
        assert got in caught.value.got
