import numpy as np
import pytest

from ccrcc_model.fitting.ordering import measure_of, order_difference, order_of
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.target import GRADE, ISUP


@pytest.mark.parametrize("target", [GRADE, ISUP])
def test_a_score_that_is_the_outcome_orders_all_pairs_and_its_reverse_none(graded_planted, target):
    cases = label(*graded_planted(60), target)
    right = cases.patient_y.astype(float)
    assert order_of(cases, target, right, seed=0).value == pytest.approx(1)
    assert order_of(cases, target, -right, seed=0).value == pytest.approx(0)
    apart = order_difference(cases, target, right, np.random.default_rng(0).normal(size=len(right)), seed=0)
    assert 0.3 < apart.value < 0.7
    assert apart.low > 0


def test_a_yes_or_no_is_measured_by_the_auc():
    assert (measure_of(GRADE), measure_of(ISUP)) == ("auc", "concordance")
