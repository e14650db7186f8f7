"""From LLVM to machine code, once per installation: it is kept beside the sources."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from virtsim import cache, semantics

if TYPE_CHECKING:
    from virtsim.engines.compiling.routines import Piece

Routine = Callable[..., Any]
HINT = "pip install 'virtsim[fast]' installs it"
OLDEST = (0, 45)
"""The first llvmlite whose LLVM has opaque pointers; it is that of numba 0.62."""


@functools.cache
def available() -> bool:
    """Tell whether there is a compiler: numba's, llvmlite."""
    if importlib.util.find_spec("llvmlite") is None:
        return False
    version = importlib.metadata.version("llvmlite").split(".")
    return tuple(int(part) for part in version[:2]) >= OLDEST


class Form(Protocol):
    """What a routine is specialised for; two of the same name are the same."""

    @property
    def name(self) -> str:
        """Return what all of it comes to, as a part of a file's name."""
        ...

    def pieces(self, entry: FunctionType) -> Iterable[Piece]:
        """Return the routine and all that it calls, specialised."""
        ...


@functools.cache
def compiled(entry: Routine, form: Form | None = None) -> Routine:
    """Return a routine as machine code, compiled now or before; specialised, if a form is given.

    It takes an array of int64 wherever the routine takes Words, and integers elsewhere.

    Raises
    ------
    Untranslatable
        If it cannot be translated, or specialised.
    """
    name, key = _name(entry, form), _key(entry)
    code = cache.load(name, key)
    if code is None:
        code = assemble(entry, form)
        cache.store(name, key, code)
    named = entry.__code__.co_varnames[: entry.__code__.co_argcount]
    arrays = [entry.__annotations__[name] == "Words" for name in named]
    call = load(code, entry.__name__, [_WORDS if array else ctypes.c_int64 for array in arrays])

    def routine(*given: Any) -> int:
        return call(*(_address(x) if isinstance(x, np.ndarray) else x for x in given))

    return routine


def is_kept(entry: Routine, form: Form) -> bool:
    """Tell whether a routine was specialised for a form before."""
    return cache.load(_name(entry, form), _key(entry)) is not None


_WORDS = ctypes.c_void_p


def _address(words: NDArray[np.int64]) -> int:
    assert words.dtype == np.int64
    assert words.flags.c_contiguous
    address: int = words.__array_interface__["data"][0]
    return address


def assemble(entry: Routine, form: Form | None = None) -> bytes:
    """Return the machine code of a routine and of all that it calls, as an object file.

    What is specialised has little left to optimise, and is long: a lower level takes half the time.
    """
    from virtsim.engines.compiling.ir import module_of, text_of

    assert isinstance(entry, FunctionType)
    llvm, machine = _host()
    text = module_of(entry) if form is None else text_of(form.pieces(entry))
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2 if form is None else 1)
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


def _name(entry: Routine, form: Form | None) -> str:
    """Return the name under which machine code is kept."""
    module = entry.__module__.removeprefix("virtsim.engines.")
    return f"{module}.{entry.__name__}" + (f"-{form.name}.o" if form else ".o")


@functools.cache
def _key(entry: Routine) -> bytes:
    """Return what changes with all that the machine code depends on."""
    import llvmlite

    llvm, _ = _host()
    here = Path(__file__).parent
    package = entry.__module__.split(".")[2]
    digest = hashlib.sha256()
    for folder in (here.parent / package, here):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    for name in (semantics.__file__, entry.__code__.co_filename):
        digest.update(Path(name).read_bytes())
    digest.update(repr(sorted(_constants(entry))).encode())
    host = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    named = (llvmlite.__version__, llvm.llvm_version_info, llvm.get_process_triple(), *host)
    digest.update(repr(named).encode())
    return digest.digest()


def _constants(entry: Routine) -> Iterator[tuple[str, int]]:
    """Yield the constants that a routine's module has, from wherever they come."""
    for name, value in entry.__globals__.items():
        if isinstance(value, int):
            yield name, int(value)
