from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError


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
    back = Predictions.read(tmp_path / "north.csv")
    assert (back.cohort, back.target) == ("north", "grade")
    for name in ("patient_id", "centre", "y_true", "y_prob"):
        np.testing.assert_array_equal(getattr(back, name), getattr(three, name))


def test_abstentions_read_back_as_they_were(three, tmp_path):
    asked = replace(three, abstained=np.array([True, False, False]))
    asked.write(tmp_path / "north.csv")
    assert Predictions.read(tmp_path / "north.csv").abstained.tolist() == [True, False, False]
    three.write(tmp_path / "north.csv")
    assert Predictions.read(tmp_path / "north.csv").abstained is None


def test_chosen_patients_keep_their_entries(three):
    some = three.take(np.array([True, False, True]))
    assert (some.patient_id.tolist(), some.centre.tolist()) == (["07", "c"], ["x", "y"])
    assert (some.y_true.tolist(), some.y_prob.tolist()) == ([1, 1], [1.0, 0.25])


CELLS = "cohort,target,patient_id,centre,y_true,y_prob\n"


def read(tmp_path, text: str) -> Predictions:
    path = tmp_path / "predictions.csv"
    path.write_text(text, encoding="utf-8")
    return Predictions.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("cohort,target,patient_id,centre,y_true\nA,grade,1,x,1\n", "lacks the column y_prob; figures need a probability"),
        (CELLS + "A,grade,1,x,1,\nA,grade,2,x,0,0.5\n", "1 of 2 patients have no number in y_prob"),
        (CELLS + "A,grade,1,x,1,high\n", "1 of 1 patients have no number in y_prob"),
        (CELLS + "A,grade,1,x,,0.5\n", "1 of 1 patients have no number in y_true"),
        (CELLS + "A,grade,1,x,0.5,0.5\n", "y_true must hold 0 and 1 only"),
        (CELLS + "A,grade,1,x,1,1.2\n", "inside"),
        (CELLS + "A,grade,1,x,1,0.5\nB,grade,2,x,0,0.5\n", "2 different values of cohort; give each its own file"),
        (CELLS.replace("y_prob", "y_prob,abstained") + "A,grade,1,x,1,0.5,no\n", "abstained must hold True and False only"),
        (CELLS, "0 different values of cohort"),
    ],
)
def test_a_file_without_what_metrics_need_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_the_users_to_mend(tmp_path):
    with pytest.raises(InputError, match="No predictions at"):
        Predictions.read(tmp_path / "none.csv")


def test_predictions_say_in_three_lines_what_they_are(three: Predictions) -> None:
    lines = repr(three).splitlines()
    assert len(lines) == 3
    assert lines[0] == f"Predictions of {three.target} in {three.cohort}"
    assert lines[1].startswith("3 patients of ")
    assert three._repr_html_().startswith("<pre>Predictions of ")
    assert "0 patients of 0 centres" in repr(three.take(np.zeros(3, dtype=bool)))


def test_a_score_is_written_read_and_taken(tmp_path):
    ids = np.array(["a", "b", "c"])
    scored = Predictions("north", "grade", ids, ids, np.array([0, 1, 0]), np.full(3, 0.4), score=np.array([2.0, 9.5, 1.0]))
    scored.write(tmp_path / "one.csv")
    assert Predictions.read(tmp_path / "one.csv").score.tolist() == [2.0, 9.5, 1.0]
    assert scored.take(np.array([1, 2])).order.tolist() == [9.5, 1.0]
    assert replace(scored, score=None).order.tolist() == [0.4] * 3
    with pytest.raises(InputError, match="score must be finite"):
        replace(scored, score=np.array([2.0, np.nan, 1.0]))
