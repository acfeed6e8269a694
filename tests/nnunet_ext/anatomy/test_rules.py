import numpy as np
import pytest

from nnunet_ext.anatomy.rules import plausible_anatomy
from nnunet_ext.ground.labels import Label

SPACING_MM = (5.0, 2.0, 2.0)
VOXEL_MM3 = 20.0


@pytest.fixture
def two_kidneys() -> np.ndarray:
    """Blocks of 10 × 10 × 10 voxels on both sides, one with a tumour on it (zyx)."""
    mask = np.zeros((20, 60, 100), np.uint8)
    mask[5:15, 20:30, 10:20] = Label.KIDNEY
    mask[5:15, 20:30, 80:90] = Label.KIDNEY
    mask[5:15, 30:34, 10:20] = Label.TUMOUR
    return mask


def test_a_plausible_mask_stays_as_it_is(two_kidneys: np.ndarray) -> None:
    assert np.array_equal(plausible_anatomy(two_kidneys, spacing_mm=SPACING_MM), two_kidneys)


def test_an_empty_mask_stays_empty() -> None:
    assert not plausible_anatomy(np.zeros((4, 5, 6), np.uint8), spacing_mm=SPACING_MM).any()


def test_the_third_largest_body_loses_its_kidney_and_cyst(two_kidneys: np.ndarray) -> None:
    three = two_kidneys.copy()
    three[5:15, 45:50, 45:55] = Label.KIDNEY
    three[5:15, 50:52, 45:55] = Label.CYST
    assert np.array_equal(plausible_anatomy(three, spacing_mm=SPACING_MM), two_kidneys)


def test_a_kidney_cut_in_two_by_its_tumour_counts_once(two_kidneys: np.ndarray) -> None:
    cut = two_kidneys.copy()
    cut[9:11, 20:30, 10:20] = Label.TUMOUR
    assert np.array_equal(plausible_anatomy(cut, spacing_mm=SPACING_MM), cut)


@pytest.mark.parametrize(("n_voxels", "stays"), [(24, False), (25, True)])
def test_a_far_tumour_stays_from_500_mm3(n_voxels: int, stays: bool, two_kidneys: np.ndarray) -> None:
    assert n_voxels * VOXEL_MM3 == (500 if stays else 480)
    island = two_kidneys.copy()
    island[2, 50:55, 48:53].flat[:n_voxels] = Label.TUMOUR
    cleaned = plausible_anatomy(island, spacing_mm=SPACING_MM)
    assert np.array_equal(cleaned, island if stays else two_kidneys)


@pytest.mark.parametrize(("planes", "stays"), [(24, True), (25, False)])
def test_beside_two_certain_kidneys_no_far_tumour_stays(planes: int, stays: bool) -> None:
    mask = np.zeros((40, 60, 100), np.uint8)
    mask[5 : 5 + planes, 20:30, 10:20] = mask[5:31, 20:30, 80:90] = Label.KIDNEY
    assert planes * 100 * VOXEL_MM3 == (50_000 if planes == 25 else 48_000)
    far = mask.copy()
    far[10:20, 45:55, 45:55] = Label.TUMOUR
    assert np.array_equal(plausible_anatomy(far, spacing_mm=SPACING_MM), far if stays else mask)


@pytest.mark.parametrize(("gap_voxels", "stays"), [(5, True), (6, False)])
def test_a_small_tumour_stays_within_10_mm_of_a_kidney(gap_voxels: int, stays: bool, two_kidneys: np.ndarray) -> None:
    island = two_kidneys.copy()
    island[10, 25, 89 + gap_voxels] = Label.TUMOUR
    cleaned = plausible_anatomy(island, spacing_mm=SPACING_MM)
    assert np.array_equal(cleaned, island if stays else two_kidneys)


def test_without_any_kidney_only_large_tumours_stay() -> None:
    mask = np.zeros((20, 60, 100), np.uint8)
    mask[5:10, 10:15, 10:15] = Label.TUMOUR
    small = mask.copy()
    small[15, 40, 40] = Label.TUMOUR
    assert np.array_equal(plausible_anatomy(small, spacing_mm=SPACING_MM), mask)
