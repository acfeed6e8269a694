"""The groups of patients that a paper reports, made from predictions alone, so that nothing can leak into a figure."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.across_cohorts import across_cohorts
from ccrcc_model.statistics.bootstrap import REPLICATES, SEED
from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.curves import threshold_grid
from ccrcc_model.statistics.evaluation import GroupResult, Pair, Scope, evaluate_group
from ccrcc_model.statistics.predictions import joined, one_class
from ccrcc_model.validation.recalibration import recalibrated
from ccrcc_model.validation.result import BenchmarkResult
from ccrcc_model.validation.subgroups import SubgroupResult, subgroup_results
from ccrcc_model.validation.unanswered import EVERYONE


def assemble(
    internal: Pair,
    external: Sequence[Pair],
    *,
    target: Target,
    threshold: float,
    baseline_threshold: float,
    of_patients: Sequence[pd.DataFrame] = (),
    decision_range: tuple[float, float] | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> BenchmarkResult:
    """Evaluate model and baseline in every group of patients that a paper reports.

    Args:
        internal: Out-of-fold predictions of the development patients.
        external: Predictions of each external cohort by the locked model.
        target: What is predicted.
        threshold: The locked model's.
        baseline_threshold: The locked baseline's.
        of_patients: Subgroups of the patients of each external cohort, as ``subgroups.levels`` gives them.
        decision_range: Least and largest threshold of the decision curves.
        replicates: Resamples of the bootstrap.
        seed: Seed of the bootstrap.
    """
    sets = None if one_class(internal.model) else ConformalSets.of(internal.model)

    def group(pair: Pair, scope: Scope, name: str | None = None) -> GroupResult:
        return evaluate_group(
            pair,
            scope,
            name=name,
            threshold=threshold,
            baseline_threshold=baseline_threshold,
            sets=sets,
            thresholds=threshold_grid(decision_range),
            replicates=replicates,
            seed=seed,
        )

    groups = [group(internal, Scope.INTERNAL)]
    own = [group(pair, Scope.EXTERNAL) for pair in external]
    groups += own
    wholes = [*external, _pool(external)] if len(external) > 1 else list(external)
    groups += [group(pair, Scope.POOLED) for pair in wholes[len(external) :]]
    centres = [(name, pair) for whole in external for name, pair in _by_centre(whole)]
    if len(centres) > len(external):
        groups += [group(pair, Scope.CENTRE, name) for name, pair in centres]
    return BenchmarkResult(
        target.name,
        target.rule,
        target.sentence,
        tuple(groups),
        subgroups=_subgroups(wholes[-1], external, of_patients, threshold) if of_patients else (),
        recalibrated=tuple(
            recalibrated(pair.model, threshold, group=pair.model.cohort, replicates=replicates, seed=seed) for pair in wholes
        ),
        decision_range=decision_range,
        across=across_cohorts(own) if len(own) > 1 else None,
    )


def _subgroups(
    every: Pair, external: Sequence[Pair], of_patients: Sequence[pd.DataFrame], threshold: float
) -> tuple[SubgroupResult, ...]:
    """Score the subgroups of all external patients, whose predictions are in the order of their cohorts."""
    known = [one.loc[list(pair.model.patient_id)] for pair, one in zip(external, of_patients, strict=True)]
    return subgroup_results(every.model, every.baseline, pd.concat(known), threshold=threshold)


def _pool(pairs: Sequence[Pair]) -> Pair:
    return Pair(joined([pair.model for pair in pairs], EVERYONE), joined([pair.baseline for pair in pairs], EVERYONE))


def _by_centre(pair: Pair) -> Iterator[tuple[str, Pair]]:
    for centre in np.unique(pair.model.centre):
        chosen = pair.model.centre == centre
        yield f"{pair.model.cohort}: {centre}", Pair(pair.model.take(chosen), pair.baseline.take(chosen))
