import json
from math import sqrt
from pathlib import Path

import pytest

from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.net_benefit import net_benefit_of_calls
from ccrcc_model.statistics.prevalence import at_prevalence, check_prevalence
from nnunet_ext.ground.errors import InputError

REFERENCE = Path(__file__).parents[2] / "reference" / "paired_and_prevalence.json"


@pytest.fixture(scope="module")
def published() -> dict:
    return json.loads(REFERENCE.read_text(encoding="utf-8"))


@pytest.fixture
def screening() -> Counts:
    return Counts(true_positive=40, false_negative=10, true_negative=120, false_positive=30)


def test_predictive_values_are_the_published_ones(published):
    known = published["predictive_values"]
    there = at_prevalence(Counts(**known["counts"]), 0.5, known["prevalence"])
    for name in ("ppv", "npv"):
        estimate = getattr(there, name)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(known[name], abs=1e-6)


def test_an_empty_cell_gets_the_published_adjusted_bounds_and_keeps_its_own_value(published):
    known = published["predictive_values_with_an_empty_cell"]
    there = at_prevalence(Counts(**known["counts"]), 0.5, known["prevalence"])
    assert (there.ppv.value, there.ppv.high) == (1.0, 1.0)
    assert there.ppv.low == pytest.approx(known["ppv_low"], abs=1e-6)
    assert (there.npv.value, there.npv.low, there.npv.high) == pytest.approx(known["npv"], abs=1e-6)


def test_at_their_own_prevalence_the_observed_figures_come_back(screening):
    there = at_prevalence(screening, 0.3, 50 / 200)
    assert there.ppv.value == pytest.approx(screening.ppv.value)
    assert there.npv.value == pytest.approx(screening.npv.value)
    assert there.net_benefit.value == pytest.approx(net_benefit_of_calls(screening, 0.3).value)


def test_ppv_rises_and_npv_falls_with_the_prevalence(screening):
    rare, common = at_prevalence(screening, 0.3, 0.1), at_prevalence(screening, 0.3, 0.6)
    assert rare.ppv.high < common.ppv.low
    assert rare.npv.low > common.npv.high


def test_net_benefit_at_a_prevalence_is_a_weighted_difference_of_two_shares(screening):
    odds, prevalence = 0.3 / 0.7, 0.1
    estimate = at_prevalence(screening, 0.3, prevalence).net_benefit
    value = 0.8 * prevalence - 0.2 * (1 - prevalence) * odds
    variance = prevalence**2 * 0.8 * 0.2 / 50 + ((1 - prevalence) * odds) ** 2 * 0.2 * 0.8 / 150
    half = 1.959963984540054 * sqrt(variance)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value, value - half, value + half))


def test_a_missing_class_leaves_nothing_to_carry_over():
    there = at_prevalence(Counts(0, 0, 8, 2), 0.3, 0.2)
    assert {there.ppv.reason, there.npv.reason, there.net_benefit.reason} == {"no positive patients"}


def test_nobody_called_positive_has_no_ppv_and_no_benefit_that_varies():
    there = at_prevalence(Counts(0, 5, 10, 0), 0.3, 0.2)
    assert there.ppv.reason == "no patients called so"
    assert there.npv.value == pytest.approx(0.8)
    assert "variance is zero" in there.net_benefit.reason
    assert "variance is zero" in net_benefit_of_calls(Counts(0, 5, 10, 0), 0.3).reason


def test_a_threshold_of_0_or_1_has_no_odds(screening):
    assert net_benefit_of_calls(screening, 1.0).reason == "the threshold has no odds"
    assert at_prevalence(screening, 0.0, 0.3).net_benefit.reason == "the threshold has no odds"


@pytest.mark.parametrize("prevalence", [0.0, 1.0, 30.0, float("nan")])
def test_a_prevalence_is_a_share(prevalence, screening):
    check_prevalence(0.999)
    with pytest.raises(InputError, match=r"inside \(0, 1\), such as 0.3"):
        at_prevalence(screening, 0.3, prevalence)
