from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from ccrcc_model.statistics.calls import counts
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.recalibration import recalibrate_in_the_large, recalibrated


@pytest.fixture
def too_high() -> Predictions:
    """Probabilities whose logits are 0.8 too high: of each ten patients at true risk k/10, k are positive."""
    risk = np.repeat(np.arange(1, 10) / 10, 10)
    truth = np.concatenate([np.arange(10) < k for k in range(1, 10)]).astype(int)
    ids = np.arange(90).astype(np.str_)
    return Predictions("north", "grade", ids, ids, truth, expit(logit(risk) + 0.8))


def test_the_shift_of_all_logits_is_found_and_undone(too_high):
    result = recalibrated(too_high, 0.55, group="north")
    assert result.shift.value == pytest.approx(-0.8)
    assert result.shift.low < -0.8 < result.shift.high
    assert result.calibration.intercept.value == pytest.approx(0, abs=1e-9)
    assert result.calibration.ici.value == pytest.approx(0, abs=1e-9)
    assert result.calibration.ici.high > 0.02
    assert (result.group, result.n, result.events) == ("north", 90, 45)


def test_the_mean_probability_becomes_the_share_of_positives_and_the_order_stays(too_high):
    moved = recalibrate_in_the_large(too_high, recalibrated(too_high, 0.5, group="north").shift.value)
    assert moved.y_prob.mean() == pytest.approx(0.5)
    assert auc(moved) == auc(too_high)


def test_the_locked_threshold_is_kept_and_calls_change(too_high):
    result = recalibrated(too_high, 0.55, group="north")
    assert result.counts == counts(replace(too_high, y_prob=np.repeat(np.arange(1, 10) / 10, 10)), 0.55)
    assert result.counts != counts(too_high, 0.55)


def test_one_class_cannot_be_recalibrated(too_high):
    result = recalibrated(too_high.take(too_high.y_true == 1), 0.5, group="north")
    assert (result.shift.reason, result.counts, result.calibration) == ("no negative patients", None, None)
