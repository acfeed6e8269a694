"""The tables of a benchmark: each row a group of patients, each figure beside the counts or bounds it comes from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ccrcc_model.benchmark import BenchmarkResult, Evaluation, GroupResult
from ccrcc_model.metrics import Estimate, PrintRule, format_estimate
from nnunet_ext.files import atomic_path

SHARES = ("sensitivity", "specificity", "accuracy", "ppv", "npv")
PREDICTORS = ("model", "baseline")
UNCERTAINTY = (
    *("target", "group", "scope", "n", "events", "alpha", "patients", "class", "metric"),
    *("value", "low", "high", "numerator", "denominator", "reason"),
)
"""Columns of the table of uncertainty, which may have no row."""


def table_s2(result: BenchmarkResult, *, rule: PrintRule = "round") -> pd.DataFrame:
    """Table S2 of the supplement: sensitivity, specificity, accuracy as ``0.81(0.64-0.93)``, and PPV, NPV, raw counts."""

    def row(group: GroupResult) -> dict[str, object]:
        cells = group.model.counts
        return {
            **_key(result, group),
            **{name: format_estimate(getattr(cells, name), rule=rule) for name in SHARES},
            "threshold": group.model.threshold,
            "true_positive": cells.true_positive,
            "false_negative": cells.false_negative,
            "true_negative": cells.true_negative,
            "false_positive": cells.false_positive,
        }

    return pd.DataFrame([row(group) for group in result.groups])


def operating_points(result: BenchmarkResult) -> pd.DataFrame:
    """Each share of model and baseline at their thresholds, in full digits: value, bounds, numerator, denominator."""
    rows = []
    for group, predictor, evaluation in _evaluations(result):
        for name in SHARES:
            share = getattr(evaluation.counts, name)
            rows.append(
                {
                    **_key(result, group),
                    "predictor": predictor,
                    "threshold": evaluation.threshold,
                    "metric": name,
                    **_bounds(share),
                    "numerator": share.numerator,
                    "denominator": share.denominator,
                    "reason": share.reason,
                }
            )
    return pd.DataFrame(rows)


def discrimination(result: BenchmarkResult) -> pd.DataFrame:
    """AUC of model and baseline with DeLong's intervals, and their difference with its paired interval and test."""
    return pd.DataFrame(
        {
            **_key(result, group),
            **_bounds(group.model.auc, "auc"),
            **_bounds(group.baseline.auc, "baseline_auc"),
            **_bounds(group.difference.estimate, "difference"),
            "p_value": group.difference.p_value,
            "reason": group.difference.estimate.reason,
        }
        for group in result.groups
    )


def calibration(result: BenchmarkResult) -> pd.DataFrame:
    """Intercept, slope, Brier score and ICI of model and baseline."""
    rows = []
    for group, predictor, evaluation in _evaluations(result):
        for name in ("intercept", "slope", "brier", "ici"):
            estimate = getattr(evaluation.calibration, name)
            row = {**_key(result, group), "predictor": predictor, "metric": name, **_bounds(estimate)}
            rows.append({**row, "reason": estimate.reason})
    return pd.DataFrame(rows)


def curves(result: BenchmarkResult, kind: str) -> pd.DataFrame:
    """Points of the ``"roc"``, ``"decision"`` or ``"calibration"`` curves of every group and predictor, one row a point."""
    frames = []
    for group, predictor, evaluation in _evaluations(result):
        points = _POINTS[kind](evaluation)
        for place, (name, value) in enumerate({**_key(result, group), "predictor": predictor}.items()):
            points.insert(place, name, [value] * len(points))
        frames.append(points)
    return pd.concat([points for points in frames if len(points)] or frames[:1], ignore_index=True)


def uncertainty(result: BenchmarkResult) -> pd.DataFrame:
    """Share of declined patients; for all patients and for those alike the AUC, and by class coverage and size of the sets."""
    rows: list[dict[str, object]] = []

    def add(group: GroupResult, patients: str, about: str, metric: str, estimate: Estimate) -> None:
        known = {**_key(result, group), "alpha": alpha, "patients": patients, "class": about, "metric": metric}
        shares = {name: getattr(estimate, name, None) for name in ("numerator", "denominator")}
        rows.append({**known, **_bounds(estimate), **shares, "reason": estimate.reason})

    for group in result.groups:
        if group.uncertainty is None:
            continue
        alpha = group.uncertainty.alpha
        add(group, "all", "", "declined", group.uncertainty.declined)
        for patients, figures in (("all", group.uncertainty.everyone), ("alike", group.uncertainty.alike)):
            if figures is not None:
                add(group, patients, "", "auc", figures.auc)
                for name in ("negative", "positive"):
                    for metric in ("covered", "empty", "single", "both"):
                        add(group, patients, name, metric, getattr(getattr(figures, name), metric))
    return pd.DataFrame(rows, columns=UNCERTAINTY).astype({"numerator": "Int64", "denominator": "Int64"})


def write_tables(result: BenchmarkResult, folder: Path, *, rule: PrintRule = "round") -> None:
    """Write every table of ``result`` to ``folder`` as CSV."""
    tables = {
        "table_s2": table_s2(result, rule=rule),
        "operating_points": operating_points(result),
        "discrimination": discrimination(result),
        "calibration": calibration(result),
        "uncertainty": uncertainty(result),
        **{f"{kind}_curve": curves(result, kind) for kind in _POINTS},
    }
    for name, frame in tables.items():
        with atomic_path(folder / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False)


def _key(result: BenchmarkResult, group: GroupResult) -> dict[str, object]:
    return {
        "target": result.target,
        "group": group.name,
        "scope": group.scope.value,
        "n": group.model.n,
        "events": group.model.events,
    }


def _bounds(estimate: Estimate, name: str = "") -> dict[str, float | None]:
    if not name:
        return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _evaluations(result: BenchmarkResult) -> list[tuple[GroupResult, str, Evaluation]]:
    return [(group, predictor, getattr(group, predictor)) for group in result.groups for predictor in PREDICTORS]


def _roc_points(evaluation: Evaluation) -> pd.DataFrame:
    roc = evaluation.roc
    x, y = (roc.false_positive_rate, roc.sensitivity) if roc else (np.empty(0), np.empty(0))
    return pd.DataFrame({"false_positive_rate": x, "sensitivity": y})


def _decision_points(evaluation: Evaluation) -> pd.DataFrame:
    curve = evaluation.decision
    empty = np.empty(0)
    points = (curve.threshold, curve.model, curve.treat_all) if curve else (empty, empty, empty)
    return pd.DataFrame(dict(zip(("threshold", "net_benefit", "treat_all"), points, strict=True)))


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


_POINTS: dict[str, Callable[[Evaluation], pd.DataFrame]] = {
    "roc": _roc_points,
    "decision": _decision_points,
    "calibration": _calibration_points,
}
