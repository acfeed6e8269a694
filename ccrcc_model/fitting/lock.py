"""The files of a model folder: figures of the development, importance, and the proof that nothing leaked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.fitting.development import figures_of_classes, figures_of_grades
from ccrcc_model.fitting.ensemble import families_to_json
from ccrcc_model.fitting.nested import OuterResult, Procedure
from ccrcc_model.fitting.operating import NestedCalls, nested_calls, nested_steps
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.explanation import Importance, explain, family_movement, mean_movement
from ccrcc_model.models.judged import NESTED, PREFIXES
from ccrcc_model.models.pipeline import EXPLANATION, IMPORTANCE, OUT_OF_FOLD, STEPS, json_text, pipeline_files
from ccrcc_model.models.scorer import Scorer, truth_column, value_columns
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import Step, leaking_steps, patient_hash, patient_hashes
from ccrcc_model.outcomes.target import Target
from nnunet_ext.documents.csv_table import csv_text

TOP_FEATURES = 50
"""Features whose importance the model keeps."""

_CALIBRATED = {
    "outer": "final: calibration and threshold, on out-of-fold scores",
    "inner": "final: calibration, on inner out-of-fold scores",
}
"""Name of the step that calibrates, by whose scores it does so: see ``Likelihood.calibrated_on``."""


def lock(
    cases: LabelledCases, outer: Sequence[OuterResult], final: Procedure, target: Target, settings: Settings
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the manifest states of a fit, and the text of the model's files by name.

    Args:
        cases: Cases on which the model was fitted.
        outer: Results of the outer folds.
        final: What was fitted on all cases.
        target: What is predicted.
        settings: Settings of the fit.

    Raises:
        RuntimeError: If a step scored a patient whom it had seen, or a patient was not scored once in each repeat. That is
            a fault of this software, and such a model must not exist.
    """
    tested = [result.patients for result in outer if result.repeat == 0]
    steps = _steps(cases, outer, final, called=tested if target.kind == "binary" else ())
    audit = prove_no_leak(steps, outer, cases.patients)
    predicted = [mean_over_repeats(cases, outer, which) for which in ("predicted", "baseline_predicted")]
    calibrated = [_calibrated(*pair, cases, settings) for pair in zip((final.model, final.baseline), predicted, strict=True)]
    (model, of_model), (baseline, of_baseline) = calibrated
    calls = _calls(cases, target, [of_model, of_baseline], tested, settings)
    if target.kind == "binary":
        figures = figures_of_classes(cases, outer, np.stack([of_model[:, 0], of_baseline[:, 0]]), calls)
    else:
        figures = figures_of_grades(cases, outer, target, [of_model, of_baseline], seed=settings.seed)
    explanation = explain(
        mean_movement(cases, final.model), [result.movement for result in outer], n_features=len(cases.names)
    )
    files = pipeline_files(model, baseline, target) | {
        OUT_OF_FOLD: csv_text(_out_of_fold(cases, target, [of_model, of_baseline], calls).sort_values("patient")),
        EXPLANATION: json_text(explanation.to_json()),
        IMPORTANCE: json_text([asdict(entry) for entry in importance(cases, final.model)[:TOP_FEATURES]]),
        STEPS: json_text(steps_to_json(steps)),
    }
    counts = {"n_positive": int(cases.patient_y.sum())} if target.kind == "binary" else {}
    manifest = {
        "target": target.to_json(),
        "n_patients": len(cases.patients),
        **counts,
        "n_cases": len(cases),
        "n_features": len(cases.names),
        "families": families_to_json(final.ensemble, final.tuned, family_movement(cases, final.model)),
        "outer_weights": [dict(result.weights) for result in outer],
        "development": figures,
        "audit": audit,
        "patients": sorted(final.seen | final.baseline.seen),
    }
    return manifest, files


def _calibrated(
    scorer: Scorer, predicted: npt.NDArray[np.float64], cases: LabelledCases, settings: Settings
) -> tuple[Scorer, npt.NDArray[np.float64]]:
    """Return the scorer and its out-of-fold predictions, both calibrated: see ``Likelihood.calibrated_on``."""
    if scorer.calibration is not None:
        return scorer, predicted
    score = predicted[:, 0]
    calibration = scorer.likelihood.calibrate(score, cases.patient_y, sensitivity=settings.sensitivity)
    return replace(scorer, calibration=calibration), np.column_stack([score, calibration.values(score, ())])


