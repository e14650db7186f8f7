"""What a report shows beside the runs: prices, cost equations, walks, crossings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from virtsim import paths, traffic
from virtsim.compose import Host
from virtsim.costs import Profile
from virtsim.errors import InputError
from virtsim.figures.chain import Chain, chain
from virtsim.figures.data import headline
from virtsim.model.path import Path
from virtsim.parts import kvm
from virtsim.running import play
from virtsim.summary import summarize

if TYPE_CHECKING:
    from virtsim.equation import Equation
    from virtsim.result import Result
    from virtsim.scenario import RunSpec
    from virtsim.walk import Walk

QEMU, VHOST = "virtio-qemu", "vhost-net"
APART, ISOLATED = Fraction(1000), 8
"""Packets a second and packets of the run that counts crossings: each meets a system at rest."""


@dataclass(frozen=True)
class Isolated:
    """One packet alone on one path: its walk and its equation, or why there is none of them."""

    label: str
    direction: str
    walk: Walk | None = None
    equation: Equation | None = None
    refusal: str = ""


@dataclass(frozen=True)
class Crossing:
    """A variant of a path and what one isolated packet that is sent makes it do."""

    label: str
    path: str
    context_switches: float
    syscalls: float
    exits_user: float
    exits: float
    copies: float

    @property
    def crossings(self) -> float:
        """Crossings of the border between user space and kernel: there and back is one."""
        return self.syscalls + self.exits_user


@dataclass(frozen=True)
class Evidence:
    """All that a report needs and a result does not hold."""

    profiles: tuple[Profile, ...] = ()
    isolated: tuple[Isolated, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    chains: tuple[Chain, ...] = ()


def gather(result: Result) -> Evidence:
    """Return the evidence of a result, made anew from its resolved scenario."""
    return evidence(_first_runs(result))


def evidence(specs: Sequence[RunSpec]) -> Evidence:
    """Return the evidence of some runs, one per path and direction."""
    profiles = tuple({spec.profile.hash: spec.profile for spec in specs}.values())
    claimed = any(spec.path.name in (QEMU, VHOST) for spec in specs)
    by_label = {spec.label: spec for spec in specs}
    return Evidence(
        profiles,
        tuple(_isolated(spec) for spec in specs),
        tuple(crossings(profiles[0])) if claimed else (),
        tuple(chain(spec.label, spec.path) for spec in by_label.values()),
    )


def crossings(profile: Profile) -> Iterator[Crossing]:
    """Play isolated packets out of QEMU, with and without ioeventfd, and out of vhost-net.

    The guest polls when it is idle, so that only the device's side is counted.
    """
    qemu, vhost = paths.path(QEMU), paths.path(VHOST)
    bare = qemu.but({"virtqueue.kick": kvm.exit_to_qemu()})
    yield _crossing(f"{QEMU} (ioeventfd on)", qemu, profile)
    yield _crossing(f"{QEMU} (ioeventfd off)", bare, profile)
    yield _crossing(VHOST, vhost, profile)


def _crossing(label: str, path: Path, profile: Profile) -> Crossing:
    polling = path.but({"guest.idle": "poll"})
    stream = traffic.constant(APART, 64, ISOLATED)
    counts = summarize(play(polling, "tx", profile, Host(), stream, warmup=0.0))["per_packet"]
    names = ("context_switches", "syscalls", "exits_user", "exits", "copies")
    return Crossing(label, path.name, *(counts[name] or 0.0 for name in names))


def _isolated(spec: RunSpec) -> Isolated:
    from virtsim.walk import walk

    size_b = int(spec.stream().size_b[0])
    try:
        found = walk(spec.path, spec.direction, spec.profile, spec.host, size_b)
    except InputError as error:
        return Isolated(spec.label, spec.direction, refusal=f"{error.where}: {error.got}")
    return Isolated(spec.label, spec.direction, found, found.equation)


def _first_runs(result: Result) -> list[RunSpec]:
    """Return the specs of the headline's first replications, in the headline's order."""
    from ruamel.yaml import YAML

    from virtsim.scenario import Scenario, resolve

    # The files that a resolved scenario names stand where the result's inputs do.
    folder = result.inputs[0].parent if result.inputs else "."
    scenario = Scenario.of(YAML(typ="safe", pure=True).load(result.resolved), folder)
    specs = {_key(s.label, s.direction, s.point): s for s in reversed(resolve(scenario))}
    keys = [_key(c.label, c.direction, c.first["point"]) for c in headline(result)]
    return [specs[key] for key in keys if key in specs]


def _key(label: str, direction: str, point: Mapping[str, Any]) -> tuple[str, str, str]:
    return label, direction, str(sorted((k, str(v)) for k, v in point.items()))
