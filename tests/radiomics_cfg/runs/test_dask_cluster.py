"""A real Dask cluster of two worker processes, on this machine."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.cases.features import FeatureRecipe
from radiomics_cfg.cases.result_file import find_outcome
from radiomics_cfg.contour_stability import stability
from radiomics_cfg.extraction import extract
from radiomics_cfg.perturbation.perturbed_mask import VolumeChange
from radiomics_cfg.preset import Preset
from radiomics_cfg.runs import dask_cluster as module
from radiomics_cfg.runs.batch import DEFAULT_BACKEND
from radiomics_cfg.runs.dask_cluster import measure_on_cluster

TwoBalls = Callable[..., Scan]
WriteCase = Callable[[str, Scan], Case]

pytestmark = pytest.mark.usefixtures("default_backend")


@pytest.fixture
def recipe(cohort: Cohort, small_preset: Preset) -> FeatureRecipe:
    return FeatureRecipe.of(cohort, small_preset, backend=DEFAULT_BACKEND, mode="canonical")


@pytest.fixture
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
        yield local


@pytest.fixture
def ten(cohort: Cohort, two_balls: TwoBalls, write_case: WriteCase) -> Cohort:
    return cohort.with_cases(write_case(f"case{seed}", two_balls(seed=seed)) for seed in range(10))


def test_a_cluster_that_loses_a_worker_gives_the_bytes_of_one_process(
    cluster: Any, ten: Cohort, small_preset: Preset, tmp_path: Path
) -> None:
    victim = next(iter(cluster.workers.values())).pid
    seen = []

    def kill_one(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            os.kill(victim, signal.SIGKILL)

    address = cluster.scheduler_address
    shared, refusals = extract(ten, small_preset, cache_dir=tmp_path / "c", scheduler=address, on_progress=kill_one)
    alone, _ = extract(ten, small_preset, cache_dir=tmp_path / "a")
    shared.write(tmp_path / "shared.parquet")
    alone.write(tmp_path / "alone.parquet")
    assert refusals == ()
    assert (tmp_path / "shared.parquet").read_bytes() == (tmp_path / "alone.parquet").read_bytes()
    assert seen == [(done, 10) for done in range(11)]


def test_stability_on_a_cluster_is_that_of_one_process(
    cluster: Any, cohort: Cohort, small_preset: Preset, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"perturbations": [VolumeChange(0.2)], "minimum_cases": 3}
    address = cluster.scheduler_address
    shared = stability(cohort, small_preset, cache_dir=tmp_path / "c", scheduler=address, **asked)
    alone = stability(cohort, small_preset, **asked)
    pd.testing.assert_frame_equal(shared.table, alone.table, check_exact=True)


def test_a_cluster_needs_a_folder_that_it_sees(cohort: Cohort, small_preset: Preset) -> None:
    with pytest.raises(InputError, match="have to see the results"):
        extract(cohort, small_preset, scheduler="tcp://there:1")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "head-node", "zip://x:1"])
def test_an_address_without_a_scheduler_is_refused(
    cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    with pytest.raises(InputError, match=rf"No Dask scheduler answers at '{address}'"):
        list(measure_on_cluster(cohort.cases, recipe, tmp_path, scheduler=address))


def test_a_cluster_is_asked_for_where_a_loop_runs_already(
    cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(module, "CONNECT_S", 0.5)

    async def in_a_notebook() -> None:
        list(measure_on_cluster(cohort.cases, recipe, tmp_path, scheduler="tcp://127.0.0.1:9"))

    with pytest.raises(InputError, match=r"No Dask scheduler answers .* \((OSError|TimeoutError)\)"):  # not a RuntimeError
        asyncio.run(in_a_notebook())


def test_a_scheduler_without_workers_is_not_waited_for_without_end(
    cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(module, "FIRST_WORKER_S", 0.2)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as empty,
        pytest.raises(InputError, match=r"has no worker after 0\.2 s"),
    ):
        list(measure_on_cluster(cohort.cases, recipe, tmp_path, scheduler=empty.scheduler_address))


class KilledWorker(Exception):  # noqa: N818 - Dask's name
    """As Dask raises it for a task that was lost with several workers."""


@contextmanager
def cluster_that_raises(error: Exception) -> Iterator[SimpleNamespace]:
    """A client of a cluster on which every task ends with ``error``."""

    def fail() -> None:
        raise error

    def submit(_: object, cases: list[Case], **__: object) -> list[SimpleNamespace]:
        return [SimpleNamespace(key=case.id, result=fail) for case in cases]

    yield SimpleNamespace(map=submit, loop=None)


@pytest.fixture
def fake_dask(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    cancelled = SimpleNamespace(FutureCancelledError=CancelledError)
    dask = SimpleNamespace(KilledWorker=KilledWorker, client=cancelled, as_completed=lambda futures, **_: futures)
    monkeypatch.setattr(module, "_load_dask", lambda: dask)
    return dask


@pytest.mark.usefixtures("fake_dask")
def test_a_case_that_took_several_workers_with_it_is_refused_and_the_rest_goes_on(
    cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_connected", lambda *_: cluster_that_raises(KilledWorker()))
    outcomes = dict(measure_on_cluster(cohort.cases, recipe, tmp_path, scheduler="tcp://there:1"))
    assert [outcome.code for outcome in outcomes.values() if isinstance(outcome, Refusal)] == ["worker-lost"] * 3
    assert find_outcome(cohort.cases[0], recipe, tmp_path) == outcomes[cohort.cases[0]]


@pytest.mark.usefixtures("fake_dask")
def test_a_lost_scheduler_ends_the_run_with_what_to_do(
    cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_connected", lambda *_: cluster_that_raises(CancelledError()))
    with pytest.raises(InputError, match=r"scheduler at tcp://there:1 is gone; .* the same command goes on from there"):
        list(measure_on_cluster(cohort.cases, recipe, tmp_path, scheduler="tcp://there:1"))


def test_without_the_extra_a_cluster_is_refused_with_the_way_to_get_it(
    cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_module(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(module, "import_module", no_module)
    with pytest.raises(InputError, match=r"needs the extra cluster, .*uv sync --extra cluster"):
        list(measure_on_cluster(cohort.cases, recipe, tmp_path, scheduler="tcp://there:1"))


def test_a_worker_with_another_version_is_refused(cohort: Cohort, recipe: FeatureRecipe, tmp_path: Path) -> None:
    older = replace(recipe, versions={**recipe.versions, "numpy": "1.0"})
    with pytest.raises(InputError, match=r"A Dask worker has numpy .*, this process 1\.0"):
        module._task(cohort.cases[0], recipe=older, folder=tmp_path)
    assert list(tmp_path.glob("*.npz")) == []
