import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, load_model
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.cases.deep import DeepRecipe, deep_columns, measure_deep, network_scale, tumour_and_ring
from radiomics_cfg.cases.features import read_case_file
from radiomics_cfg.cases.result_file import CaseWork, KeptRows
from radiomics_cfg.preset import Preset, RegionRules

TwoBalls = Callable[..., Scan]
WriteCase = Callable[[str, Scan], Case]


@pytest.fixture
def model(untrained_network: Path) -> LoadedModel:
    return load_model(TrainedModel(untrained_network))


@pytest.fixture
def rules(small_preset: Preset) -> RegionRules:
    return tumour_and_ring(small_preset.regions)


def turned(scan: Scan, orientation: str) -> Scan:
    return Scan(sitk.DICOMOrient(scan.image, orientation), sitk.DICOMOrient(scan.mask, orientation))


def test_all_shells_of_a_preset_are_one_ring(small_preset: Preset) -> None:
    assert tumour_and_ring(small_preset.regions).names == ("tumour", "shell_0_6mm")
    assert tumour_and_ring(RegionRules(lesions="each")).names == ("tumour",)
    assert tumour_and_ring(RegionRules(lesions="each")).lesions == "each"


def test_columns_name_region_scale_stage_figure_and_channel(model: LoadedModel, rules: RegionRules) -> None:
    columns = deep_columns(rules, model)
    assert len(columns) == 2 * 2 * (4 + 6 + 8)
    assert columns[0] == "tumour__net4mm__deep_stage0_mean_0"
    assert columns[4] == "tumour__net4mm__deep_stage0_std_0"
    assert columns[-1] == "shell_0_6mm__net4mm__deep_stage2_std_7"


def test_a_scale_of_unequal_sides_names_all_three(model: LoadedModel) -> None:
    class Uneven:
        spacing = (3.0, 0.7834, 0.7834)

    assert network_scale(model) == "net4mm"
    assert network_scale(replace(model, configuration=Uneven())) == "net3x0p783x0p783mm"


@pytest.mark.parametrize("orientation", ["RAI", "SAR", "LPS"])
def test_a_turned_scan_has_the_same_features(
    orientation: str, two_balls: TwoBalls, model: LoadedModel, rules: RegionRules
) -> None:
    scan = two_balls(spacing=(3.0, 4.0, 5.0))
    as_is, again = measure_deep(scan, rules, model), measure_deep(turned(scan, orientation), rules, model)
    assert turned(scan, orientation).image.GetDirection() != scan.image.GetDirection() or orientation == "LPS"
    assert np.isfinite(as_is.values).all()
    assert np.abs(as_is.values).max() > 0.1
    np.testing.assert_allclose(again.values, as_is.values, atol=1e-5)
    assert again.keys == as_is.keys


def test_other_tissue_in_tumour_and_ring_gives_other_features(
    two_balls: TwoBalls, model: LoadedModel, rules: RegionRules
) -> None:
    first, second = (measure_deep(two_balls(seed=seed), rules, model).values[0] for seed in (0, 1))
    assert (first != second).all()


@pytest.mark.parametrize(("minimum", "reason"), [(11, None), (12, "11 voxels; at least 12 are needed")])
def test_a_region_with_too_few_network_voxels_has_no_features(
    minimum: int, reason: str | None, two_balls: TwoBalls, model: LoadedModel, rules: RegionRules
) -> None:
    scan = two_balls(spacing=(4.0, 4.0, 4.0))
    labels = sitk.GetArrayFromImage(scan.mask)
    tumour = np.flatnonzero(labels == Label.TUMOUR)
    labels.flat[tumour[11:]] = Label.KIDNEY
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(scan.image)
    found = measure_deep(Scan(scan.image, mask), rules.model_copy(update={"minimum_voxels": minimum}), model)
    tumour_values, ring_values = np.split(found.values[0], 2)
    assert np.isnan(tumour_values).all() == (reason is not None)
    assert np.isfinite(ring_values).all()
    assert found.missing == ({} if reason is None else {"tumour__net4mm": reason},)


