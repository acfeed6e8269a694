"""The tables of the page: every figure of the benchmark as text, each beside the counts it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ccrcc_model.plots.bars import group_dice
from ccrcc_model.plots.flow import STAGES
from ccrcc_model.report.run_folder import Run
from ccrcc_model.report.summary import number, title
from ccrcc_model.statistics.estimate import Estimate, format_estimate, format_number
from ccrcc_model.statistics.evaluation import GroupResult, Scope
from ccrcc_model.validation.result import BenchmarkResult
from ccrcc_model.validation.tables import at_threshold

FEW_EVENTS = 10
"""Below this many patients of a class a large-sample interval (DeLong, Wald) is marked as a rough guide. Our choice."""

ENOUGH_FOR_ICI = 400
"""The ICI's interval held the truth in 75 % of cohorts of 60, in 88 % of 150, in 93 % of 400: benchmarks/intervals.py."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page.

    Args:
        name: Its anchor in the page.
        caption: Above it.
        columns: Headings; the first column heads its rows.
        rows: Text cells; as many as there are columns.
        texts: Places of the columns that are words and stand left; the first always does.
        note: Under it.
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: tuple[int, ...] = ()
    note: str = ""


def acquisition(run: Run) -> Table | None:
    """Table S1 of the supplement: how the scans of each cohort were acquired."""
    headings = {
        "cohort": "Cohort",
        "centre": "Centre",
        "cases": "Cases",
        "tube_voltage_kv": "Tube voltage (kV)",
        "tube_current_ma": "Tube current (mA)",
        "matrix": "Matrix",
        "slice_thickness_mm": "Slice thickness (mm)",
        "pitch": "Pitch",
        "kernel": "Kernel",
    }
    frame = run.tables.get("acquisition")
    if frame is None:
        return None
    shown = [name for name in headings if name in frame.columns]
    caption = "Table S1. Acquisition of the CT images of each cohort"
    rows = [[_cell(value) for value in row] for row in frame[shown].itertuples(index=False)]
    words = tuple(place for place, name in enumerate(shown) if name in {"centre", "kernel"})
    note = "N/A: not stated. Several values of a parameter are joined by “or”."
    return Table("table-s1", caption, [headings[name] for name in shown], rows, words, note)


def flow(run: Run) -> Table | None:
    """Cases of each cohort after each stage."""
    frame = run.tables.get("flow")
    if frame is None:
        return None
    rows = [
        [str(row["cohort"]), str(row["role"]), *(f"{int(row[stage]):,}" for stage in STAGES)] for _, row in frame.iterrows()
    ]
    return Table("table-flow", "Cases after each stage", ["Cohort", "Role", *STAGES.values()], rows, (1,))


def refusals(run: Run) -> Table | None:
    """Refused cases by cohort, stage and code; no case is named."""
    frame = run.tables.get("quarantine")
    if frame is None or frame.empty:
        return None
    grouped = frame.groupby(["cohort", "stage", "code"], sort=True)["reason"].agg(["size", "first"]).reset_index()
    rows = [[_cell(value) for value in row] for row in grouped.itertuples(index=False)]
    columns = ["Cohort", "Stage", "Code", "Cases", "Reason (of the first)"]
    return Table(
        "table-refusals", "Refused cases", columns, rows, (1, 2, 4), "Every case with its reason: tables/quarantine.csv."
    )


def overlap(run: Run) -> Table | None:
    """Dice and volume error per structure, of each cohort and of each of its centres."""
    frame = run.tables.get("overlap")
    if frame is None:
        return None
    rows = []
    for cohort, cases in frame.groupby("cohort", sort=False):
        by_centre = list(cases.groupby("centre", sort=True))
        parts = [(f"{cohort}", cases)]
        parts += [(f"{cohort}: {centre}", part) for centre, part in by_centre] if len(by_centre) > 1 else []
        for name, part in parts:
            for group in group_dice(part, by="structure"):
                errors = part.loc[part["structure"] == group.structure, "relative_volume_error"].dropna()
                error = f"{100 * errors.median():+.0f} %".replace("-", "−") if len(errors) else "not estimable"
                low = format_number(float(pd.Series(group.dice).quantile(0.1)))
                median = format_number(float(pd.Series(group.dice).median()))
                rows.append([name, group.structure, str(len(group.dice)), str(group), median, low, error])
    columns = ["Cohort", "Structure", "Cases", "Dice, mean ± SD", "Median", "10th percentile", "Volume error, median"]
    return Table("table-overlap", "Predicted against reference masks", columns, rows, (1,))


