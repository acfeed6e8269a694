import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.mask_overlap import dice, overlap, summarise, summarise_detection

VOXEL_ML = 0.008
"""Voxels of 2 mm."""


def write(volume: np.ndarray, file: Path, *, origin: float = 0.0) -> Path:
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetOrigin((origin, 0.0, 0.0))
    sitk.WriteImage(image, str(file))
    return file


def block(label: int, length: int, *, start: int = 0) -> np.ndarray:
    mask = np.zeros((6, 6, 20), np.uint8)
    mask[1:5, 1:5, start : start + length] = label
    return mask


@pytest.fixture
def reference(tmp_path: Path) -> Cohort:
    """Case ``a`` in the north: kidney of 8 slabs and tumour of 4; case ``b`` in the south: kidney of 5 and cyst of 5 slabs."""
    (tmp_path / "reference").mkdir()
    hu = np.full((6, 6, 20), 100, np.int16)
    hu[0] = -1000
    masks = {"a": block(1, 8) + block(2, 4, start=10), "b": block(1, 5) + block(3, 5, start=5)}
    cases = [
        Case(
            id=name,
            patient_id=name,
            centre=centre,
            image=write(hu, tmp_path / "reference" / f"{name}.nii.gz"),
            mask=write(masks[name], tmp_path / "reference" / f"{name}_mask.nii.gz"),
        )
        for name, centre in (("a", "north"), ("b", "south"))
    ]
    return Cohort(name="balls", role=Role.EXTERNAL, cases=tuple(cases))


def predicted(reference: Cohort, folder: Path, masks: dict[str, np.ndarray], **labels: int) -> Cohort:
    folder.mkdir()
    files = {name: write(mask, folder / f"{name}.nii.gz") for name, mask in masks.items()}
    cases = [case.with_mask(files[case.id]) for case in reference.cases if case.id in files]
    return replace(reference.with_cases(cases), labels=labels or reference.labels)


def row(table: pd.DataFrame, case_id: str, structure: str) -> pd.Series:
    return table.set_index(["case_id", "structure"]).loc[case_id, structure]


def test_dice_of_half_overlapping_blocks_is_a_half() -> None:
    assert dice(block(1, 4) > 0, block(1, 4, start=2) > 0) == pytest.approx(0.5)


def test_dice_is_missing_for_two_empty_masks_and_zero_for_one() -> None:
    empty = np.zeros(4, bool)
    assert np.isnan(dice(empty, empty))
    assert dice(empty, ~empty) == dice(~empty, empty) == 0.0


def test_volumes_and_errors_are_those_of_the_blocks(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(1, 8) + block(2, 6, start=9), "b": block(1, 5) + block(3, 5, start=5)}
    table, _, refusals = overlap(reference, predicted(reference, tmp_path / "out", masks))
    assert refusals == ()
    tumour = row(table, "a", "tumour")
    assert tumour["dice"] == pytest.approx(2 * 4 / 10)
    assert tumour["reference_ml"] == pytest.approx(4 * 16 * VOXEL_ML)
    assert tumour["predicted_ml"] == pytest.approx(6 * 16 * VOXEL_ML)
    assert tumour["relative_volume_error"] == pytest.approx(0.5)
    assert row(table, "a", "kidney")["dice"] == row(table, "b", "cyst")["dice"] == 1.0
    assert np.isnan(row(table, "b", "tumour")["dice"])
    assert np.isnan(row(table, "b", "tumour")["relative_volume_error"])


def test_a_structure_that_the_prediction_does_not_know_counts_as_kidney(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(1, 8) + block(2, 4, start=10), "b": block(1, 10)}
    table, _, _ = overlap(reference, predicted(reference, tmp_path / "out", masks, kidney=1, tumour=2))
    assert set(table["structure"]) == {"kidney", "tumour", "kidney_and_masses", "masses"}
    assert row(table, "b", "kidney")["dice"] == 1.0


def test_the_regions_of_the_challenge_join_labels(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(1, 8) + block(3, 4, start=10), "b": block(1, 5) + block(2, 5, start=5)}  # tumour and cyst swapped
    table, _, _ = overlap(reference, predicted(reference, tmp_path / "out", masks))
    for case in "ab":
        assert row(table, case, "kidney_and_masses")["dice"] == row(table, case, "masses")["dice"] == 1.0
        assert row(table, case, "masses")["surface_dice"] == 1.0
    assert row(table, "a", "tumour")["dice"] == row(table, "b", "cyst")["dice"] == 0.0


def test_surfaces_are_compared_in_mm(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(1, 8) + block(2, 6, start=10), "b": block(1, 5)}  # a tumour of 6 slabs of 2 mm where there are 4
    table, _, _ = overlap(reference, predicted(reference, tmp_path / "out", masks))
    tumour = row(table, "a", "tumour")
    assert tumour["hd95_mm"] == pytest.approx(4.0)
    assert 0.5 < tumour["surface_dice"] < 1.0
    assert np.isnan(row(table, "b", "cyst")["hd95_mm"])


