"""Draws the figures of a report into ``figures/`` and says in words what each shows."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ccrcc_model.models.model import Model
from ccrcc_model.plots import (
    draw_dice,
    draw_features,
    draw_forest,
    draw_panels,
    group_dice,
    new_figure,
    plot_calibration,
    plot_decision_curve,
    plot_flow,
    plot_roc,
    save_figure,
    styled,
)
from ccrcc_model.plots.bars import feature_label
from ccrcc_model.plots.flow import STAGES, refusal_codes
from ccrcc_model.plots.style import MM_PER_INCH, WIDTH_MM
from ccrcc_model.report.model_tables import SCORES, UNITS
from ccrcc_model.report.run_folder import Run
from ccrcc_model.report.summary import interval, title
from ccrcc_model.statistics.estimate import format_number
from ccrcc_model.statistics.evaluation import GroupResult, Scope
from ccrcc_model.validation.curve_tables import curves
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.result import BenchmarkResult

PANELS = (Scope.INTERNAL, Scope.EXTERNAL, Scope.POOLED)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the report.

    Args:
        name: Of its files in ``figures/``, and its anchor in the page.
        path: The file that the page shows, PNG or SVG.
        caption: Under it.
        alt: What it shows, for those who do not see it.
        width_mm: As drawn, so that all figures of the page have letters of one size; None fills the place it is given.
    """

    name: str
    path: Path
    caption: str
    alt: str
    width_mm: float | None = None


def draw_figures(run: Run, folder: Path) -> dict[str, Picture]:
    """Draw every figure that the run has data for, as PNG, SVG and CSV in ``folder``, and return them by name."""
    folder.mkdir(parents=True, exist_ok=True)
    with styled():
        pictures = [*_of_cohorts(run, folder), *_of_masks(run, folder)]
        if run.benchmarks:
            pictures.append(_forest(run.benchmarks, folder))
        for result in run.benchmarks:
            pictures += _of_benchmark(result, folder)
        pictures += [_concordance(result, folder) for result in run.graded]
        pictures += [_features(model, folder) for model in run.models.values()]
    return {picture.name: picture for picture in pictures}


def _of_cohorts(run: Run, folder: Path) -> Iterator[Picture]:
    flow = run.tables.get("flow")
    if flow is None or flow.empty:
        return
    figure, (ax,) = new_figure(WIDTH_MM, 16 + 16 * len(flow))
    refusals = run.tables.get("quarantine")
    plot_flow(flow, ax, refusals=refusals)
    numbers = [
        f"{row['cohort']} ({row['role']}): " + ", ".join(f"{int(row[stage])} {name.lower()}" for stage, name in STAGES.items())
        for _, row in flow.iterrows()
    ]
    numbers += [
        f"{cohort}, refused before {STAGES[stage].lower()}: " + ", ".join(f"{cases} {code}" for code, cases in found)
        for (cohort, stage), found in refusal_codes(refusals).items()
    ]
    caption = "Flow of cases. Orange: cases that a stage could not use, with the codes of their refusal."
    yield _save(figure, folder / "flow", flow, caption=caption, alt=f"Flow of cases. {'; '.join(numbers)}.")


def _of_masks(run: Run, folder: Path) -> Iterator[Picture]:
    overlap = run.tables.get("overlap")
    if overlap is None:
        return
    groups = group_dice(overlap)
    figure = draw_dice(groups)
    caption = (
        "Fig. S1. Dice coefficient of predicted versus reference masks: mean (bar), standard deviation (line), cases (dots)."
    )
    numbers = "; ".join(f"{group.group}, {group.structure}: {group} in {len(group.dice)} cases" for group in groups)
    alt = f"Mean Dice and standard deviation. {numbers or 'No case has a reference mask'}."
    yield _save(figure, folder / "figure_s1_dice", overlap.drop(columns="case_id"), caption=caption, alt=alt)


def _forest(results: tuple[BenchmarkResult, ...], folder: Path) -> Picture:
    numbers = [
        f"{title(result.target)}, {one.name}: {interval(one.found.difference, sign=True)}"
        for result in results
        for one in result.contrasts
    ]
    caption = (
        "Difference of AUC (model − tumour volume alone), with DeLong's paired 95% CI; positive patients and both AUCs on the "
        "left. To the right of the line the model is better. Hollow: internal, the mean over the outer folds, its interval "
        "corrected for shared training patients. Diamond: over the external cohorts, by random effects from three on."
    )
    alt = f"Difference of AUC (model − tumour volume). {'; '.join(numbers)}."
    figure = draw_forest([(result.sentence, result.contrasts) for result in results])
    return _save(figure, folder / "auc_difference", _forest_data(results), caption=caption, alt=alt)


