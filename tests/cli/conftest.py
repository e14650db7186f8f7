"""What tests of commands share: a small scenario, and a caller of the command line."""

import sys
from pathlib import Path

import pytest

from virtsim import cli

SCENARIO = """\
virtsim: 1
name: small
profile: skylake-2018-mitig
direction: tx
traffic: {kind: constant, rate: 50kpps, size: 64B, packets: 200}
paths: [vhost-net, vhost-user-ovs]
seed: 1
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Return a small scenario file."""
    file = tmp_path / "small.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    return file


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a caller of the command line: words in, exit code, stdout and stderr out."""
    # The test's own process may not end when a pipe of the test runner closes.
    monkeypatch.setattr(cli, "_on_closed_pipe", lambda what: None)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["virtsim", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as leave:
            code = int(leave.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run
