"""Why a benchmark that was read back cannot be one: counts that do not add up, figures that none can have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.across_cohorts import AcrossCohorts
from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.estimate import Comparison, Difference, Estimate, Proportion
from ccrcc_model.statistics.evaluation import Evaluation, GroupResult, Scope
from ccrcc_model.statistics.graded import GRADING
from ccrcc_model.statistics.intention_to_diagnose import ThreeByTwo
from ccrcc_model.statistics.mcnemar import McNemar
from ccrcc_model.validation.scored import Scored

ROUNDING = 1e-6
"""Largest difference between a figure and the same figure computed from others."""

SHARES = frozenset({"auc", "auprc", "brier", "ici", "balanced_accuracy", "f1", "baseline_auc"})
"""Figures that lie inside [0, 1], wherever they stand."""


def fault(result: Scored) -> str | None:
    """Return in a line why a benchmark cannot be one, or None if it can."""
    if not result.groups:
        return "it holds no group of patients"
    if result.prevalence is not None and not 0 < result.prevalence < 1:
        return f"the prevalence is {result.prevalence:g}"
    for where, value in _walk(result, "benchmark"):
        if found := _value_fault(where.rpartition(".")[2], value):
            return f"{where}: {found}"
    found = _groups_fault(result)
    return _parts_fault(result) if found is None else found


def _groups_fault(result: Scored) -> str | None:
    for group in result.groups:
        if found := _group_fault(group):
            return f"group {group.name}: {found}"
    if result.across is not None and (found := _across_fault(result.across, result.scope(Scope.EXTERNAL))):
        return f"across: {found}"
    return None


def _parts_fault(result: Scored) -> str | None:
    parts = [(one.level, one.n, one.events, one.counts) for one in result.subgroups]
    parts += [(one.group, one.n, one.events, one.counts) for one in result.recalibrated]
    parts += [(one.group, one.table.n, one.table.events, one.table.best) for one in result.intention_to_diagnose]
    for name, n, events, counts in parts:
        if not 0 <= events <= n or (counts is not None and _total(counts) != (n, events)):
            return f"{name}: {_ADD_UP}"
    return None


def graded_fault(groups: Sequence[tuple[str, int, Mapping[str, Comparison]]]) -> str | None:
    """Return in a line why a graded benchmark cannot be one, or None if it can.

    Args:
        groups: Name, patients and figures of each.
    """
    if not groups:
        return "it holds no group of patients"
    for group, n, figures in groups:
        if n < 1 or "concordance" not in figures or not set(figures) <= set(GRADING.names()):
            return f"group {group}: it lacks patients, or has figures that are none"
        for name, found in figures.items():
            for one in (found.model, found.baseline, found.difference):
                is_share = name == "concordance" and one is not found.difference
                if wrong := _estimate_fault(one, is_share=is_share):
                    return f"group {group}, {name}: {wrong}"
    return None


_ADD_UP = "counts that do not add up to its patients"


def _walk(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield every value in a tree of dataclasses and tuples, with the names that lead to it."""
    yield where, value
    if is_dataclass(value):
        for field in fields(value):
            yield from _walk(getattr(value, field.name), f"{where}.{field.name}")
    elif isinstance(value, tuple):
        for place, one in enumerate(value):
            yield from _walk(one, f"{where}.{place}")


def _value_fault(name: str, value: Any) -> str | None:
    if isinstance(value, ThreeByTwo) and min(value.positive_without, value.negative_without) < 0:
        return "a count below 0"
    if isinstance(value, Counts) and min(getattr(value, field.name) for field in fields(value)) < 0:
        return "a count below 0"
    if isinstance(value, Estimate) and (found := _estimate_fault(value, is_share=name in SHARES)):
        return found
    if isinstance(value, Difference | McNemar) and value.p_value is not None and not 0 <= value.p_value <= 1:
        return f"a p value of {value.p_value:g}"
    if isinstance(value, McNemar) and not 0 <= value.only_first + value.only_second <= value.patients:
        return "more calls than patients"
    return None


