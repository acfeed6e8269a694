import numpy as np
import pytest
from scipy.special import expit

from ccrcc_model.fitting.stack import fit_stack
from ccrcc_model.models.graded import LogPercent
from ccrcc_model.models.likelihood import Logistic


def scores_of(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two families that know the log odds but for noise of their own, and one that knows nothing."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=n)
    noisy = odds[:, None] + rng.normal(size=(n, 2)) * [0.2, 1.5]
    return np.column_stack([noisy, rng.normal(size=n)]), (rng.random(n) < expit(2 * odds)).astype(int)


def test_with_many_patients_the_better_family_weighs_more_and_the_useless_one_nothing() -> None:
    scores, outcome = scores_of(20_000)
    weights = fit_stack(scores, outcome, Logistic).weights
    assert weights[0] > 5 * weights[1] > 0
    assert weights[2] == pytest.approx(0, abs=0.02)
    assert weights[0] == pytest.approx(2, abs=0.25)


def test_with_few_patients_standardised_scores_weigh_almost_the_same() -> None:
    scores, outcome = scores_of(12, seed=3)
    weights = fit_stack(scores, outcome, Logistic).weights * scores.std(axis=0)
    assert np.ptp(weights) < 0.1 * weights.mean()


def test_a_family_that_scores_all_alike_has_no_weight_and_changes_nothing() -> None:
    scores, outcome = scores_of(200)
    with_flat = np.column_stack([scores, np.full(200, 3.0)])
    found, wanted = fit_stack(with_flat, outcome, Logistic), fit_stack(scores, outcome, Logistic)
    assert found.weights[3] == 0
    np.testing.assert_allclose(found.score(with_flat), wanted.score(scores))


def test_nothing_found_is_no_score() -> None:
    stack = fit_stack(np.ones((20, 2)), np.arange(20) % 2, Logistic)
    assert stack.weights.tolist() == [0, 0]
    assert stack.level == 0


def test_the_mean_of_the_probabilities_is_the_prevalence() -> None:
    scores, outcome = scores_of(300)
    stack = fit_stack(scores + 5.0, outcome, Logistic)
    assert expit(stack.score(scores + 5.0)).mean() == pytest.approx(outcome.mean(), abs=1e-4)


def test_percentages_are_stacked_by_their_own_loss() -> None:
    scores, _ = scores_of(500)
    percent = np.expm1(2 + 0.5 * scores[:, 0])
    weights = fit_stack(scores, np.clip(percent, 0, 100), LogPercent).weights
    assert weights[0] > 5 * max(weights[1], weights[2])