def test_lesions_that_are_found_and_made_up_are_counted(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(1, 8), "b": block(1, 5) + block(2, 5, start=10)}
    _, lesions, _ = overlap(reference, predicted(reference, tmp_path / "out", masks))
    counts = lesions.set_index("case_id")[["lesions", "detected", "predicted_lesions", "false_positives"]]
    assert counts.loc["a"].tolist() == [1, 0, 0, 0]
    assert counts.loc["b"].tolist() == [0, 0, 1, 1]
    found = summarise_detection(lesions).set_index("centre")
    assert found.loc["all", ["scans", "lesions", "detected", "false_positives"]].tolist() == [2, 1, 0, 1]
    assert found.loc["all", "sensitivity"] == 0.0
    assert found.loc["all", "false_positives_per_scan"] == 0.5
    assert np.isnan(found.loc["south", "sensitivity"])


def test_a_folder_of_masks_does_as_well_as_a_cohort(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(1, 7), "b": block(1, 5)}
    cohort = predicted(reference, tmp_path / "out", masks)
    pd.testing.assert_frame_equal(overlap(reference, tmp_path / "out")[0], overlap(reference, cohort)[0])


def test_an_empty_prediction_scores_zero_and_is_not_left_out(reference: Cohort, tmp_path: Path) -> None:
    table, _, refusals = overlap(reference, predicted(reference, tmp_path / "out", {"a": block(1, 0), "b": block(1, 5)}))
    assert refusals == ()
    assert row(table, "a", "tumour")["dice"] == 0.0
    assert row(table, "a", "tumour")["relative_volume_error"] == -1.0


