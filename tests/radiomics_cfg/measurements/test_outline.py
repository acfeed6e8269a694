import numpy as np
import pytest

from radiomics_cfg.measurements.outline import Outline, distance_from_mm, surface_mm

SPACING = np.array([2.5, 1.0, 0.7])


def ellipsoid(radii_mm: tuple[float, float, float]) -> np.ndarray:
    size = [2 * int(np.ceil(radius / mm)) + 3 for radius, mm in zip(radii_mm, SPACING, strict=True)]
    place = (np.indices(size).T - (np.array(size) - 1) / 2) * SPACING / radii_mm
    return np.asarray((place**2).sum(axis=-1) <= 1).T


def test_a_convex_body_is_its_own_outline() -> None:
    body = ellipsoid((30.0, 12.0, 20.0))
    outline = Outline.of(body, SPACING)
    assert outline is not None
    assert np.array_equal(outline.voxels(body.shape, SPACING), body)


def test_a_hollow_is_filled_up_to_the_plane_between_its_lips() -> None:
    body = np.ones((9, 20, 21), bool)
    body[:, 12:, 7:14] = False
    outline = Outline.of(body, SPACING)
    assert outline is not None
    assert outline.voxels(body.shape, SPACING).all()


def test_voxels_in_one_plane_have_no_outline() -> None:
    flat = np.zeros((5, 9, 9), bool)
    flat[2] = True
    assert Outline.of(flat, SPACING) is None


def test_the_surface_of_a_block_has_its_faces() -> None:
    block = np.zeros((5, 6, 7), bool)
    block[1:3, 2:5, 3:4] = True
    surface = surface_mm(block, SPACING)
    assert len(surface) == 2 * (2 * 3 + 2 * 1 + 3 * 1)
    assert surface.min(axis=0) == pytest.approx((0.5, 1.5, 2.5) * SPACING)
    assert surface.max(axis=0) == pytest.approx((2.5, 4.5, 3.5) * SPACING)


@pytest.mark.parametrize(("beyond", "nearest"), [(False, 2.1), (True, 0.7)])
def test_what_lies_beyond_the_box_is_near_only_where_it_belongs_to_the_region(beyond: bool, nearest: float) -> None:
    region = np.zeros((1, 1, 4), bool)
    region[0, 0, 3] = True
    spacing = np.array([0.7, 0.7, 0.7])
    assert distance_from_mm(region, spacing, reach_mm=5, beyond=beyond)[0, 0, 0] == pytest.approx(nearest)
