# Also of: radiomics_cfg.cases.kept_values, radiomics_cfg.cases.perturbed, radiomics_cfg.regions.tumours.

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.backends.backend import Backend, load_backend
from radiomics_cfg.cases import perturbed as perturbed_case
from radiomics_cfg.cases.kept_values import read_values, write_values
from radiomics_cfg.cases.measure import feature_columns, measure_case
from radiomics_cfg.cases.perturbed import MaskRecipe, measure_masks, read_masks
from radiomics_cfg.cases.result_file import measure_and_keep
from radiomics_cfg.contour_stability import PerturbedValues, Stability, stability
from radiomics_cfg.extraction import extract
from radiomics_cfg.modes import MODES, Mode
from radiomics_cfg.perturbation.icc import intraclass_correlation
from radiomics_cfg.perturbation.perturbed_mask import ContourRandomisation, Perturbation, Translation, VolumeChange, perturb
from radiomics_cfg.preset import Preset
from radiomics_cfg.regions.tumours import Mask, Tumour, Tumours
from radiomics_cfg.runs import workers
from radiomics_cfg.sealed_table import write_sealed

TwoBalls = Callable[..., Scan]
WriteCase = Callable[[str, Scan], Case]
Stabilise = Callable[..., Stability]

MASKS = (VolumeChange(0.2), ContourRandomisation(1))
VOLUME = "tumour__3mm__original_shape_MeshVolume"


@pytest.fixture(scope="session")
def numba_engine() -> Backend:
    return load_backend("numba")


@pytest.fixture
def cohort(two_balls: TwoBalls, write_case: WriteCase) -> Cohort:
    """Three tumours of unlike sizes."""
    cases = [write_case(f"case{seed}", two_balls(seed=seed, tumour_mm=9 + 2 * seed)) for seed in range(3)]
    return Cohort("phantoms", Role.DEVELOPMENT, tuple(cases))


@pytest.fixture
def stabilise(small_preset: Preset, tmp_path: Path) -> Stabilise:
    """Run ``stability`` with the small preset in a folder of its own."""

    def run(cohort: Cohort, **changes: object) -> Stability:
        settings = {"perturbations": MASKS, "cache_dir": tmp_path / "kept", "backend": "numba", "minimum_cases": 3} | changes
        return stability(cohort, small_preset, **settings)  # type: ignore[arg-type]

    return run


@dataclass(frozen=True)
class Erased:
    """A perturbation that leaves nothing of small tumours."""

    below: int
    name: str = "erased"

    def mask(self, tumour: Tumour) -> Mask:
        return tumour.inside if tumour.count >= self.below else np.zeros_like(tumour.inside)


def test_stability_is_the_correlation_of_extractions_under_each_mask(
    cohort: Cohort, small_preset: Preset, stabilise: Stabilise, two_balls: TwoBalls, numba_engine: Backend
) -> None:
    found = stabilise(cohort)
    values = []
    for seed in range(3):
        scan = two_balls(seed=seed, tumour_mm=9 + 2 * seed)
        scans = [scan, *(perturb(Tumours.of(scan), mask) for mask in MASKS)]
        values.append([measure_case(each, small_preset, numba_engine).values[0] for each in scans])
    expected = intraclass_correlation(np.array(values), minimum_cases=3)
    assert found.table["feature"].tolist() == feature_columns(small_preset, numba_engine)
    for name, numbers in (("icc", expected.estimate), ("low", expected.low), ("high", expected.high)):
        np.testing.assert_array_equal(found.table[name], numbers)
    assert found.table["n_cases"].tolist() == expected.n_cases.tolist()
    assert set(found.table["n_masks"]) == {3}
    assert found.about["masks"] == ["original", "volume +20%", "contour 1"]
    assert found.refusals == ()
    row = found.table.set_index("feature").loc[VOLUME]
    assert 0.8 < row["icc"] < 0.9  # the sizes differ more than the masks of one size


