import numpy as np
import pytest

from radiomics_cfg.engine.counts import SizeCounts


@pytest.fixture
def coins() -> SizeCounts:
    """Grey levels 1 and 3 at sizes 1 and 2: three, one, none, four."""
    return SizeCounts(np.array([[3.0, 1.0], [0.0, 4.0]]), np.array([1.0, 3.0]), np.array([1.0, 2.0]))


def test_an_emphasis_weighs_each_thing_by_its_level_and_size(coins: SizeCounts) -> None:
    assert coins.total == 8
    assert coins.emphasis(size=2) == (3 * 1 + 1 * 4 + 4 * 4) / 8
    assert coins.emphasis(level=2) == (4 * 1 + 4 * 9) / 8
    assert coins.emphasis(level=-2, size=2) == pytest.approx((3 + 4 + 4 * 4 / 9) / 8)


def test_a_non_uniformity_sums_the_squares_of_a_margin(coins: SizeCounts) -> None:
    assert coins.level_nonuniformity() == (4**2 + 4**2) / 8
    assert coins.level_nonuniformity(normalised=True) == 0.5
    assert coins.size_nonuniformity() == (3**2 + 5**2) / 8
    assert coins.size_nonuniformity(normalised=True) == (3**2 + 5**2) / 64


def test_variances_are_those_of_the_margins(coins: SizeCounts) -> None:
    assert coins.level_variance() == pytest.approx(np.var([1] * 4 + [3] * 4))
    assert coins.size_variance() == pytest.approx(np.var([1] * 3 + [2] * 5))


def test_equal_counts_have_the_entropy_of_their_number() -> None:
    four = SizeCounts(np.full((2, 2), 7.0), np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert four.entropy() == pytest.approx(2.0)
    one = SizeCounts(np.array([[9.0]]), np.array([1.0]), np.array([4.0]))
    assert one.entropy() == pytest.approx(0.0, abs=1e-12)
