"""The tables of a benchmark: each row a group of patients, each figure beside the counts or bounds it comes from."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from ccrcc_model.statistics.calibration import CALIBRATION
from ccrcc_model.statistics.calls import CALLS, SHARES
from ccrcc_model.statistics.estimate import Estimate, Proportion, format_estimate
from ccrcc_model.statistics.mcnemar import McNemar
from ccrcc_model.statistics.net_benefit import BENEFIT
from ccrcc_model.statistics.prevalence import at_prevalence
from ccrcc_model.validation.benchmark import BenchmarkResult, Evaluation, GroupResult, Scope
from ccrcc_model.validation.recalibration import LABEL
from ccrcc_model.validation.subgroups import MIN_PATIENTS
from nnunet_ext.documents.csv_table import write_csv

MOST_UNLIKE = 0.5
"""Share of patients whom the model abstains from above which the command says so."""
PREDICTORS = ("model", "baseline")
UNCERTAINTY = (
    *("target", "group", "scope", "n", "events", "alpha", "patients", "class", "metric"),
    *("value", "low", "high", "numerator", "denominator", "reason"),
)
"""Columns of the table of uncertainty, which may have no row."""


def table_s2(result: BenchmarkResult) -> pd.DataFrame:
    """Table S2 of the supplement: sensitivity, specificity, accuracy as ``0.81(0.64-0.93)``, and PPV, NPV, raw counts."""

    def row(group: GroupResult) -> dict[str, object]:
        cells = group.model.counts
        return {
            **_key(result, group),
            **{name: format_estimate(getattr(cells, name), rule=result.print_rule) for name in SHARES},
            "threshold": group.model.threshold,
            "true_positive": cells.true_positive,
            "false_negative": cells.false_negative,
            "true_negative": cells.true_negative,
            "false_positive": cells.false_positive,
        }

    return pd.DataFrame([row(group) for group in result.groups])


def operating_points(result: BenchmarkResult) -> pd.DataFrame:
    """What the calls of model and baseline are worth at their thresholds, in full digits.

    A row a figure: value, bounds, and numerator and denominator where it is a share of patients; the shares, then balanced
    accuracy, F1 and net benefit.
    """
    rows = []
    for group, predictor, evaluation in _evaluations(result):
        for name, estimate in at_threshold(evaluation).items():
            share = estimate if isinstance(estimate, Proportion) else None
            rows.append(
                {
                    **_key(result, group),
                    "predictor": predictor,
                    "threshold": evaluation.threshold,
                    "metric": name,
                    **_bounds(estimate),
                    "numerator": share.numerator if share else None,
                    "denominator": share.denominator if share else None,
                    "reason": estimate.reason,
                }
            )
    return pd.DataFrame(rows).astype({"numerator": "Int64", "denominator": "Int64"})


def at_threshold(evaluation: Evaluation) -> dict[str, Estimate]:
    """Return what the calls at the threshold are worth, by name; intervals of balanced accuracy and F1 are the bootstrap's."""
    cells, resampled = evaluation.counts, evaluation.bootstrap
    return {
        **{
            figure.name: getattr(resampled, figure.name) if resampled and figure.redrawn else figure.compute(cells)
            for figure in CALLS
        },
        **{figure.name: figure.compute(cells, evaluation.threshold) for figure in BENEFIT},
    }


def discrimination(result: BenchmarkResult) -> pd.DataFrame:
    """AUC and AUPRC of model and baseline, and the difference of their AUCs with its paired interval and test.

    Columns ``auc_low`` and ``auc_high`` are DeLong's; those with ``bootstrap`` in their name, and AUPRC's, are percentiles
    over resampled patients.
    """
    return pd.DataFrame(
        {
            **_key(result, group),
            **_bounds(group.model.auc, "auc"),
            **_bounds(group.baseline.auc, "baseline_auc"),
            **_bounds(group.difference.estimate, "difference"),
            "p_value": group.difference.p_value,
            "reason": group.difference.estimate.reason,
            **_resampled(group.model, ""),
            **_resampled(group.baseline, "baseline_"),
        }
        for group in result.groups
    )


def calls(result: BenchmarkResult) -> pd.DataFrame:
    """McNemar's exact test of model against baseline at their thresholds: patients that only one of them calls rightly."""
    rows = []
    for group in result.groups:
        if group.calls is None:
            continue
        for name in ("sensitivity", "specificity", "accuracy"):
            test = getattr(group.calls, name)
            rows.append(
                {
                    **_key(result, group),
                    "metric": name,
                    "patients": test.patients,
                    "only_model_right": test.only_first,
                    "only_baseline_right": test.only_second,
                    "p_value": test.p_value,
                    "reason": None if test.p_value is not None else _why_no_test(test, name),
                }
            )
    return pd.DataFrame(rows)


def prevalence(result: BenchmarkResult) -> pd.DataFrame:
    """PPV, NPV and net benefit at the prevalence that the user named, from each group's sensitivity and specificity."""
    rows = []
    for group, predictor, evaluation in _evaluations(result):
        if result.prevalence is None:
            break
        there = at_prevalence(evaluation.counts, evaluation.threshold, result.prevalence)
        for name in ("ppv", "npv", "net_benefit"):
            estimate = getattr(there, name)
            row = {**_key(result, group), "predictor": predictor, "threshold": evaluation.threshold}
            row |= {"prevalence": result.prevalence, "metric": name, **_bounds(estimate), "reason": estimate.reason}
            rows.append(row)
    return pd.DataFrame(rows)