def test_a_prediction_that_is_missing_shifted_or_strange_is_refused_and_the_rest_goes_on(
    reference: Cohort, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    masks = {"a": block(1, 8), "b": block(1, 5)}
    predicted(reference, out, masks)
    changes = {
        "prediction-missing": (out / "a.nii.gz").unlink,
        "prediction-geometry": lambda: write(masks["a"], out / "a.nii.gz", origin=0.21),
        "prediction-shape": lambda: write(masks["a"][1:], out / "a.nii.gz"),
        "prediction-label": lambda: write(4 * masks["a"], out / "a.nii.gz"),
        "prediction-unreadable": lambda: (out / "a.nii.gz").write_bytes(b"torn"),
    }
    for code, change in changes.items():
        change()
        table, _, refusals = overlap(reference, out)
        assert [(one.case_id, one.stage, one.code) for one in refusals] == [("a", "overlap", code)]
        assert set(table["case_id"]) == {"b"}
    write(masks["a"], out / "a.nii.gz", origin=0.19)
    assert overlap(reference, out)[2] == ()


def test_a_prediction_cut_short_is_not_scored_as_if_the_rest_were_empty(reference: Cohort, tmp_path: Path) -> None:
    predicted(reference, tmp_path / "out", {"a": block(1, 8), "b": block(1, 5)})
    path = tmp_path / "out" / "a.nii.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-200]))
    _, _, refusals = overlap(reference, tmp_path / "out")
    assert [(one.case_id, one.code) for one in refusals] == [("a", "prediction-unreadable")]
    assert "cut short" in refusals[0].reason


def test_no_prediction_at_all_fails(reference: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No predicted mask for any of the 2 cases"):
        overlap(reference, tmp_path)


def test_a_summary_has_mean_and_standard_deviation_per_centre_and_over_all() -> None:
    columns = ["cohort", "case_id", "centre", "structure", "dice", "surface_dice", "hd95_mm", "relative_volume_error"]
    rows = [
        ("c", "1", "north", "tumour", 0.6, 0.5, 4.0, 0.1),
        ("c", "2", "north", "tumour", 0.8, 0.7, 2.0, 0.3),
        ("c", "3", "south", "tumour", 1.0, 1.0, 0.0, -0.1),
        ("c", "4", "south", "tumour", np.nan, np.nan, np.nan, np.nan),
    ]
    summary = summarise(pd.DataFrame(rows, columns=columns)).set_index(["cohort", "centre", "structure"])
    assert summary.loc[("c", "all", "tumour"), "n"] == 3
    assert summary.loc[("c", "all", "tumour"), "dice_mean"] == pytest.approx(0.8)
    assert summary.loc[("c", "all", "tumour"), "dice_sd"] == pytest.approx(0.2)
    assert summary.loc[("c", "all", "tumour"), "hd95_mm_mean"] == pytest.approx(2.0)
    assert summary.loc[("c", "north", "tumour"), "relative_volume_error_sd"] == pytest.approx(np.sqrt(0.02))
    assert summary.loc[("c", "south", "tumour"), "n"] == 1
    assert np.isnan(summary.loc[("c", "south", "tumour"), "dice_sd"])


def test_each_mask_is_read_with_the_labels_of_its_own_card(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(2, 8) + block(1, 4, start=10), "b": block(2, 5) + block(7, 5, start=5)}
    table, lesions, refusals = overlap(reference, predicted(reference, tmp_path / "out", masks, kidney=2, tumour=1, cyst=7))
    assert refusals == ()
    assert (table["dice"].dropna() == 1.0).all()
    assert lesions["detected"].tolist() == lesions["lesions"].tolist() == [1, 0]


def test_a_value_that_only_the_reference_card_knows_is_refused(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(3, 8), "b": block(1, 5)}
    _, _, refusals = overlap(reference, predicted(reference, tmp_path / "out", masks, kidney=1, tumour=2))
    assert [(one.case_id, one.code) for one in refusals] == [("a", "prediction-label")]
    assert "holds the value 3; the card knows kidney 1, tumour 2" in refusals[0].reason


def test_masks_are_compared_where_there_is_no_scan(reference: Cohort, tmp_path: Path) -> None:
    masks = {"a": block(1, 8) + block(2, 4, start=10), "b": block(1, 5) + block(3, 5, start=5)}
    found = predicted(reference, tmp_path / "out", masks)
    for case in reference.cases:
        case.image.unlink()
    table, _, refusals = overlap(reference, found)
    assert refusals == ()
    assert (table["dice"].dropna() == 1.0).all()
    assert row(table, "a", "tumour")["reference_ml"] == pytest.approx(4 * 16 * VOXEL_ML)


def test_a_card_of_other_patients_is_refused_at_once(reference: Cohort, tmp_path: Path) -> None:
    found = predicted(reference, tmp_path / "out", {"a": block(1, 8), "b": block(1, 5)})
    others = found.with_cases(replace(case, patient_id=f"x{case.id}") for case in found.cases)
    with pytest.raises(InputError, match="2 cases of cohort balls are another patient's in the predicted card"):
        overlap(reference, others)


def test_a_card_of_other_scans_is_refused_and_one_of_the_same_voxels_is_not(reference: Cohort, tmp_path: Path) -> None:
    found = predicted(reference, tmp_path / "out", {"a": block(1, 8), "b": block(1, 5)})
    hu = sitk.GetArrayFromImage(sitk.ReadImage(str(reference.cases[0].image)))
    same = write(hu, tmp_path / "same.nii")
    hu[2, 2, 2] += 1
    other = write(hu, tmp_path / "other.nii")
    again = found.with_cases(replace(case, image=same) for case in found.cases)
    assert overlap(reference, again)[2] == ()
    half = found.with_cases([replace(found.cases[0], image=other), found.cases[1]])
    assert [(one.case_id, one.code) for one in overlap(reference, half)[2]] == [("a", "prediction-scan")]
    with pytest.raises(InputError, match="of other scans than cohort balls"):
        overlap(reference, found.with_cases(replace(case, image=other) for case in found.cases))


def test_one_reference_of_a_few_voxels_does_not_make_the_volume_error_of_all() -> None:
    errors, volumes = [0.1, -0.1, 0.2, 300.0], [30.0, 20.0, 0.1, 0.099]
    rows = [
        ("c", str(n), "north", "tumour", 0.5, 0.5, 1.0, e, v) for n, (e, v) in enumerate(zip(errors, volumes, strict=True))
    ]
    columns = ["cohort", "case_id", "centre", "structure", "dice", "surface_dice", "hd95_mm", "relative_volume_error"]
    summary = summarise(pd.DataFrame(rows, columns=[*columns, "reference_ml"])).set_index("centre").loc["north"]
    assert summary["relative_volume_error_median"] == pytest.approx(0.15)
    assert summary["relative_volume_error_mean"] == pytest.approx(0.2 / 3)


@pytest.mark.parametrize("who", ["prediction", "reference", "both"])
def test_masses_are_compared_with_tumours_and_cysts_together_whichever_side_has_them(
    who: str, reference: Cohort, tmp_path: Path
) -> None:
    parted = {"a": block(1, 8) + block(2, 4, start=10), "b": block(1, 5) + block(3, 5, start=5)}
    joined = {"a": block(1, 8) + block(2, 4, start=10), "b": block(1, 5) + block(2, 5, start=5)}
    masses = {"kidney": 1, "mass": 2}
    truth = reference if who == "prediction" else predicted(reference, tmp_path / "truth", joined, **masses)
    found = predicted(
        reference, tmp_path / "found", parted if who == "reference" else joined, **({} if who == "reference" else masses)
    )
    table, lesions, refused = overlap(truth, found)
    assert refused == ()
    assert set(table["structure"]) == {"kidney", "mass", "kidney_and_masses", "masses"}
    assert (table["dice"] == 1).all()
    assert row(table, "b", "mass").reference_ml == pytest.approx(4 * 4 * 5 * VOXEL_ML)
    assert (lesions["structure"] == "mass").all()
    assert lesions["detected"].tolist() == [1, 1]
