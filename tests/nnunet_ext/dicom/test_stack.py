"""The geometry of slices: the last that is one grid beside the first that is none."""

from contextlib import nullcontext

import numpy as np
import pytest

from nnunet_ext.dicom.stack import axes, check_axial, slice_order
from nnunet_ext.ground.errors import CaseRefused

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def stack(steps: object = 5.0, n: int = 12) -> np.ndarray:
    """Corners of n slices in mm, upwards."""
    heights = np.concatenate([[0.0], np.cumsum(np.broadcast_to(np.asarray(steps, float), n - 1))])
    return np.stack([np.full(n, -90.0), np.full(n, -80.0), heights], axis=1)


def code(positions: np.ndarray, pixel_mm: float = 0.8) -> str | None:
    try:
        slice_order(positions, axes(AXIAL), pixel_mm)
    except CaseRefused as refused:
        return refused.code
    return None


def test_axes_are_unit_vectors_at_right_angles_whatever_the_digits() -> None:
    found = axes([0.98, 0.17, 0.0, -0.17, 0.98, 0.01])
    assert found @ found.T == pytest.approx(np.eye(3))
    assert np.linalg.det(found) == pytest.approx(1)
    assert found[0] == pytest.approx([0.9853, 0.1709, 0], abs=0.006)


@pytest.mark.parametrize(
    ("orientation", "refused"),
    [
        ((1, 0, 0, 0.0099, 1, 0), None),
        ((1, 0, 0, 0.0101, 1, 0), "not-orthogonal"),
        ((1.0199, 0, 0, 0, 1, 0), None),
        ((1.0201, 0, 0, 0, 1, 0), "no-geometry"),
        ((0, 0, 0, 0, 1, 0), "no-geometry"),
        ((1, 0, 0, 0, 0, -1), "not-axial"),
    ],
)
def test_the_last_orientation_that_is_one(orientation: tuple[float, ...], refused: str | None) -> None:
    with pytest.raises(CaseRefused, match=refused) if refused else nullcontext():
        check_axial(axes(orientation))


def test_positions_decide_the_order() -> None:
    shuffled = np.random.default_rng(3).permutation(12)
    assert slice_order(stack()[shuffled], axes(AXIAL), 0.8).tolist() == np.argsort(shuffled).tolist()


def test_a_turned_head_is_no_tilt_whatever_the_digits() -> None:
    turn = np.radians(10)
    exact = axes([1, 0, 0, 0, np.cos(turn), np.sin(turn)])
    positions = np.outer(np.arange(200), exact[2]) * 1.25
    rounded = axes([1, 0, 0, 0, round(np.cos(turn), 3), round(np.sin(turn), 3)])
    assert slice_order(positions.round(1), rounded, 0.7).tolist() == list(range(200))


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        ([5, 5, 5.5, 5, 5, 5, 5, 5, 5, 5, 5], None),
        ([5, 5, 5.51, 5, 5, 5, 5, 5, 5, 5, 5], "slice-gap"),
        ([5, 5, 0, 5, 5, 5, 5, 5, 5, 5, 5], "slice-duplicate"),
        ([5, 5, 10, 5, 5, 5, 5, 5, 5, 5, 5], "slice-gap"),
        ([4.8] * 5 + [5] * 6, None),
        ([4.5] * 5 + [5] * 6, "slice-gap"),  # each within a tenth of the median, and the seventh a quarter step off
    ],
)
def test_the_last_distances_that_are_even(steps: list[float], refused: str | None) -> None:
    assert code(stack(steps)) == refused


@pytest.mark.parametrize(("tilt", "refused"), [(0.49, None), (0.51, "gantry-tilt"), (20, "gantry-tilt")])
def test_the_last_tilt_that_is_none(tilt: float, refused: str | None) -> None:
    positions = stack()
    positions[:, 1] += positions[:, 2] * np.tan(np.radians(tilt))
    assert code(positions) == refused


@pytest.mark.parametrize(("shift", "refused"), [(0.09, None), (0.12, "slice-shift"), (40, "slice-shift")])
@pytest.mark.parametrize("moved", [slice(0, 1), slice(5, 6), slice(11, 12)], ids=["first", "middle", "last"])
def test_a_slice_beside_the_line_is_shifted_and_not_tilted(shift: float, refused: str | None, moved: slice) -> None:
    positions = stack()
    positions[moved, 0] += shift
    assert code(positions) == refused


def test_two_fields_of_view_are_shifted_and_not_tilted() -> None:
    positions = stack()
    positions[6:, 0] += 20
    assert code(positions) == "slice-shift"


def test_two_slices_are_enough() -> None:
    assert code(stack(n=2)) is None