def _forest_data(results: tuple[BenchmarkResult, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "target": result.target,
            "group": one.name,
            "n": one.n,
            "events": one.events,
            "auc": one.found.model.value,
            "baseline_auc": one.found.baseline.value,
            "difference": one.found.difference.value,
            "low": one.found.difference.low,
            "high": one.found.difference.high,
        }
        for result in results
        for one in result.contrasts
    )


def _concordance(result: GradedResult, folder: Path) -> Picture:
    numbers = "; ".join(f"{one.name}: {interval(one.found.difference, sign=True)}" for one in result.contrasts)
    caption = (
        f"Difference of concordance ({title(result.target)} model − tumour volume alone), with its paired 95% "
        "bootstrap interval; patients and both concordances on the left. Right of the line the model is better. Hollow: "
        "internal, out-of-fold."
    )
    alt = f"Difference of concordance (model − tumour volume). {numbers}."
    figure = draw_forest([(title(result.target), result.contrasts)])
    return _save(figure, folder / f"concordance_{result.target}", result.table(), caption=caption, alt=alt)


def _of_benchmark(result: BenchmarkResult, folder: Path) -> Iterator[Picture]:
    groups, name = result.scope(*PANELS), title(result.target)
    plots = {
        "roc": (plot_roc, 66.0, f"ROC curves, {name}. Dots: the thresholds locked before these patients were seen."),
        "calibration": (
            plot_calibration,
            82.0,
            f"Calibration, {name}: loess of observed on predicted risk (line), groups with exact 95% CIs (circles).",
        ),
        "decision": (
            plot_decision_curve,
            66.0,
            f"Decision curves, {name}: net benefit of treating by model, tumour volume, all, or none; {_bands(result)}.",
        ),
    }
    for kind, (plot, height_mm, caption) in plots.items():
        stem = f"{kind}_{result.target}"
        numbers = "; ".join(_in_words(kind, group) for group in groups)
        figure = draw_panels(groups, plot, height_mm=height_mm)
        yield _save(
            figure, folder / stem, curves(result, kind), caption=caption, alt=f"{caption.partition(',')[0]}. {numbers}."
        )


def _bands(result: BenchmarkResult) -> str:
    bands = "95% bands, each threshold by itself"
    if result.decision_range is None:
        return f"{bands}; no range of thresholds was declared"
    low, high = result.decision_range
    return f"{bands}; thresholds from {low:g} to {high:g}, as declared"


def _in_words(kind: str, group: GroupResult) -> str:
    if kind == "roc":
        return f"{group.name}: AUC of the model {interval(group.model.auc)}, of tumour volume {interval(group.baseline.auc)}"
    if kind == "calibration":
        fitted = group.model.calibration
        return f"{group.name}: slope {interval(fitted.slope)}, intercept {interval(fitted.intercept)}"
    benefits = [
        format_number(None if decision is None else float(decision.model[abs(decision.threshold - threshold).argmin()]))
        for decision, threshold in ((predictor.decision, group.model.threshold) for predictor in (group.model, group.baseline))
    ]
    return f"{group.name}: net benefit near the locked threshold {benefits[0]} by the model, {benefits[1]} by tumour volume"


def _features(model: Model, folder: Path) -> Picture:
    caption = (
        f"Features on which the {title(model.target.name)} model relies most: mean absolute contribution to "
        f"{SCORES[model.target.kind]} (TreeSHAP; for tumour volume, from which the model starts, its linear term) over "
        "the development patients."
    )
    numbers = "; ".join(f"{', '.join(feature_label(one.feature))} {one.log_odds:.2f}" for one in model.importance[:12])
    alt = f"Mean absolute SHAP values. {numbers or 'None'}."
    data = pd.DataFrame([asdict(one) for one in model.importance])
    figure = draw_features(model.importance, unit=UNITS[model.target.kind])
    return _save(figure, folder / f"features_{model.target.name}", data, caption=caption, alt=alt)


def _save(figure: Figure, stem: Path, data: pd.DataFrame, *, caption: str, alt: str) -> Picture:
    save_figure(figure, stem, data)
    width_mm = float(figure.get_size_inches()[0]) * MM_PER_INCH
    return Picture(stem.name, stem.with_name(f"{stem.name}.svg"), caption, alt, width_mm)
