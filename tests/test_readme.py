"""What the README says can be typed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

README = Path(__file__).parents[1] / "README.md"
PROGRAM = Path(sys.executable).with_name("ccrcc")


def commands() -> list[list[str]]:
    """Words of each ``ccrcc`` command in the README's shell blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line.removeprefix("uv run ")) for line in lines if line.startswith("uv run ccrcc")]


def test_the_main_job_and_the_tests_are_the_two_commands() -> None:
    first = re.search(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert first is not None
    assert [line.split("#")[0].strip() for line in first[1].splitlines()] == [
        "pip install uv",
        "uv run ccrcc demo",
        "uv run pytest",
    ]


@pytest.mark.parametrize("words", commands(), ids=lambda words: words[1])
def test_every_command_of_the_readme_exists_with_its_options(words: list[str]) -> None:
    run = subprocess.run([str(PROGRAM), words[1], "--help"], capture_output=True, encoding="utf-8", check=True)
    for option in (word for word in words[2:] if word.startswith("--")):
        assert re.search(rf"{re.escape(option)}\b", run.stdout), f"{option} is no option of ccrcc {words[1]}"


def test_every_file_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target


@pytest.mark.slow
def test_the_demo_does_the_main_job(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    run = subprocess.run([str(PROGRAM), "demo", "--out", str(out)], capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.splitlines()[-1] == f"Report: {out / 'report' / 'report.html'}"
    assert (out / "report" / "report.html").is_file()
    assert list(out.glob("report/figures/*.png"))
    assert list(out.glob("report/figures/*.svg"))
    dice = pd.read_csv(out / "tables" / "overlap.csv").groupby("structure")["dice"].mean()
    assert dice["kidney"] >= 0.85
    assert dice["tumour"] >= 0.65
    for target in ("grade", "ki67"):
        groups = pd.read_csv(out / "benchmark" / target / "discrimination.csv").set_index("scope")
        pooled = groups.loc["pooled external"]
        assert pooled["auc"] > pooled["baseline_auc"], target
