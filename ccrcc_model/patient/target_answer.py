"""What one locked model answers for one patient."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ccrcc_model.models.explanation import PARTS, grouped
from ccrcc_model.models.model import Model
from ccrcc_model.models.scorer import value_columns
from ccrcc_model.patient.answer import (
    Conformal,
    Contributions,
    Development,
    FeatureContribution,
    Flag,
    GroupContribution,
    Prediction,
)
from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.graded_predictions import yes_or_no
from radiomics_cfg.feature_name import FeatureName
from radiomics_cfg.table import FeatureTable

ALPHA = 0.1
"""Share of conformal sets that may miss the true class, as in a benchmark."""

LEADING = 10
"""Features that are listed."""


def answer_of(model: Model, table: FeatureTable) -> Prediction:
    """Predict the only patient of a table.

    A model abstains from a patient who is unlike its development patients; then neither a number nor what moved it is given.

    Raises:
        InputError: As ``Model.predict_patients``.
    """
    found = model.predict_patients(table).iloc[0]
    reason = str(found.get("unlike_reason") or "") if bool(found.get("unlike", False)) else ""
    common: dict[str, Any] = {
        "target": model.target.name,
        "rule": model.target.rule,
        "model_id": model.id[:12],
        "model_sha256": model.id,
        "kind": model.target.kind,
        "abstained": bool(reason),
        "abstained_reason": reason or None,
        "development": _development(model),
    }
    if reason:
        return Prediction(**common, **_NOTHING, threshold=_threshold(model), contributions=Contributions())
    return Prediction(**common, **_values(model, found), contributions=_contributions(model, table))


def recognised(model: Model, table: FeatureTable) -> Flag | None:
    """Return a flag if the scan is one that the model was fitted on, under whatever name."""
    if not model.scans.matches(table).any:
        return None
    text = f"the model of {model.target.name} was fitted on this scan, so that its probability is too good here"
    return Flag(code="development-scan", severity="caution", text=text)


_NOTHING: dict[str, Any] = {
    "probability": None,
    "values": {},
    "baseline_probability": None,
    "positive": None,
    "conformal": None,
}


def _values(model: Model, found: pd.Series) -> dict[str, Any]:
    """Return the numbers of a patient."""
    if model.target.kind != "binary":
        values = {name: float(found[name]) for name in value_columns(model.target)}
        return {**_NOTHING, "values": values, "threshold": None}
    probability = float(found["probability"])
    classes = ConformalSets.of(yes_or_no(model.out_of_fold)).sets(np.array([probability]), alpha=ALPHA)[0]
    return {
        "probability": probability,
        "values": {},
        "baseline_probability": float(found["baseline_probability"]),
        "threshold": _threshold(model),
        "positive": bool(found["positive"]),
        "conformal": Conformal(alpha=ALPHA, set=tuple(np.flatnonzero(classes).tolist())),
    }


def _threshold(model: Model) -> float | None:
    return model.decision.threshold if model.target.kind == "binary" else None


def _development(model: Model) -> Development:
    """Return the out-of-fold probabilities of a yes or no; other kinds have none."""
    if model.target.kind != "binary":
        return Development()
    known = yes_or_no(model.out_of_fold)
    positive, negative = (sorted(known.y_prob[known.y_true == label].round(4).tolist()) for label in (1, 0))
    return Development(probabilities_positive=tuple(positive), probabilities_negative=tuple(negative))


def _contributions(model: Model, table: FeatureTable) -> Contributions:
    moved = model.explain(table)
    groups = grouped(moved).iloc[0]
    by = {
        part: _sorted_groups(
            [(str(name).removeprefix(f"{part}: "), float(value)) for name, value in groups.items() if _is_of(str(name), part)]
        )
        for part in PARTS
    }
    leading = moved.iloc[0].sort_values(key=np.abs, ascending=False, kind="stable").head(LEADING)
    features = [
        FeatureContribution(feature=str(name), log_odds=float(value), region=FeatureName.of(str(name)).region)
        for name, value in leading.items()
    ]
    return Contributions(**by, features=tuple(features))


def _is_of(column: str, part: str) -> bool:
    return column.startswith(f"{part}: ")


def _sorted_groups(groups: Sequence[tuple[str, float]]) -> tuple[GroupContribution, ...]:
    ordered = sorted(groups, key=lambda pair: (-abs(pair[1]), pair[0]))
    return tuple(GroupContribution(group=name, log_odds=value) for name, value in ordered)
