"""``predictions.csv`` of a benchmark: truth and prediction of every external patient."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.statistics.evaluation import Pair
from ccrcc_model.statistics.graded_predictions import GradedPredictions, graded
from nnunet_ext.documents.csv_table import write_csv

PREDICTIONS = "predictions.csv"


def write_predictions(path: Path, model: Model, studies: Sequence[Study], pairs: Sequence[Pair]) -> None:
    """Write one row per external patient.

    Args:
        path: Of the file.
        model: Locked.
        studies: The external cohorts.
        pairs: What ``predict_studies`` returned for them; none for a graded target.
    """
    if model.target.kind == "binary":
        frames = [_rows(pair, model.decision.threshold) for pair in pairs]
    else:
        frames = [_graded_rows(graded(model.predict(one)), graded(model.predict_baseline(one))) for one in studies]
    write_csv(path, pd.concat(frames, ignore_index=True))


def _rows(pair: Pair, threshold: float) -> pd.DataFrame:
    found = pair.model
    frame = pd.DataFrame(
        {
            "patient_id": found.patient_id,
            "centre": found.centre,
            "y_true": found.y_true,
            "y_prob": found.y_prob,
            "baseline_prob": pair.baseline.y_prob,
            "positive": found.y_prob >= threshold,
        }
    )
    if found.abstained is not None:
        frame["abstained"] = found.abstained
    return _named(frame, found.cohort, found.target)


def _graded_rows(found: GradedPredictions, baseline: GradedPredictions) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "patient_id": found.patient_id,
            "centre": found.centre,
            "outcome": found.outcome,
            "expected": found.expected,
            "baseline_expected": baseline.expected,
        }
    )
    for place, level in enumerate(found.target.levels):
        frame[f"grade_{level:g}"] = found.probability[:, place]
    if found.abstained is not None:
        frame["abstained"] = found.abstained
    return _named(frame, found.cohort, found.target.name)


def _named(frame: pd.DataFrame, cohort: str, target: str) -> pd.DataFrame:
    frame.insert(0, "target", target)
    frame.insert(0, "cohort", cohort)
    return frame
