import json

import pandas as pd
import pytest

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.validation.benchmark import benchmark
from ccrcc_model.validation.graded_result import FILE, TABLE, GradedResult
from nnunet_ext.ground.errors import InputError


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
