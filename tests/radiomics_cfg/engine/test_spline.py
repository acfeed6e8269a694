from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from radiomics_cfg.engine.spline import MARGIN, POLE, Lines, coefficients, interpolate, interpolate_as_itk

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


def interpolated(coefficient: np.ndarray, z: np.ndarray, y: np.ndarray, x: np.ndarray, *, offset: Shape) -> np.ndarray:
    values = np.empty((len(z), len(y), len(x)))
    interpolate(coefficient, z, y, x, offset=offset, values=values)
    return values


SPACINGS = [  # of the scan and of the grid, x y z, mm
    ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0)),  # every second centre lies half-way between two voxels
    ((3.0, 3.0, 3.0), (1.0, 1.0, 1.0)),  # every third centre is a voxel's
    ((0.75, 0.75, 0.75), (1.0, 1.0, 1.0)),
    ((0.8, 0.7, 2.5), (1.0, 1.0, 1.0)),
    ((2.0, 1.5, 3.0), (1.0, 1.5, 3.0)),
]


def noise(shape: Shape, kind: str, seed: int = 0) -> np.ndarray:
    values = 300 * np.random.default_rng(seed).normal(size=shape) + 100
    return (values.clip(0, 255) if kind == "u1" else values).astype(kind)


def scan_of(values: np.ndarray, spacing: Spacing) -> sitk.Image:
    scan = sitk.GetImageFromArray(values)
    scan.SetSpacing(spacing)
    scan.SetOrigin((3.3, -7.7, 1.1))
    return scan


def grid_over(scan: sitk.Image, spacing: Spacing) -> sitk.Image:
    """Return a grid that starts at the scan's outer corner and leaves its other side a little."""
    own = np.array(scan.GetSpacing())
    size = np.ceil(np.array(scan.GetSize()) * own / spacing).astype(int)
    grid = sitk.Image(np.maximum(size, 1).tolist(), sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin(scan.TransformContinuousIndexToPhysicalPoint((0.5 * (np.array(spacing) - own) / own).tolist()))
    return grid


def lines_of(scan: sitk.Image, grid: sitk.Image) -> Lines:
    def place(*index: int) -> Any:
        return scan.TransformPhysicalPointToContinuousIndex(grid.TransformIndexToPhysicalPoint(index))

    nx, ny, nz = grid.GetSize()
    y, z = [place(0, j, 0)[1] for j in range(ny)], [place(0, 0, k)[2] for k in range(nz)]
    return Lines((place(0, 0, 0)[0], place(nx, 0, 0)[0]), np.array(y), np.array(z), nx)


@pytest.mark.parametrize("spacings", SPACINGS)
@pytest.mark.parametrize("kind", ["i2", "u1", "u2", "f4", "f8"])
def test_every_voxel_equals_itks_to_the_last_bit(kind: str, spacings: tuple[Spacing, Spacing]) -> None:
    for shape in [(1, 1, 1), (1, 5, 5), (3, 3, 3), (4, 4, 4), (5, 3, 6), (17, 18, 19), (9, 40, 31)]:
        values = noise(shape, kind)
        scan = scan_of(values, spacings[0])
        grid = grid_over(scan, spacings[1])
        ours = interpolate_as_itk(
            coefficients(values), lines_of(scan, grid), offset=(0, 0, 0), scan_size=shape, kind=values.dtype
        )
        assert ours.dtype == values.dtype
        assert np.array_equal(ours, sitk.GetArrayFromImage(sitk.Resample(scan, grid, sitk.Transform(), sitk.sitkBSpline)))


@pytest.mark.parametrize("kind", ["i2", "f8"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_crop_with_its_margin_equals_the_whole_scan(axis: int, kind: str) -> None:
    shape = [6, 6, 6]
    shape[axis] = 2 * MARGIN + 70
    values = noise((shape[0], shape[1], shape[2]), kind)
    start, stop = MARGIN + 25, MARGIN + 45
    at = [np.linspace(0, n - 1, 11) for n in shape]
    at[axis] = np.linspace(start, stop - 1.0, 33)
    cut = [slice(None)] * 3
    cut[axis] = slice(start - MARGIN, stop + MARGIN)
    offset = [0, 0, 0]
    offset[axis] = start - MARGIN
    whole = interpolated(coefficients(values), *at, offset=(0, 0, 0))
    crop = interpolated(coefficients(values[tuple(cut)]), *at, offset=(offset[0], offset[1], offset[2]))
    assert np.array_equal(crop, whole)


def test_the_margin_is_what_makes_it_equal() -> None:
    values = noise((4, 4, 200), "f8")
    at = (np.arange(4.0), np.arange(4.0), np.linspace(90, 109, 50))
    whole = interpolated(coefficients(values), *at, offset=(0, 0, 0))
    short = interpolated(coefficients(values[:, :, 80:120]), *at, offset=(0, 0, 80))
    assert not np.array_equal(short, whole)
    assert short == pytest.approx(whole, abs=1000 * abs(POLE) ** 10)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (1, 2, 9), (7, 12, 60)])
def test_the_spline_goes_through_the_voxels(shape: Shape) -> None:
    # Also along an axis of two voxels, where ITK reads beyond its memory and has no answer to compare with.
    values = noise(shape, "f8")
    at = [np.arange(float(n)) for n in shape]
    assert interpolated(coefficients(values), *at, offset=(0, 0, 0)) == pytest.approx(values, rel=1e-9, abs=1e-7)


def test_a_flat_scan_stays_flat_between_and_beyond_the_voxels_centres() -> None:
    for n in (1, 2, 3, 30):
        at = np.linspace(-0.5, n - 0.5, 23)
        found = interpolated(coefficients(np.full((n, n, n), 50.0)), at, at, at, offset=(0, 0, 0))
        assert found == pytest.approx(50.0, abs=1e-7), n


def test_a_cubic_is_met_exactly_far_from_the_edges() -> None:
    x = np.arange(101.0)
    values = np.broadcast_to(((x - 50) / 10) ** 3, (4, 4, 101)).copy()
    at = np.linspace(45, 55, 37)
    found = interpolated(coefficients(values), np.array([1.0]), np.array([2.0]), at, offset=(0, 0, 0))
    assert found[0, 0] == pytest.approx(((at - 50) / 10) ** 3, abs=1e-9)


@pytest.mark.parametrize(("x", "expected"), [(-0.5, True), (-0.50001, False), (4.4999, True), (4.5, False)])
def test_a_scan_ends_half_a_voxel_beyond_its_last_centre(x: float, expected: bool) -> None:
    values = np.full((5, 5, 5), 700.0)
    lines = Lines((x, x + 1), np.array([2.0]), np.array([2.0]), 1)
    found = interpolate_as_itk(coefficients(values), lines, offset=(0, 0, 0), scan_size=(5, 5, 5), kind=values.dtype)
    assert found.item() == pytest.approx(700 if expected else 0)


def test_integers_are_truncated_towards_0_and_held_within_their_type() -> None:
    steep = np.zeros((4, 4, 40), np.uint8)
    steep[..., 20:] = 255  # the spline swings over and under
    lines = Lines((15.5, 25.5), np.array([1.0]), np.array([1.0]), 10)
    exact = interpolated(coefficients(steep), lines.z, lines.y, lines.along_x, offset=(0, 0, 0))
    assert exact.min() < -1
    assert exact.max() > 256
    found = interpolate_as_itk(coefficients(steep), lines, offset=(0, 0, 0), scan_size=(4, 4, 40), kind=steep.dtype)
    assert found.tolist() == np.trunc(exact.clip(0, 255)).tolist()
