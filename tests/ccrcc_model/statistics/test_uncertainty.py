from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.report import benchmark_tables as tables
from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.estimate import clopper_pearson
from ccrcc_model.statistics.evaluation import Pair, Scope
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.statistics.uncertainty import uncertainty
from ccrcc_model.validation.groups import assemble
from ccrcc_model.validation.result import BenchmarkResult
from ccrcc_model.validation.tables import UNCERTAINTY
from ccrcc_model.validation.tables import uncertainty as uncertainty_table


def predictions(
    y_true: np.ndarray, y_prob: np.ndarray, abstained: np.ndarray | None = None, cohort: str = "north"
) -> Predictions:
    n = len(y_true)
    centre = np.array(["east", "west"])[np.arange(n) % 2]
    return Predictions(cohort, "grade", np.array([f"p{i:03d}" for i in range(n)]), centre, y_true, y_prob, abstained)


@pytest.fixture
def home() -> Predictions:
    """Nine patients of each class, well told apart."""
    return predictions(np.repeat([0, 1], 9), np.concatenate([np.linspace(0.1, 0.3, 9), np.linspace(0.7, 0.9, 9)]))


@pytest.fixture
def north() -> Predictions:
    """Three negative and three positive patients; the model abstains from the two that it has wrong."""
    abstained = np.array([False, False, True, False, False, True])
    return predictions(np.array([0, 0, 0, 1, 1, 1]), np.array([0.2, 0.5, 0.8, 0.8, 0.9, 0.1]), abstained)


def study(home: Predictions, *external: Predictions) -> BenchmarkResult:
    pairs = [Pair(one, one) for one in external]
    return assemble(Pair(home, home), pairs, target=GRADE, threshold=0.5, baseline_threshold=0.5)


def test_sets_are_counted_by_class_with_exact_intervals(home: Predictions, north: Predictions) -> None:
    found = uncertainty(north, ConformalSets.of(home), alpha=0.2)
    assert found.declined == clopper_pearson(2, 6)
    everyone = found.everyone
    assert (everyone.n, everyone.events) == (6, 3)
    # 0.5 looks like neither class, 0.8 and 0.1 like the wrong one.
    assert [share.numerator for share in (everyone.negative.covered, everyone.negative.empty)] == [1, 1]
    assert [share.numerator for share in (everyone.negative.single, everyone.negative.both)] == [2, 0]
    assert everyone.positive.covered == clopper_pearson(2, 3)
    assert everyone.positive.single == clopper_pearson(3, 3)


def test_every_set_is_of_one_size(home: Predictions) -> None:
    rng = np.random.default_rng(0)
    many = predictions(rng.integers(0, 2, 200), rng.random(200))
    for alpha in (0.05, 0.1, 0.4):
        figures = uncertainty(many, ConformalSets.of(home), alpha=alpha).everyone
        for sets in (figures.negative, figures.positive):
            assert sets.empty.numerator + sets.single.numerator + sets.both.numerator == sets.covered.denominator


def test_the_declined_are_left_out_of_what_is_said_of_the_alike(home: Predictions, north: Predictions) -> None:
    found = uncertainty(north, ConformalSets.of(home))
    assert (found.alike.n, found.alike.events) == (4, 2)
    assert found.everyone.auc == auc(north)
    assert found.alike.auc.value == 1.0
    assert found.everyone.auc.value < 0.7


def test_a_cohort_that_is_declined_as_a_whole_says_so(home: Predictions, north: Predictions) -> None:
    whole = predictions(north.y_true, north.y_prob, np.ones(6, dtype=bool))
    found = uncertainty(whole, ConformalSets.of(home))
    assert found.declined.value == 1
    assert found.alike.auc.reason == "no patients"
    assert found.alike.positive.covered.reason == "no positive patients"


def test_predictions_that_nobody_asked_about_have_sets_and_no_abstention(home: Predictions, north: Predictions) -> None:
    found = uncertainty(predictions(north.y_true, north.y_prob), ConformalSets.of(home))
    assert found.alike is None
    assert found.declined.value is None
    assert found.everyone.positive.covered.denominator == 3


def test_abstentions_are_one_a_patient_and_are_taken_along(north: Predictions, tmp_path: Path) -> None:
    north.write(tmp_path / "north.csv")
    assert pd.read_csv(tmp_path / "north.csv")["abstained"].tolist() == north.abstained.tolist()
    assert north.take(np.array([2, 0])).abstained.tolist() == [True, False]
    assert north.answered.patient_id.tolist() == ["p000", "p001", "p003", "p004"]
    with pytest.raises(ValueError, match="2 entries in abstained, 6 in y_true"):
        predictions(north.y_true, north.y_prob, np.array([True, False]))


def test_the_table_holds_each_group_that_the_model_never_saw(home: Predictions, north: Predictions, tmp_path: Path) -> None:
    south = predictions(north.y_true, north.y_prob[::-1], north.abstained, "south")
    result = study(home, north, south)
    frame = uncertainty_table(result)
    assert frame["scope"].unique().tolist() == ["external", "pooled external", "centre"]
    pooled = frame[frame["scope"] == "pooled external"].set_index(["patients", "class", "metric"])
    assert pooled.loc[("all", "", "declined"), ["numerator", "denominator"]].tolist() == [4, 12]
    assert pooled.loc[("alike", "positive", "covered"), "denominator"] == 4
    assert (frame["alpha"] == 0.1).all()
    result.save(tmp_path)
    assert (tmp_path / "uncertainty.csv").read_text(encoding="utf-8").splitlines()[0] == ",".join(UNCERTAINTY)
    back = BenchmarkResult.load(tmp_path)
    assert [group.uncertainty for group in back.groups] == [group.uncertainty for group in result.groups]
    assert back.groups[0].scope is Scope.INTERNAL
    assert back.groups[0].uncertainty is None


def test_pooled_patients_are_declined_only_where_all_cohorts_were_asked(home: Predictions, north: Predictions) -> None:
    south = predictions(north.y_true, north.y_prob, cohort="south")
    assert study(home, north, south).scope(Scope.POOLED)[0].uncertainty.alike is None


def test_the_report_prints_declined_and_covered_patients(home: Predictions, north: Predictions) -> None:
    table = tables.uncertainty(study(home, north))
    assert table.rows[0][:2] == ["north †", "0.33 (0.04 to 0.78)"]
    assert "the target is 90% of each class" in table.note
    assert tables.uncertainty(study(home)) is None
