"""Several external cohorts together: within each, and over them."""

import numpy as np
import pytest
from scipy.special import expit

from ccrcc_model.statistics.across_cohorts import across_cohorts, auc_of_own_pairs
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.evaluation import GroupResult, Pair, Scope, evaluate_group
from ccrcc_model.statistics.meta_analysis import mean_of_these, meta_analysis
from ccrcc_model.statistics.predictions import Predictions, joined


def cohort(name: str, n: int, *, seed: int, prevalence: float, level: float = 0.0, strength: float = 0.0) -> Pair:
    """A model of some strength at a level of its own, and a baseline of none."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) < round(prevalence * n)).astype(int)
    ids = np.arange(n).astype(np.str_)

    def said(strength: float) -> Predictions:
        return Predictions(name, "grade", ids, ids, truth, expit(level + strength * truth + rng.normal(size=n)))

    return Pair(said(strength), said(0.0))


def group(pair: Pair) -> GroupResult:
    return evaluate_group(pair, Scope.EXTERNAL, threshold=0.4, baseline_threshold=0.4, replicates=1)


THREE = [group(cohort(name, 80, seed=seed, prevalence=0.4, strength=1.5)) for seed, name in enumerate("abc")]


def test_figures_over_cohorts_are_those_of_the_cohorts_own() -> None:
    found = across_cohorts(THREE)
    areas = [one.model.auc for one in THREE]
    assert (found.cohorts, found.n, found.events) == (("a", "b", "c"), 240, 96)
    assert found.auc.random == meta_analysis(areas, scale="logit")
    assert found.auc.within == mean_of_these(areas, scale="logit")
    assert found.difference.random.mean == meta_analysis([one.difference.estimate for one in THREE], limits=(-1, 1)).mean
    assert found.intercept.random.sites == found.slope.random.sites == 3


@pytest.mark.parametrize(("cohorts", "by"), [(2, "mean of these cohorts"), (3, "random effects")])
def test_random_effects_come_first_from_three_cohorts_on(cohorts: int, by: str) -> None:
    found = across_cohorts(THREE[:cohorts])
    assert found.auc.by == by
    assert found.auc.first == (found.auc.within if cohorts == 2 else found.auc.random.mean)
    assert (found.auc.random.prediction.low is None) == (cohorts == 2)
    assert found.contrast.found.model == found.auc.first
    assert found.contrast.scope is Scope.ACROSS


def test_the_auc_of_own_pairs_counts_no_pair_of_two_cohorts() -> None:
    pairs = [cohort("a", 60, seed=1, prevalence=0.2), cohort("b", 40, seed=2, prevalence=0.5, level=2.0)]
    own = [auc(pair.model).value for pair in pairs]
    groups = [group(pair) for pair in pairs]
    assert auc_of_own_pairs(groups).value == pytest.approx((12 * 48 * own[0] + 20 * 20 * own[1]) / (12 * 48 + 400))
    assert auc_of_own_pairs([group(cohort("a", 30, seed=1, prevalence=0.0))]).value is None


def test_two_hospitals_without_discrimination_have_a_pooled_auc_and_none_within() -> None:
    """Of 60 pairs of hospitals nearly all pooled AUCs are above chance; of the means within them about one in forty is."""
    pooled, within = 0, 0
    for seed in range(60):
        few = cohort("few", 100, seed=seed, prevalence=0.2)
        many = cohort("many", 100, seed=1000 + seed, prevalence=0.6, level=1.0)
        pooled += auc(joined([few.model, many.model], "both")).low > 0.5
        within += mean_of_these([auc(few.model), auc(many.model)], scale="logit").low > 0.5
    assert pooled > 40
    assert within <= 5
