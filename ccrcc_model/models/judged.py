"""How the development patients of a yes or no are judged: by calibrations and thresholds of folds that they are not in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.evaluation import Pair
from ccrcc_model.statistics.predictions import Predictions

PREFIXES = ("", "baseline_")
"""Of the columns of model and baseline in the file of out-of-fold predictions."""
NESTED = ("nested_probability", "nested_positive")
"""Columns of what the other folds' calibration and threshold make of a patient's score."""

CALLED = 0.5
"""Threshold of calls that are written as probabilities 0 and 1."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Nested predictions of the development patients.

    Args:
        predicted: Probabilities of model and baseline.
        called: Their calls, as probabilities 0 and 1 to be cut at ``CALLED``: each fold has a threshold of its own.
    """

    predicted: Pair
    called: Pair

    @classmethod
    def of(cls, frame: pd.DataFrame, cohort: str, target: str) -> "Judged":
        """Read the file of out-of-fold predictions.

        Args:
            frame: Its content.
            cohort: Name of the development.
            target: Name of the target.
        """

        def read(name: str) -> Pair:
            patients, centre = (frame[column].to_numpy(dtype=np.str_) for column in ("patient", "centre"))
            truth = pd.to_numeric(frame["y_true"]).to_numpy(dtype=np.int_)
            columns = (pd.to_numeric(frame[f"{prefix}{name}"]).to_numpy(dtype=np.float64) for prefix in PREFIXES)
            return Pair(*(Predictions(cohort, target, patients, centre, truth, column) for column in columns))

        return cls(*map(read, NESTED))

    def counts(self, development: Mapping[str, Any]) -> tuple[Counts, Counts]:
        """Return the nested calls of model and baseline by truth, with the design effects that the manifest states."""
        found = []
        for name, called in (("model", self.called.model), ("baseline", self.called.baseline)):
            found.append(counts(called, CALLED, design_effect=development["nested"][name]["design_effect"]))
        return found[0], found[1]
