import numpy as np
import pytest
import SimpleITK as sitk

from radiomics_cfg.engine.laplacian_of_gaussian import laplacian_of_gaussian

SPACINGS = [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (3.0, 0.5, 1.3)]


def noise(shape: tuple[int, int, int], kind: str = "f8") -> np.ndarray:
    return (100 + 30 * np.random.default_rng(0).normal(size=shape)).astype(kind)


def itk_log(values: np.ndarray, sigma_mm: float, spacing_xyz: tuple[float, float, float]) -> np.ndarray:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing_xyz)
    return sitk.GetArrayFromImage(sitk.LaplacianRecursiveGaussian(image, sigma_mm, True))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", ["i2", "u1", "i4", "f4", "f8"])
def test_every_voxel_equals_itks_to_the_last_bit(kind: str, spacing: tuple[float, float, float]) -> None:
    for shape in [(4, 4, 4), (5, 4, 7), (13, 65, 70)]:  # the fewest voxels; odd and even; more lines than a block holds
        for sigma in (0.3, 1.0, 5.0, 12.5):
            values = noise(shape, kind)
            ours = laplacian_of_gaussian(values, sigma, spacing[::-1])
            assert ours.dtype == np.float32
            assert np.array_equal(ours, itk_log(values, sigma, spacing)), (shape, sigma)


def test_integers_beyond_single_precision_are_rounded_where_itk_rounds_them() -> None:
    values = np.random.default_rng(1).integers(-(2**30), 2**30, (9, 10, 11)).astype(np.int32)
    assert np.array_equal(laplacian_of_gaussian(values, 1.5, (1.0, 1.0, 1.0)), itk_log(values, 1.5, (1.0, 1.0, 1.0)))


@pytest.mark.parametrize(
    "keep",
    [
        (slice(0, 13), slice(0, 30), slice(0, 70)),
        (slice(0, 1), slice(29, 30), slice(69, 70)),  # corners
        (slice(5, 9), slice(3, 4), slice(12, 68)),
        (slice(None), slice(8, 20), slice(None)),
        (slice(9, 13), slice(26, 30), slice(66, 70)),  # the last four, where the recursion starts
    ],
)
def test_a_kept_part_is_that_part_of_the_whole(keep: tuple[slice, slice, slice]) -> None:
    values = noise((13, 30, 70))
    whole = laplacian_of_gaussian(values, 2.0, (2.0, 1.0, 0.5))
    part = laplacian_of_gaussian(values, 2.0, (2.0, 1.0, 0.5), keep=keep)
    assert np.array_equal(part, whole[keep])


@pytest.mark.parametrize("keep", [(slice(5, 9), slice(12, 13), slice(30, 40)), (slice(0, 13), slice(29, 30), slice(0, 70))])
def test_another_order_differs_by_the_rounding_of_single_precision(keep: tuple[slice, slice, slice]) -> None:
    values = noise((13, 30, 70))
    exact = laplacian_of_gaussian(values, 2.0, (2.0, 1.0, 0.5), keep=keep)
    fast = laplacian_of_gaussian(values, 2.0, (2.0, 1.0, 0.5), keep=keep, as_itk=False)
    assert fast.shape == exact.shape
    assert fast.dtype == np.float32
    assert np.abs(fast - exact).max() < 1e-4  # of values to 60 that are made of values to 200


def test_a_flat_image_has_no_curvature() -> None:
    assert np.abs(laplacian_of_gaussian(np.full((20, 20, 20), 1000.0), 2.0, (1.0, 1.0, 1.0))).max() < 1e-3


def test_a_parabola_has_its_second_derivative_times_sigma_squared() -> None:
    x = np.arange(201.0) - 100
    values = np.broadcast_to(x**2, (8, 8, 201)).copy()
    middle = laplacian_of_gaussian(values, 3.0, (1.0, 1.0, 1.0))[4, 4, 90:111]
    assert middle == pytest.approx(2 * 3.0**2, rel=0.01)  # Deriche's fit of the Gaussian is that close


def test_sigma_is_in_mm() -> None:
    values = noise((20, 20, 20))
    fine = laplacian_of_gaussian(values, 2.0, (1.0, 1.0, 1.0))
    assert laplacian_of_gaussian(values, 4.0, (2.0, 2.0, 2.0)) == pytest.approx(fine, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize(("thickness", "is_enough"), [(4, True), (3, False)])
def test_four_voxels_along_every_axis_are_needed(thickness: int, is_enough: bool) -> None:
    values = noise((thickness, 6, 6))
    if is_enough:
        assert laplacian_of_gaussian(values, 1.0, (1.0, 1.0, 1.0)).shape == values.shape
    else:
        with pytest.raises(ValueError, match=r"at least 4 voxels along each axis; the image has \(3, 6, 6\)"):
            laplacian_of_gaussian(values, 1.0, (1.0, 1.0, 1.0))
