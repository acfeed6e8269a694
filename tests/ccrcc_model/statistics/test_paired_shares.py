"""The difference of two shares of the same patients."""

import pytest

from ccrcc_model.statistics.paired_shares import paired_difference


def test_the_interval_is_that_of_the_r_package_contingencytables() -> None:
    """Complete response before and after consolidation therapy, Cavo et al. 2012: -0.0621 (-0.1186 to -0.0046)."""
    found = paired_difference(59, 6, 16, 80)
    assert (found.value, found.low, found.high) == pytest.approx((-0.0621, -0.1186, -0.0046), abs=5e-5)


def test_exchanging_the_two_turns_the_difference_round() -> None:
    there, back = paired_difference(20, 7, 3, 10), paired_difference(20, 3, 7, 10)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_two_that_are_always_right_still_have_an_interval() -> None:
    found = paired_difference(12, 0, 0, 0)
    assert found.value == 0
    assert -0.3 < found.low < 0 < found.high < 0.3


def test_an_interval_stays_inside_the_possible() -> None:
    found = paired_difference(0, 5, 0, 0)
    assert (found.value, found.high) == (1, 1)
    assert paired_difference(0, 0, 0, 0).reason == "no patients"
