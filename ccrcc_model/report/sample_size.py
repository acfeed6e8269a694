"""Whether a model's development and its validation had enough patients: Riley's criteria with the run's own numbers."""

from math import log

from ccrcc_model.models.model import Model
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.evaluation import Scope
from ccrcc_model.statistics.sample_size import cox_snell_of_auc, development_size, needed, validation_size
from ccrcc_model.validation.result import BenchmarkResult
from nnunet_ext.ground.errors import InputError

SHRINKAGE = 0.9
"""Smallest acceptable shrinkage, as the criteria take it."""


def sample_size(result: BenchmarkResult, model: Model | None) -> list[tuple[str, str]]:
    """Return label and text of what the report states of sample sizes.

    Candidates are the features that were offered, since the procedure may choose any of them; a model that weighs them under
    a strong prior needs fewer patients than the criteria say (Riley et al. 2020, doi:10.1136/bmj.m441).

    Args:
        result: Benchmark of a yes or no.
        model: None if the run contains only the benchmark.
    """
    lines = []
    for group in result.scope(Scope.INTERNAL):
        if model is not None and group.model.auc.value is not None:
            counts = (group.model.n, group.model.events)
            text = development_text(*counts, auc=group.model.auc.value, candidates=model.manifest["n_features"])
            lines.append(("Sample size of the development", text))
    group = result.everyone
    if group.scope is not Scope.INTERNAL:
        counts = (group.model.n, group.model.events)
        lines.append((f"Sample size of the validation ({group.name})", validation_text(*counts, auc=group.model.auc)))
    return lines


def development_text(n: int, events: int, *, auc: float, candidates: int) -> str:
    """Return events per candidate, and how many candidates these patients would be enough for.

    Args:
        n: Patients.
        events: Positive ones.
        auc: Out-of-fold.
        candidates: Features offered.
    """
    rarer = min(events, n - events)
    each = f"{rarer / candidates:.2g} patients of the rarer class for each of {candidates:,} candidate features"
    if not 0.5 < auc < 1:
        return f"{each}; Riley's criteria need an AUC above 0.5"
    explained = cox_snell_of_auc(auc, events / n)
    enough = int(n * (SHRINKAGE - 1) * log(1 - explained / SHRINKAGE)) if explained < SHRINKAGE else candidates
    try:
        wanted = needed(development_size(events / n, auc, candidates=candidates)).n
    except InputError:
        asked = "more patients than any study has and are not met"
    else:
        asked = f"{wanted:,} patients and are {'met' if n >= wanted else 'not met'}"
    return (
        f"{each}; at this AUC Riley's criteria ask for {asked}; for a shrinkage of {SHRINKAGE:g} alone, {n} patients are "
        f"enough for {enough} candidate{'' if enough == 1 else 's'} (doi:10.1136/bmj.m441)"
    )


def validation_text(n: int, events: int, *, auc: Estimate) -> str:
    """Return the width of the AUC's interval, and the patients that an interval 0.1 wide would need.

    Args:
        n: Patients.
        events: Positive ones.
        auc: With its interval.
    """
    counted = f"{n} patients, {events} positive"
    if auc.value is None or auc.low is None or auc.high is None:
        return f"{counted}; the AUC has no interval"
    width = f"{counted}: the 95% CI of the AUC is {auc.high - auc.low:.2f} wide"
    if not 0.5 < auc.value < 1 or not 0 < events < n:
        return width
    try:
        criteria = {one.name: one.n for one in validation_size(events / n, auc.value)}
    except InputError:
        return width
    return (
        f"{width}; an interval 0.10 wide would need {criteria['AUC']:,} patients, and one of the calibration slope 0.20 wide "
        f"{criteria['calibration slope']:,} (doi:10.1002/sim.9025)"
    )
