import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.convert.nnunet import convert, patient_folds
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import STRUCTURES, Label
from nnunet_ext.inference.trained_model import TrainedModel


def scans_of(centres: dict[str, int], *, second_scan_of: tuple[str, ...] = ()) -> list[Case]:
    """Case list without files: so many patients a centre, some with a second scan."""
    cases = []
    for centre, n_patients in centres.items():
        for number in range(n_patients):
            patient = f"{centre}-{number}"
            scans = "ab" if patient in second_scan_of else "a"
            cases += [Case(f"{patient}-{scan}", patient, centre, Path("none")) for scan in scans]
    return cases


def test_folds_validate_every_case_once_and_never_split_a_patient() -> None:
    cases = scans_of({"north": 9, "south": 6}, second_scan_of=("north-0", "north-3", "south-5"))
    folds = patient_folds(cases)
    patient_of = {case.id: case.patient_id for case in cases}
    assert len(folds) == 5
    assert sorted(case_id for fold in folds for case_id in fold["val"]) == sorted(patient_of)
    for fold in folds:
        assert sorted(fold["train"] + fold["val"]) == sorted(patient_of)
        assert {patient_of[one] for one in fold["train"]}.isdisjoint({patient_of[one] for one in fold["val"]})


def test_folds_spread_every_centre_as_evenly_as_whole_patients_allow() -> None:
    cases = scans_of({"north": 11, "south": 5, "west": 3})
    for centre, fewest, most in (("north", 2, 3), ("south", 1, 1), ("west", 0, 1)):
        counts = [sum(one.startswith(centre) for one in fold["val"]) for fold in patient_folds(cases)]
        assert (min(counts), max(counts)) == (fewest, most)
    sizes = [len(fold["val"]) for fold in patient_folds(cases)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_repeat_with_the_seed_and_do_not_depend_on_the_order_of_cases() -> None:
    cases = scans_of({"north": 20})
    val = [set(fold["val"]) for fold in patient_folds(cases, seed=1)]
    assert val == [set(fold["val"]) for fold in patient_folds(cases[::-1], seed=1)]
    assert val != [set(fold["val"]) for fold in patient_folds(cases, seed=2)]


def test_five_patients_are_enough_and_four_are_refused() -> None:
    assert len(patient_folds(scans_of({"north": 5}))) == 5
    with pytest.raises(InputError, match="at least 5 patients; there are 4"):
        patient_folds(scans_of({"north": 4}, second_scan_of=("north-0", "north-1")))


def test_a_conversion_has_nnunets_layout_and_counts_the_cyst_as_kidney(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    dataset, refusals = convert(two_ball_cohort, 12, raw_dir=tmp_path / "raw", preprocessed_dir=tmp_path / "pre")
    assert (dataset.name, dataset.n_cases, refusals) == ("Dataset012_CCRCC", 7, ())
    description = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8"))
    assert list(description["labels"].items()) == [("background", 0), ("kidney", 1), ("tumour", 2)]
    assert description["numTraining"] == 7
    assert dataset.splits == tmp_path / "pre" / "Dataset012_CCRCC" / "splits_final.json"
    assert len(json.loads(dataset.splits.read_text(encoding="utf-8"))) == 5
    for case in two_ball_cohort.cases:
        image = sitk.ReadImage(str(dataset.folder / "imagesTr" / f"{case.id}_0000.nii.gz"))
        mask = sitk.ReadImage(str(dataset.folder / "labelsTr" / f"{case.id}.nii.gz"))
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(case.mask)))
        assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(sitk.ReadImage(str(case.image))))
        assert (mask.GetOrigin(), mask.GetSpacing(), mask.GetDirection()) == (
            image.GetOrigin(),
            image.GetSpacing(),
            image.GetDirection(),
        )
        expected = np.where(truth == Label.CYST, Label.KIDNEY, truth)
        assert np.array_equal(sitk.GetArrayFromImage(mask), expected)


def test_a_cyst_is_a_class_of_its_own_on_request(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    structures = ("kidney", "tumour", "cyst")
    dataset, _ = convert(two_ball_cohort, 12, raw_dir=tmp_path, preprocessed_dir=tmp_path / "pre", structures=structures)
    labels = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8"))["labels"]
    assert labels == {"background": 0, "kidney": 1, "tumour": 2, "cyst": 3}
    with_cyst = sitk.GetArrayFromImage(sitk.ReadImage(str(dataset.folder / "labelsTr" / "case2.nii.gz")))
    assert set(np.unique(with_cyst)) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("structures", "regions", "order"),
    [
        (("kidney", "tumour"), {"kidney_and_masses": [1, 2], "tumour": [2]}, [1, 2]),
        (
            ("kidney", "tumour", "cyst"),
            {"kidney_and_masses": [1, 2, 3], "masses": [2, 3], "tumour": [2]},
            [1, 3, 2],
        ),
        (("kidney",), {"kidney_and_masses": [1]}, [1]),
    ],
)
def test_regions_hold_each_other_as_kits_scores_them(
    structures: tuple[str, ...],
    regions: dict[str, list[int]],
    order: list[int],
    two_ball_cohort: Cohort,
    tmp_path: Path,
) -> None:
    folders = {"raw_dir": tmp_path, "preprocessed_dir": tmp_path / "pre"}
    dataset, _ = convert(two_ball_cohort, 12, structures=structures, regions=True, **folders)
    description = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8"))
    assert list(description["labels"].items()) == [("background", 0), *regions.items()]
    assert description["regions_class_order"] == order
    for name in ("plans.json", "fold_0/checkpoint_best.pth"):
        (dataset.folder / name).parent.mkdir(exist_ok=True)
        (dataset.folder / name).touch()
    assert TrainedModel(dataset.folder).classes().values == {name: (int(STRUCTURES[name]),) for name in structures}


