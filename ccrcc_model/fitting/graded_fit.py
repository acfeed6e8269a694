"""From a feature table and graded outcomes to a locked model with its baseline, in a folder."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.fitting.checks import prepare_parent, refuse_external, refuse_repeated_scans, refuse_useless_volume
from ccrcc_model.fitting.graded_controls import run_graded_controls
from ccrcc_model.fitting.graded_nested import GradedOuter, GradedProcedure, run_graded
from ccrcc_model.fitting.lock import TOP_FEATURES, importance, member_files, prove_no_leak, steps_to_json
from ccrcc_model.fitting.nested import Settings
from ccrcc_model.fitting.request import FitRequest
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.models.folder import MODEL_BYTES, write_model_folder
from ccrcc_model.models.graded_model import GradedModel, said_columns
from ccrcc_model.models.member import Member
from ccrcc_model.models.model import IMPORTANCE, OUT_OF_FOLD, PIPELINE, SCANS, STEPS, member_to_json, volume_to_json
from ccrcc_model.models.scan_prints import ScanPrints, fitted_rows
from ccrcc_model.outcomes.graded import GradedCases, GradedTarget, label_graded
from ccrcc_model.outcomes.seen import Step, patient_hash, patient_hashes
from ccrcc_model.statistics.graded import calibrate_high, compare_graded, concordance
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from nnunet_ext.documents.csv_table import csv_text
from nnunet_ext.ground.outputs import reserve
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.table import FeatureTable


def fit_graded(
    table: FeatureTable,
    outcomes: pd.DataFrame,
    target: GradedTarget,
    *,
    out_dir: Path,
    folds: int = 5,
    repeats: int = 2,
    trials: int = 25,
    seed: int = 0,
    controls: bool = False,
    studies: str | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> GradedModel:
    """Fit, judge and lock a model of a graded outcome and its baseline, as ``fit`` does for a yes or no.

    Args:
        table: Features of development cohorts.
        outcomes: As ``read_outcomes`` gives them.
        target: What to predict.
        out_dir: Folder of the model; one that holds the model of the same request is loaded, anything else refused.
        folds: Outer folds; fewer if less than two patients for each lie on one side of the cut.
        repeats: Times that the outer folds are drawn anew; what is said of a patient is the mean over them.
        trials: Optuna trials in each training part.
        seed: Of everything random.
        controls: Also run the procedure on shuffled outcomes, and see what the centre alone predicts.
        studies: Journal file, or URL of a database, that keeps Optuna's studies, see ``open_studies``.
        jobs: Processes, each on one core; the result does not depend on it.
        on_progress: Told of each outer fold, and of the final fit; then of the controls' folds.

    Raises:
        InputError: If a cohort of the table is external or of unknown role, the folder holds something else, the cases
            cannot be labelled or split, or the table lacks the tumour's volume.
    """
    settings = Settings(folds, repeats, trials, seed)
    refuse_external(table)
    cases = label_graded(table, outcomes, target)
    refuse_useless_volume(cases)
    refuse_repeated_scans(table, cases)
    request = FitRequest.of(
        table, cases, cases.outcome, settings, told={"controls": controls}, depends_on=[target.kind, asdict(target)]
    )
    if (model := request.existing(out_dir, GradedModel.load)) is not None:
        return model
    prepare_parent(out_dir)
    if studies is not None:
        open_studies(studies)  # fails here, not in every process
    kept = (studies, request.sha256) if studies is not None else None
    with reserve(out_dir.parent, MODEL_BYTES):
        outer, final = run_graded(cases, target, settings, studies=kept, jobs=jobs, on_progress=on_progress)
        manifest, files = lock_graded(cases, outer, final, target, seed=seed)
        files[SCANS] = ScanPrints.of(fitted_rows(table, cases), request.sha256).to_json()
        if controls:
            manifest["controls"] = run_graded_controls(cases, target, settings, jobs=jobs, on_progress=on_progress)
    if (model := request.existing(out_dir, GradedModel.load)) is not None:  # another process was faster
        return model
    write_model_folder(out_dir, files, {"kind": target.kind} | request.about | manifest)
    return GradedModel.load(out_dir)


def lock_graded(
    cases: GradedCases, outer: Sequence[GradedOuter], final: GradedProcedure, target: GradedTarget, *, seed: int = 0
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the manifest says of a fit, and the text of the model's files by name.

    Args:
        cases: As they were fitted on.
        outer: Results of the outer folds.
        final: Fitted on all cases.
        target: What is predicted.
        seed: Of the bootstrap.

    Raises:
        RuntimeError: If a step scored a patient whom it had seen, or a patient was not scored once in each repeat. That is
            a fault of this software, and such a model must not exist.
    """
    steps = _steps(cases, outer, final)
    audit = prove_no_leak(steps, outer, cases.patients)
    said, baseline_said = (_mean_said(cases, outer, which) for which in ("said", "baseline_said"))
    frame = pd.DataFrame(
        {
            "patient": [patient_hash(str(patient)) for patient in cases.patients],
            "centre": cases.patient_centre,
            "outcome": cases.patient_outcome,
            **said_columns(target, said, ""),
            **said_columns(target, baseline_said, "baseline_"),
        }
    )
    members = [member for member in final.model.members if isinstance(member, Member)]
    contents = [member_to_json(member, f"member_{place:02d}.txt") for place, member in enumerate(members)]
    pipeline = {
        "members": contents,
        "calibration": final.model.calibrated.to_json(),
        "baseline": [volume_to_json(start) for start in final.baseline.members if not isinstance(start, Member)],
        "baseline_calibration": final.baseline.calibrated.to_json(),
    }
    files = member_files(contents, members) | {
        PIPELINE: _json(pipeline),
        OUT_OF_FOLD: csv_text(frame.sort_values("patient")),
        IMPORTANCE: _json([asdict(entry) for entry in importance(cases, members)[:TOP_FEATURES]]),
        STEPS: _json(steps_to_json(steps)),
    }
    manifest = {
        "target": asdict(target),
        "n_patients": len(cases.patients),
        "n_cases": len(cases),
        "n_features": len(cases.names),
        "hyperparameters": asdict(final.hyperparameters),
        "outer_hyperparameters": [asdict(result.hyperparameters) for result in outer],
        "development": _development(cases, outer, target, (said, baseline_said), seed=seed),
        "audit": audit,
        "patients": sorted(final.model.seen | final.baseline.seen),
    }
    return manifest, files


