"""Out-of-fold figures of a model's development: pooled over the folds, and the mean of the folds' own figures.

Pooling compares scores of different fits, which pulls a worthless model's figure below 0.5; the folds' mean is free of it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ccrcc_model.fitting.nested import OuterResult
from ccrcc_model.models.scorer import predictions_of
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.graded import calibrate_high, compare_graded, concordance
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from ccrcc_model.statistics.predictions import Predictions

Floats = npt.NDArray[np.float64]


def development_figures(
    cases: LabelledCases,
    outer: Sequence[OuterResult],
    target: Target,
    model: Floats,
    baseline: Floats,
    *,
    seed: int,
) -> dict[str, Any]:
    """Return the figures of model and baseline as a manifest holds them.

    Args:
        cases: As they were fitted on.
        outer: Results of the outer folds.
        target: What is predicted.
        model: Score and values of each patient, shape ``(n_patients, 1 + n_values)``.
        baseline: The same of tumour volume alone.
        seed: Seed of the bootstrap, where there is one.
    """
    if target.kind == "binary":
        return _of_classes(cases, outer, model[:, 0], baseline[:, 0])
    pair = [_graded(cases, target, each) for each in (model, baseline)]
    return {
        "figures": {name: asdict(figure) for name, figure in compare_graded(pair[0], pair[1], seed=seed).items()},
        "calibration_of_high": calibrate_high(pair[0], pair[1]),
        "mean_fold_concordance": mean_fold_concordance(cases, outer),
        "mean_fold_baseline_concordance": mean_fold_concordance(cases, outer, baseline=True),
    }


def mean_fold_concordance(cases: LabelledCases, outer: Sequence[OuterResult], *, baseline: bool = False) -> float:
    """Return the mean of the folds' own concordances, which compares no scores of different fits."""
    folds = []
    for result in outer:
        truth = cases.patient_y[np.isin(cases.patients, result.patients)]
        score = result.baseline_score if baseline else result.score
        folds.append(concordance(truth, score, np.ones((1, len(truth))))[0])
    return float(np.nanmean(folds))


def score_predictions(cases: LabelledCases, patients: npt.NDArray[np.str_], score: Floats) -> Predictions:
    """Return uncalibrated log odds of some patients of ``cases``, sorted, as predictions."""
    chosen = np.isin(cases.patients, patients)
    probability = np.asarray(expit(score), dtype=np.float64)
    return Predictions("development", "", patients, cases.patient_centre[chosen], cases.patient_y[chosen], probability)


def _of_classes(cases: LabelledCases, outer: Sequence[OuterResult], score: Floats, baseline_score: Floats) -> dict[str, Any]:
    model, baseline = (score_predictions(cases, cases.patients, each) for each in (score, baseline_score))
    folds = [
        [auc(score_predictions(cases, result.patients, each)).value for each in (result.score, result.baseline_score)]
        for result in outer
    ]
    means = np.nanmean(np.array(folds, dtype=np.float64), axis=0)  # a centre that is left out may be of one class
    return {
        "auc": asdict(auc(model)),
        "baseline_auc": asdict(auc(baseline)),
        "auc_difference": asdict(auc_difference(model, baseline).estimate),
        "mean_fold_auc": float(means[0]),
        "mean_fold_baseline_auc": float(means[1]),
    }


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
