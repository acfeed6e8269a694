"""Polygons of a slice: voxels inside, holes, unions."""

import numpy as np
import numpy.typing as npt
import pytest

from nnunet_ext.dicom_masks.polygons import area, combined, filled, lies_inside, same_outline

SHAPE = (20, 24)


def box(x0: float, x1: float, y0: float, y1: float) -> npt.NDArray[np.float64]:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


def test_a_rectangle_holds_the_centres_inside_it() -> None:
    plane = filled(box(2.5, 6.5, 3.5, 5.5), SHAPE)
    assert np.argwhere(plane).tolist() == [[y, x] for y in (4, 5) for x in (3, 4, 5, 6)]


def test_of_a_shared_edge_every_voxel_belongs_to_one_side() -> None:
    left, right, whole = box(2, 6, 3, 8), box(6, 11, 3, 8), box(2, 11, 3, 8)
    both = [filled(one, SHAPE) for one in (left, right)]
    assert not (both[0] & both[1]).any()
    assert (both[0] | both[1] == filled(whole, SHAPE)).all()


def test_a_circle_holds_its_area() -> None:
    angle = np.linspace(0, 2 * np.pi, 5000, endpoint=False)  # more edges than are filled at once
    circle = np.column_stack([60.3 + 50 * np.cos(angle), 60.7 + 50 * np.sin(angle)])
    assert filled(circle, (120, 120)).sum() == pytest.approx(np.pi * 50**2, rel=0.003)
    assert area(circle) == pytest.approx(np.pi * 50**2, rel=1e-5)


def test_what_reaches_beyond_the_plane_is_cut() -> None:
    assert filled(box(-5, 100, -5, 100), SHAPE).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_channel_of_no_width_leads_to_a_hole(reverse: bool) -> None:
    outer, inner = box(1.5, 11.5, 1.5, 11.5), box(4.5, 8.5, 4.5, 8.5)
    keyhole = np.concatenate([outer, outer[:1], inner[:1], inner[::-1] if reverse else inner[1:], inner[:1], outer[:1]])
    assert filled(keyhole, SHAPE).sum() == 100 - 16


def test_a_contour_inside_another_is_a_hole_and_one_inside_that_an_island() -> None:
    plane, holes = combined([box(6.5, 7.5, 6.5, 7.5), box(1.5, 11.5, 1.5, 11.5), box(4.5, 9.5, 4.5, 9.5)], SHAPE)
    assert (plane.sum(), holes) == (100 - 25 + 1, 1)


def test_contours_that_overlap_or_are_drawn_twice_are_a_union() -> None:
    first, second = box(1.5, 7.5, 1.5, 7.5), box(4.5, 9.5, 4.5, 9.5)
    plane, holes = combined([first, second, first], SHAPE)
    assert (plane.sum(), holes) == (36 + 25 - 9, 0)


@pytest.mark.parametrize(("shrunk", "holes"), [(0.0706, 0), (0.0708, 1)])
def test_the_last_shell_that_is_no_shell(shrunk: float, holes: int) -> None:  # its corners are 0.1 voxel apart
    outer = box(1.4, 11.6, 1.4, 11.6)
    inner = box(1.4 + shrunk, 11.6 - shrunk, 1.4 + shrunk, 11.6 - shrunk)
    assert combined([outer, inner], SHAPE)[1] == holes


def test_one_outline_from_another_corner_or_backwards_is_the_same() -> None:
    outline = box(1.5, 7.5, 1.5, 7.5)
    assert same_outline(outline, np.roll(outline, 2, axis=0)[::-1])
    assert not same_outline(outline, box(1.5, 7.5, 1.5, 8.5))


@pytest.mark.parametrize(
    ("inner", "inside"),
    [
        (box(2, 3, 2, 3), True),
        (box(0, 3, 2, 3), True),  # they share an edge
        (box(-0.1, 3, 2, 3), False),
        (box(2, 12, 2, 3), False),
    ],
)
def test_inside_is_wholly_inside(inner: npt.NDArray[np.float64], inside: bool) -> None:
    assert lies_inside(inner, box(0, 10, 0, 10)) == inside


def test_a_contour_across_a_notch_is_not_inside() -> None:
    notched = np.array([[0, 0], [10, 0], [10, 10], [6, 10], [6, 3], [4, 3], [4, 10], [0, 10]], float)
    assert not lies_inside(box(1, 9, 5, 8), notched)  # its corners are, its edges are not
    assert lies_inside(box(1, 9, 1, 2), notched)
