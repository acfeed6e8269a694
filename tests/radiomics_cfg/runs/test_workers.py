# Also of: radiomics_cfg.process.one_thread.

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from nnunet_ext.ground.case import Case, Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.cases.features import FeatureRecipe
from radiomics_cfg.cases.result_file import CaseWork
from radiomics_cfg.extraction import extract
from radiomics_cfg.preset import Preset
from radiomics_cfg.runs import workers as module
from radiomics_cfg.runs.batch import DEFAULT_BACKEND
from radiomics_cfg.runs.compaction import compact
from radiomics_cfg.runs.workers import measure_in_processes

TwoBalls = Callable[..., Scan]
WriteCase = Callable[[str, Scan], Case]

pytestmark = pytest.mark.usefixtures("default_backend")


@pytest.fixture
def recipe(cohort: Cohort, small_preset: Preset) -> FeatureRecipe:
    return FeatureRecipe.of(cohort, small_preset, backend=DEFAULT_BACKEND, mode="canonical")


@pytest.fixture
def eight(cohort: Cohort, two_balls: TwoBalls, write_case: WriteCase) -> Cohort:
    return cohort.with_cases(write_case(f"case{seed}", two_balls(seed=seed)) for seed in range(8))


def test_two_processes_of_which_one_is_killed_give_the_bytes_of_one_in_the_end(
    eight: Cohort, small_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    workers: list[module._Worker] = []

    class Recorded(module._Worker):
        def __init__(self, work: CaseWork) -> None:
            super().__init__(work)
            workers.append(self)

    def kill_one(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 4:
            busy = next(worker for worker in workers if worker.case is not None)
            assert busy._process.pid is not None
            os.kill(busy._process.pid, signal.SIGKILL)

    monkeypatch.setattr(module, "_Worker", Recorded)
    others = set(multiprocessing.active_children())
    cache = tmp_path / "two"
    table, refusals = extract(eight, small_preset, cache_dir=cache, jobs=2, on_progress=kill_one)
    assert seen == [(done, 8) for done in range(9)]
    assert set(multiprocessing.active_children()) == others
    (lost,) = refusals
    assert lost.code == "worker-lost"
    assert lost.reason.startswith("its worker process died (signal 9)")
    assert len(table.rows) == 7
    assert compact(eight, small_preset, cache_dir=cache)[1] == refusals
    again, refusals = extract(eight, small_preset, cache_dir=cache)
    assert refusals == ()
    again.write(tmp_path / "two.parquet")
    extract(eight, small_preset, cache_dir=tmp_path / "one")[0].write(tmp_path / "one.parquet")
    assert (tmp_path / "two.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


def test_an_interrupted_run_leaves_no_process_behind(cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path) -> None:
    def interrupt() -> None:
        for _ in measure_in_processes(cohort.cases, CaseWork(recipe, tmp_path / "cases"), jobs=1):
            raise KeyboardInterrupt

    others = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert set(multiprocessing.active_children()) == others


def test_a_process_that_does_not_get_ready_ends_the_run_unless_there_are_others(recipe: FeatureRecipe, tmp_path: Path) -> None:
    work = CaseWork(recipe, tmp_path)
    assert module._lost(None, "signal 11", work, others=1) is None
    with pytest.raises(InputError, match=r"ended before its first case \(signal 11\)"):
        module._lost(None, "signal 11", work, others=0)


def test_what_goes_wrong_in_a_process_is_raised_here() -> None:
    def fail(error: Exception) -> None:
        raise error

    worker = object.__new__(module._Worker)
    worker.pipe, theirs = multiprocessing.Pipe()
    theirs.send(module._answer(partial(fail, InputError("no such feature"))))
    with pytest.raises(InputError, match="no such feature"):
        worker.receive()
    theirs.send(module._answer(partial(fail, KeyError("kidney"))))
    with pytest.raises(RuntimeError, match=r"(?s)A worker process failed.*KeyError: 'kidney'"):
        worker.receive()


def test_processes_have_one_thread_and_leave_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    usual = signal.getsignal(signal.SIGINT)
    with module._inherited():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["NUMBA_NUM_THREADS"] == "1"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "NUMBA_NUM_THREADS" not in os.environ
    assert signal.getsignal(signal.SIGINT) is usual
