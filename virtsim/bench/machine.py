"""What machine the figures are of, and with what they were made."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from virtsim.bench import native

PACKAGES = ("numpy", "simpy", "numba", "llvmlite")


def describe() -> dict[str, Any]:
    """Return the CPU, how many there are and how busy, and the versions of what plays."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "load": load,
        "python": platform.python_version(),
        "compiler": _compiler(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _compiler() -> str | None:
    """Return what the C compiler says of itself, and how it is called."""
    cc = native.compiler()
    if cc is None:
        return None
    said = subprocess.run([*cc, "--version"], capture_output=True, text=True).stdout.splitlines()
    return f"{said[0] if said else cc[0]} {' '.join(native.FLAGS)}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
