"""What several external cohorts say together, each compared within itself first.

An AUC over the patients of all cohorts also compares patients of different hospitals. Where these differ in the share of
positive patients and in the level of the probabilities, such pairs are ordered by the hospital, not by the tumour: two
hospitals without any discrimination inside either can have a pooled AUC of 0.6. So figures are combined over the cohorts'
own ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ccrcc_model.statistics.estimate import Comparison, Estimate
from ccrcc_model.statistics.evaluation import Contrast, GroupResult, Scope
from ccrcc_model.statistics.meta_analysis import NO_LIMITS, Limits, MetaAnalysis, Scale, mean_of_these, meta_analysis

RANDOM_EFFECTS_FROM = 3
"""Cohorts from which random effects speak first. Two say next to nothing of how hospitals differ: with one degree of freedom
the interval of their mean is 6 times as wide as the normal one (Gonnermann et al. 2015, doi:10.1002/sim.6473)."""

NAME = "Over external cohorts"
"""Of the group in tables and figures."""


@dataclass(frozen=True, slots=True)
class OverCohorts:
    """One figure over several cohorts.

    Args:
        within: Mean of these very cohorts, weighted by precision.
        random: Random effects: mean of cohorts like these, and what a further one may see.
    """

    within: Estimate
    random: MetaAnalysis

    @property
    def by(self) -> Literal["random effects", "mean of these cohorts"]:
        """Which of the two is reported first: random effects from three cohorts on, as two do not show how cohorts differ."""
        return "random effects" if self.random.sites >= RANDOM_EFFECTS_FROM else "mean of these cohorts"

    @property
    def first(self) -> Estimate:
        """The figure that is reported first, see `by`."""
        return self.random.mean if self.by == "random effects" else self.within


@dataclass(frozen=True, slots=True)
class AcrossCohorts:
    """Model and tumour volume over several external cohorts.

    Args:
        cohorts: Names of all of them.
        n: Patients.
        events: Positive patients.
        auc: Of the model.
        baseline_auc: Of tumour volume.
        difference: Difference of AUC (model − tumour volume), paired in each cohort.
        intercept: Calibration intercept of the model.
        slope: Calibration slope of the model.
    """

    cohorts: tuple[str, ...]
    n: int
    events: int
    auc: OverCohorts
    baseline_auc: OverCohorts
    difference: OverCohorts
    intercept: OverCohorts
    slope: OverCohorts

    @property
    def contrast(self) -> Contrast:
        """The AUCs and their difference, as the forest plot draws them."""
        found = Comparison(self.auc.first, self.baseline_auc.first, self.difference.first)
        return Contrast(NAME, Scope.ACROSS, self.n, self.events, "AUC", found)


def over_cohorts(estimates: Sequence[Estimate], *, scale: Scale = "identity", limits: Limits = NO_LIMITS) -> OverCohorts:
    """Combine a figure of several cohorts both ways; see ``meta_analysis`` for the arguments."""
    return OverCohorts(
        mean_of_these(estimates, scale=scale, limits=limits), meta_analysis(estimates, scale=scale, limits=limits)
    )


def across_cohorts(groups: Sequence[GroupResult]) -> AcrossCohorts:
    """Combine the figures of external cohorts, of which there are several.

    References:
        Debray et al. 2017, doi:10.1136/bmj.i6460; Snell et al. 2018, doi:10.1177/0962280217705678 (logit of an AUC).
    """
    return AcrossCohorts(
        tuple(group.name for group in groups),
        sum(group.model.n for group in groups),
        sum(group.model.events for group in groups),
        auc=over_cohorts([group.model.auc for group in groups], scale="logit"),
        baseline_auc=over_cohorts([group.baseline.auc for group in groups], scale="logit"),
        difference=over_cohorts([group.difference.estimate for group in groups], limits=(-1.0, 1.0)),
        intercept=over_cohorts([group.model.calibration.intercept for group in groups]),
        slope=over_cohorts([group.model.calibration.slope for group in groups]),
    )


def auc_of_own_pairs(groups: Sequence[GroupResult]) -> Estimate:
    """Return the AUC over pairs of patients of the same cohort: the pooled one without the pairs of different cohorts."""
    pairs = [group.model.events * (group.model.n - group.model.events) for group in groups]
    if not sum(pairs):
        return Estimate(None, reason="no cohort has both classes")
    value = sum(n * (group.model.auc.value or 0.0) for n, group in zip(pairs, groups, strict=True)) / sum(pairs)
    return Estimate(value, reason="describes how the pooled AUC comes about")
