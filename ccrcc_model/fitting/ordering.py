"""How well out-of-fold scores order patients: by the AUC for a yes or no, by the concordance for grades and percentages.

Scores are compared within their fold only: those of different fits have levels of their own, and pooling them pulls the figure
of a worthless score below 0.5. Intervals are those of a cross-validation, see ``ccrcc_model.statistics.cross_validation``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.cross_validation import mean_over_folds, order_within
from ccrcc_model.statistics.estimate import Comparison, Estimate

Floats = npt.NDArray[np.float64]

MEASURES = {"auc": "AUC", "concordance": "concordance"}
"""Names of figures of order, in a manifest and in a sentence."""


def measure_of(target: Target) -> str:
    """Return which of ``MEASURES`` a target has."""
    return "auc" if target.kind == "binary" else "concordance"


@dataclass(frozen=True, eq=False)
class FoldScores:
    """Out-of-fold scores, fold by fold and repeat by repeat.

    Args:
        patients: Patients of each test part, sorted.
        scores: Score of each of them.
        repeats: Times that the folds were drawn.
    """

    patients: Sequence[npt.NDArray[np.str_]]
    scores: Sequence[Floats]
    repeats: int


def order_of(cases: LabelledCases, scores: FoldScores) -> Estimate:
    """Return how well scores order patients: the mean over the folds, with its interval.

    Args:
        cases: With their outcomes.
        scores: Of every patient, out-of-fold.
    """
    return compare_order(cases, scores, scores).model


def compare_order(cases: LabelledCases, scores: FoldScores, other: FoldScores) -> Comparison:
    """Return how well each of two scores orders patients, and the difference (scores − other) on the same patients and folds.

    Args:
        cases: With their outcomes.
        scores: Of every patient, out-of-fold.
        other: On the same folds.
    """
    values, variances = np.empty((3, len(scores.patients))), np.empty((3, len(scores.patients)))
    for fold, patients in enumerate(scores.patients):
        truth = cases.patient_y[np.isin(cases.patients, patients)]
        figures, covariance = order_within(truth, np.stack([scores.scores[fold], other.scores[fold]]))
        apart = np.array([1.0, -1.0])
        values[:, fold] = [*figures, apart @ figures]
        variances[:, fold] = [*np.diagonal(covariance), apart @ covariance @ apart]
    model, baseline = (
        mean_over_folds(values[place], variances[place], repeats=scores.repeats, limits=(0.0, 1.0), on_logit=True)
        for place in (0, 1)
    )
    return Comparison(model, baseline, mean_over_folds(values[2], variances[2], repeats=scores.repeats, limits=(-1.0, 1.0)))
