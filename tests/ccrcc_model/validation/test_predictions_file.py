"""``predictions.csv`` of a benchmark."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.benchmark import predict_studies
from ccrcc_model.validation.predictions_file import write_predictions

Planted = Callable[..., tuple]


def test_every_external_patient_has_a_row_with_the_models_probability(
    planted: Planted, model_folder: Path, tmp_path: Path
) -> None:
    model = Model.load(model_folder)
    studies = [Study(None, *planted(20, role="external", cohort=name, seed=seed)) for name, seed in (("n", 3), ("s", 4))]
    pairs = predict_studies(model, studies)
    write_predictions(tmp_path / "p.csv", model, studies, pairs)
    found = pd.read_csv(tmp_path / "p.csv")
    assert found.groupby("cohort").size().to_dict() == {"n": 20, "s": 20}
    assert found["y_prob"].to_numpy() == pytest.approx(np.concatenate([pair.model.y_prob for pair in pairs]))
    assert found["positive"].tolist() == (found["y_prob"] >= model.decision.threshold).tolist()
    found[found["cohort"] == "n"].to_csv(tmp_path / "n.csv", index=False)
    assert Predictions.read(tmp_path / "n.csv").y_true.tolist() == pairs[0].model.y_true.tolist()


def test_a_graded_target_has_the_probability_of_every_grade(
    graded_planted: Planted, graded_folders: Path, tmp_path: Path
) -> None:
    model = Model.load(graded_folders / "isup")
    study = Study(None, *graded_planted(20, role="external", cohort="n", seed=3))
    write_predictions(tmp_path / "p.csv", model, [study], ())
    found = pd.read_csv(tmp_path / "p.csv")
    grades = found[[f"grade_{level}" for level in range(1, 5)]]
    assert grades.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (grades @ np.arange(1, 5)).to_numpy() == pytest.approx(found["expected"].to_numpy())
