"""The command as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

from ccrcc_model.cli import main
from ccrcc_model.faults import in_this_process

ccrcc_here = in_this_process(main)
"""The command in this process: faster, and what it calls can be replaced."""


def ccrcc(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command without nnU-Net's variables, but with those of ``environment``."""
    program = Path(sys.executable).with_name("ccrcc")
    variables = {key: value for key, value in os.environ.items() if not key.startswith("nnUNet_")}
    return subprocess.run(
        [str(program), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**variables, **environment},
    )


def mistake(*arguments: str | Path, **environment: str) -> str:
    """Run a command that must fail as a user's mistake, and return its one line."""
    run = ccrcc(*arguments, **environment)
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    lines = [line for line in run.stderr.splitlines() if line.startswith("ccrcc: ")]
    assert len(lines) == 1, run.stderr
    return lines[0]


def mistake_here(*words: object) -> str:
    """Run a command in this process that must fail as a user's mistake, and return its one line."""
    ran = ccrcc_here(*words)
    assert ran.status == 2, ran.said
    lines = [line for line in ran.said.splitlines() if line.startswith("ccrcc: ")]
    assert len(lines) == 1, ran.said
    return lines[0]
