"""The command line as a whole: what it names, what it brings along, what it is called."""

# Also of: ccrcc_model.commands.options.

import subprocess
import sys
from importlib.metadata import version
from typing import Any

from command_line import ccrcc
from typer.main import get_command

from ccrcc_model.cli import COMMANDS, app

HEAVY = ("numpy", "pandas", "torch", "lightgbm", "optuna", "matplotlib", "numba", "SimpleITK", "pydantic", "rich")


def test_the_version_is_the_distributions() -> None:
    assert ccrcc("--version").stdout.strip() == f"ccrcc-radiomics {version('ccrcc-radiomics')}"


def test_help_names_every_command() -> None:
    text = ccrcc("--help").stdout
    for command in (*(command.__name__ for command in COMMANDS), "import"):
        assert f"\n  {command} " in text


def test_help_waits_for_no_library() -> None:
    code = "import sys; import ccrcc_model.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout.split()
    assert not [name for name in HEAVY if name in loaded]


def test_every_option_is_explained_in_a_whole_sentence() -> None:
    root: Any = get_command(app)
    commands = [*root.commands.values(), *root.commands["import"].commands.values()]
    params = [param for command in commands for param in command.params if param.name != "help"]
    assert len(params) > 100
    for param in params:
        assert param.help.endswith("."), param.help
