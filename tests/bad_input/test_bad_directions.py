"""Directions, guests and traffic that a scenario cannot have: refused where it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtsim.errors import InputError
from virtsim.scenario import load, resolve

BASE = """\
virtsim: 1
name: t
profile: skylake-2018-mitig
direction: {direction}
traffic: {traffic}
paths: [{path}]
seed: 1
"""
POISSON = "{kind: poisson, rate: 1Mpps, size: 64B, packets: 100}"


def refusal(
    folder: Path, direction: str, *lines: str, traffic: str = POISSON, path: str = "vhost-net"
) -> InputError:
    """Return the error for a scenario with these lines, its own name left out of ``where``."""
    file = folder / "bad.yaml"
    said = BASE.format(direction=direction, traffic=traffic, path=path)
    file.write_text(said + "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        resolve(load(file))
    error = caught.value
    return InputError(error.where.replace(str(file), "bad.yaml"), error.got, error.want, error.hint)


@pytest.mark.parametrize("direction", ["rx", "pvp", "v2v", "[tx, v2v]"])
def test_forward_none_is_for_tx_only(tmp_path: Path, direction: str) -> None:
    """A path that ends at the tap sends and nothing else: nobody is behind it."""
    error = refusal(tmp_path, direction, "host: {forward: none}")
    assert error.where == "bad.yaml:8:8  host.forward"
    assert "ends at the tap" in error.got
    assert "or direction: tx" in error.want


@pytest.mark.parametrize("path", ["vhost-net", "sriov", "e1000"])
def test_pktgen_forwards_nothing(tmp_path: Path, path: str) -> None:
    """A guest that only generates has no way through; the guests that have one are named."""
    error = refusal(tmp_path, "[tx, pvp]", "guest: {driver: pktgen}", path=path)
    assert error.where == "bad.yaml:8:9  guest.driver"
    assert "guest.pktgen forwards nothing" in error.got
    assert "guest.linux bridges" in str(error.hint)
    assert "guest.dpdk forwards" in str(error.hint)


def test_an_own_path_that_forwards_nothing_is_blamed_itself(tmp_path: Path) -> None:
    """Where the file names no guest, the path that brings it is the place."""
    own = "{name: m, parts: [{guest.pktgen: {nic: vf}}, vf]}"
    assert refusal(tmp_path, "pvp", path=own).where == "bad.yaml:6:9  paths[0]"


def test_two_guests_need_something_between_them(tmp_path: Path) -> None:
    """Without bridge, switch or virtual functions nothing turns a packet to another guest."""
    own = (
        "{name: m, parts: [guest.linux, {virtqueue: {kick: kvm.ioeventfd, call: kvm.irqfd}},"
        " vhost.worker, tap, nic]}"
    )
    error = refusal(tmp_path, "v2v", path=own)
    assert error.where == "bad.yaml:6:9  paths[0]"
    assert "between two guests" in error.got
    assert "a bridge" in error.want


def test_a_dpdk_guest_does_not_halt(tmp_path: Path) -> None:
    """A poll-mode driver asks for no interrupt: a guest that halted would sleep for ever."""
    error = refusal(tmp_path, "tx", "guest: {driver: dpdk, idle: halt}")
    assert error.where == "bad.yaml:8:23  guest.idle"
    assert "nothing would wake it" in error.got
    assert error.want == "'poll'"


def test_an_option_of_another_guest_names_those_that_have_it(tmp_path: Path) -> None:
    """An option of the Linux driver is none of the poll-mode driver's, and the other way round."""
    error = refusal(tmp_path, "tx", "guest: {driver: dpdk, napi_tx: false}")
    assert error.where == "bad.yaml:8:23  guest.napi_tx"
    assert error.got == "guest.dpdk has no option 'napi_tx'"
    assert error.hint == "guest.linux and guest.pktgen have it"
    error = refusal(tmp_path, "tx", "guest: {burst: 4}")
    assert error.hint == "guest.pktgen and guest.dpdk have it"


