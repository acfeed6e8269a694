"""``predictions.csv`` over many patients: one row per patient and target."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ccrcc_model.patient.answer import Answer, Prediction
from nnunet_ext.documents.csv_table import write_csv

PREDICTIONS = "predictions.csv"

COLUMNS = (
    "patient_id",
    "target",
    "rule",
    "kind",
    "model_id",
    "probability",
    "positive",
    "threshold",
    "baseline_probability",
    "conformal_set",
    "expected",
    "abstained",
    "reason",
)
"""``expected`` is the mean grade or the percentage, for targets that are no yes or no."""


def write_predictions(path: Path, answers: Iterable[Answer]) -> None:
    """Write the predictions of many patients; one without any has a row that says why."""
    rows = [row for answer in answers for row in _rows(answer)]
    write_csv(path, pd.DataFrame(rows, columns=list(COLUMNS)))


def _rows(answer: Answer) -> list[dict[str, object]]:
    if not answer.predictions:
        return [{"patient_id": answer.patient, "reason": "; ".join(flag.text for flag in answer.refusals)}]
    return [{"patient_id": answer.patient, **_row(one)} for one in answer.predictions]


def _row(one: Prediction) -> dict[str, object]:
    expected = one.values.get("expected_grade", one.values.get("percent"))
    among = "" if one.conformal is None else " ".join(str(each) for each in one.conformal.set) or "none"
    return {
        **{name: getattr(one, name) for name in COLUMNS if name in Prediction.model_fields},
        "conformal_set": among,
        "expected": expected,
        "reason": one.abstained_reason or "",
    }
