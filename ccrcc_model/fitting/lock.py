"""What a fit leaves behind: figures of the development, importance, the proof of no leak, as the files of a model folder."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from ccrcc_model.fitting.nested import OuterResult, Procedure
from ccrcc_model.models.components import projections_to_json
from ccrcc_model.models.explanation import explain, mean_movement
from ccrcc_model.models.member import Member
from ccrcc_model.models.model import (
    DECISIONS,
    EXPLANATION,
    IMPORTANCE,
    OUT_OF_FOLD,
    PIPELINE,
    STEPS,
    Importance,
    member_to_json,
    volume_to_json,
)
from ccrcc_model.models.threshold import fit_decision
from ccrcc_model.outcomes.seen import Scored, Step, leaking_steps, patient_hash, patient_hashes
from ccrcc_model.outcomes.target import LabelledCases, Target
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.documents.csv_table import csv_text

TOP_FEATURES = 50
"""Features whose importance the model keeps."""


def lock(
    cases: LabelledCases,
    outer: Sequence[OuterResult],
    final: Procedure,
    target: Target,
    *,
    sensitivity: float | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the manifest says of a fit, and the text of the model's files by name.

    Args:
        cases: That were fitted on.
        outer: Results of the outer folds.
        final: What was fitted on all cases.
        target: What is predicted.
        sensitivity: That the thresholds of model and baseline must reach; Youden's by default.

    Raises:
        RuntimeError: If a step scored a patient whom it had seen, or a patient was not scored once in each repeat. That is
            a fault of this software, and such a model must not exist.
    """
    steps = _steps(cases, outer, final)
    audit = prove_no_leak(steps, outer, cases.patients)
    y = cases.patient_y
    score, baseline_score = (mean_score(cases, outer, which) for which in ("score", "baseline_score"))
    decision, baseline_decision = (fit_decision(each, y, sensitivity=sensitivity) for each in (score, baseline_score))
    movements = [result.movement for result in outer]
    explanation = explain(mean_movement(cases, final.members), movements, n_features=len(cases.names))
    members = [member_to_json(member, f"member_{place:02d}.txt") for place, member in enumerate(final.members)]
    frame = pd.DataFrame(
        {
            "patient": [patient_hash(str(patient)) for patient in cases.patients],
            "centre": cases.patient_centre,
            "y_true": y,
            "score": score,
            "probability": decision.probability(score),
            "baseline_score": baseline_score,
            "baseline_probability": baseline_decision.probability(baseline_score),
        }
    )
    files = member_files(members, final.members) | {
        PIPELINE: _json({"members": members, "baseline": volume_to_json(final.baseline)}),
        DECISIONS: _json({"model": asdict(decision), "baseline": asdict(baseline_decision)}),
        OUT_OF_FOLD: csv_text(frame.sort_values("patient")),
        EXPLANATION: _json(explanation.to_json()),
        IMPORTANCE: _json([asdict(entry) for entry in importance(cases, final.members)[:TOP_FEATURES]]),
        STEPS: _json(steps_to_json(steps)),
    }
    manifest = {
        "target": asdict(target),
        "n_patients": len(cases.patients),
        "n_positive": int(y.sum()),
        "n_cases": len(cases),
        "n_features": len(cases.names),
        "hyperparameters": asdict(final.hyperparameters),
        "outer_hyperparameters": [asdict(result.hyperparameters) for result in outer],
        "development": _development(cases, outer, score, baseline_score),
        "audit": audit,
        "patients": sorted(final.seen | final.baseline.seen),
    }
    return manifest, files


def member_files(contents: Sequence[Mapping[str, Any]], members: Sequence[Member]) -> dict[str, str]:
    """Return the trees and the projections of members by the names that ``member_to_json`` gave them in ``contents``."""
    pairs = list(zip(contents, members, strict=True))
    trees = {content["trees"]: member.trees.model_to_string() for content, member in pairs}
    return trees | {
        content["projections"]: projections_to_json(member.projections) for content, member in pairs if member.projections
    }


def prove_no_leak(steps: Sequence[Step], outer: Sequence[Scored], patients: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Return ``audit_steps``.

    Raises:
        RuntimeError: If it finds a leak.
    """
    audit = audit_steps(steps, outer, patients)
    if not audit["no_leak"]:
        msg = f"The evaluation leaks and no model was locked: {audit}"
        raise RuntimeError(msg)
    return audit


def audit_steps(steps: Sequence[Step], outer: Sequence[Scored], patients: npt.NDArray[np.str_]) -> dict[str, Any]:
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


def importance(cases: LabelledCases, members: Sequence[Member]) -> list[Importance]:
    """Return how much each feature moves the members on the patients they were fitted on, the most important first.

    See ``ccrcc_model.models.explanation`` for what the figures are.
    """
    total = mean_movement(cases, members)
    kept = Counter(name for member in members for name in member.inputs)
    everything = sum(total.values()) or 1.0
    order = sorted(total, key=lambda name: (-total[name], name))
    return [Importance(name, total[name], total[name] / everything, kept[name]) for name in order]


def mean_score(cases: LabelledCases, outer: Sequence[OuterResult], which: str) -> npt.NDArray[np.float64]:
    """Out-of-fold log odds of each patient, averaged over the repeats, shape ``(n_patients,)``."""
    total = np.zeros(len(cases.patients))
    for result in outer:
        total[np.searchsorted(cases.patients, result.patients)] += getattr(result, which)
    return total / len({result.repeat for result in outer})


def _steps(cases: LabelledCases, outer: Sequence[OuterResult], final: Procedure) -> list[Step]:
    """All steps in the order in which they ran; what is fitted last is fitted on all and scores nobody here."""
    return [
        *(step for result in outer for step in result.steps),
        *(Step(f"final: {step.name}", step.seen, step.scored) for step in final.tuning),
        Step("final: model", final.seen),
        Step("final: baseline", final.baseline.seen),
        Step("final: calibration and threshold, on out-of-fold scores", patient_hashes(cases.patient_id)),
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


def _development(
    cases: LabelledCases,
    outer: Sequence[OuterResult],
    score: npt.NDArray[np.float64],
    baseline_score: npt.NDArray[np.float64],
) -> dict[str, Any]:
    """Out-of-fold figures: pooled over the folds, and the mean of the folds' own AUCs.

    Pooling compares scores of different fits, which pulls a worthless model's AUC below 0.5; the folds' mean is free of it.
    """
    model = _predictions(cases, cases.patients, score)
    baseline = _predictions(cases, cases.patients, baseline_score)
    folds = [
        [auc(_predictions(cases, result.patients, each)).value for each in (result.score, result.baseline_score)]
        for result in outer
    ]
    means = np.mean(np.array(folds, dtype=np.float64), axis=0)
    return {
        "auc": asdict(auc(model)),
        "baseline_auc": asdict(auc(baseline)),
        "auc_difference": asdict(auc_difference(model, baseline).estimate),
        "mean_fold_auc": float(means[0]),
        "mean_fold_baseline_auc": float(means[1]),
    }


def _predictions(cases: LabelledCases, patients: npt.NDArray[np.str_], score: npt.NDArray[np.float64]) -> Predictions:
    chosen = np.isin(cases.patients, patients)
    probability = np.asarray(expit(score), dtype=np.float64)
    return Predictions("development", "", patients, cases.patient_centre[chosen], cases.patient_y[chosen], probability)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
