import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from nnunet_ext.inference.kidney_search import body_box, boxes_of_kidneys, reaches_a_face
from nnunet_ext.inference.network_grid import Box

SPACING_MM = (5.0, 5.0, 5.0)  # a margin of five voxels
PATCH = (4, 4, 4)


def mask(*kidneys: tuple[slice, slice, slice], shape: tuple[int, int, int] = (60, 60, 100)) -> np.ndarray:
    found = np.zeros(shape, np.uint8)
    for kidney in kidneys:
        found[kidney] = 1
    return found


RIGHT = (slice(20, 30), slice(20, 28), slice(20, 25))  # 400 voxels of 0.125 ml, exactly 50 ml
LEFT = (slice(18, 28), slice(20, 28), slice(70, 76))


def test_each_kidney_gets_a_box_with_its_margin() -> None:
    boxes = boxes_of_kidneys(mask(RIGHT, LEFT), SPACING_MM, PATCH)
    assert boxes == (Box((13, 15, 65), (33, 33, 81)), Box((15, 15, 15), (35, 33, 30)))


def test_a_tumour_near_a_kidney_widens_its_box_and_a_far_one_does_not_count() -> None:
    found = mask(RIGHT, LEFT)
    found[30:34, 22:26, 21:24] = 2
    found[50:52, 50:52, 50:52] = 2
    boxes = boxes_of_kidneys(found, SPACING_MM, PATCH)
    assert boxes == (Box((13, 15, 65), (33, 33, 81)), Box((15, 15, 15), (39, 33, 30)))


def test_boxes_that_overlap_are_joined() -> None:
    near = (slice(18, 28), slice(20, 28), slice(34, 40))  # nine voxels from the other, less than two margins
    assert boxes_of_kidneys(mask(RIGHT, near), SPACING_MM, PATCH) == (Box((13, 15, 15), (35, 33, 45)),)


def test_a_network_that_sees_tumours_everywhere_is_no_trouble() -> None:
    found = np.zeros((70, 70, 40), np.uint8)
    found[2:68, 2:68, 2:6] = found[2:68, 2:68, 34:38] = 1
    found[2:68:2, 2:68:2, 7] = 2  # more than a thousand islands, 10 mm from a kidney and from each other
    assert boxes_of_kidneys(found, SPACING_MM, PATCH) == (Box((0, 0, 0), (70, 70, 13)), Box((0, 0, 29), (70, 70, 40)))


def test_a_box_is_as_large_as_a_window_and_stays_in_the_scan() -> None:
    boxes = boxes_of_kidneys(mask(RIGHT, LEFT), SPACING_MM, (30, 60, 32))
    assert boxes == (Box((8, 0, 57), (38, 60, 89)), Box((10, 0, 7), (40, 60, 39)))
    corner = (slice(0, 10), slice(20, 28), slice(0, 5))
    boxes = boxes_of_kidneys(mask(corner, LEFT), SPACING_MM, (30, 8, 32))
    assert Box((0, 15, 0), (30, 33, 32)) in (boxes or ())
    far_corner = (slice(50, 60), slice(20, 28), slice(95, 100))
    boxes = boxes_of_kidneys(mask(far_corner, RIGHT), SPACING_MM, (30, 8, 32))
    assert Box((30, 15, 68), (60, 33, 100)) in (boxes or ())


def smaller(kidney: tuple[slice, slice, slice]) -> np.ndarray:
    found = mask(RIGHT, LEFT)
    found[tuple(part.start for part in kidney)] = 0
    return found


@pytest.mark.parametrize(
    ("found", "sure"),
    [
        (mask(RIGHT, LEFT), True),
        (smaller(RIGHT), False),
        (mask(RIGHT), False),
        (mask(), False),
        (mask(RIGHT, LEFT, (slice(25, 26), slice(22, 23), slice(20, 76))), False),
    ],
    ids=["two", "one-too-small", "one", "none", "joined"],
)
def test_the_search_is_sure_of_two_kidneys_apart_only(found: np.ndarray, sure: bool) -> None:
    assert (boxes_of_kidneys(found, SPACING_MM, PATCH) is not None) == sure


@pytest.mark.parametrize(("plane", "reaches"), [(0, True), (1, False), (8, False), (9, True)])
def test_a_label_at_an_inner_face_may_go_on(plane: int, reaches: bool) -> None:
    part = np.zeros((10, 10, 10), np.uint8)
    part[plane, 5, 5] = 1
    inner = Box((4, 4, 4), (14, 14, 14))
    assert reaches_a_face(part, SPACING_MM, inner, (20, 20, 20)) == reaches
    assert not reaches_a_face(part, SPACING_MM, Box((0, 4, 4), (10, 14, 14)), (10, 20, 20)), "the scan's own faces end it"


def test_the_body_is_the_patient_without_the_table() -> None:
    hu = np.full((60, 200, 180), -1000, np.int16)
    hu[6:, 39:120, 60:141] = -100
    hu[:, 150:153, 20:170] = 200  # a table of 3 mm
    found = body_box(hu, (1.0, 1.0, 1.0))
    assert found == Box((3, 36, 57), (60, 123, 144)), "with one step of the grid around it"
    nothing = np.full((8, 8, 8), -1000, np.int16)
    assert body_box(nothing, (1.0, 1.0, 1.0)) == Box((0, 0, 0), (8, 8, 8))
