"""Studies that outlive the process that works on them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ccrcc_model.fitting.families.offset import Offset
from ccrcc_model.fitting.folds import Folds
from ccrcc_model.fitting.inner import inner_folds
from ccrcc_model.fitting.nested import run_nested
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.fitting.tune import tune
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE
from nnunet_ext.ground.errors import InputError

WORKER = """
import sys, time
import numpy as np
import ccrcc_model.fitting.tune as module
from ccrcc_model.fitting.studies import open_studies
module._loss = lambda *_, **__: time.sleep(0.2) or float(np.random.random())
class Fold:
    train = range(50)
module._steps = lambda folds: ()
print(module.tune([Fold()], trials=int(sys.argv[2]), seed=1, storage=open_studies(sys.argv[1]), study="grade").n_trials)
"""


def worker(place: str, trials: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, place, str(trials)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )


def finished(storage: optuna.storages.BaseStorage) -> int:
    if not optuna.get_all_study_names(storage):
        return 0
    done = [optuna.trial.TrialState.COMPLETE]
    return len(optuna.load_study(study_name="grade", storage=storage).get_trials(states=done))


@pytest.fixture
def server() -> Iterator[str]:
    """URL of a PostgreSQL server of this test's own."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg")
    user = [] if os.getuid() else ["setpriv", "--reuid=nobody", "--clear-groups", "--"]
    data = Path("/tmp") / f"ccrcc-postgres-{os.getpid()}"  # noqa: S108 - its sockets' paths must be short
    data.mkdir()
    if user:
        shutil.chown(data, "nobody")

    def run(*command: str) -> None:
        subprocess.run([*user, *command], check=True, capture_output=True, cwd="/")

    try:
        run(str(programs[-1] / "initdb"), "-D", f"{data}/db", "-U", "tester", "--auth=trust", "-N")
        control = (str(programs[-1] / "pg_ctl"), "-D", f"{data}/db", "-w")
        run(*control, "-o", f"-k {data} -c listen_addresses=''", "-l", f"{data}/log", "start")
        try:
            yield f"postgresql://tester@/postgres?host={data}"
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(data, ignore_errors=True)


def check_killed_and_joined(place: str) -> None:
    """Kill a worker in the middle of a study; let two others finish it."""
    storage = open_studies(place)
    first = worker(place, 12)
    while finished(storage) < 3:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert 3 <= finished(storage) < 12
    others = [worker(place, 12) for _ in range(2)]
    told = [int(process.communicate(timeout=120)[0]) for process in others]
    assert told == [12, 12]
    assert 12 <= finished(storage) <= 13, "a trial that the other worker made needless does not count"
    if isinstance(storage, optuna.storages.RDBStorage):
        storage.engine.dispose()


def test_a_killed_worker_costs_no_trial_and_others_can_join_by_a_file(tmp_path: Path) -> None:
    check_killed_and_joined(str(tmp_path / "studies.log"))


def test_a_killed_worker_costs_no_trial_and_others_can_join_by_a_server(server: str) -> None:
    check_killed_and_joined(server)


def test_a_fit_keeps_a_study_for_each_training_part_and_goes_on_from_them(planted, tmp_path: Path) -> None:
    cases: LabelledCases = label(*planted(40, features=30), GRADE)
    settings = Settings(folds=3, repeats=1, trials=3, seed=1)
    place = str(tmp_path / "studies.log")
    outer, _ = run_nested(cases, GRADE, settings, folds=Folds.of(cases, settings), studies=(place, "abc"))
    names = optuna.get_all_study_names(open_studies(place))
    assert sorted(names) == ["abc, final", "abc, outer 0.0", "abc, outer 0.1", "abc, outer 0.2"]
    again, _ = run_nested(cases, GRADE, settings, folds=Folds.of(cases, settings), studies=(place, "abc"))
    assert all(np.array_equal(one.score, other.score) for one, other in zip(outer, again, strict=True))
    storage = open_studies(place)
    assert [len(optuna.load_study(study_name=name, storage=storage).trials) for name in names] == [3] * 4, "all were there"
    plain, _ = run_nested(cases, GRADE, settings, folds=Folds.of(cases, settings))
    assert all(np.array_equal(one.score, other.score) for one, other in zip(outer, plain, strict=True))


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "database cannot be opened"),
        ("elsewhere://x", "database cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_gives_one_line(place: str, line: str) -> None:
    with pytest.raises(InputError, match=line) as failure:
        open_studies(place)
    assert "\n" not in str(failure.value)


def test_a_file_that_is_no_journal_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "studies.log").write_text("something\nelse\n", encoding="utf-8")
    with pytest.raises(InputError, match="studies at .* cannot be read"):
        open_studies(str(tmp_path / "studies.log"))


