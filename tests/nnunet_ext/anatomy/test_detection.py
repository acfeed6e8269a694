import numpy as np
import numpy.typing as npt
import pytest

from nnunet_ext.anatomy.detection import Detections, detect


def columns(*lengths: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Columns of 1 x 1 voxels along x, each from a start with a length, three rows apart."""
    mask = np.zeros((1, 3 * len(lengths) + 1, 60), bool)
    for row, (start, length) in enumerate(lengths):
        mask[0, 3 * row, start : start + length] = True
    return mask


def test_lesions_are_found_missed_and_made_up() -> None:
    truth, found = columns((0, 20), (0, 20), (0, 0)), columns((5, 20), (0, 0), (0, 30))
    assert detect(truth, found, voxel_ml=0.1) == Detections(2, 1, 2, 1)


@pytest.mark.parametrize(("covered", "is_found"), [(2, True), (1, False)])
def test_a_tenth_of_a_lesion_has_to_be_covered(covered: int, is_found: bool) -> None:
    found = detect(columns((0, 20)), columns((20 - covered, 20)), voxel_ml=0.1)
    assert found == Detections(1, is_found, 1, not is_found)


@pytest.mark.parametrize(("voxels", "lesions"), [(10, 1), (9, 0)])
def test_a_lesion_has_at_least_a_tenth_of_a_ml(voxels: int, lesions: int) -> None:
    assert detect(columns((0, voxels)), columns((0, 0)), voxel_ml=0.01).lesions == lesions


def test_pieces_that_share_a_corner_are_one_lesion() -> None:
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert detect(mask, mask, voxel_ml=1.0) == Detections(1, 1, 1, 0)