def recalibration(result: BenchmarkResult) -> pd.DataFrame:
    """The model after recalibration in the large on each external group: a separate result, labelled as such in every row.

    Its calibration intercept is 0 by construction and not listed.
    """
    rows = []
    for one in result.recalibrated:
        figures: dict[str, Estimate] = {"shift": one.shift}
        if one.counts and one.calibration:
            figures |= {name: getattr(one.counts, name) for name in SHARES}
            figures |= {name: getattr(one.calibration, name) for name in CALIBRATION.names() if name != "intercept"}
        for name, estimate in figures.items():
            key = {"target": result.target, "group": one.group, "n": one.n, "events": one.events, "what": LABEL}
            rows.append({**key, "metric": name, **_bounds(estimate), "reason": estimate.reason})
    return pd.DataFrame(rows)


def subgroups(result: BenchmarkResult) -> pd.DataFrame:
    """AUC of model and baseline, their difference, sensitivity and specificity in each subgroup of the external patients."""
    rows = []
    for one in result.subgroups:
        few = Estimate(None, reason=one.auc.reason)
        shares = {name: getattr(one.counts, name) if one.counts else few for name in ("sensitivity", "specificity")}
        rows.append(
            {
                "target": result.target,
                "factor": one.factor,
                "level": one.level,
                "n": one.n,
                "events": one.events,
                **_bounds(one.auc, "auc"),
                **_bounds(one.baseline_auc, "baseline_auc"),
                **_bounds(one.difference.estimate, "difference"),
                "p_value": one.difference.p_value,
                **_bounds(shares["sensitivity"], "sensitivity"),
                **_bounds(shares["specificity"], "specificity"),
                "reason": one.auc.reason or one.difference.estimate.reason,
            }
        )
    return pd.DataFrame(rows)


def cautions(result: BenchmarkResult) -> tuple[str, ...]:
    """Return lines for what a reader has to know before any figure.

    These are questions of the audit that were answered badly, patients who could not be scored, and external cohorts that are
    too small, of one class, or mostly unlike the development patients.
    """
    lines = [f"Leak audit failed: {answer.question} {answer.finding}" for answer in result.audit if not answer.passed]
    lines += [line for covered in result.coverage for line in covered.lines]
    for group in result.scope(Scope.EXTERNAL):
        name, n = group.name, group.model.n
        if group.model.auc.value is None:
            lines.append(f"{name}: {group.model.auc.reason} among {n}, so AUC, AUPRC and calibration are not estimable")
        if n < MIN_PATIENTS:
            lines.append(f"{name}: {n} patients only; its figures are a rough guide at best, and an ICI is not estimable")
        declined = group.uncertainty.declined if group.uncertainty is not None else None
        if declined is not None and declined.value is not None and declined.value > MOST_UNLIKE:
            lines.append(
                f"{name}: the model abstains from {declined.numerator} of {declined.denominator} patients, who are unlike "
                "its development patients (uncertainty.csv)"
            )
    return tuple(lines)


def calibration(result: BenchmarkResult) -> pd.DataFrame:
    """Intercept, slope, Brier score and ICI of model and baseline."""
    rows = []
    for group, predictor, evaluation in _evaluations(result):
        for name in CALIBRATION.names():
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


def write_tables(result: BenchmarkResult, folder: Path) -> None:
    """Write every table of ``result`` to ``folder`` as CSV; those of what it does not hold are left out or removed."""
    tables = {
        "table_s2": table_s2(result),
        "operating_points": operating_points(result),
        "discrimination": discrimination(result),
        "calibration": calibration(result),
        "calls": calls(result),
        "recalibration": recalibration(result),
        "subgroups": subgroups(result),
        "at_prevalence": prevalence(result),
        "uncertainty": uncertainty(result),
        "coverage": pd.DataFrame([asdict(covered) for covered in result.coverage]),
        **{f"{kind}_curve": curves(result, kind) for kind in _POINTS},
    }
    for name, frame in tables.items():
        if not len(frame.columns):
            (folder / f"{name}.csv").unlink(missing_ok=True)  # of a benchmark that was here before
            continue
        write_csv(folder / f"{name}.csv", frame)


def _key(result: BenchmarkResult, group: GroupResult) -> dict[str, object]:
    return {
        "target": result.target,
        "group": group.name,
        "scope": group.scope.value,
        "n": group.model.n,
        "events": group.model.events,
    }


def _why_no_test(test: McNemar, name: str) -> str:
    whom = {"sensitivity": "positive patients", "specificity": "negative patients", "accuracy": "patients"}[name]
    return f"not estimable: the two call all {whom} alike" if test.patients else f"no {whom}"


def _bounds(estimate: Estimate, name: str = "") -> dict[str, float | None]:
    if not name:
        return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _resampled(evaluation: Evaluation, prefix: str) -> dict[str, float | None]:
    """AUC's bounds by the bootstrap, and AUPRC; no cells without a bootstrap."""
    if evaluation.bootstrap is None:
        return {}
    area = evaluation.bootstrap.auc
    bounds = {f"{prefix}auc_bootstrap_low": area.low, f"{prefix}auc_bootstrap_high": area.high}
    return {**bounds, **_bounds(evaluation.bootstrap.auprc, f"{prefix}auprc")}


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