@pytest.mark.parametrize("mode", MODES)
def test_the_original_mask_gives_what_extract_gives(
    cohort: Cohort, small_preset: Preset, stabilise: Stabilise, tmp_path: Path, mode: Mode
) -> None:
    found = stabilise(cohort, perturbations=MASKS[:1], mode=mode)
    assert found.about["mode"] == mode
    table, _ = extract(cohort, small_preset, cache_dir=tmp_path / "cases", backend="numba", mode=mode)
    kept = [content.values[0] for file in (tmp_path / "kept").iterdir() if (content := read_masks(file)) is not None]
    ours, theirs = (np.nan_to_num(np.array(values), nan=-1.0) for values in (kept, table.features.to_numpy()))
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_masks_that_change_nothing_give_a_correlation_of_one(cohort: Cohort, stabilise: Stabilise) -> None:
    found = stabilise(cohort, perturbations=(VolumeChange(0.0), Translation(0.0, 0.0, 0.0)))
    had = found.table["icc"].notna()
    assert had.sum() > 30
    assert found.table["icc"][had].to_numpy() == pytest.approx(1)
    assert found.stable_features() == found.table["feature"][had].tolist()


def test_features_without_enough_cases_have_a_reason_instead(cohort: Cohort, stabilise: Stabilise) -> None:
    table = stabilise(cohort).table.set_index("feature")
    coarse = table.loc["tumour__6mm__original_firstorder_Mean"]  # the smallest tumour has fewer than 30 voxels of 6 mm
    assert coarse["n_cases"] < 3
    assert np.isnan([coarse["icc"], coarse["low"], coarse["high"]]).all()
    assert coarse["reason"] == f"{coarse['n_cases']} cases have a value under every mask; at least 3 are needed"
    assert table.loc[VOLUME, "reason"] == ""


def test_each_scan_is_read_once_and_measured_once_a_mask(
    cohort: Cohort, stabilise: Stabilise, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {"read_scan": 0, "measure_case": 0}

    def counting(name: str) -> Callable[..., object]:
        original = getattr(perturbed_case, name)

        def call(*args: object, **settings: object) -> object:
            calls[name] += 1
            return original(*args, **settings)

        return call

    for name in calls:
        monkeypatch.setattr(perturbed_case, name, counting(name))
    stabilise(cohort)
    assert calls == {"read_scan": 3, "measure_case": 3 * (1 + len(MASKS))}


def test_a_run_that_was_cut_off_goes_on_to_the_same_table(cohort: Cohort, stabilise: Stabilise, tmp_path: Path) -> None:
    first = stabilise(cohort)
    files = sorted((tmp_path / "kept").iterdir())
    assert len(files) == 3
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-40])
    before = [file.stat().st_mtime_ns for file in files[1:]]
    seen: list[tuple[int, int]] = []
    again = stabilise(cohort, on_progress=lambda done, total: seen.append((done, total)))
    pd.testing.assert_frame_equal(again.table, first.table, check_exact=True)
    after = [file.stat().st_mtime_ns for file in files[1:]]
    assert files[0].is_file()
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_kept_values_serve_only_the_same_masks_files_and_preset(cohort: Cohort, small_preset: Preset) -> None:
    recipe = MaskRecipe.of(cohort, small_preset, MASKS, backend="numba", mode="canonical")
    others = [
        replace(recipe, perturbations=MASKS[:1]),
        replace(recipe, perturbations=(*MASKS[:1], ContourRandomisation(2))),
        replace(recipe, recipe=replace(recipe.recipe, preset=replace(small_preset, sha256="another"))),
    ]
    names = {each.file(Path(), "image", "mask").name for each in (recipe, *others)}
    assert len(names | {recipe.file(Path(), "other", "mask").name, recipe.file(Path(), "image", "other").name}) == 6
    assert recipe.recipe.file(Path(), "image", "mask").name not in names