def _calls(
    cases: LabelledCases,
    target: Target,
    pair: Sequence[npt.NDArray[np.float64]],
    tested: Sequence[npt.NDArray[np.str_]],
    settings: Settings,
) -> list[NestedCalls]:
    """Return the nested calls of model and baseline; none of a graded target, which has no threshold."""
    if target.kind != "binary":
        return []
    return [nested_calls(cases, each[:, 0], tested, sensitivity=settings.sensitivity) for each in pair]


def _out_of_fold(
    cases: LabelledCases, target: Target, pair: Sequence[npt.NDArray[np.float64]], calls: Sequence[NestedCalls]
) -> pd.DataFrame:
    names = ("score", *value_columns(target))
    columns: dict[str, npt.NDArray[Any]] = {}
    for prefix, each in zip(PREFIXES, pair, strict=True):
        columns |= {f"{prefix}{name}": column for name, column in zip(names, each.T, strict=True)}
    for prefix, called in zip(PREFIXES, calls, strict=False):
        columns |= {f"{prefix}{NESTED[0]}": called.probability, f"{prefix}{NESTED[1]}": called.positive.astype(np.int_)}
    return pd.DataFrame(
        {
            "patient": [patient_hash(str(patient)) for patient in cases.patients],
            "centre": cases.patient_centre,
            truth_column(target): cases.patient_y,
            **columns,
        }
    )


def prove_no_leak(steps: Sequence[Step], outer: Sequence[OuterResult], patients: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Return ``audit_steps``.

    Raises:
        RuntimeError: If it finds a leak.
    """
    audit = audit_steps(steps, outer, patients)
    if not audit["no_leak"]:
        msg = f"The evaluation leaks and no model was locked: {audit}"
        raise RuntimeError(msg)
    return audit


def audit_steps(steps: Sequence[Step], outer: Sequence[OuterResult], patients: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Return whether the evaluation is free of leaks, from what each step recorded of the rows that it was given.

    Args:
        steps: All steps.
        outer: Results of the outer folds.
        patients: Every patient of the development, sorted.
    """
    leaks = leaking_steps(steps)
    repeats = {result.repeat for result in outer}
    scored = [np.sort(np.concatenate([r.patients for r in outer if r.repeat == repeat])) for repeat in repeats]
    once = all(np.array_equal(each, patients) for each in scored)
    return {
        "steps": len(steps),
        "leaks": leaks,
        "every_patient_scored_once_in_each_repeat": once,
        "no_leak": not leaks and once,
    }


def importance(cases: LabelledCases, model: Scorer) -> list[Importance]:
    """Return the contribution of each feature to the members on the patients they were fitted on, the largest first.

    See ``ccrcc_model.models.explanation`` for what the figures are.
    """
    total = mean_movement(cases, model)
    kept = Counter(name for member, _ in model.weighted_members for name in member.inputs)
    everything = sum(total.values()) or 1.0
    order = sorted(total, key=lambda name: (-total[name], name))
    return [Importance(name, total[name], total[name] / everything, kept[name]) for name in order]


def mean_over_repeats(cases: LabelledCases, outer: Sequence[OuterResult], which: str) -> npt.NDArray[np.float64]:
    """Return the out-of-fold predictions of each patient, averaged over the repeats, shape ``(n_patients, 1 + n_values)``."""
    total = np.zeros((len(cases.patients), getattr(outer[0], which).shape[1]))
    for result in outer:
        total[np.searchsorted(cases.patients, result.patients)] += getattr(result, which)
    return np.asarray(total / len({result.repeat for result in outer}), dtype=np.float64)


def _steps(
    cases: LabelledCases, outer: Sequence[OuterResult], final: Procedure, *, called: Sequence[npt.NDArray[np.str_]]
) -> list[Step]:
    """All steps in the order in which they ran; what is fitted last is fitted on all and scores nobody here."""
    return [
        *(step for result in outer for step in result.steps),
        *nested_steps(cases, called),
        *(Step(f"final: {step.name}", step.seen, step.scored) for step in final.steps),
        Step("final: model", final.seen),
        Step("final: baseline", final.baseline.seen),
        Step(_CALIBRATED[final.model.likelihood.calibrated_on], patient_hashes(cases.patient_id)),
        Step("final: applicability domain", patient_hashes(cases.patient_id)),
    ]


def steps_to_json(steps: Sequence[Step]) -> dict[str, Any]:
    """Return steps as JSON, patients as places in one list of hashes, which is a tenth of the size."""
    patients = sorted(frozenset().union(*(step.seen | step.scored for step in steps)))
    place = {patient: index for index, patient in enumerate(patients)}
    listed = [
        {"name": s.name, "seen": sorted(place[p] for p in s.seen), "scored": sorted(place[p] for p in s.scored)} for s in steps
    ]
    return {"patients": patients, "steps": listed}
