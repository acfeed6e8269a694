# Also of: radiomics_cfg.cases.features, radiomics_cfg.cases.recipe, radiomics_cfg.modes.

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.backends.backend import Backend
from radiomics_cfg.cases import measure
from radiomics_cfg.cases.measure import KEPT_FRACTION
from radiomics_cfg.extraction import extract
from radiomics_cfg.preset import Preset, load_preset
from radiomics_cfg.table import FeatureTable

TwoBalls = Callable[..., Scan]
WriteCase = Callable[[str, Scan], Case]

pytestmark = pytest.mark.usefixtures("default_backend")


def parquet(table: FeatureTable, folder: Path, name: str) -> bytes:
    table.write(folder / name)
    return (folder / name).read_bytes()


def test_the_quick_preset_end_to_end(two_balls: TwoBalls, write_case: WriteCase, tmp_path: Path) -> None:
    scan = two_balls(spacing=(1.5, 1.5, 5.0), tumour_mm=14.0)
    cohort = Cohort("phantoms", Role.DEVELOPMENT, (write_case("one", scan),))
    table, refusals = extract(cohort, load_preset("quick"), cache_dir=tmp_path / "cache")
    assert refusals == ()
    assert table.rows[["cohort", "case_id", "patient_id", "centre"]].to_numpy().tolist() == [
        ["phantoms", "one", "patient-one", "north"]
    ]
    images = {"3mm": 1 + 8 + 2, "5mm": 1 + 2}  # original, wavelet bands, LoG; the coarse scale has no wavelets
    assert table.features.shape == (1, sum(6 * (14 + 93 * n) + 4 for n in images.values()))
    assert table.features.notna().all(axis=None)
    row = table.features.iloc[0]
    assert table.volume_column == "tumour__3mm__original_shape_MeshVolume"
    assert row[table.volume_column] == pytest.approx(4 / 3 * np.pi * 14**3, rel=0.05)
    # The phantom's HU: tumour 90, kidney 160, fat -100, noise of 20 HU.
    assert row["tumour__3mm__original_firstorder_Median"] == pytest.approx(90, abs=5)
    assert row["kidney__3mm__original_firstorder_Median"] == pytest.approx(160, abs=5)
    assert row["shell_0_5mm_fat__3mm__original_firstorder_Median"] == pytest.approx(-100, abs=15)
    sides = [row[f"shell_0_5mm_{side}__3mm__{KEPT_FRACTION}"] for side in ("kidney", "fat")]
    assert sum(sides) <= row[f"shell_0_5mm__3mm__{KEPT_FRACTION}"] <= 1
    assert min(sides) > 0.2


def test_provenance_says_what_the_numbers_come_from(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    table, _ = extract(cohort, small_preset, cache_dir=tmp_path / "cache")
    table.write(tmp_path / "table.parquet")
    provenance = FeatureTable.read(tmp_path / "table.parquet").provenance
    assert provenance["cohorts"] == {"phantoms": "external"}
    assert provenance["preset"] == "small"
    assert provenance["preset_sha256"] == small_preset.sha256
    assert (provenance["mode"], provenance["orientation"]) == ("canonical", "LPS")
    assert {"engine", "SimpleITK", "numba", "numpy", "extraction"} <= set(provenance["versions"])
    assert list(provenance["cases"]) == ["case0", "case1", "case2"]
    hashes = {tuple(case[key] for key in ("image_sha256", "mask_sha256")) for case in provenance["cases"].values()}
    assert len(hashes) == 3


def test_a_run_that_was_cut_off_goes_on_to_the_same_bytes(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = parquet(extract(cohort, small_preset, cache_dir=cache)[0], tmp_path, "first.parquet")
    files = sorted(cache.iterdir())
    assert len(files) == 3
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-40])
    (cache / ".writing-killed.npz").write_bytes(b"half")
    kept = files[2].stat().st_mtime_ns
    before = {file: file.stat().st_mtime_ns for file in files[1:]}
    assert parquet(extract(cohort, small_preset, cache_dir=cache)[0], tmp_path, "again.parquet") == first
    assert files[2].stat().st_mtime_ns == kept
    assert files[1].stat().st_mtime_ns != before[files[1]]
    assert files[0].is_file()


