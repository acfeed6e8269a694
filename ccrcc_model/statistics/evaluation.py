"""Model and tumour-volume baseline in one group of patients: every figure of their predictions, and of their difference."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.bootstrap import REPLICATES, SEED, Bootstrap, bootstrap
from ccrcc_model.statistics.calibration import Calibration, CalibrationCurve, calibrate, calibration_curve
from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.curves import (
    BenefitDifference,
    DecisionCurve,
    RocCurve,
    benefit_difference,
    decision_curve,
    roc_curve,
)
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Comparison, Difference, Estimate
from ccrcc_model.statistics.mcnemar import CallComparison, compare_calls
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.statistics.uncertainty import Uncertainty, uncertainty

Floats = npt.NDArray[np.float64]


class Scope(StrEnum):
    """Which patients a group holds, and how they were predicted."""

    INTERNAL = "internal"
    """The development patients, each predicted by models that never saw them (out-of-fold)."""
    EXTERNAL = "external"
    """One external cohort, predicted by the locked model."""
    POOLED = "pooled external"
    """All external cohorts together."""
    ACROSS = "across external cohorts"
    """All external cohorts, each by its own figures, which are then combined."""
    CENTRE = "centre"
    """One centre of an external cohort."""


@dataclass(frozen=True)
class Pair:
    """The model's and the baseline's predictions of the same patients, in the same order."""

    model: Predictions
    baseline: Predictions


@dataclass(frozen=True, slots=True)
class Contrast:
    """One figure of model and tumour volume in one group: a line of the forest plot.

    Args:
        name: Name of the group.
        scope: Which patients it holds.
        n: Patients.
        events: Positive patients; None for a graded outcome.
        figure: Title of the figure, such as ``"AUC"``.
        found: Of model and baseline, and the difference (model − baseline).
    """

    name: str
    scope: Scope
    n: int
    events: int | None
    figure: str
    found: Comparison


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one predictor achieved in one group of patients.

    Args:
        n: Patients.
        events: Positive patients.
        threshold: Probability from which a patient is called positive; fixed before these patients were seen.
        counts: Patients by truth and call.
        auc: AUC with DeLong's interval.
        calibration: Intercept, slope, Brier score, ICI.
        roc: None for one class.
        decision: None without patients.
        curve: Observed against predicted risk.
        bootstrap: Figures with intervals from resampled patients; None in an older benchmark.
    """

    n: int
    events: int
    threshold: float
    counts: Counts
    auc: Estimate
    calibration: Calibration
    roc: RocCurve | None
    decision: DecisionCurve | None
    curve: CalibrationCurve
    bootstrap: Bootstrap | None = None


@dataclass(frozen=True, eq=False)
class GroupResult:
    """The model and the tumour-volume baseline in one group of patients.

    Args:
        name: As tables print it.
        scope: Which patients it holds.
        model: What the model achieved.
        baseline: What tumour volume alone achieved.
        difference: Difference of AUC (model − baseline).
        calls: McNemar's test of the calls of model and baseline; None in an older benchmark.
        uncertainty: Of the model; None for the internal group, which the sets are calibrated on.
        benefit: Difference of net benefit (model − baseline) over the thresholds; None for one patient, and in an older
            benchmark.
    """

    name: str
    scope: Scope
    model: Evaluation
    baseline: Evaluation
    difference: Difference
    calls: CallComparison | None = None
    uncertainty: Uncertainty | None = None
    benefit: BenefitDifference | None = None

    @property
    def contrast(self) -> Contrast:
        """The AUCs and their difference, as the forest plot draws them."""
        found = Comparison(self.model.auc, self.baseline.auc, self.difference.estimate)
        return Contrast(self.name, self.scope, self.model.n, self.model.events, "AUC", found)


def evaluate(
    predictions: Predictions,
    threshold: float,
    *,
    thresholds: Floats | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> Evaluation:
    """Return every figure of ``predictions`` at a threshold that was fixed before.

    Figures that cannot be estimated, as in a group of one class, say so instead of raising.

    Args:
        predictions: Truth and probability.
        threshold: From which a patient is called positive.
        thresholds: Of the decision curve.
        replicates: Resamples of the bootstrap.
        seed: Seed of the bootstrap.
    """
    resampled = bootstrap(predictions, threshold, replicates=replicates, seed=seed)
    return Evaluation(
        n=len(predictions),
        events=int(predictions.y_true.sum()),
        threshold=threshold,
        counts=counts(predictions, threshold),
        auc=auc(predictions),
        calibration=replace(calibrate(predictions), ici=resampled.ici),
        roc=roc_curve(predictions),
        decision=decision_curve(predictions, thresholds),
        curve=calibration_curve(predictions),
        bootstrap=resampled,
    )


def evaluate_group(
    pair: Pair,
    scope: Scope,
    *,
    name: str | None = None,
    threshold: float,
    baseline_threshold: float,
    sets: ConformalSets | None = None,
    thresholds: Floats | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> GroupResult:
    """Return every figure of model and baseline in one group.

    Args:
        pair: Their predictions.
        scope: Which patients these are.
        name: Name of the group; the cohort's where it is left out.
        threshold: The locked model's.
        baseline_threshold: The locked baseline's.
        sets: Calibrated on out-of-fold predictions; not used for the internal group, which they are calibrated on.
        thresholds: Of the decision curves.
        replicates: Resamples of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        InputError: If the two do not hold the same patients in the same order.
    """
    return GroupResult(
        pair.model.cohort if name is None else name,
        scope,
        evaluate(pair.model, threshold, thresholds=thresholds, replicates=replicates, seed=seed),
        evaluate(pair.baseline, baseline_threshold, thresholds=thresholds, replicates=replicates, seed=seed),
        auc_difference(pair.model, pair.baseline),
        compare_calls(pair.model, pair.baseline, first_threshold=threshold, second_threshold=baseline_threshold),
        uncertainty(pair.model, sets) if sets is not None and scope is not Scope.INTERNAL else None,
        benefit_difference(pair.model, pair.baseline, thresholds),
    )
