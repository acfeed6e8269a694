"""Calibration and threshold of a yes or no inside the outer folds, so that no patient is called by a threshold that it chose.

The locked calibration and threshold are fitted on the out-of-fold scores of all patients. Sensitivity and specificity of the
very same patients would be optimistic: Youden's index chooses the best of many thresholds. Here the patients of each outer
fold of the first repeat are given a calibration and a threshold that were fitted on the out-of-fold scores of the patients of
the other folds alone, in the same way and on almost as many scores as the locked ones.

The other folds' scores come from models that were fitted on this fold's patients among others, as is so in any
cross-validation. That lends the threshold no optimism (``benchmarks/coverage.py`` compares it with new patients), and it is
the threshold of the same kind of score as the locked one: scores of whole ensembles, where those of inner folds would be of
single members.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccrcc_model.models.threshold import Decision, fit_decision, floor_threshold, youden_threshold
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import Step, patient_hashes
from ccrcc_model.statistics.calibration import brier_score, calibration_intercept, calibration_slope
from ccrcc_model.statistics.cross_validation import design_effect, share_effect, widen
from ccrcc_model.statistics.estimate import Estimate, clopper_pearson
from ccrcc_model.statistics.predictions import Predictions

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


DRAWS = 100
"""Resamples of the patients in which the thresholds are fitted again."""


@dataclass(frozen=True, eq=False)
class NestedCalls:
    """What each patient is given by the calibration and threshold of the other folds' patients.

    Args:
        probability: Shape ``(n_patients,)``.
        positive: Whether the patient is called positive, shape ``(n_patients,)``.
        decisions: Calibration and threshold of each fold.
        variances: Of sensitivity and specificity, over resampled patients with thresholds of their own.
    """

    probability: Floats
    positive: Bools
    decisions: tuple[Decision, ...]
    variances: tuple[float, float]

    def figures(self, cases: LabelledCases) -> tuple[dict[str, Estimate], float]:
        """Return Brier score, calibration, sensitivity and specificity, and the larger design effect of the two shares."""
        truth, folds = cases.patient_y, len(self.decisions)
        effect = design_effect(folds)
        shown = Predictions("development", "", cases.patients, cases.patient_centre, truth, self.probability)
        shares, effects = {}, []
        rights = (("sensitivity", self.positive[truth == 1]), ("specificity", ~self.positive[truth == 0]))
        for (name, right), variance in zip(rights, self.variances, strict=True):
            effects.append(share_effect(int(right.sum()), len(right), variance, folds=folds))
            shares[name] = clopper_pearson(int(right.sum()), len(right), effect=effects[-1])
        return {
            "brier": widen(brier_score(shown), effect, limits=(0.0, 1.0)),
            "intercept": widen(calibration_intercept(shown), effect),
            "slope": widen(calibration_slope(shown), effect),
            **shares,
        }, max(effects)


def nested_calls(
    cases: LabelledCases, score: Floats, tested: Sequence[npt.NDArray[np.str_]], *, sensitivity: float | None = None
) -> NestedCalls:
    """Fit calibration and threshold anew for each outer fold, on the scores of the others.

    Args:
        cases: With their outcomes.
        score: Mean out-of-fold score of each of ``cases.patients``.
        tested: Patients of each outer fold of one repeat.
        sensitivity: Minimum sensitivity of the threshold; Youden's by default.
    """
    truth = cases.patient_y
    fold, probability = np.empty(len(score), dtype=np.int_), np.empty(len(score))
    positive, decisions = np.empty(len(score), dtype=np.bool_), []
    for place, patients in enumerate(tested):
        inside = np.isin(cases.patients, patients)
        decision = fit_decision(score[~inside], truth[~inside], sensitivity=sensitivity)
        fold[inside], probability[inside] = place, decision.probability(score[inside])
        positive[inside] = probability[inside] >= decision.threshold
        decisions.append(decision)
    return NestedCalls(probability, positive, tuple(decisions), _variances(score, truth, fold, sensitivity))


def _variances(
    score: Floats, truth: npt.NDArray[np.int_], fold: npt.NDArray[np.int_], sensitivity: float | None
) -> tuple[float, float]:
    """Variances of sensitivity and specificity over resampled patients, who keep their folds."""
    rng, shares = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = rng.integers(len(score), size=len(score))
        called = _call(score[drawn], truth[drawn], fold[drawn], sensitivity)
        if called is not None:
            shares.append([called[truth[drawn] == 1].mean(), 1 - called[truth[drawn] == 0].mean()])
    if len(shares) < 2:
        return 0.0, 0.0
    of_sensitivity, of_specificity = np.var(shares, axis=0, ddof=1).tolist()
    return of_sensitivity, of_specificity


def _call(score: Floats, truth: npt.NDArray[np.int_], fold: npt.NDArray[np.int_], sensitivity: float | None) -> Bools | None:
    """Call every patient by the threshold of the other folds; no calibration changes it. None if a class is missing there."""
    called = np.empty(len(score), dtype=np.bool_)
    for place in np.unique(fold):
        others = fold != place
        if len(np.unique(truth[others])) < 2:
            return None
        known, outcome = score[others], truth[others]
        cut = youden_threshold(known, outcome) if sensitivity is None else floor_threshold(known, outcome, sensitivity)
        called[~others] = score[~others] >= cut
    return called


def nested_steps(cases: LabelledCases, tested: Sequence[npt.NDArray[np.str_]]) -> list[Step]:
    """Return whose outcomes chose each fold's calibration and threshold, and who was called by it."""
    everyone = patient_hashes(cases.patients.tolist())
    return [
        Step(f"outer 0.{place}: calibration and threshold", everyone - scored, scored)
        for place, scored in enumerate(patient_hashes(patients.tolist()) for patients in tested)
    ]
