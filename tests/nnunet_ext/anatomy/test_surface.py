import numpy as np
import numpy.typing as npt
import pytest

from nnunet_ext.anatomy.surface import surface_agreement

SPACING = (5.0, 2.0, 2.0)
"""Of voxels along z, y, x: thick slices."""


def block(*, shift: tuple[int, int, int] = (0, 0, 0)) -> npt.NDArray[np.bool_]:
    """A block of 4 x 10 x 10 voxels, 20 mm along every axis, moved by whole voxels."""
    mask = np.zeros((12, 24, 24), bool)
    z, y, x = shift
    mask[4 + z : 8 + z, 6 + y : 16 + y, 6 + x : 16 + x] = True
    return mask


def test_a_mask_agrees_with_itself() -> None:
    found = surface_agreement(block(), block(), spacing_mm=SPACING, tolerance_mm=0.0)
    assert (found.dice, found.hd95_mm) == (1.0, 0.0)


@pytest.mark.parametrize(("shift", "mm"), [((1, 0, 0), 5.0), ((0, 1, 0), 2.0), ((0, 0, 2), 4.0)])
def test_a_moved_block_is_as_far_off_as_it_was_moved(shift: tuple[int, int, int], mm: float) -> None:
    found = surface_agreement(block(), block(shift=shift), spacing_mm=SPACING, tolerance_mm=mm)
    assert found.hd95_mm == pytest.approx(mm)
    assert found.dice == 1.0
    less = surface_agreement(block(), block(shift=shift), spacing_mm=SPACING, tolerance_mm=mm - 0.01)
    assert 0.5 < less.dice < 0.9  # the four sides along the shift still agree, but for their ends


def test_an_empty_mask_has_no_distance() -> None:
    empty = np.zeros_like(block())
    one = surface_agreement(block(), empty, spacing_mm=SPACING, tolerance_mm=1.0)
    assert one.dice == 0.0
    assert np.isnan(one.hd95_mm)
    both = surface_agreement(empty, empty, spacing_mm=SPACING, tolerance_mm=1.0)
    assert np.isnan(both.dice)
    assert np.isnan(both.hd95_mm)
