"""The tables of the page's section on the benchmark: every figure as text, each with the counts behind it."""

from collections.abc import Sequence

import pandas as pd

from ccrcc_model.report.run_folder import Run
from ccrcc_model.report.summary import number, title
from ccrcc_model.report.tables import Table, cell
from ccrcc_model.statistics.calibration import CALIBRATION
from ccrcc_model.statistics.calls import CALLS, SHARES
from ccrcc_model.statistics.estimate import Estimate, format_number
from ccrcc_model.statistics.evaluation import GroupResult, Scope
from ccrcc_model.statistics.graded import GRADING
from ccrcc_model.statistics.net_benefit import BENEFIT
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.result import BenchmarkResult
from ccrcc_model.validation.tables import at_threshold

FEW_EVENTS = 10
"""Below this many patients of a class a large-sample interval (DeLong, Wald) is marked as a rough guide. Our choice."""

ENOUGH_FOR_ICI = 400
"""The ICI's interval held the truth in 75 % of cohorts of 60, in 88 % of 150, in 93 % of 400: docs/explanation/coverage.md."""


def table_s2(results: Sequence[BenchmarkResult]) -> Table:
    """Table S2 of the supplement, the very table of ``table_s2.csv``: every group of every target at its locked threshold."""
    frame = pd.concat([result.table_s2() for result in results], ignore_index=True)
    frame["target"] = frame["target"].map(title)
    frame["threshold"] = frame["threshold"].map(lambda threshold: format_number(threshold, decimals=3))
    cut = [title(result.target) for result in results if result.print_rule == "cut"]
    printed = "rounded to" if not cut else "truncated, not rounded, to"
    if 0 < len(cut) < len(results):
        printed = f"rounded, for {' and '.join(cut)} truncated, to"
    note = (
        f"95% Clopper-Pearson CIs; figures {printed} two decimals. A patient is called positive from the threshold on. "
        "External: the locked model. Internal: out-of-fold, each fold at a threshold that the patients of the other folds "
        "chose, with intervals at the effective number of patients. PPV and NPV hold at each group's own prevalence."
    )
    columns = [_S2_TITLES.get(name) or CALLS[name].title for name in frame.columns]
    rows = [[cell(value) for value in row] for row in frame.itertuples(index=False)]
    return Table("table-s2", "Table S2. Performance at the locked thresholds", columns, rows, (1, 2), note)


def operating_point(result: BenchmarkResult) -> Table:
    """What else the calls at the locked threshold are worth: balanced accuracy, F1 and net benefit in every group."""
    shown = [figure for figure in (*CALLS, *BENEFIT) if figure.name not in SHARES]
    rows = [
        [_name(group), *(figure_cell(at_threshold(group.model)[figure.name]) for figure in shown)] for group in result.groups
    ]
    note = "95% CIs by bootstrap; of net benefit, the normal interval of a mean. All hold at each group's own share of "
    note += f"positive patients.{_few_note(result)}"
    name = f"table-threshold-{result.target}"
    columns = ["Group", *(figure.title for figure in shown)]
    return Table(name, f"Further figures at the locked threshold, {title(result.target)}", columns, rows, (), note)


_S2_TITLES = {
    "target": "Target",
    "group": "Group",
    "scope": "Scope",
    "n": "Patients",
    "events": "Positive",
    "threshold": "Threshold",
    "true_positive": "TP",
    "false_negative": "FN",
    "true_negative": "TN",
    "false_positive": "FP",
}


def discrimination(result: BenchmarkResult) -> Table:
    """AUC of model and tumour volume and their difference in every group."""
    rows = [
        [
            _name(group),
            f"{group.model.events} / {group.model.n}",
            figure_cell(group.model.auc),
            figure_cell(group.baseline.auc),
            figure_cell(group.difference.estimate, sign=True),
            p_value_cell(group.difference.p_value),
            figure_cell(group.model.bootstrap.auprc) if group.model.bootstrap else "–",
        ]
        for group in result.groups
    ]
    columns = ["Group", "Positive / all", "AUC, model", "AUC, tumour volume", "Difference", "P value", "AUPRC, model"]
    note = (
        "95% CIs of AUCs by DeLong's variance on the logit scale (doi:10.1177/0962280207087173); of differences, and paired "
        "two-sided P values, by DeLong's method (doi:10.2307/2531595). External patients are ordered by tumour volume itself, "
        "larger is worse. Out-of-fold: means over the folds, corrected for the training patients that folds share "
        "(doi:10.1023/A:1024068626366). " + _pooled_note(result) + _few_note(result)
    )
    name = f"table-auc-{result.target}"
    return Table(name, f"Discrimination, {title(result.target)}", columns, rows, (), note)


def _pooled_note(result: BenchmarkResult) -> str:
    if result.across is None:
        return ""
    return (
        "All external cohorts: pairs of patients of different hospitals are compared too, which orders hospitals as well as "
        "patients; the figures over cohorts are the headline."
    )


