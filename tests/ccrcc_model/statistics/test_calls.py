from pathlib import Path

import pytest
from predicted import predictions
from scipy.stats import beta

from ccrcc_model.statistics.calls import Counts, counts

REFERENCE = Path(__file__).parents[2] / "reference"


def test_a_probability_at_the_threshold_is_called_positive():
    four = predictions([1, 1, 0, 0], [0.5, 0.5 - 1e-12, 0.5, 0.5 - 1e-12])
    assert counts(four, 0.5) == Counts(true_positive=1, false_negative=1, true_negative=1, false_positive=1)


def test_each_share_has_its_own_counts():
    four = Counts(true_positive=8, false_negative=2, true_negative=60, false_positive=30)
    shares = {name: getattr(four, name) for name in ("sensitivity", "specificity", "accuracy", "ppv", "npv")}
    fractions = {name: (share.numerator, share.denominator) for name, share in shares.items()}
    assert fractions == {
        "sensitivity": (8, 10),
        "specificity": (60, 90),
        "accuracy": (68, 100),
        "ppv": (8, 38),
        "npv": (60, 62),
    }
    assert all(share.value == pytest.approx(share.numerator / share.denominator) for share in shares.values())


def test_out_of_fold_calls_have_the_interval_of_fewer_patients():
    four = Counts(true_positive=8, false_negative=2, true_negative=60, false_positive=30, design_effect=2.0)
    assert (four.sensitivity.low, four.sensitivity.high) == pytest.approx((beta.ppf(0.025, 4, 2), beta.ppf(0.975, 5, 1)))
    assert (four.sensitivity.numerator, four.sensitivity.denominator) == (8, 10)


def test_balanced_accuracy_and_f1_are_the_means_of_their_shares():
    four = Counts(true_positive=8, false_negative=2, true_negative=60, false_positive=30)
    assert four.balanced_accuracy.value == pytest.approx((8 / 10 + 60 / 90) / 2)
    assert four.f1.value == pytest.approx(2 / (10 / 8 + 38 / 8))


def test_balanced_accuracy_needs_both_classes_and_f1_someone_to_find():
    negatives = Counts(true_positive=0, false_negative=0, true_negative=5, false_positive=0)
    assert negatives.balanced_accuracy.reason == "no positive patients"
    assert negatives.f1.reason == "no patients that are positive or called positive"
    assert Counts(0, 0, 5, 1).f1.value == 0
