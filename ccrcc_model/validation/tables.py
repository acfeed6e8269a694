"""The tables of a benchmark: one row per group of patients, each figure with the counts or bounds behind it."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ccrcc_model.statistics.calibration import CALIBRATION
from ccrcc_model.statistics.calls import CALLS, SHARES
from ccrcc_model.statistics.estimate import Estimate, Proportion, format_estimate
from ccrcc_model.statistics.evaluation import Evaluation, GroupResult
from ccrcc_model.statistics.mcnemar import McNemar
from ccrcc_model.statistics.net_benefit import BENEFIT
from ccrcc_model.statistics.prevalence import at_prevalence
from ccrcc_model.validation.curve_tables import CURVES, curves, decision_difference, evaluations, group_key
from ccrcc_model.validation.external_tables import across_cohorts, bounds, intention_to_diagnose, readers, subgroups
from ccrcc_model.validation.recalibration import LABEL
from ccrcc_model.validation.scored import Scored
from nnunet_ext.documents.csv_table import write_csv

UNCERTAINTY = (
    *("target", "group", "scope", "n", "events", "alpha", "patients", "class", "metric"),
    *("value", "low", "high", "numerator", "denominator", "reason"),
)
"""Columns of the table of uncertainty, which may have no row."""


def table_s2(result: Scored) -> pd.DataFrame:
    """Table S2 of the supplement: sensitivity, specificity, accuracy as ``0.81(0.64-0.93)``, and PPV, NPV, raw counts."""

    def row(group: GroupResult) -> dict[str, object]:
        cells = group.model.counts
        return {
            **group_key(result, group),
            **{name: format_estimate(getattr(cells, name), rule=result.print_rule) for name in SHARES},
            "threshold": group.model.threshold,
            "true_positive": cells.true_positive,
            "false_negative": cells.false_negative,
            "true_negative": cells.true_negative,
            "false_positive": cells.false_positive,
        }

    return pd.DataFrame([row(group) for group in result.groups])


def operating_points(result: Scored) -> pd.DataFrame:
    """What the calls of model and baseline are worth at their thresholds, in full digits.

    One row per figure: value, bounds, and numerator and denominator where it is a share of patients; the shares, then balanced
    accuracy, F1 and net benefit.
    """
    rows = []
    for group, predictor, evaluation in evaluations(result):
        for name, estimate in at_threshold(evaluation).items():
            share = estimate if isinstance(estimate, Proportion) else None
            rows.append(
                {
                    **group_key(result, group),
                    "predictor": predictor,
                    "threshold": evaluation.threshold,
                    "metric": name,
                    **bounds(estimate),
                    "numerator": share.numerator if share else None,
                    "denominator": share.denominator if share else None,
                    "reason": estimate.reason,
                }
            )
    return pd.DataFrame(rows).astype({"numerator": "Int64", "denominator": "Int64"})


def at_threshold(evaluation: Evaluation) -> dict[str, Estimate]:
    """Return the figures of the calls at the threshold, by name; intervals of balanced accuracy and F1 are the bootstrap's."""
    cells, resampled = evaluation.counts, evaluation.bootstrap
    return {
        **{
            figure.name: getattr(resampled, figure.name) if resampled and figure.redrawn else figure.compute(cells)
            for figure in CALLS
        },
        **{figure.name: figure.compute(cells, evaluation.threshold) for figure in BENEFIT},
    }


def discrimination(result: Scored) -> pd.DataFrame:
    """AUC and AUPRC of model and baseline, and the difference of their AUCs with its paired interval and test.

    Columns ``auc_low`` and ``auc_high`` are DeLong's on the logit scale; those with ``bootstrap`` in their name, and AUPRC's,
    are percentiles over resampled patients.
    """
    return pd.DataFrame(
        {
            **group_key(result, group),
            **bounds(group.model.auc, "auc"),
            **bounds(group.baseline.auc, "baseline_auc"),
            **bounds(group.difference.estimate, "difference"),
            "p_value": group.difference.p_value,
            "reason": group.difference.estimate.reason,
            **_resampled(group.model, ""),
            **_resampled(group.baseline, "baseline_"),
        }
        for group in result.groups
    )