def _estimate_fault(value: Estimate, *, is_share: bool) -> str | None:
    numbers = [one for one in (value.low, value.value, value.high) if one is not None]
    if value.low is not None and value.high is not None and value.low > value.high:
        return "an interval that ends before it begins"
    if value.value is None and numbers:
        return "an interval of no figure"
    if (is_share or isinstance(value, Proportion)) and not all(-ROUNDING <= one <= 1 + ROUNDING for one in numbers):
        return f"{next(one for one in numbers if not -ROUNDING <= one <= 1 + ROUNDING):g}, which is not inside [0, 1]"
    if isinstance(value, Proportion):
        if not 0 <= value.numerator <= value.denominator:
            return f"{value.numerator} of {value.denominator} patients"
        share = value.numerator / value.denominator if value.denominator else None
        if value.value is not None and (share is None or abs(share - value.value) > ROUNDING):
            return f"{value.value:g}, which is not {value.numerator} of {value.denominator}"
    return None


def _group_fault(group: GroupResult) -> str | None:
    model, baseline = group.model, group.baseline
    if (model.n, model.events) != (baseline.n, baseline.events):
        return "model and baseline are of different patients"
    for name, one in (("model", model), ("baseline", baseline)):
        if found := _evaluation_fault(one):
            return f"{name}: {found}"
    apart, areas = group.difference.estimate.value, (model.auc.value, baseline.auc.value)
    if apart is not None and areas[0] is not None and areas[1] is not None and abs(areas[0] - areas[1] - apart) > ROUNDING:
        return "a difference of AUCs that is not theirs"
    return None


def _across_fault(across: AcrossCohorts, external: Sequence[GroupResult]) -> str | None:
    """Return why figures over cohorts cannot be those of these, or None if they can."""
    sums = sum(group.model.n for group in external), sum(group.model.events for group in external)
    if (across.n, across.events) != sums or across.cohorts != tuple(group.name for group in external):
        return "it is not of the external cohorts"
    for over in (across.auc, across.baseline_auc):
        for estimate in (over.within, over.random.mean, over.random.prediction):
            if found := _estimate_fault(estimate, is_share=True):
                return found
    if not all(0 <= over.random.sites <= len(external) for over in (across.auc, across.baseline_auc, across.difference)):
        return "it uses more cohorts than there are"
    return None


def _evaluation_fault(one: Evaluation) -> str | None:
    if not 0 < one.threshold < 1:
        return f"the threshold is {one.threshold:g}, not inside (0, 1)"
    if not 0 <= one.events <= one.n or _total(one.counts) != (one.n, one.events):
        return _ADD_UP
    curves: dict[str, Sequence[npt.NDArray[np.float64]]] = {"calibration curve": (one.curve.predicted, one.curve.observed)}
    if one.roc is not None:
        curves["ROC curve"] = (one.roc.false_positive_rate, one.roc.sensitivity)
    if one.decision is not None:
        bands = tuple(band for band in (one.decision.low, one.decision.high) if len(band))
        curves["decision curve"] = (one.decision.threshold, one.decision.model, one.decision.treat_all, *bands)
    for name, axes in curves.items():
        if len({len(axis) for axis in axes}) != 1 or (len(axes[0]) and not _is_share(axes[0])):
            return f"a {name} that is none"
        if name != "decision curve" and not _is_share(axes[1]):
            return f"a {name} outside of [0, 1]"
    return None


def _is_share(values: npt.NDArray[np.float64]) -> bool:
    known = values[~np.isnan(values)]
    return bool(((known >= -ROUNDING) & (known <= 1 + ROUNDING)).all())


def _total(counts: Counts) -> tuple[int, int]:
    """Return the patients and the positive ones."""
    positive = counts.true_positive + counts.false_negative
    return positive + counts.true_negative + counts.false_positive, positive
