from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.predictions import Predictions
from nnunet_ext.errors import InputError


@pytest.fixture
def three() -> Predictions:
    ids = np.array(["07", "b", "c"])
    return Predictions("north", "grade", ids, np.array(["x", "x", "y"]), np.array([1, 0, 1]), np.array([1.0, 0.0, 0.25]))


def test_probabilities_may_touch_their_bounds_and_not_cross_them(three):
    assert len(three) == 3
    for wrong in (-1e-9, 1 + 1e-9, np.nan):
        with pytest.raises(InputError, match=r"inside \[0, 1\]"):
            replace(three, y_prob=np.array([0.5, 0.5, wrong]))


@pytest.mark.parametrize("wrong", [2, -1])
def test_truth_is_zero_or_one(three, wrong):
    with pytest.raises(InputError, match="0 and 1 only"):
        replace(three, y_true=np.array([0, 1, wrong]))


def test_there_is_one_prediction_a_patient(three):
    with pytest.raises(InputError, match="3 entries for 2 patients"):
        replace(three, patient_id=np.array(["a", "b", "a"]))


@pytest.mark.parametrize("column", ["patient_id", "centre", "y_prob"])
def test_columns_have_one_length(three, column):
    with pytest.raises(InputError, match=f"2 entries in {column}, 3 in y_true"):
        replace(three, **{column: getattr(three, column)[:2]})


def test_written_predictions_read_back_as_they_were(three, tmp_path):
    three.write(tmp_path / "north.csv")
    frame = pd.read_csv(tmp_path / "north.csv", dtype={"patient_id": str})
    assert list(frame) == ["cohort", "target", "patient_id", "centre", "y_true", "y_prob"]
    assert frame["patient_id"].tolist() == ["07", "b", "c"]
    assert frame["y_prob"].tolist() == three.y_prob.tolist()
