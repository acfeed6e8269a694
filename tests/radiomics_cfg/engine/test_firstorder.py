import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiomics_cfg.engine.discretise import Binning, discretise
from radiomics_cfg.engine.firstorder import FIRSTORDER, Values

EVERY = tuple(FIRSTORDER.features)


def features_of(values: list[float], *, voxel_mm3: float = 1.0, shift: float = 0, width: float = 1) -> dict[str, float]:
    x = np.array(values, np.float64)
    return FIRSTORDER.compute(Values(x, discretise(x, Binning(width=width)), voxel_mm3, shift), EVERY)


def test_a_uniform_region_has_no_spread_and_no_entropy() -> None:
    found = features_of([40.0] * 7)
    zero = ("Variance", "StandardDeviation", "MeanAbsoluteDeviation", "RobustMeanAbsoluteDeviation", "Range")
    assert [found[name] for name in (*zero, "InterquartileRange", "Skewness", "Kurtosis")] == [0.0] * 8
    assert found["Entropy"] == pytest.approx(0.0, abs=1e-12)
    assert found["Uniformity"] == 1.0
    values = ("Mean", "Median", "Minimum", "Maximum", "10Percentile", "90Percentile", "RootMeanSquared")
    assert [found[name] for name in values] == [40.0] * 7


def test_two_voxels_lie_one_deviation_from_their_mean() -> None:
    found = features_of([-3.0, 5.0])
    assert found["Mean"] == found["Median"] == 1.0
    assert found["Variance"] == 16.0
    assert found["StandardDeviation"] == found["MeanAbsoluteDeviation"] == 4.0
    assert found["Skewness"] == 0.0
    assert found["Kurtosis"] == 1.0  # the least there is; the IBSI's is 3 less
    assert found["Entropy"] == pytest.approx(1.0)
    assert found["Uniformity"] == 0.5


def test_whole_numbers_from_0_to_100() -> None:
    found = features_of(list(range(101)))
    assert [found[name] for name in ("10Percentile", "Median", "90Percentile")] == [10.0, 50.0, 90.0]
    assert found["InterquartileRange"] == 50.0
    assert found["Variance"] == pytest.approx((101**2 - 1) / 12)
    assert found["Kurtosis"] == pytest.approx(3 - 6 / 5 * (101**2 + 1) / (101**2 - 1))  # of the discrete uniform
    assert found["RobustMeanAbsoluteDeviation"] == pytest.approx(np.abs(np.arange(10, 91) - 50).mean())
    assert found["Entropy"] == pytest.approx(np.log2(101))


def test_a_lone_voxel_far_up_skews_to_the_right() -> None:
    found = features_of([0.0] * 9 + [10.0])
    p = 0.1
    assert found["Skewness"] == pytest.approx((1 - 2 * p) / (p * (1 - p)) ** 0.5)  # of a Bernoulli variable
    assert found["Kurtosis"] == pytest.approx(3 + (1 - 6 * p * (1 - p)) / (p * (1 - p)))


def test_energy_is_shifted_and_total_energy_knows_the_voxel() -> None:
    found = features_of([-1.0, 2.0], voxel_mm3=3.0, shift=10)
    assert found["Energy"] == 9**2 + 12**2
    assert found["TotalEnergy"] == 3 * (9**2 + 12**2)
    assert found["RootMeanSquared"] == pytest.approx(((9**2 + 12**2) / 2) ** 0.5)
    assert found["Mean"] == 0.5  # is not


values = st.lists(st.one_of(st.floats(-2000, 3000, width=32), st.integers(-5, 5)), min_size=1, max_size=200)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(values=values)
def test_order_statistics_are_numpys(values: list[float]) -> None:
    x = np.array(values, np.float64)
    found = Values(x, discretise(x, Binning()), 1.0)
    assert found.percentiles == tuple(np.percentile(x, [10, 25, 50, 75, 90]).tolist())


def test_order_statistics_of_many_voxels_are_numpys() -> None:
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=100_001), rng.integers(-5, 5, 70_000).astype(float), rng.standard_cauchy(50_000)):
        found = Values(x, discretise(x, Binning(width=1e3)), 1.0)
        assert found.percentiles == tuple(np.percentile(x, [10, 25, 50, 75, 90]).tolist())


def test_moments_of_a_small_spread_far_from_0_keep_their_digits() -> None:
    x = 1e6 + np.array([0.0, 1.0, 2.0, 3.0])
    assert features_of(x.tolist())["Variance"] == 1.25
