import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import ccrcc_here as ccrcc

from ccrcc_model.commands.ending import USER_MISTAKE, Stopped, refuse_empty, refuse_repeated, stopped_line, storage_line
from ccrcc_model.faults.fault import Ran
from nnunet_ext.ground.errors import InputError


def ends_with(error: BaseException, monkeypatch: pytest.MonkeyPatch, *words: str) -> Ran:
    """What a command ends with in which an error is raised."""

    def raise_it(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("ccrcc_model.commands.outputs.FolderKind.claim", raise_it)
    monkeypatch.setattr("ccrcc_model.commands.outputs.FileKind.claim", raise_it)
    monkeypatch.setattr("ccrcc_model.demo.synthetic_study._claim", raise_it)
    import_module("ccrcc_model.commands.measured")  # which would keep what replaces `try_folder`, if it were imported later
    monkeypatch.setattr("nnunet_ext.ground.outputs.try_folder", raise_it)
    return ccrcc(*words)


LONG = {
    "demo": ("demo",),
    "phantom": ("phantom", "--out", "o"),
    "thicken": ("thicken", "card.yaml", "--slice-mm", "5", "--out", "o"),
    "import dicom": ("import", "dicom", "folder", "--centre", "north", "--out", "o"),
    "segment": ("segment", "card.yaml", "--model", "m", "--out", "o"),
    "extract": ("extract", "card.yaml", "--out", "o.csv"),
    "compact": ("compact", "card.yaml", "--out", "o.csv"),
    "stability": ("stability", "card.yaml", "--out", "o.csv"),
    "deep": ("deep", "card.yaml", "--table", "t.parquet", "--model", "m", "--out", "o.csv"),
    "spread": ("spread", "m", "--cohort", "card.yaml", "--cases", "c", "--out", "o.csv"),
    "overlap": ("overlap", "card.yaml", "--predicted", "p.yaml", "--out", "o.csv"),
    "fit": ("fit", "t.parquet", "--outcomes", "o.csv", "--target", "grade", "--out", "o"),
    "benchmark": ("benchmark", "m", "--cohort", "c.yaml", "--table", "t.parquet", "--out", "o"),
    "pool": ("pool", "a.json", "--out", "o"),
}


@pytest.mark.parametrize("words", LONG.values(), ids=LONG)
def test_ctrl_c_ends_every_command_with_one_line_and_130(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    ran = ends_with(KeyboardInterrupt(), monkeypatch, *words)
    assert ran.status == 130
    lines = [line for line in ran.said.splitlines() if line.startswith("ccrcc: stopped; ")]
    assert len(lines) == 1, ran.said
    assert ("goes on from there" in lines[0]) == (
        words[0] in {"demo", "phantom", "thicken", "segment", "extract", "deep", "stability"}
    )


@pytest.mark.parametrize("words", LONG.values(), ids=LONG)
def test_a_disk_that_fills_ends_every_command_with_one_line_and_2(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = ends_with(OSError(28, "No space left on device"), monkeypatch, *words)
    assert ran.status == 2
    assert ran.said.splitlines()[-1] == (
        "ccrcc: No space left on device (ENOSPC); make room there, then run the same command again"
    )


def test_a_stopped_fit_goes_on_only_with_studies() -> None:
    stopped = Stopped(signal.SIGINT)
    assert "begins anew" in stopped_line(stopped, ["fit", "t.parquet"])
    assert "goes on from there" in stopped_line(stopped, ["fit", "t.parquet", "--studies=j.log"])
    assert stopped_line(Stopped(signal.SIGTERM), ["extract"]).startswith("stopped by SIGTERM; ")
    assert Stopped(signal.SIGTERM).status == 143


def test_errors_of_disks_and_files_get_a_line_and_others_are_bugs() -> None:
    for number in (5, 13, 27, 28, 30, 107, 116, 122):
        assert storage_line(OSError(number, os.strerror(number))) is not None
    assert storage_line(OSError(30, "Read-only file system", "/x/y")) == (
        "/x/y: Read-only file system (EROFS); choose another place for the result"
    )
    assert storage_line(OSError("no number")) is None
    assert storage_line(ConnectionResetError(104, "Connection reset by peer")) is None


def test_an_error_that_is_no_disks_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="of a library"):
        ends_with(OSError("of a library"), monkeypatch, "phantom", "--out", "o")
    with pytest.raises(RuntimeError, match="ended early"):
        ends_with(EOFError(), monkeypatch, "phantom", "--out", "o")


def option(*names: str, flag: bool = False, multiple: bool = False) -> SimpleNamespace:
    return SimpleNamespace(opts=list(names), secondary_opts=[], is_flag=flag, multiple=multiple)


def test_an_option_of_one_value_is_given_once() -> None:
    params = [option("--out", "-o"), option("--seed"), option("--partial", flag=True), option("--target", multiple=True)]
    for words in (
        ["--out", "a", "--seed", "1"],
        ["--out", "--seed", "--seed", "1"],  # a folder that is called --seed
        ["--target", "a", "--target", "b"],
        ["-oa", "--", "--out", "b"],
    ):
        refuse_repeated(params, words)
    for words in (["--out", "a", "-o", "b"], ["--out=a", "-ob"], ["--partial", "--partial"], ["--seed", "1", "x", "--seed=2"]):
        with pytest.raises(InputError, match="is given 2 times"):
            refuse_repeated(params, words)


def test_the_command_refuses_an_option_given_twice() -> None:
    ran = ccrcc("phantom", "--out", "a", "--seed", "1", "--seed", "2")
    assert (ran.status, ran.said.strip()) == (2, "ccrcc: --seed is given 2 times, and only one can be meant; give it once")
    assert ccrcc("import", "kits", "x", "--out", "a", "--out", "b").status == 2


@pytest.mark.parametrize("words", [["--out", ""], ["--out", " "], ["--out="], ["", "a"]])
def test_a_variable_that_is_not_set_is_no_word(words: list[str]) -> None:
    with pytest.raises(InputError, match="is a variable not set"):
        refuse_empty(words)
    refuse_empty(["--out", "a", "--seed=0"])


def test_a_word_that_no_record_can_hold_is_refused() -> None:
    for word in ("a\udcffb", "a\0b"):
        with pytest.raises(InputError, match="is not UTF-8 text"):
            refuse_empty(["--out", word])


def program(*words: str | Path, **options: object) -> "subprocess.Popen[str]":
    command = [str(Path(sys.executable).with_name("ccrcc")), *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"} | options
    return subprocess.Popen(command, start_new_session=True, **pipes)  # type: ignore[call-overload, no-any-return]


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status", "jobs"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)])
def test_a_signal_leaves_no_worker_and_no_unfinished_file(number: int, status: int, jobs: int, tmp_path: Path) -> None:
    running = program("phantom", "--patients", "200", "--jobs", str(jobs), "--out", tmp_path / "study")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("study/*/images/*.nii.gz")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(running.pid, number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == status, said
    assert "Traceback" not in said, said
    assert said.splitlines()[-1].startswith("ccrcc: stopped")
    if jobs == 1:  # joblib kills its workers, and what they leave is removed a day later
        assert list(tmp_path.rglob(".writing-*")) == []
    while is_alive(running.pid) and time.monotonic() < deadline + 30:
        time.sleep(0.2)
    assert not is_alive(running.pid)


def test_a_reader_that_is_gone_does_not_end_the_work(tmp_path: Path) -> None:
    out = tmp_path / "counts.csv"
    with program("counts", "--sensitivity", "0.80", "--specificity", "0.90", "--n", "100", "--out", out) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        said = running.stderr.read()
        assert running.wait(60) == 0, said
    assert said == ""
    assert out.stat().st_size > 0


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_streams_that_are_closed_do_not_matter(redirected: str, tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("ccrcc"))
    words = f"{command} counts --sensitivity 0.80 --specificity 0.90 --n 100 --out {tmp_path / 'counts.csv'} {redirected}"
    assert subprocess.run(["/bin/sh", "-c", words], capture_output=True, check=False).returncode == 0
    assert (tmp_path / "counts.csv").read_text(encoding="utf-8").startswith("method,print_rule,n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_standard_output_on_a_full_disk_is_said() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        running = program("counts", "--sensitivity", "0.80", "--specificity", "0.90", "--n", "100", stdout=full)
        _, said = running.communicate(timeout=60)
    assert running.returncode == USER_MISTAKE
    assert said.startswith("ccrcc: ")
    assert "No space left on device" in said
