import numpy as np
import pytest

from radiomics_cfg.measurements.sinus import find_sinus, opening_of

SPACING = np.ones(3)
WITHIN = np.ones((40, 40, 40), bool)


def with_ball(radius: float) -> np.ndarray:
    """A solid with a ball taken out of its middle."""
    return np.asarray(np.linalg.norm(np.indices(WITHIN.shape) - 20, axis=0) > radius)


@pytest.mark.parametrize(("radius", "is_sinus"), [(4.8, False), (5.4, True)])
def test_a_sinus_has_half_a_millilitre(radius: float, is_sinus: bool) -> None:
    assert (find_sinus(WITHIN, with_ball(radius), SPACING) is not None) == is_sinus


@pytest.mark.parametrize(("depth", "is_sinus"), [(4, False), (5, True)])
def test_a_sinus_reaches_5_mm_below_the_outline(depth: int, is_sinus: bool) -> None:
    labelled = WITHIN.copy()
    labelled[5:35, 5:35, :depth] = False
    assert (find_sinus(WITHIN, labelled, SPACING) is not None) == is_sinus


def test_a_slit_is_no_sinus() -> None:
    labelled = WITHIN.copy()
    labelled[18:22, 5:35, :30] = False
    assert find_sinus(WITHIN, labelled, SPACING) is None


def test_the_largest_of_two_hollows_is_the_sinus_and_opens_at_the_surface() -> None:
    labelled = with_ball(6)
    labelled[20:40, 10:30, :8] = False
    sinus = find_sinus(WITHIN, labelled, SPACING)
    assert sinus is not None
    assert not sinus[20, 20, 20]
    opening = np.argwhere(opening_of(sinus, WITHIN, SPACING))
    assert opening[:, 2].min() == 0


def test_an_enclosed_hollow_has_no_opening() -> None:
    sinus = find_sinus(WITHIN, with_ball(8), SPACING)
    assert sinus is not None
    assert not opening_of(sinus, WITHIN, SPACING).any()
