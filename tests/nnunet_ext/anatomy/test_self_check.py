from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunet_ext.anatomy.self_check import SelfCheck, self_check, write_self_checks
from nnunet_ext.ground.labels import Label

SPACING_MM = (10.0, 10.0, 10.0)
"""A voxel is 1 ml."""


def kidneys(*volumes_ml: int) -> np.ndarray:
    """Kidneys of these volumes, apart from each other, with a tumour of 1 ml beside the first (zyx)."""
    mask = np.zeros((12, 10, 20 * len(volumes_ml)), np.uint8)
    for at, volume in enumerate(volumes_ml):
        block = np.zeros(10 * 10 * 10, np.uint8)
        block[:volume] = Label.KIDNEY
        mask[:10, :, 20 * at : 20 * at + 10] = block.reshape(10, 10, 10)
    z, y, x = np.argwhere(mask[:, :, :10] == Label.KIDNEY)[-1]
    mask[z + 1, y, x] = Label.TUMOUR
    return mask


def check(mask: np.ndarray, predicted: np.ndarray | None = None) -> SelfCheck:
    """Look at a mask that lies inside the scan."""
    padded = [np.pad(one, 1) for one in (mask, mask if predicted is None else predicted)]
    return self_check("a", *padded, spacing_mm=SPACING_MM)


def test_two_kidneys_with_a_tumour_raise_no_flag() -> None:
    found = check(kidneys(150, 160))
    assert found.flags == ""
    assert (found.n_kidneys, found.smallest_kidney_ml, found.largest_kidney_ml) == (2, 150.0, 160.0)
    assert (found.kidney_ml, found.tumour_ml, found.cyst_ml, found.tumour_apart_ml) == (310.0, 1.0, 0.0, 0.0)
    assert (found.n_removed, found.removed_kidney_ml, found.removed_tumour_ml, found.removed_cyst_ml) == (0, 0.0, 0.0, 0.0)


def test_an_empty_mask_has_no_kidney_and_no_tumour() -> None:
    assert check(np.zeros((4, 4, 4), np.uint8)).flags == "no-kidney no-tumour"


def test_a_single_kidney_is_told() -> None:
    assert check(kidneys(150)).flags == "single-kidney"


@pytest.mark.parametrize(("volume_ml", "flags"), [(49, "kidney-volume"), (50, ""), (500, ""), (501, "kidney-volume")])
def test_a_kidney_outside_50_to_500_ml_is_told(volume_ml: int, flags: str) -> None:
    assert check(kidneys(volume_ml, 150)).flags == flags


@pytest.mark.parametrize(("volume_ml", "flags"), [(1500, "tumour-apart"), (1501, "tumour-volume tumour-apart")])
def test_more_than_1500_ml_of_tumour_is_told(volume_ml: int, flags: str) -> None:
    mask = np.pad(kidneys(150, 150), ((0, 40), (0, 0), (0, 0)))
    mask[mask == Label.TUMOUR] = Label.BACKGROUND
    mask[20:].reshape(-1)[:volume_ml] = Label.TUMOUR
    assert check(mask).flags == flags


def test_a_tumour_that_touches_no_kidney_is_told() -> None:
    mask = kidneys(150, 150)
    mask[-1, -1, -1] = Label.TUMOUR
    found = check(mask)
    assert (found.flags, found.tumour_ml, found.tumour_apart_ml) == ("tumour-apart", 2.0, 1.0)


@pytest.mark.parametrize(("removed_ml", "flags"), [(5, ""), (6, "removed")])
def test_what_was_removed_is_told_and_flagged_above_5_ml(removed_ml: int, flags: str) -> None:
    mask = kidneys(150, 150)
    predicted = np.pad(mask, ((0, 2), (0, 0), (0, 0)))
    predicted[-1, 0, : removed_ml - 1] = Label.KIDNEY
    predicted[-1, 9, 0] = Label.CYST
    found = check(np.pad(mask, ((0, 2), (0, 0), (0, 0))), predicted)
    assert found.flags == flags
    assert (found.n_removed, found.removed_kidney_ml, found.removed_cyst_ml) == (2, removed_ml - 1.0, 1.0)


