"""Which figures come first."""

import numpy as np
import pytest
from scipy.special import expit

from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.evaluation import Pair, Scope
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.groups import assemble
from ccrcc_model.validation.result import BenchmarkResult


def cohort(name: str, *, seed: int, prevalence: float = 0.4, level: float = 0.0, strength: float = 1.0, n: int = 60) -> Pair:
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) < round(prevalence * n)).astype(int)
    ids = np.arange(n).astype(np.str_)

    def said(strength: float) -> Predictions:
        return Predictions(name, "grade", ids, np.full(n, name), truth, expit(level + strength * truth + rng.normal(size=n)))

    return Pair(said(strength), said(0.0))


def result(*external: Pair) -> BenchmarkResult:
    home = cohort("home", seed=1)
    return assemble(home, external, target=GRADE, threshold=0.5, baseline_threshold=0.5, replicates=1)


def test_one_cohort_speaks_for_itself() -> None:
    found = result(cohort("north", seed=2))
    assert (found.headline.name, found.headline.by, found.headline.cohorts) == ("north", "own figures", 1)
    assert found.headline.auc == found.groups[1].model.auc
    assert found.across is None


@pytest.mark.parametrize(("cohorts", "by"), [(2, "mean of these cohorts"), (3, "random effects")])
def test_several_cohorts_are_combined_over_their_own_figures(cohorts: int, by: str) -> None:
    found = result(*(cohort(f"site-{seed}", seed=seed) for seed in range(2, 2 + cohorts)))
    first = found.headline
    assert (first.name, first.scope, first.by) == ("Over external cohorts", Scope.ACROSS, by)
    assert (first.cohorts, first.n) == (cohorts, 60 * cohorts)
    assert first.auc == found.across.auc.first
    assert (first.prediction is None) == (cohorts == 2)
    assert found.everyone.scope is Scope.POOLED
    assert repr(found).splitlines()[1].endswith(f"by {by}")


def test_of_two_cohorts_of_which_one_has_a_single_class_the_other_speaks() -> None:
    found = result(cohort("healthy", seed=2, prevalence=0.0), cohort("north", seed=3))
    assert (found.headline.name, found.headline.auc) == ("north", found.groups[2].model.auc)


@pytest.mark.parametrize(("level", "warned"), [(0.0, False), (1.5, True)])
def test_a_pooled_auc_that_ranks_hospitals_gets_a_line(level: float, warned: bool) -> None:
    few = cohort("few", seed=2, prevalence=0.2, strength=0.0, n=200)
    many = cohort("many", seed=3, prevalence=0.6, strength=0.0, level=level, n=200)
    lines = [finding for finding in result(few, many).cautions if finding.code == "BC006"]
    assert len(lines) == warned
    if warned:
        assert "the cohorts differ in level and hold 20% to 60% positive patients" in lines[0].finding
