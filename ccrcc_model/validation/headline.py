"""The figures that answer whether a model works elsewhere: within the external cohorts, and over them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ccrcc_model.statistics.across_cohorts import NAME, AcrossCohorts
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.evaluation import GroupResult, Scope

OWN = "own figures"


@dataclass(frozen=True, slots=True)
class Headline:
    """Discrimination as it is reported first.

    Args:
        name: Of the cohort, or of all cohorts together.
        scope: Which patients it speaks of.
        cohorts: Number of cohorts.
        n: Patients.
        events: Positive patients.
        auc: Of the model.
        baseline_auc: Of tumour volume.
        difference: Difference of AUC (model − tumour volume).
        by: How cohorts are combined: ``"random effects"``, ``"mean of these cohorts"``, or ``"own figures"`` of one.
        prediction: The model's AUC in a further cohort like these; None for fewer than three.
    """

    name: str
    scope: Scope
    cohorts: int
    n: int
    events: int
    auc: Estimate
    baseline_auc: Estimate
    difference: Estimate
    by: str = OWN
    prediction: Estimate | None = None


def headline(groups: Sequence[GroupResult], across: AcrossCohorts | None) -> Headline | None:
    """Return the headline of a benchmark, or None without a group.

    Several external cohorts are combined over their own figures. Where fewer than two of them have one, the first that has
    it, or else the first, speaks for itself; without an external cohort the development does, out-of-fold.

    Args:
        groups: Of the benchmark.
        across: What the external cohorts say together; None for fewer than two.
    """
    if across is not None and across.auc.random.sites > 1:
        prediction = across.auc.random.prediction
        return Headline(
            NAME,
            Scope.ACROSS,
            len(across.cohorts),
            across.n,
            across.events,
            across.auc.first,
            across.baseline_auc.first,
            across.difference.first,
            by=across.auc.by,
            prediction=None if prediction.low is None else prediction,
        )
    external = [group for group in groups if group.scope is Scope.EXTERNAL]
    with_auc = [group for group in external if group.model.auc.value is not None]
    for group in (*with_auc, *external, *groups):
        found = group.contrast.found
        return Headline(
            group.name, group.scope, 1, group.model.n, group.model.events, found.model, found.baseline, found.difference
        )
    return None