def test_any_number_of_processes_gives_the_same_bytes(cohort: Cohort, stabilise: Stabilise, tmp_path: Path) -> None:
    one, two = (stabilise(cohort, cache_dir=tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    names = sorted(file.name for file in (tmp_path / "1").iterdir())
    assert len(names) == len(cohort.cases)
    assert [(tmp_path / "2" / name).read_bytes() for name in names] == [(tmp_path / "1" / name).read_bytes() for name in names]


def test_a_bad_case_does_not_end_the_run(
    cohort: Cohort, stabilise: Stabilise, two_balls: TwoBalls, write_case: WriteCase, tmp_path: Path
) -> None:
    good, healthy = cohort.cases[0], two_balls()
    healthy = Scan(healthy.image, sitk.Cast(healthy.mask == int(Label.KIDNEY), sitk.sitkUInt8))
    bad = (
        write_case("healthy", healthy),
        replace(good, id="unsegmented", mask=None),
        replace(good, id="lost", image=tmp_path / "nowhere.nii.gz"),
    )
    found = stabilise(cohort.with_cases((*bad, *cohort.cases)))
    assert [(refusal.case_id, refusal.stage, refusal.code) for refusal in found.refusals] == [
        ("healthy", "stability", "tumour-absent"),
        ("unsegmented", "stability", "mask-absent"),
        ("lost", "stability", "image-missing"),
    ]
    pd.testing.assert_frame_equal(found.table, stabilise(cohort).table, check_exact=True)
    with pytest.raises(InputError, match=r"No case of cohort phantoms could be used; .* tumour-absent"):
        stabilise(cohort.with_cases(bad))


@pytest.mark.parametrize(
    ("error", "code"), [(RuntimeError("ITK\n says no"), "failed"), (MemoryError("8 GB"), "out-of-memory")]
)
def test_what_a_library_gives_up_on_is_refused_and_tried_again(
    cohort: Cohort, stabilise: Stabilise, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    original = perturbed_case.measure_case

    def fail_once(*_: object, **__: object) -> None:
        monkeypatch.setattr(perturbed_case, "measure_case", original)
        raise error

    monkeypatch.setattr(perturbed_case, "measure_case", fail_once)
    first, second = stabilise(cohort), stabilise(cohort)
    assert [(refusal.case_id, refusal.code) for refusal in first.refusals] == [("case0", code)]
    assert "\n" not in first.refusals[0].reason
    assert (first.about["n_cases"], second.about["n_cases"], second.refusals) == (2, 3, ())


def test_a_kept_file_of_before_hashes_were_written_is_used(cohort: Cohort, stabilise: Stabilise, tmp_path: Path) -> None:
    first = stabilise(cohort)
    for file in (tmp_path / "kept").iterdir():
        found = read_values(file)
        assert found is not None
        values, about = found
        older = {key: value for key, value in about.items() if key not in {"image_sha256", "mask_sha256", "refusal"}}
        write_values(file, values, {**older, "file": file.name})
        os.utime(file, ns=(0, 0))
    second = stabilise(cohort)
    assert {file.stat().st_mtime_ns for file in (tmp_path / "kept").iterdir()} == {0}
    pd.testing.assert_frame_equal(first.table, second.table)


def test_a_file_in_another_ones_place_is_measured_again(cohort: Cohort, stabilise: Stabilise, tmp_path: Path) -> None:
    first = stabilise(cohort)
    one, other, _ = sorted((tmp_path / "kept").iterdir())
    one.write_bytes(other.read_bytes())
    pd.testing.assert_frame_equal(stabilise(cohort).table, first.table)


def test_a_mask_under_which_a_case_cannot_be_measured_has_no_values(cohort: Cohort, stabilise: Stabilise) -> None:
    found = stabilise(cohort, perturbations=(Erased(below=150),))  # the smallest of 113 voxels of 3 mm
    assert found.about["cases_without_values"] == {"original": 0, "erased": 1}
    assert found.table.set_index("feature").loc[VOLUME, "n_cases"] == 2
    assert found.refusals == ()


def test_another_lesion_does_not_take_the_largest_ones_place(
    two_balls: TwoBalls, small_preset: Preset, numba_engine: Backend
) -> None:
    scan = two_balls(tumour_mm=9)
    labels = sitk.GetArrayFromImage(scan.mask)
    labels[labels == Label.TUMOUR] = Label.KIDNEY
    labels[4:9, 4:9, 12:17] = Label.TUMOUR  # 125 voxels
    labels[20:25, 20:24, 12:17] = Label.TUMOUR  # 100 voxels
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(scan.mask)
    scan = Scan(scan.image, mask)

    @dataclass(frozen=True)
    class Halved:
        name: str = "halved"

        def mask(self, tumour: Tumour) -> Mask:
            kept = tumour.inside.copy()
            if tumour.count > 110:
                kept[:, :, : kept.shape[2] // 2] = False
            return kept

    index = replace(small_preset, regions=small_preset.regions.model_copy(update={"lesions": "index"}))
    found = measure_masks(scan, index, numba_engine, perturbations=[Halved(), VolumeChange(-0.1)])
    assert found.lost == ("", "another lesion is the largest under this mask", "")
    assert np.isnan(found.values[1]).all()
    volume = feature_columns(index, numba_engine).index(VOLUME)
    assert found.values[2, volume] < found.values[0, volume]
    merged = measure_masks(scan, small_preset, numba_engine, perturbations=[Halved()])
    assert merged.lost == ("", "")


def test_of_each_lesion_the_largest_is_taken(cohort: Cohort, small_preset: Preset) -> None:
    each = replace(small_preset, regions=small_preset.regions.model_copy(update={"lesions": "each"}))
    assert MaskRecipe.of(cohort, each, MASKS, backend="numba", mode="canonical").recipe.preset.regions.lesions == "index"


def test_a_table_comes_back_as_it_was_written(cohort: Cohort, stabilise: Stabilise, tmp_path: Path) -> None:
    found = stabilise(cohort)
    found.write(tmp_path / "stability.parquet")
    found.write(tmp_path / "stability.csv")
    back = Stability.read(tmp_path / "stability.parquet")
    pd.testing.assert_frame_equal(back.table, found.table)
    assert back.about == found.about
    assert back.about["form"] == "ICC(A,1)"
    assert pd.read_csv(tmp_path / "stability.csv")["feature"].tolist() == found.table["feature"].tolist()
    assert (tmp_path / "stability.about.json").is_file()


def test_what_is_no_stability_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No stability table at"):
        Stability.read(tmp_path / "none.parquet")
    pd.DataFrame({"feature": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="is no stability table of ours"):
        Stability.read(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="found feature"):
        Stability(pd.DataFrame({"feature": ["a"]}), {})


def test_stable_features_are_those_whose_interval_begins_high_enough() -> None:
    low = [0.749, 0.75, np.nan, 0.9]
    columns = {"feature": list("abcd"), "icc": 0.95, "low": low, "high": 1.0, "n_cases": 30, "n_masks": 10, "reason": ""}
    found = Stability(pd.DataFrame(columns), {})
    assert found.stable_features() == ["b", "d"]
    assert found.stable_features(low=0.9) == ["d"]


@pytest.mark.parametrize("perturbations", [(), (VolumeChange(0.1), VolumeChange(0.1))])
def test_perturbations_are_at_least_one_and_each_once(
    cohort: Cohort, stabilise: Stabilise, perturbations: tuple[Perturbation, ...]
) -> None:
    with pytest.raises(InputError, match="one perturbation or more, each once"):
        stabilise(cohort, perturbations=perturbations)


def test_jobs_below_one_are_refused(cohort: Cohort, stabilise: Stabilise) -> None:
    with pytest.raises(InputError, match="jobs must be at least 1; found 0"):
        stabilise(cohort, jobs=0)


def test_a_result_that_cannot_be_written_ends_the_run(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    recipe = MaskRecipe.of(cohort, small_preset, MASKS[:1], backend="numba", mode="canonical")
    with pytest.raises(InputError, match=r"Cannot write a result to .*file: File exists"):
        measure_and_keep(cohort.cases[0], recipe, tmp_path / "file")


def test_a_case_whose_process_is_killed_is_refused_and_tried_again(
    cohort: Cohort, stabilise: Stabilise, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[workers._Worker[object]] = []

    class Victim(workers._Worker[object]):
        def give(self, case: Case) -> None:
            super().give(case)
            if case.id == "case1":
                assert self._process.pid is not None
                os.kill(self._process.pid, signal.SIGKILL)
                killed.append(self)

    monkeypatch.setattr(workers, "_Worker", Victim)
    first = stabilise(cohort, jobs=2)
    assert len(killed) == 1
    assert [(refusal.case_id, refusal.code) for refusal in first.refusals] == [("case1", "worker-lost")]
    assert first.refusals[0].reason.startswith("its worker process died (signal 9)")
    assert first.about["n_cases"] == 2
    second = stabilise(cohort)
    assert (second.about["n_cases"], second.refusals) == (3, ())


def test_values_under_every_mask_come_back_as_they_were_written(cohort: Cohort, stabilise: Stabilise, tmp_path: Path) -> None:
    found = stabilise(cohort)
    assert found.values is not None
    found.write(tmp_path / "stability.parquet")
    values = PerturbedValues.read(tmp_path / "stability.values.parquet")
    assert values.names == tuple(found.table["feature"])
    assert values.patient_id.tolist() == [case.patient_id for case in cohort.cases]
    np.testing.assert_array_equal(values.values, found.values.values)
    assert values.sha256 == found.values.sha256
    with pytest.raises(InputError, match="holds no values under perturbed masks"):
        PerturbedValues.read(tmp_path / "stability.parquet")


def _written_values(folder: Path) -> Path:
    about = {"preset": "small", "preset_sha256": "0123", "mode": "canonical"}
    values = np.random.default_rng(0).normal(size=(3, 2, 2))
    PerturbedValues(("a", "b"), np.array(["p", "q", "r"]), values, about).write(folder / "s.values.parquet")
    return folder / "s.values.parquet"


def test_values_whose_last_bit_was_changed_are_refused(tmp_path: Path) -> None:
    path = _written_values(tmp_path)
    table = pq.read_table(path)
    moved = pa.array(np.nextafter(table["a"].to_numpy(), 9.0))
    pq.write_table(table.set_column(2, table.schema.field("a"), moved), path)
    with pytest.raises(InputError, match="does not match the SHA-256"):
        PerturbedValues.read(path)


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4, 5], [0, 3, 2, 1, 4, 5]])
def test_values_that_are_not_a_row_a_case_and_mask_are_refused(tmp_path: Path, rows: list[int]) -> None:
    path = _written_values(tmp_path)
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"ccrcc_stability"])
    write_sealed(table.take(rows), path, key=b"ccrcc_stability", about=about)
    with pytest.raises(InputError, match="holds no values under perturbed masks"):
        PerturbedValues.read(path)


def test_values_of_an_unknown_preset_are_refused(tmp_path: Path) -> None:
    path = _written_values(tmp_path)
    write_sealed(pq.read_table(path), path, key=b"ccrcc_stability", about={"preset": "small"})
    with pytest.raises(InputError, match="does not say by which preset"):
        PerturbedValues.read(path)


@pytest.mark.parametrize(("n_cases", "enough"), [(9, False), (10, True)])
def test_stability_is_judged_from_ten_cases_of_the_patients_asked_for(n_cases: int, enough: bool) -> None:
    rng = np.random.default_rng(0)
    steady = np.repeat(rng.normal(size=(30, 1, 1)), 4, axis=1)
    values = PerturbedValues(
        ("steady", "shaky"),
        np.array([f"p{row}" for row in range(30)]),
        np.concatenate([steady, rng.normal(size=steady.shape)], axis=2),
    )
    patients = values.patient_id[:n_cases]
    if enough:
        assert values.of(patients).stable() == ["steady"]
    else:
        with pytest.raises(InputError, match="at least 10 cases .* of the 30 cases with perturbed masks 9 are theirs"):
            values.of(patients)