@pytest.mark.parametrize(("path", "length", "want"), [
    ("e1000", 8, "16 to 32768"), ("sriov", 40000, "16 to 32768"), ("e1000", 16, "at least 32"),
    ("sriov", 24, "at least 32"), ("vhost-net", 300, "a power of two"),
])  # fmt: skip
def test_a_queue_that_the_nic_cannot_have(
    tmp_path: Path, path: str, length: int, want: str
) -> None:
    """``guest.queue`` is the length of whatever ring the guest's NIC has, with its limits."""
    error = refusal(tmp_path, "tx", f"guest: {{queue: {length}}}", path=path)
    assert error.where == "bad.yaml:8:9  guest.queue"
    assert want in error.want


def test_a_guest_of_another_nic(tmp_path: Path) -> None:
    """A driver that is not that of the NIC next to it is told which one to ask for."""
    own = "{name: m, parts: [guest.dpdk, vf]}"
    error = refusal(tmp_path, "tx", path=own)
    assert error.where.startswith("bad.yaml:6:")
    assert error.where.endswith("paths[0].parts[1]")
    assert "write guest.dpdk: {nic: vf}" in str(error.hint)


STATES: list[tuple[str, str, str, str]] = [
    ("5", "traffic.states", "5 is not a list", "a list of states"),
    ("[]", "traffic.states", "no state", "two states or more"),
    ("[{rate: 1Mpps, stay: 1ms}]", "traffic.states", "one state alone", "two states"),
    ("[{rate: 1Mpps, stay: 1ms}, {rate: 1kpps}]", "traffic.states[1]", "'stay' is missing", "all"),
    ("[{rate: 1Mpps, stay: 1ms}, {rate: 5, stay: 1ms}]", "states[1].rate", "no unit", "a packet"),
    ("[{rate: 0pps, stay: 1ms}, {rate: 1Mpps, stay: 1ms}]", "states[0].rate", "is zero", "packet"),
    ("[{rate: 1Mpps, stay: 0us}, {rate: 1Mpps, stay: 1ms}]", "states[0].stay", "a stay", "above"),
    ("[{rate: 1Mpps, stay: 1ns}, {rate: 1Mpps, stay: 1ns}]", "states", "are expected", "1/16"),
    ("[{rate: 1Mpps, stay: 1ms}, {rate: 0.0001pps, stay: 1000s}]", "states", "take 1e+06", "7205"),
]


@pytest.mark.parametrize(("states", "where", "got", "want"), STATES, ids=[s[0] for s in STATES])
def test_states_without_sense(tmp_path: Path, states: str, where: str, got: str, want: str) -> None:
    """A modulated source is refused where its states are, before anything runs."""
    traffic = f"{{kind: mmpp, size: 64B, packets: 100, states: {states}}}"
    error = refusal(tmp_path, "tx", traffic=traffic)
    assert error.where.endswith(where)
    assert got in error.got
    assert want in error.want


@pytest.mark.parametrize(("direction", "path", "most"), [
    ("rx", "vhost-net", "at most 277 in rx of vhost-net: guest.socket drops"),
    ("rx", "vhost-user-ovs", "at most 128 in rx of vhost-user-ovs: virtqueue.rx drops"),
    ("pvp", "vhost-net", "at most 512 in pvp of vhost-net: nic.rx drops"),
    ("v2v", "sriov", "at most 256 in v2v of sriov: vf.rx drops"),
])  # fmt: skip
def test_a_closed_loop_loses_nothing(tmp_path: Path, direction: str, path: str, most: str) -> None:
    """A loop with more under way than a ring holds is refused: nobody would answer what is lost.

    A plain queue holds its length; of a driver's ring half counts, because a slot outlives its
    packet until the other side has taken it back or filled it anew.
    """
    traffic = "{kind: request, size: 64B, outstanding: 600, packets: 1000}"
    error = refusal(tmp_path, direction, traffic=traffic, path=path)
    assert error.where == "bad.yaml:5:37  traffic.outstanding"
    assert error.want == most
