"""Facts about a locked model, as shown in the page's section on models."""

from ccrcc_model.models.families_line import families_line
from ccrcc_model.models.model import Model
from ccrcc_model.models.threshold import Decision
from ccrcc_model.outcomes.target import Kind
from ccrcc_model.report.sample_size import sample_size
from ccrcc_model.report.summary import interval
from ccrcc_model.statistics.estimate import format_number
from ccrcc_model.statistics.evaluation import Scope
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.result import BenchmarkResult
from nnunet_ext.ground.notebook import counted
from radiomics_cfg.foreign_table import FOREIGN


def facts(result: BenchmarkResult | GradedResult, model: Model | None) -> tuple[tuple[str, str], ...]:
    """Return label and value of each fact.

    Args:
        result: The model's benchmark.
        model: None if the run contains only the benchmark.
    """
    lines = _of_grades(result) if isinstance(result, GradedResult) else _of_yes_or_no(result)
    sizes = sample_size(result, model) if isinstance(result, BenchmarkResult) else []
    return (*lines, *sizes) if model is None else (*lines, *sizes, *_of_model(model))


def _of_yes_or_no(result: BenchmarkResult) -> list[tuple[str, str]]:
    lines = []
    for group in result.scope(Scope.INTERNAL):
        lines.append(("Fitted on", f"{group.model.n} patients of {group.name}, {group.model.events} of them positive"))
        auc = f"{interval(group.model.auc)}; tumour volume alone {interval(group.baseline.auc)}"
        lines.append(("Out-of-fold AUC", auc))
        lines.append(("Called positive", f"at a probability of {format_number(group.model.threshold, decimals=3)} or above"))
    return lines


def _of_grades(result: GradedResult) -> list[tuple[str, str]]:
    internal = [one for one in result.contrasts if one.scope is Scope.INTERNAL]
    return [
        line
        for one in internal
        for line in (
            ("Fitted on", f"{one.n} patients of {one.name}"),
            (
                f"Out-of-fold {one.figure.lower()}",
                f"{interval(one.found.model)}; tumour volume alone {interval(one.found.baseline)}",
            ),
        )
    ]


def _of_model(model: Model) -> list[tuple[str, str]]:
    about, settings = model.manifest, model.manifest["settings"]
    nested = f"{settings['folds']} outer folds, drawn {_times(settings['repeats'])}"
    if settings["folds"] == "centre":
        nested = "one centre left out at a time (internal-external validation)"
    inner = f"{settings['inner_folds']} inner folds, drawn {_times(settings['inner_repeats'])}"
    deep = [("Deep features", "experimental: principal components of a segmentation network's activations")]
    preset = about["preset"]["preset"]
    offered = "a table made elsewhere (neither preset nor image hashes are known)" if preset == FOREIGN else f"preset {preset}"
    return [
        ("Features", f"{about['n_features']:,} offered by {offered}, {len(model.columns):,} used"),
        *(deep if "deep_sha256" in about["preset"] else []),
        ("Evaluation", f"nested cross-validation, patients kept together: {nested}; {inner}"),
        ("Tuning", f"Optuna, {counted(settings['trials'], 'trial')} over all families of models"),
        ("Ensemble", f"{counted(len(model.members), 'member')}; {families_line(about['families'])}"),
        ("Calibration", _calibration(model)),
        *([("Harmonisation", HARMONISATIONS[settings["harmonise"]])] if settings["harmonise"] != "none" else []),
        *([("Classes", "weighted equally in fitting; probabilities are corrected for this")] if settings["balanced"] else []),
        *([("Stability", "only features that are stable under perturbed masks")] if settings.get("stability_sha256") else []),
        ("Baseline", _baseline(model)),
        ("Locked as", model.id),
    ]


HARMONISATIONS = {
    "combat": "ComBat by centre, fitted in each training part; a centre that was never seen is left unchanged",
    "combat-transductive": "ComBat by centre; transductive: a new centre is estimated from its own scans, without outcomes",
}


_CALIBRATIONS: dict[Kind, str] = {
    "ordinal": "proportional odds",
    "percentage": "a straight line for log(1 + percentage)",
}


def _calibration(model: Model) -> str:
    found = model.ensemble.calibration
    if isinstance(found, Decision):
        return f"{found.calibration}, chosen by log loss; threshold {_rule(model.manifest['settings']['sensitivity'])}"
    return f"{_CALIBRATIONS[model.target.kind]}, fitted on the inner folds' out-of-fold scores in each training part"


def _baseline(model: Model) -> str:
    found = model.baseline.calibration
    if isinstance(found, Decision):
        return f"tumour volume alone; called positive at {format_number(found.threshold, decimals=3)} or above"
    return "tumour volume alone, calibrated in the same way"


def _rule(sensitivity: float | None) -> str:
    return "by Youden's index" if sensitivity is None else f"for a sensitivity of {sensitivity:g}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
