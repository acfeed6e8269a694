"""How well scores order patients: by the AUC for a yes or no, by the concordance for grades and percentages."""

import numpy as np
import numpy.typing as npt

from ccrcc_model.fitting.development import score_predictions
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.graded import bootstrap_estimate, concordance

Floats = npt.NDArray[np.float64]

MEASURES = {"auc": "AUC", "concordance": "concordance"}
"""Names of figures of order, in a manifest and in a sentence."""


def measure_of(target: Target) -> str:
    """Return which of ``MEASURES`` a target has."""
    return "auc" if target.kind == "binary" else "concordance"


def order_of(cases: LabelledCases, target: Target, score: Floats, *, seed: int) -> Estimate:
    """Return how well a score of each of ``cases.patients`` orders them, with its interval.

    Args:
        cases: With their outcomes.
        target: What is predicted.
        score: Shape ``(n_patients,)``.
        seed: Seed of the bootstrap of a concordance; an AUC has DeLong's interval.
    """
    if target.kind == "binary":
        return auc(score_predictions(cases, cases.patients, score))
    return bootstrap_estimate(concordance, cases.patient_y, score, seed=seed)


def order_difference(cases: LabelledCases, target: Target, score: Floats, other: Floats, *, seed: int) -> Estimate:
    """Return the difference (score − other) of the two measures on the same patients, paired.

    Args:
        cases: With their outcomes.
        target: What is predicted.
        score: Shape ``(n_patients,)``.
        other: Likewise.
        seed: As for ``order_of``.
    """
    if target.kind == "binary":
        first, second = (score_predictions(cases, cases.patients, each) for each in (score, other))
        return auc_difference(first, second).estimate
    return bootstrap_estimate(_difference, cases.patient_y, np.stack([score, other]), seed=seed)


def _difference(truth: Floats, scores: Floats, weights: Floats) -> Floats:
    return concordance(truth, scores[0], weights) - concordance(truth, scores[1], weights)
