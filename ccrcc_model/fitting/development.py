"""Out-of-fold figures of a model's development, each with the interval of a cross-validation.

The order of patients is judged within the folds, see ``ccrcc_model.fitting.ordering``; calibration and calls of a yes or no by
thresholds that were fitted on other folds, see ``ccrcc_model.fitting.operating``. Pooled figures are kept where a file of
out-of-fold predictions has to be recognised by them; they are no estimates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.fitting.nested import OuterResult
from ccrcc_model.fitting.operating import NestedCalls
from ccrcc_model.fitting.ordering import FoldScores, compare_order
from ccrcc_model.models.scorer import predictions_of
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.cross_validation import design_effect, order_within, widen
from ccrcc_model.statistics.estimate import Comparison, Estimate
from ccrcc_model.statistics.graded import calibrate_high, compare_graded
from ccrcc_model.statistics.graded_predictions import GradedPredictions

Floats = npt.NDArray[np.float64]

_LIMITS = {"weighted_kappa": (-1.0, 1.0), "spearman": (-1.0, 1.0), "absolute_error": (0.0, inf), "r2_log": (-inf, 1.0)}
"""Of the figures of grades and percentages, other than the concordance."""


def fold_scores(outer: Sequence[OuterResult], *, baseline: bool = False) -> FoldScores:
    """Return the out-of-fold scores of the model, or of tumour volume alone."""
    scores = [result.baseline_score if baseline else result.score for result in outer]
    return FoldScores([result.patients for result in outer], scores, repeats=len({result.repeat for result in outer}))


def difference_of(development: Mapping[str, Any]) -> Estimate:
    """Return the difference (model − tumour volume) in order from the figures that a manifest holds."""
    if "auc_difference" in development:
        return Estimate(**development["auc_difference"])
    return Estimate(**development["figures"]["concordance"]["difference"])


def figures_of_classes(
    cases: LabelledCases, outer: Sequence[OuterResult], scores: Floats, calls: Sequence[NestedCalls]
) -> dict[str, Any]:
    """Return the figures of a yes or no as a manifest holds them.

    Args:
        cases: As model and baseline were fitted on.
        outer: Results of the outer folds.
        scores: Mean out-of-fold scores of model and baseline, shape ``(2, n_patients)``.
        calls: Nested calls of model and baseline.
    """
    order = compare_order(cases, fold_scores(outer), fold_scores(outer, baseline=True))
    pooled, _ = order_within(cases.patient_y, scores)
    nested = {}
    for name, each in zip(("model", "baseline"), calls, strict=True):
        figures, effect = each.figures(cases)
        nested[name] = {**{figure: asdict(found) for figure, found in figures.items()}, "design_effect": effect}
    return {
        "auc": asdict(order.model),
        "baseline_auc": asdict(order.baseline),
        "auc_difference": asdict(order.difference),
        "pooled_auc": float(pooled[0]),
        "pooled_baseline_auc": float(pooled[1]),
        "nested": nested,
    }


def figures_of_grades(
    cases: LabelledCases, outer: Sequence[OuterResult], target: Target, pair: Sequence[Floats], *, seed: int
) -> dict[str, Any]:
    """Return the figures of grades or a percentage as a manifest holds them.

    Args:
        cases: As model and baseline were fitted on.
        outer: Results of the outer folds.
        target: What is predicted.
        pair: Score and values of each patient by model and baseline, each of shape ``(n_patients, 1 + n_values)``.
        seed: Seed of the bootstrap, whose intervals are widened.
    """
    model, baseline = (_graded(cases, target, each) for each in pair)
    first = [result for result in outer if result.repeat == 0]
    effect = design_effect(len(first), repeats=len(outer) // len(first))
    figures = {name: _widened(name, found, effect) for name, found in compare_graded(model, baseline, seed=seed).items()}
    figures["concordance"] = compare_order(cases, fold_scores(outer), fold_scores(outer, baseline=True))
    return {
        "figures": {name: asdict(figure) for name, figure in figures.items()},
        "calibration_of_high": calibrate_high(model, baseline),
    }


def _widened(name: str, found: Comparison, effect: float) -> Comparison:
    limits = _LIMITS.get(name, (-inf, inf))
    model, baseline = (widen(each, effect, limits=limits) for each in (found.model, found.baseline))
    return replace(found, model=model, baseline=baseline, difference=widen(found.difference, effect))


def _graded(cases: LabelledCases, target: Target, predicted: Floats) -> GradedPredictions:
    found = predictions_of(
        target,
        "development",
        patients=cases.patients,
        centre=cases.patient_centre,
        truth=cases.patient_y,
        predicted=predicted,
    )
    if not isinstance(found, GradedPredictions):
        msg = f"{target.name} is no graded target"
        raise TypeError(msg)
    return found
