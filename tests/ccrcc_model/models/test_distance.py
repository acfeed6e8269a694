from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from ccrcc_model.models.distance import FeatureDistance, distance_limit, left_out_distances

NAMES = ("a", "b")


@pytest.fixture
def plain() -> FeatureDistance:
    """Two features of median 0 and spread 1 that do not go together."""
    return FeatureDistance(NAMES, np.zeros(2), np.ones(2), np.zeros(2), np.eye(2))


def correlated(rng: np.random.Generator, n: int, features: int) -> np.ndarray:
    """Cases of a population with correlated features, every third with a long tail."""
    values = rng.normal(size=(n, features)) + rng.normal(size=(n, 1))
    values[:, ::3] = np.exp(values[:, ::3])
    return values


def ids(n: int) -> np.ndarray:
    return np.array([f"p{place:04d}" for place in range(n)])


def test_the_distance_is_mahalanobis_of_standardised_features(plain: FeatureDistance) -> None:
    values = np.sinh([[3.0, 4.0], [3.0, np.nan]])
    assert plain.distances(values) == pytest.approx([5.0, 3.0])
    assert replace(plain, covariance=np.diag([9.0, 4.0])).distances(values) == pytest.approx([np.sqrt(1 + 4), 1.0])
    assert replace(plain, median=np.sinh([3.0, 0]), spread=np.full(2, 2.0)).distances(np.sinh([[3.0, 0]])) == pytest.approx(
        [0]
    )


def test_contributions_add_up_to_the_squared_distance() -> None:
    values = correlated(np.random.default_rng(0), 40, 12)
    fitted = FeatureDistance.fit(values, [f"f{place}" for place in range(12)])
    np.testing.assert_allclose(fitted.contributions(values).sum(axis=1), fitted.distances(values) ** 2)


def test_the_unit_of_a_feature_does_not_matter() -> None:
    values = correlated(np.random.default_rng(0), 40, 12)
    names = [f"f{place}" for place in range(12)]
    other = values * 10.0 ** np.arange(-6, 6) - 7
    np.testing.assert_allclose(
        FeatureDistance.fit(values, names).distances(values), FeatureDistance.fit(other, names).distances(other), rtol=1e-6
    )


def test_a_feature_that_hardly_varies_is_measured_by_what_varies() -> None:
    values = np.column_stack([np.arange(20.0), np.where(np.arange(20) == 0, 1.0, 0.0)])
    fitted = FeatureDistance.fit(values, NAMES)
    assert fitted.spread[1] == pytest.approx(values[:, 1].std())
    assert np.isfinite(fitted.distances(values)).all()


@pytest.mark.parametrize(("n", "place", "share"), [(24, 24, 1 / 25), (49, 48, 2 / 50), (99, 96, 4 / 100), (10, 10, 1 / 11)])
def test_the_limit_is_the_conformal_quantile(n: int, place: int, share: float) -> None:
    distances = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert distance_limit(distances, declined=0.04) == (float(place), pytest.approx(share))


def test_all_cases_of_a_patient_are_left_out_together() -> None:
    values = correlated(np.random.default_rng(0), 30, 5)
    names = list("abcde")
    alone = left_out_distances(values, ids(30), names)
    twice = left_out_distances(np.vstack([values, values[:1]]), np.append(ids(30), ids(1)), names)
    assert len(twice) == 30
    assert twice[0] == pytest.approx(alone[0])
    one = FeatureDistance.fit(values[1:], names).distances(values[:1])
    assert alone[0] == pytest.approx(one[0])


def test_a_patient_is_as_far_as_the_farthest_of_its_cases() -> None:
    values = correlated(np.random.default_rng(0), 30, 5)
    far = np.vstack([values, values[:1] + 50])
    assert (
        left_out_distances(far, np.append(ids(30), ids(1)), list("abcde"))[0]
        > 2 * left_out_distances(values, ids(30), list("abcde"))[0]
    )


@pytest.mark.parametrize(("n", "features"), [(99, 8), (60, 80)])
def test_like_patients_are_declined_at_the_nominal_rate_and_shifted_ones_mostly(n: int, features: int) -> None:
    names = [f"f{place}" for place in range(features)]
    declined, nominal, shifted = [], [], []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        known, new = correlated(rng, n, features), correlated(rng, 300, features)
        with threadpool_limits(1):
            limit, share = distance_limit(left_out_distances(known, ids(n), names), declined=0.04)
            fitted = FeatureDistance.fit(known, names)
            declined.append((fitted.distances(new) > limit).mean())
            new[:, 1::4] += 8  # a quarter of the features, by nearly six standard deviations
            shifted.append((fitted.distances(new) > limit).mean())
        nominal.append(share)
    # The rate of one draw of n patients is a beta variable, here with a standard deviation of 0.02: three of the mean of 15.
    assert np.mean(declined) == pytest.approx(np.mean(nominal), abs=0.018)
    assert np.mean(shifted) > 0.9