def calls(result: Scored) -> pd.DataFrame:
    """McNemar's exact test of model against baseline at their thresholds: patients that only one of them calls rightly."""
    rows = []
    for group in result.groups:
        if group.calls is None:
            continue
        for name in ("sensitivity", "specificity", "accuracy"):
            test = getattr(group.calls, name)
            rows.append(
                {
                    **group_key(result, group),
                    "metric": name,
                    "patients": test.patients,
                    "only_model_right": test.only_first,
                    "only_baseline_right": test.only_second,
                    "p_value": test.p_value,
                    "reason": None if test.p_value is not None else _why_no_test(test, name),
                }
            )
    return pd.DataFrame(rows)


def prevalence(result: Scored) -> pd.DataFrame:
    """PPV, NPV and net benefit at the prevalence that the user named, from each group's sensitivity and specificity."""
    rows = []
    for group, predictor, evaluation in evaluations(result):
        if result.prevalence is None:
            break
        there = at_prevalence(evaluation.counts, evaluation.threshold, result.prevalence)
        for name in ("ppv", "npv", "net_benefit"):
            estimate = getattr(there, name)
            row = {**group_key(result, group), "predictor": predictor, "threshold": evaluation.threshold}
            row |= {"prevalence": result.prevalence, "metric": name, **bounds(estimate), "reason": estimate.reason}
            rows.append(row)
    return pd.DataFrame(rows)


def recalibration(result: Scored) -> pd.DataFrame:
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
            rows.append({**key, "metric": name, **bounds(estimate), "reason": estimate.reason})
    return pd.DataFrame(rows)


def calibration(result: Scored) -> pd.DataFrame:
    """Intercept, slope, Brier score and ICI of model and baseline."""
    rows = []
    for group, predictor, evaluation in evaluations(result):
        for name in CALIBRATION.names():
            estimate = getattr(evaluation.calibration, name)
            row = {**group_key(result, group), "predictor": predictor, "metric": name, **bounds(estimate)}
            rows.append({**row, "reason": estimate.reason})
    return pd.DataFrame(rows)


def uncertainty(result: Scored) -> pd.DataFrame:
    """Share of declined patients; for all patients and for those alike the AUC, and by class coverage and size of the sets."""
    rows: list[dict[str, object]] = []

    def add(group: GroupResult, patients: str, about: str, metric: str, estimate: Estimate) -> None:
        known = {**group_key(result, group), "alpha": alpha, "patients": patients, "class": about, "metric": metric}
        shares = {name: getattr(estimate, name, None) for name in ("numerator", "denominator")}
        rows.append({**known, **bounds(estimate), **shares, "reason": estimate.reason})

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


def write_tables(result: Scored, folder: Path) -> None:
    """Write every table of ``result`` to ``folder`` as CSV; those of what it does not hold are left out or removed."""
    tables = {
        "table_s2": table_s2(result),
        "operating_points": operating_points(result),
        "discrimination": discrimination(result),
        "across_cohorts": across_cohorts(result),
        "intention_to_diagnose": intention_to_diagnose(result),
        "readers": readers(result),
        "decision_difference": decision_difference(result),
        "calibration": calibration(result),
        "calls": calls(result),
        "recalibration": recalibration(result),
        "subgroups": subgroups(result),
        "at_prevalence": prevalence(result),
        "uncertainty": uncertainty(result),
        "coverage": pd.DataFrame([asdict(covered) for covered in result.coverage]),
        **{f"{kind}_curve": curves(result, kind) for kind in CURVES},
    }
    for name, frame in tables.items():
        if not len(frame.columns):
            (folder / f"{name}.csv").unlink(missing_ok=True)  # of a benchmark that was here before
            continue
        write_csv(folder / f"{name}.csv", frame)


def _why_no_test(test: McNemar, name: str) -> str:
    whom = {"sensitivity": "positive patients", "specificity": "negative patients", "accuracy": "patients"}[name]
    return f"not estimable: the two call all {whom} alike" if test.patients else f"no {whom}"


def _resampled(evaluation: Evaluation, prefix: str) -> dict[str, float | None]:
    """AUC's bounds by the bootstrap, and AUPRC; no cells without a bootstrap."""
    if evaluation.bootstrap is None:
        return {}
    area = evaluation.bootstrap.auc
    area_bounds = {f"{prefix}auc_bootstrap_low": area.low, f"{prefix}auc_bootstrap_high": area.high}
    return {**area_bounds, **bounds(evaluation.bootstrap.auprc, f"{prefix}auprc")}
