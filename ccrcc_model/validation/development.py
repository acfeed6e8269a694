"""The internal group of a benchmark: the development patients, with the figures and intervals of the cross-validation.

Pooled out-of-fold predictions are no sample of one model's predictions, so that the figures of an external cohort would be
given too narrow intervals here, and sensitivity and specificity at a threshold that these patients chose would be optimistic.
AUCs are therefore the manifest's means over the folds; calls and calibration are nested: see
``ccrcc_model.fitting.operating`` and ``ccrcc_model.statistics.cross_validation``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ccrcc_model.models.judged import CALLED, Judged
from ccrcc_model.models.model import Model
from ccrcc_model.models.pipeline import OUT_OF_FOLD
from ccrcc_model.statistics.calibration import Calibration, calibration_curve, integrated_calibration_index
from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.cross_validation import normal_p_value
from ccrcc_model.statistics.curves import decision_curve, roc_curve
from ccrcc_model.statistics.estimate import Comparison, Difference, Estimate
from ccrcc_model.statistics.evaluation import Evaluation, GroupResult, Scope
from ccrcc_model.statistics.graded_predictions import graded
from ccrcc_model.statistics.mcnemar import compare_calls
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.graded_result import GradedGroup
from nnunet_ext.documents.csv_table import parse_csv

NO_INTERVAL = "interval not estimable: of out-of-fold predictions"


def internal_group(model: Model) -> GroupResult:
    """Return the development patients of a model of yes or no, out-of-fold."""
    cohort, development = model.out_of_fold.cohort, model.manifest["development"]
    judged = Judged.of(parse_csv(model.files[OUT_OF_FOLD], OUT_OF_FOLD), cohort, model.target.name)
    cells = judged.counts(development)
    difference = Estimate(**development["auc_difference"])
    of_model = _evaluation(judged.predicted.model, cells[0], development, "model", model.decision.threshold)
    of_baseline = _evaluation(judged.predicted.baseline, cells[1], development, "baseline", model.baseline_decision.threshold)
    return GroupResult(
        cohort,
        Scope.INTERNAL,
        of_model,
        of_baseline,
        Difference(difference, normal_p_value(difference)),
        compare_calls(judged.called.model, judged.called.baseline, first_threshold=CALLED, second_threshold=CALLED),
    )


def _evaluation(
    predicted: Predictions, cells: Counts, development: Mapping[str, Any], predictor: str, threshold: float
) -> Evaluation:
    nested = {name: Estimate(**development["nested"][predictor][name]) for name in ("intercept", "slope", "brier")}
    ici = integrated_calibration_index(predicted)
    return Evaluation(
        n=len(predicted),
        events=int(predicted.y_true.sum()),
        threshold=threshold,
        counts=cells,
        auc=Estimate(**development["auc" if predictor == "model" else "baseline_auc"]),
        calibration=Calibration(**nested, ici=ici if ici.value is None else replace(ici, reason=NO_INTERVAL)),
        roc=roc_curve(predicted),
        decision=decision_curve(predicted),
        curve=calibration_curve(predicted),
    )


def graded_internal_group(model: Model) -> GradedGroup:
    """Return the development patients of a graded model, out-of-fold."""
    development, predicted = model.manifest["development"], graded(model.out_of_fold)
    figures = {name: Comparison.from_json(figure) for name, figure in development["figures"].items()}
    return GradedGroup(predicted.cohort, len(predicted.outcome), figures, development.get("calibration_of_high", {}))