def test_rows_are_written_and_read_again(tmp_path: Path) -> None:
    write_self_checks(tmp_path / "self_check.csv", [check(kidneys(150, 160))])
    row = pd.read_csv(tmp_path / "self_check.csv").iloc[0]
    assert (row["case_id"], row["n_kidneys"], row["kidney_ml"]) == ("a", 2, 310.0)
    write_self_checks(tmp_path / "none.csv", [])
    assert pd.read_csv(tmp_path / "none.csv").columns[0] == "case_id"


def flags_with(mask: np.ndarray, predicted: np.ndarray | None = None, **more: object) -> list[str]:
    padded = [np.pad(one, 1) for one in (mask, mask if predicted is None else predicted)]
    return self_check("a", *padded, spacing_mm=SPACING_MM, **more).flags.split()  # type: ignore[arg-type]


@pytest.mark.parametrize(("smaller_ml", "is_raised"), [(100, False), (99, True)])
def test_a_kidney_four_times_as_large_as_the_other_is_told(smaller_ml: int, is_raised: bool) -> None:
    assert ("kidney-asymmetry" in flags_with(kidneys(400, smaller_ml))) is is_raised


@pytest.mark.parametrize(("removed_ml", "is_raised"), [(10, False), (11, True)])
def test_more_than_a_tenth_of_the_tumour_removed_is_told(removed_ml: int, is_raised: bool) -> None:
    mask = np.pad(kidneys(150, 150), ((0, 4), (0, 0), (0, 0)))
    mask[10, :9, :11] = Label.TUMOUR
    mask[mask == Label.TUMOUR] = Label.BACKGROUND
    mask.reshape(-1)[np.flatnonzero(mask.reshape(-1) == 0)[:90]] = Label.TUMOUR
    predicted = mask.copy()
    predicted[-1].reshape(-1)[:removed_ml] = Label.TUMOUR
    assert ("tumour-removed" in flags_with(mask, predicted)) is is_raised


def test_less_than_a_ml_of_tumour_removed_is_not_told() -> None:
    mask = kidneys(150, 150)
    predicted = np.pad(mask, ((0, 2), (0, 0), (0, 0)))
    predicted[-1, 0, 0] = Label.TUMOUR
    found = self_check("a", np.pad(mask, ((0, 2), (0, 0), (0, 0))), predicted, spacing_mm=SPACING_MM)
    assert (found.tumour_ml, found.removed_tumour_ml) == (1.0, 1.0)
    assert "tumour-removed" not in found.flags.split()


@pytest.mark.parametrize(("margin", "is_raised"), [(1, False), (0, True)])
def test_labels_on_a_face_of_the_scan_are_told(margin: int, is_raised: bool) -> None:
    mask = np.pad(np.pad(kidneys(150, 150), 1)[1:], ((margin, 0), (0, 0), (0, 0)))
    found = self_check("a", mask, mask, spacing_mm=SPACING_MM)
    assert ("scan-edge" in found.flags.split()) is is_raised
    assert found.scan_edge_mm2 == (0.0 if margin else 200 * 100.0)


@pytest.mark.parametrize(
    ("kidney_hu", "tumour_hu", "flags"),
    [(0, -50, []), (350, 350, []), (-1, 80, ["kidney-hu"]), (351, 80, ["kidney-hu"]), (150, -51, ["tumour-hu"])],
)
def test_medians_outside_of_tissue_are_told(kidney_hu: int, tumour_hu: int, flags: list[str]) -> None:
    mask = np.pad(kidneys(150, 150), 1)
    hu = np.where(mask == Label.KIDNEY, kidney_hu, np.where(mask == Label.TUMOUR, tumour_hu, -1000))
    found = self_check("a", mask, mask, spacing_mm=SPACING_MM, hu=hu)
    assert found.flags.split() == flags
    assert (found.kidney_hu, found.tumour_hu) == (kidney_hu, tumour_hu)
