from unittest import mock

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.engine import spline
from radiomics_cfg.regions import grid as grid_module
from radiomics_cfg.regions.grid import Box, Grid, bounds, nearest, resample


def scan_of(values: np.ndarray, spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin((7.0, -3.0, 11.0))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))  # KiTS stores slices along x
    return image


def noise(size: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-200, 300, size[::-1]).astype(np.int16)


@pytest.mark.parametrize(("voxels", "expected"), [(7, 3), (8, 4)])
def test_a_voxel_belongs_to_the_grid_if_its_centre_is_inside_the_scan(voxels: int, expected: int) -> None:
    # Along x voxels of 1 mm, to 2 mm: centres at 1, 3, 5, 7 mm; at 7 voxels the last would lie on the very edge.
    grid = Grid.of(scan_of(noise((voxels, 6, 6)), (1.0, 1.0, 1.0)), (2.0, 2.0, 2.0))
    assert grid.size == (expected, 3, 3)


def test_the_grid_starts_at_the_scans_corner() -> None:
    scan = scan_of(noise((20, 20, 20)), (0.7, 0.7, 5.0))
    grid = Grid.of(scan, (1.0, 1.0, 1.0))
    part = resample(scan, grid, Box((2, 3, 4), (6, 9, 11)))
    assert part.GetSize() == (4, 6, 7)
    corner = scan.TransformContinuousIndexToPhysicalPoint((-0.5, -0.5, -0.5))
    first = part.TransformContinuousIndexToPhysicalPoint((-2.5, -3.5, -4.5))
    assert first == pytest.approx(corner)
    assert part.GetDirection() == scan.GetDirection()


def test_a_linear_ramp_is_resampled_exactly_where_it_is_far_from_the_edge() -> None:
    z, y, x = np.meshgrid(np.arange(40), np.arange(60), np.arange(60), indexing="ij")
    scan = scan_of((2.0 * x - 3 * y + 5 * z).astype(np.float64), (0.8, 0.8, 2.5))
    grid = Grid.of(scan, (1.0, 1.0, 1.0))
    box = Box((23, 23, 49), (25, 24, 51))
    found = sitk.GetArrayFromImage(resample(scan, grid, box))
    at = [(grid.centres_mm(axis, box) / grid.scan_spacing[axis] - 0.5) for axis in range(3)]
    expected = 2 * at[0][None, None, :] - 3 * at[1][None, :, None] + 5 * at[2][:, None, None]
    assert found == pytest.approx(expected, abs=1e-3)


def test_resampled_values_do_not_depend_on_the_box() -> None:
    scan = scan_of(noise((80, 80, 70)), (0.9, 0.9, 1.5))
    grid = Grid.of(scan, (1.0, 1.0, 1.0))
    whole = sitk.GetArrayFromImage(resample(scan, grid, Box((0, 0, 0), grid.size)))
    part = sitk.GetArrayFromImage(resample(scan, grid, Box((30, 31, 50), (41, 43, 56))))
    assert np.array_equal(part, whole[50:56, 31:43, 30:41])


@pytest.mark.parametrize(("most", "slabs"), [(200_000, 3), (1, 167)])
def test_resampled_values_do_not_depend_on_the_slabs(monkeypatch: pytest.MonkeyPatch, most: int, slabs: int) -> None:
    scan = scan_of(noise((80, 80, 120)), (0.9, 0.9, 1.5))
    grid, box = Grid.of(scan, (1.0, 1.0, 1.0)), Box((10, 0, 3), (60, 70, 170))
    whole = sitk.GetArrayFromImage(resample(scan, grid, box))
    monkeypatch.setattr(grid_module, "SLAB_VOXELS", most)  # the box spans 55 x 78 x 111 of the scan's voxels
    with mock.patch.object(spline, "coefficients", wraps=spline.coefficients) as made:
        assert np.array_equal(sitk.GetArrayFromImage(resample(scan, grid, box)), whole)
    assert made.call_count == slabs


def test_where_the_grid_meets_the_scans_voxels_their_whole_hu_come_back() -> None:
    values = noise((40, 40, 40))
    scan = scan_of(values, (3.0, 3.0, 3.0))
    fine = sitk.GetArrayFromImage(resample(scan, Grid.of(scan, (1.0, 1.0, 1.0)), Box((30, 30, 30), (60, 60, 60))))
    assert np.array_equal(fine[1::3, 1::3, 1::3], values[10:20, 10:20, 10:20])


def test_the_scans_own_grid_is_not_interpolated() -> None:
    values = noise((10, 11, 12))
    scan = scan_of(values, (3.0, 3.0, 3.0))
    grid = Grid.of(scan, (3.0, 3.0, 3.0))
    assert grid == Grid.of(scan, None)
    found = resample(scan, grid, Box((1, 2, 3), (5, 7, 9)))
    assert found.GetPixelID() == sitk.sitkFloat64
    assert np.array_equal(sitk.GetArrayFromImage(found), values[3:9, 2:7, 1:5])


def test_labels_of_thick_slices_are_repeated_and_end_at_the_scan() -> None:
    labels = np.array([1, 2, 3, 1], np.uint8).reshape(4, 1, 1) * np.ones((4, 8, 8), np.uint8)
    grid = Grid.of(scan_of(labels, (1.0, 1.0, 5.0)), (1.0, 1.0, 1.0))
    found = nearest(labels, grid, Box((-1, 0, -2), (2, 1, 22)))
    assert found.shape == (24, 1, 3)
    assert found[:, 0, 1].tolist() == [0, 0] + [1] * 5 + [2] * 5 + [3] * 5 + [1] * 5 + [0, 0]
    assert not found[:, 0, 0].any()


def test_a_box_holds_the_voxels_and_the_margin_in_mm() -> None:
    voxels = np.zeros((10, 10, 10), bool)
    voxels[4, 5, 6] = True  # x 6, y 5, z 4: from 12 to 14, 10 to 12 and 20 to 25 mm
    grid = Grid.of(scan_of(voxels.astype(np.uint8), (2.0, 2.0, 5.0)), (1.0, 1.0, 1.0))
    assert grid.box_of(bounds(voxels), 0.0) == Box((12, 10, 20), (14, 12, 25))
    assert grid.box_of(bounds(voxels), 12.0) == Box((0, -2, 8), (26, 24, 37))


@pytest.mark.parametrize(("slices", "refused"), [(4, False), (3, True)])
def test_a_scan_of_too_few_slices_for_a_spline_is_refused(slices: int, refused: bool) -> None:
    scan = scan_of(noise((20, 20, slices)), (1.0, 1.0, 5.0))
    if refused:
        with pytest.raises(CaseRefused, match="too-thin: the scan has 3 voxels"):
            Grid.of(scan, (1.0, 1.0, 1.0))
    else:
        grid = Grid.of(scan, (1.0, 1.0, 1.0))
        assert np.isfinite(sitk.GetArrayFromImage(resample(scan, grid, Box((0, 0, 0), grid.size)))).all()
