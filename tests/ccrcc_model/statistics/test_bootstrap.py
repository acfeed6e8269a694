# Also of: ccrcc_model.statistics.bootstrap_kernels.

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, balanced_accuracy_score, brier_score_loss, f1_score, roc_auc_score

from ccrcc_model.statistics.bootstrap import SMOOTHED_GROUPS, SMOOTHED_POINTS, bootstrap, neighbour_groups, resample
from ccrcc_model.statistics.bootstrap_kernels import resampled_calibration, resampled_ranking
from ccrcc_model.statistics.calibration import LOESS_SPAN, brier_score, integrated_calibration_index
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.predictions import Predictions


def noisy(n: int, *, seed: int = 0, decimals: int | None = None, prevalence: float = 0.3) -> Predictions:
    """Probabilities that tell the truth through noise; rounded ones are tied."""
    rng = np.random.default_rng(seed)
    y_true = (np.arange(n) < round(prevalence * n)).astype(int)
    y_prob = expit(1.2 * y_true - 1.2 + rng.normal(size=n))
    y_prob = y_prob if decimals is None else y_prob.round(decimals)
    ids = np.arange(n).astype(np.str_)
    return Predictions("A", "grade", ids, ids, y_true, y_prob)


def drawn(predictions: Predictions, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The patients by rising probability, and one resample of them as places."""
    order = np.argsort(predictions.y_prob, kind="stable")
    places = np.random.default_rng(seed).integers(0, len(order), size=(1, len(order)))
    return predictions.y_true[order], predictions.y_prob[order], places


def as_predictions(y_true: np.ndarray, y_prob: np.ndarray) -> Predictions:
    ids = np.arange(len(y_true)).astype(np.str_)
    return Predictions("A", "grade", ids, ids, y_true, y_prob)


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("seed", range(5))
def test_ranking_figures_of_a_resample_are_scikit_learns_on_it(seed, decimals):
    y_true, y_prob, places = drawn(noisy(60, seed=seed, decimals=decimals), seed)
    first_of_tie = np.append(True, np.diff(y_prob) > 0)
    called = int(np.searchsorted(y_prob, 0.4))
    found = resampled_ranking(y_true, first_of_tie, called, places)[0]
    truth, probability = y_true[places[0]], y_prob[places[0]]
    expected = [
        roc_auc_score(truth, probability),
        average_precision_score(truth, probability),
        balanced_accuracy_score(truth, probability >= 0.4),
    ]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("seed", range(5))
def test_calibration_figures_of_a_resample_are_those_of_the_resampled_patients(seed, decimals):
    y_true, y_prob, places = drawn(noisy(60, seed=seed, decimals=decimals), seed)
    group = np.unique(y_prob, return_inverse=True)[1]
    points = np.arange(group[-1] + 1)
    called = int(np.searchsorted(y_prob, 0.4))
    found = resampled_calibration(y_prob, y_true, group, points, LOESS_SPAN, called, places)[0]
    truth, probability = y_true[places[0]], y_prob[places[0]]
    index = integrated_calibration_index(as_predictions(truth, probability)).value
    expected = [f1_score(truth, probability >= 0.4), brier_score_loss(truth, probability), index]
    assert found == pytest.approx(expected, abs=1e-9)


def test_many_patients_are_pooled_without_moving_the_calibration_index():
    y_true, y_prob, places = drawn(noisy(3000), 1)
    group, points = neighbour_groups(y_prob, smooth=True)
    assert (group[-1] + 1, len(points)) == (SMOOTHED_GROUPS, SMOOTHED_POINTS)
    found = resampled_calibration(y_prob, y_true, group, points, LOESS_SPAN, 0, places)[0, 2]
    exact = integrated_calibration_index(as_predictions(y_true[places[0]], y_prob[places[0]])).value
    assert found == pytest.approx(exact, abs=1e-3)


def test_pooling_never_parts_a_tie():
    y_prob = np.sort(np.random.default_rng(0).random(4000).round(3))
    group, _ = neighbour_groups(y_prob, smooth=True)
    assert group[-1] + 1 <= SMOOTHED_GROUPS
    assert all(len(set(group[y_prob == value])) == 1 for value in np.unique(y_prob))


def test_auc_interval_is_as_wide_as_delongs_in_a_large_sample():
    predictions = noisy(600)
    by_bootstrap, by_delong = bootstrap(predictions, 0.4).auc, auc(predictions)
    assert by_bootstrap.value == by_delong.value
    assert (by_bootstrap.low, by_bootstrap.high) == pytest.approx((by_delong.low, by_delong.high), abs=0.005)


def test_brier_interval_is_that_of_a_mean_in_a_large_sample():
    predictions = noisy(2000)
    by_bootstrap, of_a_mean = bootstrap(predictions, 0.4).brier, brier_score(predictions)
    assert (by_bootstrap.low, by_bootstrap.high) == pytest.approx((of_a_mean.low, of_a_mean.high), abs=0.001)


def test_every_interval_holds_its_figure():
    found = bootstrap(noisy(200), 0.4, replicates=500)
    for name in ("auc", "auprc", "balanced_accuracy", "f1", "brier", "ici"):
        estimate = getattr(found, name)
        assert estimate.low < estimate.value < estimate.high, name


def test_seed_and_patients_decide_and_their_order_does_not():
    predictions = noisy(80)
    backwards = as_predictions(predictions.y_true[::-1], predictions.y_prob[::-1])
    there, back = bootstrap(predictions, 0.4, seed=3), bootstrap(backwards, 0.4, seed=3)
    assert (there.auc, there.f1, there.ici.low, there.ici.high) == (back.auc, back.f1, back.ici.low, back.ici.high)
    assert bootstrap(predictions, 0.4, seed=3) != bootstrap(predictions, 0.4, seed=4)


def test_resamples_come_in_the_same_order_however_many_are_held_at_a_time(monkeypatch):
    predictions = noisy(30)
    together = resample(predictions, 0.4, replicates=50, seed=1)
    monkeypatch.setattr("ccrcc_model.statistics.bootstrap._BLOCK", 7 * 30)
    apart = resample(predictions, 0.4, replicates=50, seed=1)
    for name in ("f1", "brier", "ici"):
        np.testing.assert_array_equal(together[name], apart[name])


def test_one_class_gives_reasons_and_a_brier_interval():
    found = bootstrap(noisy(40, prevalence=0.0), 0.4)
    reasons = {found.auc.reason, found.auprc.reason, found.balanced_accuracy.reason, found.ici.reason}
    assert reasons == {"no positive patients"}
    assert found.brier.low < found.brier.value < found.brier.high


def test_nobody_gives_reasons():
    found = bootstrap(as_predictions(np.zeros(0, dtype=int), np.zeros(0)), 0.4)
    assert {found.auc.reason, found.brier.reason, found.ici.reason} == {"no patients"}


def test_separated_classes_claim_no_interval_of_width_zero():
    found = bootstrap(as_predictions(np.repeat([0, 1], 10), np.linspace(0.1, 0.9, 20)), 0.5)
    assert (found.auc.value, found.auc.low) == (1.0, None)
    assert found.auc.reason == "interval not estimable: all resamples are equal"


@pytest.mark.parametrize(("positives", "has_interval"), [(2, False), (4, True)])
def test_a_class_that_resamples_often_lose_leaves_no_interval(positives, has_interval):
    # Of resamples of 40 patients, 13 % lose both of two positives, and 1.5 % all of four.
    found = bootstrap(noisy(40, prevalence=positives / 40), 0.4)
    assert (found.ici.low is not None) == has_interval
    assert ("resamples lack a class" in (found.ici.reason or "")) != has_interval
    assert found.auc.low is not None  # resampled within the classes


def test_one_positive_patient_has_no_interval_of_what_compares_classes():
    found = bootstrap(noisy(40, prevalence=1 / 40), 0.4)
    for name in ("auc", "auprc", "balanced_accuracy", "f1", "ici"):
        estimate = getattr(found, name)
        assert estimate.value is not None
        assert (estimate.low, estimate.reason) == (None, "interval not estimable: fewer than two patients of a class")
    assert found.brier.low is not None  # a mean over all patients


def test_a_bootstrap_needs_a_replicate():
    assert bootstrap(noisy(30), 0.4, replicates=1).replicates == 1
    with pytest.raises(ValueError, match="at least one replicate, not 0"):
        bootstrap(noisy(30), 0.4, replicates=0)