def table_s2(results: Sequence[BenchmarkResult]) -> Table:
    """Table S2 of the supplement: both targets, internal and external, as ``0.81(0.64-0.93)``."""
    columns, groups, rules = ["Metric"], [], []
    for result in results:
        for group in (*result.scope(Scope.INTERNAL), result.headline):
            name = f"{title(result.target)}, {'internal' if group.scope is Scope.INTERNAL else 'external'}"
            if name not in columns:
                columns.append(name)
                groups.append(group)
                rules.append(result.print_rule)
    rows = [
        [
            name.capitalize(),
            *(format_estimate(getattr(g.model.counts, name), rule=rule) for g, rule in zip(groups, rules, strict=True)),
        ]
        for name in ("sensitivity", "specificity", "accuracy")
    ]
    worth = [at_threshold(group.model) for group in groups]
    for name, metric in (("Balanced accuracy", "balanced_accuracy"), ("F1", "f1")):
        rows.append([name, *(format_estimate(figures[metric], rule=rule) for figures, rule in zip(worth, rules, strict=True))])
    for name, count in (("True positive / positive", "sensitivity"), ("True negative / negative", "specificity")):
        shares = [getattr(group.model.counts, count) for group in groups]
        rows.append([name, *(f"{share.numerator} / {share.denominator}" for share in shares)])
    cut = [title(result.target) for result in results if result.print_rule == "cut"]
    printed = "rounded to" if not cut else "cut, not rounded, to"
    if 0 < len(cut) < len(results):
        printed = f"rounded, of {' and '.join(cut)} cut, to"
    note = (
        f"95 % Clopper-Pearson intervals, of balanced accuracy and F1 by bootstrap; figures {printed} two decimals. "
        "External: the locked model. Internal: out-of-fold, at a threshold that was chosen on these same predictions, and so "
        "a little flattered."
    )
    return Table("table-s2", "Table S2. Performance at the locked thresholds", columns, rows, (), note)


def shares(result: BenchmarkResult) -> Table:
    """Counts and shares at the locked threshold in every group."""
    names = {"sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy", "ppv": "PPV", "npv": "NPV"}
    rows = []
    for group in result.groups:
        cells = group.model.counts
        four = (cells.true_positive, cells.false_negative, cells.true_negative, cells.false_positive)
        printed = [format_estimate(getattr(cells, name), rule=result.print_rule) for name in names]
        rows.append([_name(group), *(f"{count:,}" for count in four), *printed])
    columns = ["Group", "TP", "FN", "TN", "FP", *names.values()]
    threshold = format_number(result.groups[0].model.threshold, decimals=3)
    note = (
        f"Called positive from a probability of {threshold}, which was fixed on out-of-fold predictions. PPV and NPV hold at "
    )
    note += f"each group's own share of positive patients.{_few_note(result)}"
    return Table(f"table-shares-{result.target}", f"Counts and shares, {title(result.target)}", columns, rows, (), note)


