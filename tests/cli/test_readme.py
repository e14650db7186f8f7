"""The README is run: what it shows is what there is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^ {4}\.venv/bin/virtsim (.*?)(?:\s+#.*)?$", README, re.MULTILINE)


def test_own_path_of_the_readme_plays() -> None:
    """The README's path of one's own can be composed in both directions."""
    from virtsim.compose import Host, compose
    from virtsim.costs import profile

    names: dict[str, object] = {}
    exec(SNIPPETS[0], names)
    exec(SNIPPETS[1], names)
    for path in (names["mine"], names["variant"]):
        for direction in ("tx", "rx"):
            program = compose(path, direction, Host(), profile("modern-2022"))  # type: ignore[arg-type]
            assert not any(row.name == "bridge" for row in program.stages)
    spins = [t.spin for t in program.threads if t.name == "vhost"]
    assert spins == [None]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme_run(command: str) -> None:
    """Every command that the README shows ends with code 0 and prints something."""
    words = shlex.split(command)
    if words[0] == "compare":
        words += ["--packets", "300"]
    done = subprocess.run(
        [sys.executable, "-c", "from virtsim.cli import main; main()", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_pictures_of_the_readme_are_there() -> None:
    """Every picture that the README shows is in the tree."""
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", README)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