def test_nnunet_turns_regions_back_into_our_labels(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    plans_handler = pytest.importorskip("nnunetv2.utilities.plans_handling.plans_handler")
    structures = ("kidney", "tumour", "cyst")
    folders = {"raw_dir": tmp_path, "preprocessed_dir": tmp_path / "pre"}
    dataset, _ = convert(two_ball_cohort, 12, structures=structures, regions=True, **folders)
    plans = plans_handler.PlansManager({"label_manager": "LabelManager"})
    manager = plans.get_label_manager(json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8")))
    # Columns: nothing, kidney, mass that is no tumour, tumour; rows: kidney_and_masses, masses, tumour.
    logits = torch.tensor([[-9.0, 9, 9, 9], [-9, -9, 9, 9], [-9, -9, -9, 9]]).reshape(3, 1, 1, 4)
    found = manager.convert_logits_to_segmentation(logits).flatten().tolist()
    assert found == [Label.BACKGROUND, Label.KIDNEY, Label.CYST, Label.TUMOUR]


def test_a_refused_case_is_left_out_of_data_set_and_splits(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    lost = replace(two_ball_cohort.cases[0], id="lost", patient_id="patient9", image=tmp_path / "nowhere.nii.gz")
    cohort = two_ball_cohort.with_cases([lost, *two_ball_cohort.cases])
    dataset, refusals = convert(cohort, 12, raw_dir=tmp_path, preprocessed_dir=tmp_path / "pre")
    assert [(one.case_id, one.stage, one.code) for one in refusals] == [("lost", "convert", "image-missing")]
    assert "lost" not in dataset.splits.read_text(encoding="utf-8")
    assert dataset.n_cases == len(list((dataset.folder / "imagesTr").iterdir())) == 7


def test_too_few_patients_leave_nothing_behind(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 5 patients; there are 4"):
        convert(two_ball_cohort.with_cases(two_ball_cohort.cases[:4]), 12, raw_dir=tmp_path / "raw", preprocessed_dir=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.name != "raw"] == []


def test_an_external_cohort_is_never_converted_for_training(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="role external"):
        convert(replace(two_ball_cohort, role=Role.EXTERNAL), 12, raw_dir=tmp_path, preprocessed_dir=tmp_path)


@pytest.mark.parametrize("number", [0, 1000])
def test_numbers_that_nnunet_cannot_write_are_refused(number: int, two_ball_cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from 1 to 999"):
        convert(two_ball_cohort, number, raw_dir=tmp_path, preprocessed_dir=tmp_path)


def test_a_number_in_use_is_refused_and_the_same_conversion_is_not_made_twice(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    folders = {"raw_dir": tmp_path / "raw", "preprocessed_dir": tmp_path / "pre"}
    first = convert(two_ball_cohort, 12, **folders)
    written = first[0].folder.stat().st_mtime_ns
    first[0].splits.unlink()
    assert convert(two_ball_cohort, 12, **folders) == first
    assert first[0].folder.stat().st_mtime_ns == written
    assert first[0].splits.is_file()
    with pytest.raises(InputError, match="Data set 12 is taken"):
        convert(two_ball_cohort, 12, seed=1, **folders)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"key": "1", "refusals": [], "folds": []}'])
def test_a_damaged_record_of_a_conversion_is_refused_and_nothing_replaced(
    content: str, two_ball_cohort: Cohort, tmp_path: Path
) -> None:
    folders = {"raw_dir": tmp_path / "raw", "preprocessed_dir": tmp_path / "pre"}
    dataset, _ = convert(two_ball_cohort, 12, **folders)
    (dataset.folder / "conversion.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"conversion\.json") as failure:
        convert(two_ball_cohort, 12, **folders)
    assert "\n" not in str(failure.value)
    assert len(list((dataset.folder / "imagesTr").iterdir())) == dataset.n_cases


def test_a_data_set_that_lost_a_file_is_refused(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    folders = {"raw_dir": tmp_path / "raw", "preprocessed_dir": tmp_path / "pre"}
    dataset, _ = convert(two_ball_cohort, 12, **folders)
    (dataset.folder / "labelsTr" / "case3.nii.gz").unlink()
    with pytest.raises(InputError, match=r"lacks 1 of its converted files, .* case3\.nii\.gz; remove the folder to convert"):
        convert(two_ball_cohort, 12, **folders)


def test_damaged_splits_are_written_again_and_foreign_ones_refused(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    folders = {"raw_dir": tmp_path / "raw", "preprocessed_dir": tmp_path / "pre"}
    dataset, _ = convert(two_ball_cohort, 12, **folders)
    whole = dataset.splits.read_bytes()
    for damaged in (whole[:50], b"[]", b"{}", b"\xff", b"[" * 100_000):
        dataset.splits.write_bytes(damaged)
        convert(two_ball_cohort, 12, **folders)
        assert dataset.splits.read_bytes() == whole
    dataset.splits.write_text(json.dumps(json.loads(whole)[:4]), encoding="utf-8")
    with pytest.raises(InputError, match="does not hold the splits of this conversion"):
        convert(two_ball_cohort, 12, **folders)


def test_structures_without_kidney_or_without_a_label_are_refused(two_ball_cohort: Cohort, tmp_path: Path) -> None:
    for structures in (("tumour",), ("kidney", "liver")):
        with pytest.raises(InputError, match="labels kidney, tumour, cyst; kidney is needed"):
            convert(two_ball_cohort, 12, raw_dir=tmp_path, preprocessed_dir=tmp_path, structures=structures)