def calibration(result: BenchmarkResult) -> Table:
    """Intercept, slope, Brier score and ICI of model and tumour volume in every group."""
    rows = []
    for group in result.groups:
        for name, predictor in (("model", group.model), ("tumour volume", group.baseline)):
            figures = [figure_cell(getattr(predictor.calibration, figure.name)) for figure in CALIBRATION]
            rows.append([_name(group), name, *figures])
    columns = ["Group", "Predictor", *(figure.title for figure in CALIBRATION)]
    note = "Perfect: intercept 0, slope 1, ICI 0. 95% CIs by Wald; ICI by loess with a bootstrap (doi:10.1002/sim.8281)."
    if any(group.model.n < ENOUGH_FOR_ICI and group.model.calibration.ici.low is not None for group in result.groups):
        note += f" Below about {ENOUGH_FOR_ICI} patients the intervals of the ICI are too high, and their coverage is too low."
    note += _few_note(result)
    return Table(f"table-calibration-{result.target}", f"Calibration, {title(result.target)}", columns, rows, (1,), note)


def uncertainty(result: BenchmarkResult) -> Table | None:
    """Patients whom the model abstains from, and how its sets of classes fare, in every group that it never saw."""
    rows = []
    for group in result.groups:
        if (found := group.uncertainty) is not None:
            everyone = found.everyone
            rows.append(
                [
                    _name(group),
                    figure_cell(found.declined),
                    figure_cell(everyone.auc),
                    figure_cell(found.alike.auc) if found.alike else "–",
                    *(figure_cell(sets.covered) for sets in (everyone.negative, everyone.positive)),
                    *(figure_cell(sets.single) for sets in (everyone.negative, everyone.positive)),
                ]
            )
    if not rows:
        return None
    columns = ["Group", "Unlike", "AUC, all", "AUC, alike", "Covered, negative", "Covered, positive"]
    columns += ["One class, negative", "One class, positive"]
    aim = 1 - next(group.uncertainty.alpha for group in result.groups if group.uncertainty)
    note = (
        "Unlike: features or acquisition outside the range of development, as in about 5% of patients like those of "
        f"development. Covered: the conformal set contains the true class; the target is {aim:.0%} of each class, without "
        "guarantee. One class: the set contains one class, which is a definite answer. 95% CIs by "
        "Clopper-Pearson, for AUC by DeLong."
    ) + _few_note(result)
    return Table(f"table-uncertainty-{result.target}", f"Uncertainty, {title(result.target)}", columns, rows, (), note)


def graded(result: GradedResult) -> Table:
    """Every figure of a graded model, of tumour volume and of their difference, in every group."""
    rows = [
        [
            f"{group.name}{', out-of-fold' if place == 0 else ''}",
            str(group.n),
            GRADING[name].title,
            figure_cell(found.model),
            figure_cell(found.baseline),
            figure_cell(found.difference, sign=True),
        ]
        for place, group in enumerate(result.groups)
        for name, found in group.figures.items()
    ]
    columns = ["Group", "Patients", "Figure", "Model", "Tumour volume", "Difference"]
    shown = dict.fromkeys(name for group in result.groups for name in group.figures)
    sources = "; ".join(f"{GRADING[name].title}: {GRADING[name].source}" for name in shown)
    note = f"95% CIs by bootstrap, the difference (model − tumour volume) on the same resamples. {sources}."
    return Table(f"table-graded-{result.target}", f"Figures of {title(result.target)}", columns, rows, (2,), note)


def best_possible(run: Run) -> Table | None:
    """What the phantoms allow, compared with what was reached."""
    known = run.record.best_possible_auc or {}
    rows = [
        [
            title(result.target),
            format_number(known[result.target]),
            figure_cell(result.headline.auc),
            figure_cell(result.headline.baseline_auc),
        ]
        for result in run.benchmarks
        if result.target in known
    ]
    columns = ["Target", "Best possible AUC", "Reached by the model", "By tumour volume"]
    caption = "Best possible AUC of the phantoms, compared with the one reached on external patients"
    note = "A phantom's grade and Ki67 are drawn with noise from the biology that shapes its image: a perfect reader errs too."
    return Table("table-best", caption, columns, rows, (), note) if rows else None


def figure_cell(estimate: Estimate, *, sign: bool = False) -> str:
    """Return a figure with its interval, or why there is none."""
    value, low, high = (number(each, sign=sign) for each in (estimate.value, estimate.low, estimate.high))
    if estimate.value is None:
        return f"not estimable: {estimate.reason}"
    return value if estimate.low is None or estimate.high is None else f"{value} ({low} to {high})"


def p_value_cell(p: float | None) -> str:
    """Return a P value, or a dash for none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _name(group: GroupResult) -> str:
    return f"{group.name}{', out-of-fold' if group.scope is Scope.INTERNAL else ''}{_few(group)}"


def _few(group: GroupResult) -> str:
    return " †" if min(group.model.events, group.model.n - group.model.events) < FEW_EVENTS else ""


def _few_note(result: BenchmarkResult) -> str:
    if not any(_few(group) for group in result.groups):
        return ""
    return f" † Fewer than {FEW_EVENTS} patients of a class: these intervals are a rough guide at best."
