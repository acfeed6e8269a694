"""Sample sizes against the software that the criteria's authors publish, and against closed forms."""

from math import exp

import numpy as np
import pytest
from scipy.stats import norm

from ccrcc_model.statistics.sample_size import (
    auc_standard_error,
    cox_snell_of_auc,
    development_size,
    needed,
    validation_size,
)
from nnunet_ext.ground.errors import InputError


def test_the_published_example_of_a_development() -> None:
    """Riley et al. 2020 and the help of pmsampsize 1.1.3: 24 candidates, R2 of 0.288, prevalence of 0.174."""
    criteria = development_size(0.174, candidates=24, cox_snell=0.288)
    assert [criterion.n for criterion in criteria] == [623, 662, 221]
    assert needed(criteria).name == "optimism"


@pytest.mark.parametrize(("auc", "prevalence", "published"), [(0.89, 0.174, 0.2908), (0.8, 0.3, 0.2275)])
def test_the_explained_variation_of_an_auc_is_that_of_the_published_simulation(
    auc: float, prevalence: float, published: float
) -> None:
    """pmsampsize 0.1.0 for Python, which fits a logistic regression to a million simulated patients."""
    assert cox_snell_of_auc(auc, prevalence) == pytest.approx(published, abs=3e-4)


@pytest.mark.parametrize(("auc", "prevalence", "published"), [(0.8, 0.018, 4252), (0.75, 0.3, 433)])
def test_the_auc_of_a_validation_needs_what_the_published_software_says(auc: float, prevalence: float, published: int) -> None:
    """pmvalsampsize 0.2.1: criterion 3, an interval 0.1 wide."""
    assert validation_size(prevalence, auc)[2].n == published


def test_observed_over_expected_needs_what_its_closed_form_says() -> None:
    """An interval of the width 1 around 1 has a standard error of asinh(1/2) / 1.96; pmvalsampsize 0.2.1 steps to 905."""
    criterion = validation_size(0.018, 0.8, ratio_width=1)[0]
    error = ((1 - 0.018) / (0.018 * criterion.n)) ** 0.5
    assert exp(1.96 * error) - exp(-1.96 * error) == pytest.approx(1, abs=1e-3)
    assert criterion.n == pytest.approx(905, abs=2)


def test_the_slope_needs_the_patients_at_which_a_simulation_has_its_interval() -> None:
    """The information of 200,000 simulated patients, class by class as the model of the linear predictor says."""

    rng = np.random.default_rng(5)
    y = rng.random(200_000) < 0.3
    deviation = 2**0.5 * norm.ppf(0.75)
    predictor = np.log(0.3 / 0.7) + np.where(y, 0.5, -0.5) * deviation**2 + deviation * rng.normal(size=len(y))
    risk = 1 / (1 + np.exp(-predictor))
    zero, one, two = (float(np.mean(risk * (1 - risk) * predictor**power)) for power in range(3))
    n = zero / ((0.2 / 3.92) ** 2 * (zero * two - one**2))
    assert validation_size(0.3, 0.75)[1].n == pytest.approx(n, rel=0.02)


def test_the_interval_of_an_auc_is_as_wide_as_wanted_and_not_with_one_patient_less() -> None:
    n = validation_size(0.2, 0.7, auc_width=0.1)[2].n
    assert 2 * 1.96 * auc_standard_error(0.7, 0.2, n) <= 0.1 < 2 * 1.96 * auc_standard_error(0.7, 0.2, n - 1)


def test_more_candidates_need_more_patients_in_proportion() -> None:
    few, many = (development_size(0.3, 0.75, candidates=candidates)[0].n for candidates in (10, 1000))
    assert many == pytest.approx(100 * few, rel=0.01)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, float("nan")])
def test_a_prevalence_that_is_no_share_is_refused(prevalence: float) -> None:
    with pytest.raises(InputError, match=r"prevalence must lie inside \(0, 1\)"):
        validation_size(prevalence, 0.8)


@pytest.mark.parametrize("auc", [0.5, 1.0, 80.0, float("nan")])
def test_an_auc_that_none_can_plan_with_is_refused(auc: float) -> None:
    with pytest.raises(InputError, match=r"AUC must lie inside \(0.5, 1\)"):
        development_size(0.3, auc, candidates=10)


def test_no_study_is_planned_beyond_ten_million_patients() -> None:
    with pytest.raises(InputError, match="No study is large enough"):
        validation_size(0.3, 0.75, auc_width=1e-5)


def test_an_explained_variation_beyond_the_largest_possible_is_refused() -> None:
    with pytest.raises(InputError, match=r"R2 lies inside \(0, 0.603\)"):
        development_size(0.174, candidates=5, cox_snell=0.7)


def test_a_model_has_a_candidate() -> None:
    with pytest.raises(InputError, match="at least one candidate"):
        development_size(0.3, 0.8, candidates=0)
    assert development_size(0.3, 0.8, candidates=1)
