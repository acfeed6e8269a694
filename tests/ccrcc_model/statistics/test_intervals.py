"""Intervals of proportions against published values and statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from ccrcc_model.statistics.intervals import METHODS

# Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, Table I.
# Wald's bound there below 0 is cut at 0 here.
NEWCOMBE = {
    "wald": [(0.2522, 0.3638), (0.0527, 0.1500), (0.0, 0.0), (0.0, 0.1009)],
    "wilson": [(0.2553, 0.3662), (0.0624, 0.1605), (0.0, 0.1611), (0.0061, 0.1718)],
    "wilson-corrected": [(0.2535, 0.3682), (0.0598, 0.1644), (0.0, 0.2005), (0.0018, 0.1963)],
    "clopper-pearson": [(0.2527, 0.3676), (0.0578, 0.1617), (0.0, 0.1684), (0.0009, 0.1776)],
}
STATSMODELS = {"clopper-pearson": "beta", "wilson": "wilson", "wald": "normal", "agresti-coull": "agresti_coull"}


def every_share(most: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(k, n) for n in range(1, most + 1) for k in range(n + 1)]
    return np.array(pairs).T[0], np.array(pairs).T[1]


@pytest.mark.parametrize("method", NEWCOMBE)
def test_intervals_equal_newcombes(method: str) -> None:
    bounds = METHODS[method](np.array([81, 15, 0, 1]), np.array([263, 148, 20, 29]), level=0.95)
    assert np.stack(bounds, axis=1) == pytest.approx(np.array(NEWCOMBE[method]), abs=5.1e-5)


@pytest.mark.parametrize(("method", "name"), STATSMODELS.items())
def test_intervals_equal_statsmodels(method: str, name: str) -> None:
    numerator, denominator = every_share(40)
    low, high = proportion_confint(numerator, denominator, method=name)
    bounds = METHODS[method](numerator, denominator, level=0.95)
    assert np.stack(bounds) == pytest.approx(np.stack([low, high]), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_an_interval_holds_its_proportion_and_mirrors_that_of_the_others(method: str) -> None:
    numerator, denominator = every_share(40)
    low, high = METHODS[method](numerator, denominator, level=0.95)
    mirrored = METHODS[method](denominator - numerator, denominator, level=0.95)
    share = numerator / denominator
    assert ((low <= share + 1e-12) & (share - 1e-12 <= high) & (low >= 0) & (high <= 1)).all()
    assert np.stack([1 - high, 1 - low]) == pytest.approx(np.stack(mirrored), abs=1e-12)
