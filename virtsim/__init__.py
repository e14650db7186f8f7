"""virtsim: simulate virtualized I/O paths before you choose, size or tune one.

>>> import virtsim
>>> result = virtsim.run("scenarios/backends.yaml")     # doctest: +SKIP
>>> result.runs[["label", "delivered_pps"]]             # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from virtsim import parts, paths, traffic
    from virtsim.compose import Host
    from virtsim.costs import profile
    from virtsim.errors import EngineRefusal, HostError, InputError, VirtsimError
    from virtsim.experiment import run
    from virtsim.model.path import Part, Path
    from virtsim.result import Result, load
    from virtsim.scenario import Scenario

_PUBLIC = {
    "EngineRefusal": "virtsim.errors",
    "Host": "virtsim.compose",
    "HostError": "virtsim.errors",
    "InputError": "virtsim.errors",
    "Part": "virtsim.model.path",
    "Path": "virtsim.model.path",
    "Result": "virtsim.result",
    "Scenario": "virtsim.scenario",
    "VirtsimError": "virtsim.errors",
    "load": "virtsim.result",
    "profile": "virtsim.costs",
    "run": "virtsim.experiment",
}
"""Where each public name lives; it is imported when first asked for, so that this is quick."""

_MODULES = ("parts", "paths", "traffic")

__all__ = [
    "EngineRefusal",
    "Host",
    "HostError",
    "InputError",
    "Part",
    "Path",
    "Result",
    "Scenario",
    "VirtsimError",
    "load",
    "parts",
    "paths",
    "profile",
    "run",
    "traffic",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"virtsim.{name}")
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'virtsim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
