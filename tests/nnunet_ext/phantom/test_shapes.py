import numpy as np
import pytest

from nnunet_ext.phantom.fields import Points, SmoothField
from nnunet_ext.phantom.kidneys import Lesion
from nnunet_ext.phantom.shapes import Canvas, Capsule, Column, Ellipsoid, Layer, grown


def cube(half: float, step: float) -> Points:
    axis = np.arange(-half, half + step / 2, step, dtype=np.float32)
    return Points(axis, axis, axis)


@pytest.mark.parametrize("length", [3.0, 12.0])
def test_a_smooth_field_has_unit_variance_and_the_stated_correlation_length(length: float) -> None:
    points = Points(*(np.arange(0, 40 * length, length, dtype=np.float32) for _ in range(3)))
    field = SmoothField.draw(np.random.default_rng(1), (0, 0, 0), (40 * length,) * 3, correlation_length_mm=length)
    values = field.at(points)
    assert values.std() == pytest.approx(1, abs=0.02)
    assert values.mean() == pytest.approx(0, abs=0.05)
    for axis in range(3):
        one_length_on = np.take(values, range(1, 40), axis) * np.take(values, range(39), axis)
        assert one_length_on.mean() == pytest.approx(np.exp(-1), abs=0.03)


def test_a_smooth_field_has_one_value_at_a_point_whatever_the_grid() -> None:
    field = SmoothField.draw(np.random.default_rng(2), (-20, -20, -20), (20, 20, 20), correlation_length_mm=6)
    coarse, fine = field.at(cube(12, 3)), field.at(cube(12, 1))
    assert fine[::3, ::3, ::3] == pytest.approx(coarse, abs=1e-4)


def test_distances_are_exact_for_a_ball_and_a_capsule() -> None:
    points = cube(10, 2)
    x, y, z = points.relative_to((0, 0, 0))
    radius = np.sqrt(x**2 + y**2 + z**2)
    assert Ellipsoid((0, 0, 0), (5, 5, 5)).distance(points) == pytest.approx(radius - 5, abs=2e-3)
    assert Capsule((0, 0, 0), (0, 0, 0), 5).distance(points) == pytest.approx(radius - 5, abs=1e-4)
    assert Lesion((0, 0, 0), 5).distance(points) == pytest.approx(radius - 5, abs=1e-4)
    assert grown(Lesion((0, 0, 0), 3), 2).distance(points) == pytest.approx(radius - 5, abs=1e-4)
    assert Capsule((0, 0, -50), (0, 0, 50), 5).distance(points) == pytest.approx(
        np.broadcast_to(np.sqrt(x**2 + y**2) - 5, points.shape), abs=1e-4
    )


@pytest.mark.parametrize("radius", [12.0, 30.0])
def test_the_volume_of_a_smooth_tumour_is_that_of_a_ball(radius: float) -> None:
    points = cube(radius + 4, 1)
    voxels = (Lesion((0.3, -0.2, 0.1), radius).distance(points) < 0).sum()
    assert voxels == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)


def test_an_edge_voxel_holds_a_share_of_both_tissues() -> None:
    points = Points(np.zeros(1, np.float32), np.zeros(1, np.float32), np.arange(-6, 7, 3, dtype=np.float32))
    canvas = Canvas(points, np.zeros(points.shape, np.float32), 3.0)
    canvas.paint(Layer(Column((-50.0, 0.0), (50.75, 1000.0)), 100.0))
    # The surface lies at x = 0.75, so the voxel from -1.5 to 1.5 is three quarters inside.
    assert canvas.hu[0, 0] == pytest.approx([100, 100, 75, 0, 0], abs=1)


def test_a_layer_off_the_canvas_leaves_it_alone() -> None:
    canvas = Canvas(cube(5, 1), np.zeros((11, 11, 11), np.float32), 1.0)
    canvas.paint(Layer(Ellipsoid((100, 0, 0), (5, 5, 5)), 100.0))
    assert not canvas.hu.any()
