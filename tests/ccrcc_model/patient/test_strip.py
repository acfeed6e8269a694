import pytest

from ccrcc_model.patient.similar_patients import SimilarPatients
from ccrcc_model.patient.strip import BASE, LEFT, RIGHT, TALLEST, draw_contributions, draw_strip, place


@pytest.mark.parametrize(("share", "x"), [(0, LEFT), (1, RIGHT), (0.5, (LEFT + RIGHT) / 2), (-0.2, LEFT), (1.7, RIGHT)])
def test_a_share_lies_along_the_scale(share: float, x: float) -> None:
    assert place(share) == x


def test_everything_is_on_one_scale() -> None:
    similar = SimilarPatients(40, 10, 0.2, 0.5)
    strip = draw_strip(0.25, threshold=0.5, baseline=None, similar=similar, positives=[0.99], negatives=[0.01, 0.02])
    assert (strip.patient, strip.threshold, strip.baseline) == (place(0.25), place(0.5), None)
    assert strip.similar == (place(0.2), place(0.25), place(0.5))


def test_each_class_is_drawn_by_its_own_size_negatives_above_and_positives_below() -> None:
    strip = draw_strip(0.5, threshold=None, baseline=0.1, similar=None, positives=[0.99], negatives=[0.01] * 30)
    (negative,), (positive,) = strip.negatives, strip.positives
    assert negative.height == positive.height == TALLEST
    assert negative.y + negative.height == BASE == positive.y
    assert negative.x < positive.x
    assert strip.similar is None


def test_bars_of_contributions_go_both_ways_from_the_middle_on_one_scale() -> None:
    up, down = draw_contributions([0.4, -0.2], half_width=100)
    assert (up.x, up.width) == (100, 100)
    assert (down.x, down.width) == (50, 50)
    assert draw_contributions([]) == ()