def _journal(path: Path) -> list[bytes]:
    """Write the journal of a study of two trials, and return its lines."""
    study = optuna.create_study(storage=open_studies(str(path)), study_name="a")
    for _ in range(2):
        trial = study.ask()
        for name, value in Offset().parameters().items():
            suggest = trial.suggest_int if isinstance(value, int) else trial.suggest_float
            suggest(name, value, value)
        study.tell(trial, 0.5)
    return path.read_bytes().splitlines(keepends=True)


def test_a_last_line_that_was_torn_is_cut_off_and_the_study_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "studies.log"
    lines = _journal(path)
    for torn in (1, 11, len(lines[-1]) - 1):
        path.write_bytes(b"".join(lines[:-1]) + lines[-1][:torn])
        study = optuna.load_study(study_name="a", storage=open_studies(str(path)))
        assert path.read_bytes() == b"".join(lines[:-1])
        study.tell(study.ask(), 0.25)
        again = optuna.load_study(study_name="a", storage=open_studies(str(path)))
        assert [trial.value for trial in again.trials] == [0.5, None, 0.25]


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n", b"SQLite format 3\0", b'{"a": 1}', b'{"a": 1}\n', bytes(100), b"[]\n", b"\n", b"{"],
    ids=["picture", "database", "one line of JSON", "JSON", "zeros", "list", "blank", "brace"],
)
def test_a_file_of_something_else_is_refused_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "studies.log"
    path.write_bytes(content)
    if content == b"{":  # may be the beginning of a first line
        open_studies(str(path))
        assert path.read_bytes() == b""
        return
    with pytest.raises(InputError, match="line 1 is none of Optuna's"):
        open_studies(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line",
    [b'{"op_code":99,"worker_id":"x"}\n', b'{"op_code":"x"}\n', b'{"op_code":4}\n', b'{"op_code":\n', b'{"op_code":NaN}\n'],
)
def test_a_line_that_optuna_cannot_follow_gives_one_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "studies.log"
    lines = _journal(path)
    path.write_bytes(b"".join([*lines[:3], line, *lines[3:]]))
    with pytest.raises(InputError, match="cannot be read") as refused:
        open_studies(str(path))
    assert "\n" not in str(refused.value)


def test_a_folder_or_a_pipe_is_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(InputError, match="is a folder|is a pipe"):
            open_studies(str(path))


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("loss", float("inf")),
        ("offset.n_features", 0),
        ("offset.n_features", 3.5),
        ("offset.learning_rate", -0.1),
        ("offset.prior", None),
        ("other", 1),
        ("family", None),
        ("family", "spline"),
    ],
)
def test_a_trial_that_cannot_be_ours_is_refused(planted, change: str, value: float | None) -> None:
    folds = inner_folds(label(*planted(40, features=30), GRADE), folds=3, repeats=1, seed=1)
    parameters: dict[str, object] = {"family": "offset", **Offset().parameters()}
    if change != "loss":
        parameters[change] = value
    if value is None:
        del parameters[change]
    distributions = {
        name: CategoricalDistribution([one])
        if isinstance(one, str)
        else (IntDistribution if isinstance(one, int) else FloatDistribution)(one, one)
        for name, one in parameters.items()
    }
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="a")
    loss = value if change == "loss" else 0.1
    study.add_trial(optuna.trial.create_trial(params=parameters, distributions=distributions, value=loss))
    with pytest.raises(InputError, match="Trial 0 of study a is none of this version's"):
        tune(folds, trials=1, seed=5, storage=storage, study="a")


def test_a_study_of_the_largest_value_is_refused(planted) -> None:
    folds = inner_folds(label(*planted(40, features=30), GRADE), folds=3, repeats=1, seed=1)
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="a", direction="maximize")
    with pytest.raises(InputError, match="asks for the largest value"):
        tune(folds, trials=1, seed=5, storage=storage, study="a")


def test_the_first_trials_count_where_there_are_more(planted) -> None:
    folds = inner_folds(label(*planted(40, features=30), GRADE), folds=3, repeats=1, seed=1)
    storage = optuna.storages.InMemoryStorage()
    four = tune(folds, trials=4, seed=5, storage=storage, study="a")
    tune(folds, trials=9, seed=5, storage=storage, study="a")
    assert tune(folds, trials=4, seed=5, storage=storage, study="a") == four
