import pandas as pd
import pytest

from ccrcc_model.models.judged import CALLED, Judged

FRAME = pd.DataFrame(
    {
        "patient": list("abcd"),
        "centre": "north",
        "y_true": ["1", "1", "0", "0"],  # as a parsed file holds numbers
        "nested_probability": ["0.9", "0.4", "0.3", "0.2"],
        "nested_positive": ["1", "0", "1", "0"],
        "baseline_nested_probability": ["0.5", "0.5", "0.5", "0.5"],
        "baseline_nested_positive": ["1", "1", "1", "1"],
    }
)
DEVELOPMENT = {"nested": {"model": {"design_effect": 2.25}, "baseline": {"design_effect": 4.0}}}


def test_calls_are_those_of_the_file_whatever_the_probabilities_are() -> None:
    judged = Judged.of(FRAME, "home", "grade")
    model, baseline = judged.counts(DEVELOPMENT)
    assert (model.true_positive, model.false_negative, model.true_negative, model.false_positive) == (1, 1, 1, 1)
    assert (baseline.true_positive, baseline.false_positive) == (2, 2)
    assert (model.design_effect, baseline.design_effect) == (2.25, 4.0)
    assert judged.predicted.model.y_prob.tolist() == pytest.approx([0.9, 0.4, 0.3, 0.2])
    assert ((judged.called.baseline.y_prob >= CALLED) == 1).all()