def test_each_lesion_is_measured_by_itself(two_balls: TwoBalls, model: LoadedModel, rules: RegionRules) -> None:
    scan = two_balls()
    labels = sitk.GetArrayFromImage(scan.mask)
    labels[8:14, 8:14, 4:9] = Label.TUMOUR
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(scan.image)
    each = measure_deep(Scan(scan.image, mask), rules.model_copy(update={"lesions": "each"}), model)
    index = measure_deep(Scan(scan.image, mask), rules.model_copy(update={"lesions": "index"}), model)
    assert [key["lesion"] for key in each.keys] == [1, 2]
    assert np.array_equal(each.values[0], index.values[0])
    assert not np.array_equal(each.values[0], each.values[1])


def test_what_came_of_a_case_is_kept_until_something_changes(
    cohort: Cohort, small_preset: Preset, untrained_network: Path, tmp_path: Path
) -> None:
    recipe = DeepRecipe.of(cohort, small_preset, TrainedModel(untrained_network))
    folder, case = tmp_path / "kept", cohort.cases[0]
    first = CaseWork(recipe, folder).measure(case)
    assert isinstance(first, KeptRows)
    before = first.file.stat().st_mtime_ns
    assert CaseWork(recipe, folder).measure(case) == first
    assert first.file.stat().st_mtime_ns == before
    other = replace(recipe, files={**recipe.files, "plans.json": "0"})
    assert CaseWork(other, folder).measure(case) != first
    assert other.sha256 != recipe.sha256
    assert replace(recipe, labels={"tumour": 2}).sha256 == recipe.sha256
    content = read_case_file(first.file)
    assert content is not None
    assert content.rows.values.shape == (1, 72)


def test_a_case_without_a_tumour_is_refused_and_no_other_case_with_it(
    two_balls: TwoBalls, write_case: WriteCase, cohort: Cohort, small_preset: Preset, untrained_network: Path, tmp_path: Path
) -> None:
    scan = two_balls()
    healthy = write_case("healthy", Scan(scan.image, sitk.Cast(scan.mask == int(Label.KIDNEY), sitk.sitkUInt8)))
    work = CaseWork(DeepRecipe.of(cohort, small_preset, TrainedModel(untrained_network)), tmp_path / "kept")
    refused = work.measure(healthy)
    assert isinstance(refused, Refusal)
    assert (refused.stage, refused.code) == ("deep", "tumour-absent")
    assert isinstance(work.measure(cohort.cases[1]), KeptRows)


def test_a_result_that_is_not_of_this_case_and_network_is_made_again(
    cohort: Cohort, small_preset: Preset, untrained_network: Path, tmp_path: Path
) -> None:
    recipe = DeepRecipe.of(cohort, small_preset, TrainedModel(untrained_network))
    work, (case, other) = CaseWork(recipe, tmp_path / "kept"), cohort.cases[:2]
    kept, foreign = work.measure(case), work.measure(other)
    assert isinstance(kept, KeptRows)
    assert isinstance(foreign, KeptRows)
    whole = read_case_file(kept.file)
    assert whole is not None
    with np.load(kept.file) as stored:
        values, about = stored["values"], stored["about"]
    shutil.copy(foreign.file, kept.file)
    assert work.measure(case) == kept
    for damaged in (values[:, :1], np.hstack([values, values]), values * np.inf, values.astype(str)):
        np.savez(kept.file, values=damaged, about=about)
        assert work.measure(case) == kept
    kept.file.write_bytes(kept.file.read_bytes()[:500])
    assert work.measure(case) == kept
    again = read_case_file(kept.file)
    assert again is not None
    assert np.array_equal(again.rows.values, whole.rows.values, equal_nan=True)


def test_one_fold_is_taken(cohort: Cohort, small_preset: Preset, untrained_network: Path) -> None:
    with pytest.raises(InputError, match=r"come from one fold, .*; asked for 0, 1"):
        DeepRecipe.of(cohort, small_preset, TrainedModel(untrained_network, folds=(0, 1)))
