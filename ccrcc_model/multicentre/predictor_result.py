"""The figures of one predictor in a hospital's cohort that can be shared."""

from dataclasses import dataclass, replace

from ccrcc_model.multicentre.small_cells import WITHHELD, SharedHistogram, shared_histogram
from ccrcc_model.statistics.calibration import CALIBRATION
from ccrcc_model.statistics.discrimination import DISCRIMINATION
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.predictions import Predictions

DECIMALS = 5
"""Of the figures of the whole cohort."""
SHARED = {
    figure.name: figure.compute
    for figure in (DISCRIMINATION["auc"], CALIBRATION["brier"], CALIBRATION["intercept"], CALIBRATION["slope"])
}
"""Figures of the whole cohort that a site shares: those whose intervals need no patient."""


@dataclass(frozen=True, slots=True)
class PredictorResult:
    """What one predictor achieved in a cohort; where a count at the threshold is withheld, only the histogram and the counts.

    Args:
        threshold: Probability from which a patient is called positive; locked.
        histogram: Calibrated probabilities by class, and the counts at the threshold.
        auc: AUC with DeLong's interval.
        brier: Brier score with its normal interval.
        expected_events: Sum of the probabilities; None if withheld.
        intercept: Intercept of calibration, with Wald's interval.
        slope: Slope of calibration, with Wald's interval.
    """

    threshold: float
    histogram: SharedHistogram
    auc: Estimate
    brier: Estimate
    expected_events: float | None
    intercept: Estimate
    slope: Estimate


def predictor_result(predictions: Predictions, threshold: float, *, smallest: int) -> PredictorResult:
    """Return what can be shared of one predictor: no figure of the whole cohort where a count is withheld.

    Raises:
        InputError: As ``shared_histogram``.
    """
    histogram = shared_histogram(predictions, threshold, smallest=smallest)
    if histogram.counts.withheld:
        return PredictorResult(threshold, histogram, WITHHELD, WITHHELD, None, WITHHELD, WITHHELD)
    return PredictorResult(
        threshold=threshold,
        histogram=histogram,
        expected_events=round(float(predictions.y_prob.sum()), 2),
        **{name: rounded(compute(predictions)) for name, compute in SHARED.items()},
    )


def rounded(estimate: Estimate) -> Estimate:
    """Return an estimate to as many digits as a site shares."""
    figures = {name: getattr(estimate, name) for name in ("value", "low", "high")}
    return replace(estimate, **{name: None if v is None else round(v, DECIMALS) for name, v in figures.items()})