def discrimination(result: BenchmarkResult) -> Table:
    """AUC of model and tumour volume and their difference in every group."""
    rows = [
        [
            _name(group),
            f"{group.model.events} / {group.model.n}",
            _figure(group.model.auc),
            _figure(group.baseline.auc),
            _figure(group.difference.estimate, sign=True),
            _p_value(group.difference.p_value),
            _figure(group.model.bootstrap.auprc) if group.model.bootstrap else "–",
        ]
        for group in result.groups
    ]
    columns = ["Group", "Positive / all", "AUC, model", "AUC, tumour volume", "Difference", "p", "AUPRC, model"]
    note = (
        "95 % intervals and paired two-sided p after DeLong (doi:10.2307/2531595); AUPRC by bootstrap. Those of out-of-fold "
        "predictions take them as independent, which they are not, and may be too narrow." + _few_note(result)
    )
    name = f"table-auc-{result.target}"
    return Table(name, f"Discrimination, {title(result.target)}", columns, rows, (), note)


def calibration(result: BenchmarkResult) -> Table:
    """Intercept, slope, Brier score and ICI of model and tumour volume in every group."""
    rows = []
    for group in result.groups:
        for name, predictor in (("model", group.model), ("tumour volume", group.baseline)):
            fitted = predictor.calibration
            figures = [
                _figure(fitted.intercept),
                _figure(fitted.slope),
                _figure(fitted.brier),
                _figure(fitted.ici),
            ]
            rows.append([_name(group), name, *figures])
    columns = ["Group", "Predictor", "Intercept", "Slope", "Brier score", "ICI"]
    note = "Perfect: intercept 0, slope 1, ICI 0. Wald 95 % intervals; ICI by loess with a bootstrap (doi:10.1002/sim.8281)."
    if any(group.model.n < ENOUGH_FOR_ICI and group.model.calibration.ici.low is not None for group in result.groups):
        note += f" Below some {ENOUGH_FOR_ICI} patients the intervals of the ICI lie too high and miss the truth too often."
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
                    _figure(found.declined),
                    _figure(everyone.auc),
                    _figure(found.alike.auc) if found.alike else "–",
                    *(_figure(sets.covered) for sets in (everyone.negative, everyone.positive)),
                    *(_figure(sets.single) for sets in (everyone.negative, everyone.positive)),
                ]
            )
    if not rows:
        return None
    columns = ["Group", "Unlike", "AUC, all", "AUC, alike", "Covered, negative", "Covered, positive"]
    columns += ["One class, negative", "One class, positive"]
    aim = 1 - next(group.uncertainty.alpha for group in result.groups if group.uncertainty)
    note = (
        "Unlike: features or acquisition lie outside of what development held, as do those of some 5 % of like patients. "
        f"Covered: the conformal set holds the true class; it aims at {aim:.0%} of each class, without guarantee. "
        "One class: the set holds one, which is an answer. Clopper-Pearson 95 % intervals, DeLong's for AUC."
    ) + _few_note(result)
    return Table(f"table-uncertainty-{result.target}", f"Uncertainty, {title(result.target)}", columns, rows, (), note)


def best_possible(run: Run) -> Table | None:
    """What the phantoms allow beside what was reached."""
    known = run.record.best_possible_auc or {}
    rows = [
        [
            title(result.target),
            format_number(known[result.target]),
            _figure(result.headline.model.auc),
            _figure(result.headline.baseline.auc),
        ]
        for result in run.benchmarks
        if result.target in known
    ]
    columns = ["Target", "Best possible AUC", "Reached by the model", "By tumour volume"]
    caption = "Best possible AUC of the phantoms, beside the one reached on external patients"
    note = "A phantom's grade and Ki67 are drawn with noise from the biology that shapes its image: a perfect reader errs too."
    return Table("table-best", caption, columns, rows, (), note) if rows else None


def _figure(estimate: Estimate, *, sign: bool = False) -> str:
    value, low, high = (number(each, sign=sign) for each in (estimate.value, estimate.low, estimate.high))
    if estimate.value is None:
        return f"not estimable: {estimate.reason}"
    return value if estimate.low is None or estimate.high is None else f"{value} ({low} to {high})"


def _p_value(p: float | None) -> str:
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


def _cell(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 - a missing cell is the one value that differs from itself
        return "N/A"
    return f"{value:g}" if isinstance(value, float) else str(value)