def test_a_kept_result_serves_only_the_same_files_labels_and_preset(
    cohort: Cohort, small_preset: Preset, two_balls: TwoBalls, write_case: WriteCase, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    one = cohort.with_cases(cohort.cases[:1])
    extract(one, small_preset, cache_dir=cache)
    extract(one, replace(small_preset, sha256="another"), cache_dir=cache)
    assert len(list(cache.iterdir())) == 2
    extract(replace(one, labels={"kidney": 1, "tumour": 2}), small_preset, cache_dir=cache)
    assert len(list(cache.iterdir())) == 3
    write_case("case0", two_balls(seed=9))
    extract(one, small_preset, cache_dir=cache)
    assert len(list(cache.iterdir())) == 4


def test_a_bad_case_is_refused_and_the_rest_goes_on(
    cohort: Cohort, small_preset: Preset, two_balls: TwoBalls, write_case: WriteCase, tmp_path: Path
) -> None:
    good = cohort.cases[0]
    healthy = two_balls()
    healthy = Scan(healthy.image, sitk.Cast(healthy.mask == int(Label.KIDNEY), sitk.sitkUInt8))
    cases = (
        write_case("healthy", healthy),
        replace(good, id="unsegmented", mask=None),
        replace(good, id="lost", image=tmp_path / "nowhere.nii.gz"),
        replace(good, id="swapped", mask=good.image),
        good,
    )
    table, refusals = extract(cohort.with_cases(cases), small_preset, cache_dir=tmp_path / "cache")
    assert table.rows["case_id"].tolist() == ["case0"]
    assert [(refusal.case_id, refusal.stage, refusal.code) for refusal in refusals] == [
        ("healthy", "extract", "tumour-absent"),
        ("unsegmented", "extract", "mask-absent"),
        ("lost", "extract", "image-missing"),
        ("swapped", "extract", "unknown-label"),
    ]
    with pytest.raises(InputError, match=r"No case of cohort phantoms could be used; .* tumour-absent"):
        extract(cohort.with_cases(cases[:-1]), small_preset, cache_dir=tmp_path / "cache")


def test_what_a_library_gives_up_on_is_refused(
    cohort: Cohort, small_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resample = measure.resample

    def fail_once(*_: object, **__: object) -> sitk.Image:
        monkeypatch.setattr(measure, "resample", resample)
        raise RuntimeError("ITK\n  says no")

    monkeypatch.setattr(measure, "resample", fail_once)
    table, refusals = extract(cohort, small_preset, cache_dir=tmp_path / "cache")
    assert [(refusal.case_id, refusal.code, refusal.reason) for refusal in refusals] == [
        ("case0", "failed", "RuntimeError: ITK says no")
    ]
    assert len(table.rows) == 2


def test_a_tumour_too_small_for_a_scale_has_missing_values_and_a_reason(
    two_balls: TwoBalls, write_case: WriteCase, small_preset: Preset, tmp_path: Path
) -> None:
    case = write_case("tiny", two_balls(tumour_mm=7.0))  # about 53 voxels at 3 mm, 7 at 6 mm
    table, refusals = extract(Cohort("c", Role.EXTERNAL, (case,)), small_preset, cache_dir=tmp_path / "cache")
    assert refusals == ()
    row = table.features.iloc[0]
    assert np.isfinite(row[table.volume_column])
    coarse = [name for name in table.feature_names if name.startswith("tumour__6mm__")]
    assert len(coarse) == 7
    assert row[coarse].isna().all()
    (missing,) = table.provenance["cases"]["tiny"]["missing"]
    assert missing["tumour__6mm"].endswith("voxels; at least 30 are needed")
    assert "tumour__3mm" not in missing
    without_value = {name.rsplit("__", 1)[0] for name in table.feature_names if np.isnan(row[name])}
    assert without_value == set(missing)


def test_values_do_not_depend_on_how_much_of_the_body_was_scanned(
    two_balls: TwoBalls, write_case: WriteCase, small_preset: Preset, tmp_path: Path
) -> None:
    # Cut by whole voxels of both scales, the grids coincide: what is computed on a box must be the same.
    scan = two_balls(tumour_mm=15.0)
    cut = Scan(scan.image[:, :, 2:], scan.mask[:, :, 2:])
    cohort = Cohort("c", Role.EXTERNAL, (write_case("whole", scan), write_case("cut", cut)))
    table, _ = extract(cohort, small_preset, cache_dir=tmp_path / "cache")
    original = [name for name in table.feature_names if "log-sigma" not in name]
    whole, part = table.rows[original].to_numpy()
    assert part == pytest.approx(whole, rel=1e-6, nan_ok=True)
    assert np.isfinite(whole).sum() >= 38


def test_columns_are_complete_and_in_order_even_if_no_case_has_a_value(
    two_balls: TwoBalls, write_case: WriteCase, small_preset: Preset, tmp_path: Path, default_backend: Backend
) -> None:
    case = write_case("tiny", two_balls(tumour_mm=4.0))
    table, _ = extract(Cohort("c", Role.EXTERNAL, (case,)), small_preset, cache_dir=tmp_path / "cache")
    assert table.features["tumour__3mm__original_shape_MeshVolume"].isna().all()
    names = default_backend.feature_names(small_preset.scales[0].parameters)
    assert table.feature_names[:7] == [f"tumour__3mm__{name}" for name in names]
    assert len(table.feature_names) == 2 * (5 * 7 + 3)


@pytest.mark.data
def test_a_real_mask_over_synthetic_intensities(
    real_data: Path, write_case: WriteCase, small_preset: Preset, tmp_path: Path
) -> None:
    mask = sitk.ReadImage(real_data / "kits23" / "masks" / "case_00023.nii.gz")
    labels = sitk.GetArrayFromImage(mask).astype(np.uint8)
    hu = np.choose(labels, [-100, 160, 90, 10]) + np.random.default_rng(0).normal(0, 15, labels.shape)
    image = sitk.GetImageFromArray(hu.round().astype(np.int16))
    image.CopyInformation(mask)
    cohort = Cohort("kits", Role.DEVELOPMENT, (write_case("kits", Scan(image, mask)),))
    table, refusals = extract(cohort, small_preset, cache_dir=tmp_path / "cache")
    assert refusals == ()
    truth = np.count_nonzero(labels == Label.TUMOUR) * np.prod(mask.GetSpacing())
    assert table.features[table.volume_column].iloc[0] == pytest.approx(truth, rel=0.05)


def test_a_mass_has_the_features_of_a_tumour_and_never_its_columns(
    two_balls: TwoBalls, write_case: WriteCase, small_preset: Preset
) -> None:
    scan = two_balls(spacing=(3.0, 3.0, 3.0), tumour_mm=14.0)
    case = write_case("one", scan)
    labels = sitk.GetArrayFromImage(scan.mask)
    labels[labels == Label.TUMOUR] = Label.MASS
    masses = sitk.GetImageFromArray(labels)
    masses.CopyInformation(scan.mask)
    other = write_case("two", Scan(scan.image, masses))
    tumours, _ = extract(Cohort("tumours", Role.EXTERNAL, (case,)), small_preset)
    found, refused = extract(Cohort("masses", Role.EXTERNAL, (other,), labels={"kidney": 1, "mass": 4}), small_preset)
    assert refused == ()
    named = [name.replace("tumour__", "mass__") for name in tumours.features.columns]
    assert list(found.features.columns) == named
    assert any(name.startswith("mass__") for name in named)
    np.testing.assert_array_equal(found.features.to_numpy(), tumours.features.to_numpy())
    assert found.provenance["lesions"] == "mass"
    assert "lesions" not in tumours.provenance
    assert found.volume_column.startswith("mass__")
    _, unknown = extract(Cohort("unstated", Role.EXTERNAL, (case, other)), small_preset)
    assert [one.code for one in unknown] == ["unknown-label"]