def _development(
    cases: GradedCases,
    outer: Sequence[GradedOuter],
    target: GradedTarget,
    said: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    *,
    seed: int,
) -> dict[str, Any]:
    """Out-of-fold figures: pooled over the folds, and the mean of the folds' own concordances."""
    model, baseline = (
        GradedPredictions(
            "development",
            target,
            cases.patients,
            cases.patient_centre,
            cases.patient_outcome,
            score=each[:, 0],
            expected=each[:, 1],
            probability=each[:, 2:],
        )
        for each in said
    )
    return {
        "figures": {name: asdict(figure) for name, figure in compare_graded(model, baseline, seed=seed).items()},
        "calibration_of_high": calibrate_high(model, baseline),
        "mean_fold_concordance": mean_fold_concordance(cases, outer),
        "mean_fold_baseline_concordance": mean_fold_concordance(cases, outer, baseline=True),
    }


def mean_fold_concordance(cases: GradedCases, outer: Sequence[GradedOuter], *, baseline: bool = False) -> float:
    """Return the mean of the folds' own concordances, which compares no scores of different fits."""
    folds = []
    for result in outer:
        truth = cases.patient_outcome[np.isin(cases.patients, result.patients)]
        score = (result.baseline_said if baseline else result.said)[:, 0]
        folds.append(concordance(truth, score, np.ones((1, len(truth))))[0])
    return float(np.nanmean(folds))


def _mean_said(cases: GradedCases, outer: Sequence[GradedOuter], which: str) -> npt.NDArray[np.float64]:
    """What was said of each patient out-of-fold, averaged over the repeats, shape ``(n_patients, 2 + n_levels)``."""
    total = np.zeros((len(cases.patients), getattr(outer[0], which).shape[1]))
    for result in outer:
        total[np.searchsorted(cases.patients, result.patients)] += getattr(result, which)
    return np.asarray(total / len({result.repeat for result in outer}), dtype=np.float64)


def _steps(cases: GradedCases, outer: Sequence[GradedOuter], final: GradedProcedure) -> list[Step]:
    """All steps in the order in which they ran; what is fitted last is fitted on all and scores nobody here."""
    return [
        *(step for result in outer for step in result.steps),
        *(Step(f"final: {step.name}", step.seen, step.scored) for step in final.steps),
        Step("final: model", final.model.seen),
        Step("final: baseline", final.baseline.seen),
        Step("final: calibration, on inner out-of-fold scores", patient_hashes(cases.patient_id)),
    ]


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
