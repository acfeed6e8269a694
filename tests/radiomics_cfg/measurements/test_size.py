import numpy as np
import pytest

from radiomics_cfg.engine.shape import Shape
from radiomics_cfg.measurements.size import axial_diameter_mm, diameters_mm

SPACING = np.array([2.5, 1.0, 0.7])


def test_the_first_diameter_is_that_of_the_shape_feature() -> None:
    rng = np.random.default_rng(1)
    lesion = rng.random((6, 20, 25)) < 0.3
    assert diameters_mm(lesion, SPACING)[0] == pytest.approx(Shape.of(lesion, (2.5, 1.0, 0.7)).diameters_mm[3])


def test_diameters_of_a_rod_are_its_sides() -> None:
    rod = np.zeros((3, 3, 60), bool)
    rod[1, 1, 1:59] = True
    assert diameters_mm(rod, SPACING) == pytest.approx((58 * 0.7, 2.5, 1.0))


def test_one_voxel_has_the_diameters_of_its_faces() -> None:
    one = np.ones((1, 1, 1), bool)
    assert diameters_mm(one, SPACING) == pytest.approx((2.5, 1.0, 0.7))
    assert axial_diameter_mm(one, SPACING) == pytest.approx(1.0)
