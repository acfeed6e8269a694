"""The points of the curves of a benchmark: ROC, decision and calibration, one row per point."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from ccrcc_model.statistics.evaluation import Evaluation, GroupResult
from ccrcc_model.validation.scored import Scored

PREDICTORS = ("model", "baseline")


def curves(result: Scored, kind: str) -> pd.DataFrame:
    """Points of the ``"roc"``, ``"decision"`` or ``"calibration"`` curves of every group and predictor, one row per point."""
    frames = []
    for group, predictor, evaluation in evaluations(result):
        points = CURVES[kind](evaluation)
        for place, (name, value) in enumerate({**group_key(result, group), "predictor": predictor}.items()):
            points.insert(place, name, [value] * len(points))
        frames.append(points)
    return pd.concat([points for points in frames if len(points)] or frames[:1], ignore_index=True)


def decision_difference(result: Scored) -> pd.DataFrame:
    """Difference of net benefit (model − tumour volume) at the same thresholds, one row per group and threshold."""
    frames = []
    for group in result.groups:
        if (found := group.benefit) is not None:
            points = {"threshold": found.threshold, "value": found.value, "low": found.low, "high": found.high}
            frames.append(pd.DataFrame({**group_key(result, group), **points}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def group_key(result: Scored, group: GroupResult) -> dict[str, object]:
    """Return the first columns of every table: which group of patients a row is of."""
    return {
        "target": result.target,
        "group": group.name,
        "scope": group.scope.value,
        "n": group.model.n,
        "events": group.model.events,
    }


def evaluations(result: Scored) -> list[tuple[GroupResult, str, Evaluation]]:
    """Return every group with each of its two predictors."""
    return [(group, predictor, getattr(group, predictor)) for group in result.groups for predictor in PREDICTORS]


def _roc_points(evaluation: Evaluation) -> pd.DataFrame:
    roc = evaluation.roc
    x, y = (roc.false_positive_rate, roc.sensitivity) if roc else (np.empty(0), np.empty(0))
    return pd.DataFrame({"false_positive_rate": x, "sensitivity": y})


def _decision_points(evaluation: Evaluation) -> pd.DataFrame:
    curve = evaluation.decision
    columns = ("threshold", "net_benefit", "low", "high", "treat_all")
    if curve is None:
        return pd.DataFrame({name: np.empty(0) for name in columns})
    bounds = [bound if len(bound) else np.full(len(curve.threshold), np.nan) for bound in (curve.low, curve.high)]
    points = (curve.threshold, curve.model, *bounds, curve.treat_all)
    return pd.DataFrame(dict(zip(columns, points, strict=True)))


def _calibration_points(evaluation: Evaluation) -> pd.DataFrame:
    curve = evaluation.curve
    smooth = pd.DataFrame({"kind": "smoothed", "predicted": curve.predicted, "observed": curve.observed})
    groups = pd.DataFrame(
        {
            "kind": "group",
            "predicted": curve.group_predicted,
            "observed": [share.value for share in curve.group_observed],
            "low": [share.low for share in curve.group_observed],
            "high": [share.high for share in curve.group_observed],
            "numerator": [share.numerator for share in curve.group_observed],
            "denominator": [share.denominator for share in curve.group_observed],
        }
    )
    return pd.concat([groups, smooth], ignore_index=True)


CURVES: dict[str, Callable[[Evaluation], pd.DataFrame]] = {
    "roc": _roc_points,
    "decision": _decision_points,
    "calibration": _calibration_points,
}
