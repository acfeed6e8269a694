"""Tables of external patients alone: over cohorts, in subgroups, with those without an answer, beside readers."""

from collections.abc import Iterator

import pandas as pd

from ccrcc_model.statistics.across_cohorts import OverCohorts
from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.estimate import Estimate, format_estimate
from ccrcc_model.validation.readers import ReaderResult
from ccrcc_model.validation.scored import Scored
from ccrcc_model.validation.subgroups import MIN_OF_CLASS, SubgroupResult, interactions

SHOWN = ("sensitivity", "specificity", "accuracy")
"""Figures that a patient without an answer can move."""


def across_cohorts(result: Scored) -> pd.DataFrame:
    """Each figure over several external cohorts: mean of these very ones, and random effects with a prediction interval."""
    if result.across is None:
        return pd.DataFrame()
    rows = []
    for name in ("auc", "baseline_auc", "difference", "intercept", "slope"):
        over: OverCohorts = getattr(result.across, name)
        meta = over.random
        key = {"target": result.target, "metric": name, "cohorts": len(result.across.cohorts), "used": meta.sites}
        random = {
            **bounds(meta.mean),
            "prediction_low": meta.prediction.low,
            "prediction_high": meta.prediction.high,
            "tau_squared": meta.tau_squared,
            "i_squared": meta.i_squared,
            "q_p_value": meta.q_p_value,
            "reason": meta.mean.reason or meta.prediction.reason,
        }
        rows.append({**key, "by": "mean of these cohorts", **bounds(over.within), "reason": over.within.reason})
        rows.append({**key, "by": "random effects", **random})
    return pd.DataFrame(rows)


def subgroups(result: Scored) -> pd.DataFrame:
    """AUCs, their difference, sensitivity, specificity and calibration in the large in each subgroup of the external patients.

    The P values of an interaction are of a factor, and the same in each of its rows.
    """
    tests = {one.factor: one for one in interactions(result.subgroups)}
    return pd.DataFrame(
        {
            "target": result.target,
            "factor": one.factor,
            "level": one.level,
            "n": one.n,
            "events": one.events,
            **bounds(one.auc, "auc"),
            **bounds(one.baseline_auc, "baseline_auc"),
            **bounds(one.difference.estimate, "difference"),
            "p_value": one.difference.p_value,
            **bounds(_share(one, "sensitivity"), "sensitivity"),
            **bounds(_share(one, "specificity"), "specificity"),
            **bounds(one.intercept or Estimate(None), "intercept"),
            "interaction_p_auc": tests[one.factor].auc,
            "interaction_p_difference": tests[one.factor].difference,
            "interaction_p_intercept": tests[one.factor].intercept,
            "reason": one.auc.reason or one.difference.estimate.reason,
        }
        for one in result.subgroups
    )


def intention_to_diagnose(result: Scored) -> pd.DataFrame:
    """Positive, negative and no answer by truth; sensitivity, specificity and accuracy of those answered, at best, at worst.

    One row per external cohort, and one of all, by who counts as without an answer; figures as in Table S2, and exact.
    """

    def figures(cells: Counts, best: Counts, worst: Counts) -> Iterator[tuple[str, object]]:
        for name in SHOWN:
            for case, counts in (("answered", cells), ("best", best), ("worst", worst)):
                share = getattr(counts, name)
                yield f"{name}_{case}", format_estimate(share, rule=result.print_rule)
                yield from bounds(share, f"{name}_{case}_exact").items()

    return pd.DataFrame(
        {
            "target": result.target,
            "group": one.group,
            "without_an_answer": one.without,
            "n": one.table.n,
            "events": one.table.events,
            "true_positive": one.table.answered.true_positive,
            "false_negative": one.table.answered.false_negative,
            "positive_without_answer": one.table.positive_without,
            "false_positive": one.table.answered.false_positive,
            "true_negative": one.table.answered.true_negative,
            "negative_without_answer": one.table.negative_without,
            "is_complete": one.is_complete,
            **dict(figures(one.table.answered, one.table.best, one.table.worst)),
        }
        for one in result.intention_to_diagnose
    )


def readers(result: Scored) -> pd.DataFrame:
    """Every reader beside the model on the same patients, one row per figure; and the agreement of each two readers."""
    rows: list[dict[str, object]] = []
    for one in result.readers.results:
        cells = one.counts
        n = cells.true_positive + cells.false_negative + cells.true_negative + cells.false_positive
        key = {"target": result.target, "group": one.group, "reader": one.reader, "n": n, "missing": one.missing}
        rows += [
            {**key, "metric": metric, **bounds(found), "p_value": p, "reason": found.reason} for metric, found, p in _of(one)
        ]
    for two in result.readers.agreement:
        key = {"target": result.target, "group": two.group, "reader": f"{two.first} and {two.second}", "n": two.n}
        rows.append({**key, "metric": "kappa", **bounds(two.kappa), "reason": two.kappa.reason})
    return pd.DataFrame(rows)


def bounds(estimate: Estimate, name: str = "") -> dict[str, float | None]:
    """Return value, low and high of an estimate as cells, or those of a column called ``name``."""
    if not name:
        return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _of(one: ReaderResult) -> Iterator[tuple[str, Estimate, float | None]]:
    for name in SHOWN[:2]:
        yield f"{name} of the reader", getattr(one.counts, name), None
        yield f"{name} of the model", getattr(one.model, name), None
        apart: Estimate = getattr(one, f"{name}_difference")
        yield f"difference of {name} (model − reader)", apart, getattr(one.calls, name).p_value
    yield "kappa of model and reader", one.kappa_model, None
    yield "kappa of reader and outcome", one.kappa_truth, None
    yield "kappa of model and outcome", one.kappa_of_model_and_truth, None


def _share(one: SubgroupResult, name: str) -> Estimate:
    """Sensitivity or specificity of a subgroup with enough patients of that class."""
    of_class = one.events if name == "sensitivity" else one.n - one.events
    if one.counts is None or of_class < MIN_OF_CLASS:
        return Estimate(None, reason=f"a subgroup needs {MIN_OF_CLASS} of a class")
    share: Estimate = getattr(one.counts, name)
    return share
