"""The paths that virtsim ships: parts composed, a packet's life from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from virtsim.errors import InputError, did_you_mean
from virtsim.model.path import Path
from virtsim.paths.e1000 import e1000
from virtsim.paths.sriov import sriov
from virtsim.paths.vhost_net import vhost_net
from virtsim.paths.vhost_user_ovs import vhost_user_ovs
from virtsim.paths.vhost_user_snabb import vhost_user_snabb
from virtsim.paths.virtio_qemu import virtio_qemu
from virtsim.plugins import plugged

SHIPPED: Mapping[str, Callable[[], Path]] = MappingProxyType(
    {
        "e1000": e1000,
        "virtio-qemu": virtio_qemu,
        "vhost-net": vhost_net,
        "vhost-user-ovs": vhost_user_ovs,
        "vhost-user-snabb": vhost_user_snabb,
        "sriov": sriov,
    }
)
"""From full emulation to passthrough: the less of the host is in the way, the further down."""


def path(name: str, where: str = "path") -> Path:
    """Return a path by its name: a shipped one, or a plugin's.

    Raises
    ------
    InputError
        If there is no such path.
    """
    known = all_paths()
    if name not in known:
        raise InputError(
            where,
            f"there is no path '{name}'",
            f"one of {', '.join(known)}",
            did_you_mean(name, known),
        )
    return known[name]()


def all_paths() -> dict[str, Callable[[], Path]]:
    """Return every path by name, those of plugins (``virtsim.paths``) after the shipped ones."""
    return {**SHIPPED, **plugged("virtsim.paths", _NAMES, _problem)}


_NAMES = tuple(SHIPPED)


def _problem(make: Any) -> str | None:
    """Tell what is wrong with a plugin's path, which is made once to find out."""
    made = make()
    return None if isinstance(made, Path) else f"it makes {type(made).__name__}, not a Path"


__all__ = [
    "SHIPPED",
    "all_paths",
    "e1000",
    "path",
    "sriov",
    "vhost_net",
    "vhost_user_ovs",
    "vhost_user_snabb",
    "virtio_qemu",
]
