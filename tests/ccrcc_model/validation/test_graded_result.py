"""A graded benchmark is written, read back or refused in one line, and says what it is."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import ISUP
from ccrcc_model.statistics.evaluation import Scope
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from ccrcc_model.validation.benchmark import benchmark
from ccrcc_model.validation.coverage import Coverage
from ccrcc_model.validation.graded_result import FILE, TABLE, GradedGroup, GradedResult
from nnunet_ext.ground.errors import InputError


def group(name: str, n: int, seed: int) -> GradedGroup:
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 5, size=n).astype(float)
    ids, probability = np.arange(n).astype(str), np.full((n, 4), 0.25)
    model, baseline = truth + rng.normal(size=n), rng.uniform(1, 4, size=n)
    return GradedGroup.of(*(GradedPredictions(name, ISUP, ids, ids, truth, x, x, probability) for x in (model, baseline)))


@pytest.fixture(scope="module")
def result() -> GradedResult:
    covered = Coverage("north", 41, 1, 0, 41, 1, None)
    return GradedResult("b" * 64, "isup", (group("home", 60, 0), group("north", 40, 1)), coverage=(covered,))


def test_what_was_saved_is_loaded(result: GradedResult, tmp_path: Path) -> None:
    result.save(tmp_path)
    assert asdict(GradedResult.load(tmp_path)) == asdict(result)


def test_it_says_in_three_lines_what_it_is(result: GradedResult) -> None:
    lines = repr(result).splitlines()
    assert len(lines) == 3
    assert lines[0] == "Benchmark of isup by model bbbbbbbbbbbb"
    assert lines[1].startswith("north: beats tumour volume alone: concordance 0.")
    assert lines[2] == "40 patients; 1 external cohort; cautions: 1"
    assert result._repr_html_() == f"<pre>{result!r}</pre>"


def test_patients_who_are_not_scored_are_a_caution_with_a_code(result: GradedResult) -> None:
    assert [finding.code for finding in result.cautions] == ["BC001"]
    assert result.lines[0].startswith("BC001 failed: Every case of the card has features. north: 1 of the card's 41 cases")


def test_its_table_s2_has_one_row_per_group_and_its_forest_one_line(result: GradedResult) -> None:
    frame = result.table_s2()
    assert frame["group"].tolist() == ["home", "north"]
    assert frame["concordance"].str.fullmatch(r"0\.\d\d\(0\.\d\d-[01]\.\d\d\)").all()
    assert [(one.name, one.scope, one.events) for one in result.contrasts] == [
        ("home", Scope.INTERNAL, None),
        ("north", Scope.EXTERNAL, None),
    ]
    assert {"home", "north"} <= {text.get_text() for text in result.plot("forest").texts}
    with pytest.raises(InputError, match="has no figure 'roc'; known ones are forest"):
        result.plot("roc")


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("groups",), [], "no group of patients"),
        (("groups", 0, "n"), "60", r"n: Input should be a valid integer"),
        (("groups", 0, "figures"), {}, "has figures that are none"),
        (("groups", 1, "figures", "concordance", "model", "value"), 1.5, r"1.5, which is not inside \[0, 1\]"),
        (("groups", 1, "figures", "absolute_error", "model", "low"), 99.0, "ends before it begins"),
    ],
)
def test_what_no_benchmark_can_hold_is_refused(
    result: GradedResult, tmp_path: Path, where: tuple[str | int, ...], value: object, message: str
) -> None:
    result.save(tmp_path)
    content = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    inner = content
    for part in where[:-1]:
        inner = inner[part]
    inner[where[-1]] = value
    (tmp_path / FILE).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=message) as refused:
        GradedResult.load(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_graded_benchmark_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No benchmark at"):
        GradedResult.load(tmp_path)


def test_a_benchmark_gives_the_figures_of_each_external_cohort(graded_folders, graded_planted, tmp_path):
    model = Model.load(graded_folders / "isup")
    cohorts = [graded_planted(60, cohort=name, role="external", seed=seed) for name, seed in (("north", 5), ("south", 6))]
    studies = [Study(None, *one) for one in cohorts]
    found = benchmark(model, studies)
    found.save(tmp_path)
    assert GradedResult.load(tmp_path).table().equals(found.table())
    table = pd.read_csv(tmp_path / TABLE)
    assert table["group"].unique().tolist() == ["home", "north", "south"]
    assert table["n"].unique().tolist() == [77, 51]
    assert (table.set_index(["group", "figure"])["model"].xs("concordance", level="figure") > 0.65).all()
    assert (
        json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["groups"][1]["calibration_of_high"]["model"]["brier"][
            "value"
        ]
        < 0.25
    )
    assert [line.split(" tumour")[0] for line in found.lines] == [f"isup in {n} (n = 51) beats" for n in ("north", "south")]
    with pytest.raises(InputError, match="Two external cohorts are named north"):
        benchmark(model, [studies[0], studies[0]])


def test_a_cohort_of_one_grade_has_no_concordance_and_no_verdict_for_the_model(graded_folders, graded_planted):
    table, outcomes = graded_planted(30, cohort="north", role="external")
    found = benchmark(Model.load(graded_folders / "isup"), Study(None, table, outcomes.assign(isup_grade=2.0)))
    assert found.groups[1].figures["concordance"].model.value is None
    assert "does not beat tumour volume alone: concordance not estimable" in found.lines[0]
