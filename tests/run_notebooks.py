"""Execute every notebook from a clean state; any error in any cell fails.

Usage: ``python tests/run_notebooks.py [notebooks/NAME.ipynb ...]``. The tree is copied aside first
and the notebooks run in the copy's ``notebooks/``, so nothing they write reaches the tree.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
CELL_TIMEOUT_S = 600
SKIPPED = {".git", ".venv", "__pycache__", ".ipynb_checkpoints", "node_modules", "build", "dist"}
KEPT_RESULTS = {"README.md", "backends"}


def left_out(folder: str, names: list[str]) -> set[str]:
    """Name what the copy does without: the set-up, caches, and results that are not committed."""
    out = {n for n in names if n in SKIPPED or n.endswith("_cache")}
    if Path(folder) == ROOT / "results":
        out |= set(names) - KEPT_RESULTS
    return out


def isolate(scratch: Path) -> None:
    """Let kernels find this environment's commands and write only below `scratch`."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for variable in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        folder = scratch / variable.lower()
        folder.mkdir()
        os.environ[variable] = str(folder)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else the kernel warns about frozen modules


def run(notebook: Path) -> str | None:
    """Execute one notebook where it lies; return what went wrong, or None."""
    try:
        nb = nbformat.read(notebook, as_version=4)
        NotebookClient(
            nb,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],  # else it warns that loopback is not encrypted
            resources={"metadata": {"path": str(notebook.parent)}},
        ).execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return str(error)
    except Exception as error:  # not a notebook, no kernel, ...: still a line and a failure
        return f"{type(error).__name__}: {error}"
    return None


def main(arguments: list[str]) -> int:
    """Run the notebooks named, or all of them; return the exit code."""
    chosen = [Path(a).resolve() for a in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not chosen:
        print("no notebooks in notebooks/", file=sys.stderr)
        return 1 if (ROOT / "notebooks").is_dir() else 0
    failed = 0
    with tempfile.TemporaryDirectory(prefix="virtsim-notebooks-") as scratch:
        isolate(Path(scratch))
        copy = Path(scratch) / "tree"
        shutil.copytree(ROOT, copy, ignore=left_out, symlinks=True)
        for path in chosen:
            name = path.relative_to(ROOT)
            start = time.perf_counter()
            trouble = run(copy / name)
            seconds = time.perf_counter() - start
            print(f"{'FAILED' if trouble else 'ok':6}  {seconds:6.1f} s  {name}", flush=True)
            if trouble:
                failed += 1
                print(trouble, file=sys.stderr, flush=True)
    print(f"notebooks: {len(chosen) - failed} of {len(chosen)} ran without error")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
