"""From LLVM to machine code, once per installation: it is kept beside the sources."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virtsim import semantics

Routine = Callable[..., Any]
HINT = "pip install 'virtsim[fast]' installs it"
OLDEST = (0, 45)
"""The first llvmlite whose LLVM has opaque pointers; it is that of numba 0.62."""


def available() -> bool:
    """Tell whether there is a compiler: numba's, llvmlite."""
    if importlib.util.find_spec("llvmlite") is None:
        return False
    version = importlib.metadata.version("llvmlite").split(".")
    return tuple(int(part) for part in version[:2]) >= OLDEST


@functools.cache
def compiled(entry: Routine) -> Routine:
    """Return a routine as machine code, compiled now or before.

    It takes an array of int64 wherever the routine takes Words, and integers elsewhere.
    """
    key = _key(entry)
    code = _kept(key)
    if code is None:
        code = assemble(entry)
        _keep(key, code)
    named = entry.__code__.co_varnames[: entry.__code__.co_argcount]
    arrays = [entry.__annotations__[name] == "Words" for name in named]
    call = load(code, entry.__name__, [_WORDS if array else ctypes.c_int64 for array in arrays])

    def routine(*given: Any) -> int:
        return call(*(_address(x) if isinstance(x, np.ndarray) else x for x in given))

    return routine


_WORDS = ctypes.c_void_p


def _address(words: NDArray[np.int64]) -> int:
    assert words.dtype == np.int64
    assert words.flags.c_contiguous
    address: int = words.__array_interface__["data"][0]
    return address


def assemble(entry: Routine) -> bytes:
    """Return the machine code of a routine and of all that it calls, as an object file."""
    from virtsim.engines.compiling.ir import module_of

    llvm, machine = _host()
    module = llvm.parse_assembly(module_of(entry))
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def load(code: bytes, name: str, args: list[Any]) -> Callable[..., int]:
    """Return a routine of an object file, to be called with arguments of these ctypes."""
    llvm, machine = _host()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *args)(engine.get_function_address(name))

    def routine(*given: int) -> int:
        _ = engine  # the code lives as long as its engine
        return int(call(*given))

    return routine


def _host() -> tuple[Any, Any]:
    """Return LLVM, and this machine as its target."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="small",
    )
    return llvm, machine


# -- what was compiled before ------------------------------------------------------------------


def _key(entry: Routine) -> str:
    """Return a name that changes with all that the machine code depends on."""
    import llvmlite

    llvm, _ = _host()
    here = Path(__file__).parent
    package = entry.__module__.split(".")[2]
    digest = hashlib.sha256(f"{entry.__module__}.{entry.__qualname__}".encode())
    for folder in (here.parent / package, here):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    digest.update(Path(semantics.__file__).read_bytes())
    host = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    named = (llvmlite.__version__, llvm.llvm_version_info, llvm.get_process_triple(), *host)
    digest.update(repr(named).encode())
    return f"{package}-{digest.hexdigest()[:24]}"


def _places() -> Iterator[Path]:
    """Yield where machine code may be kept: where Python keeps its own, or with the user."""
    yield Path(__file__).parent / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    yield Path(home).expanduser() / "virtsim"


def _kept(key: str) -> bytes | None:
    for place in _places():
        try:
            data = (place / f"{key}.o").read_bytes()
        except OSError:
            continue
        # A digest in front: a file that was cut short is no code.
        if hashlib.sha256(data[32:]).digest() == data[:32]:
            return data[32:]
    return None


def _keep(key: str, code: bytes) -> None:
    for place in _places():
        try:
            place.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=place)
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(name, place / f"{key}.o")
            return
        except OSError:
            continue
