from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnunet_ext.ground.case import Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.shard import Shard
from radiomics_cfg.cases.kept_values import read_values
from radiomics_cfg.cases.result_file import KeptRows, keep_trouble
from radiomics_cfg.preset import Preset
from radiomics_cfg.runs.batch import Batch

pytestmark = pytest.mark.usefixtures("default_backend")


@pytest.fixture
def batch(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> Batch:
    return Batch.of(cohort, small_preset, tmp_path / "cases")


def test_a_plan_counts_what_is_done_and_what_is_not(batch: Batch, cohort: Cohort) -> None:
    first, second, third = cohort.cases
    unsegmented = replace(second, mask=None)
    batch = replace(batch, cohort=cohort.with_cases([first, unsegmented, third]))
    before = batch.plan(batch.find())
    assert (before.n_kept, before.n_refused, before.n_todo) == (0, 1, 2)
    batch.part(Shard(0, 3)).measure({})
    after = batch.plan(batch.find())
    assert (after.n_kept, after.n_refused, after.n_todo) == (1, 1, 1)
    assert after.case_file_bytes == before.case_file_bytes / 2
    assert after.table_bytes == before.table_bytes == 2 * 8 * len(batch.recipe.columns())


def test_progress_begins_with_what_was_done_before(batch: Batch) -> None:
    batch.part(Shard(1, 3)).measure({})
    seen: list[tuple[int, int]] = []
    outcomes = batch.measure(batch.find(), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert list(outcomes) == ["case0", "case1", "case2"]


def test_looking_up_tells_how_far_it_is(batch: Batch) -> None:
    seen: list[tuple[int, int]] = []
    assert batch.find(lambda done, total: seen.append((done, total))) == {}
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_what_may_have_passed_is_found_but_measured_again(batch: Batch, cohort: Cohort) -> None:
    keep_trouble(cohort.cases[0], batch.recipe, batch.folder, code="out-of-memory", reason="8 GB")
    found = batch.find()
    assert [type(outcome) for outcome in found.values()] == [Refusal]
    assert batch.plan(found).n_todo == 3
    assert all(isinstance(outcome, KeptRows) for outcome in batch.measure(found).values())


def test_a_batch_of_no_case_is_done(batch: Batch) -> None:
    empty = batch.part(Shard(3, 4))
    assert empty.measure(empty.find(), jobs=2) == {}


def test_jobs_below_one_are_refused(batch: Batch) -> None:
    with pytest.raises(InputError, match="jobs must be at least 1; found 0"):
        batch.measure({}, jobs=0)


def test_jobs_are_not_for_a_cluster(batch: Batch) -> None:
    with pytest.raises(InputError, match=r"its own number of workers; found jobs 2 together with the scheduler tcp://there:1"):
        batch.measure({}, jobs=2, scheduler="tcp://there:1")


def test_a_mode_that_is_none_is_refused(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No extraction mode 'magic'; known ones are canonical, pyradiomics"):
        Batch.of(cohort, small_preset, tmp_path, mode="magic")  # type: ignore[arg-type]


def test_threads_change_no_bit_of_a_case(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    one = cohort.with_cases(cohort.cases[:1])
    found = []
    for threads in (1, 2, 7):
        batch = Batch.of(one, small_preset, tmp_path / str(threads))
        (outcome,) = batch.measure({}, jobs=threads).values()
        assert isinstance(outcome, KeptRows)
        found.append(read_values(outcome.file)[0])
    assert np.isfinite(found[0]).any()
    assert all(other.tobytes() == found[0].tobytes() for other in found[1:])
