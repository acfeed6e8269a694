"""Several and graded targets end to end through the command."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from command_line import ccrcc, mistake

from ccrcc_model.fitting.targets import find_targets, refuse_for_graded
from ccrcc_model.models.graded_model import GradedModel
from ccrcc_model.models.model import Model
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

Planted = Callable[..., tuple[FeatureTable, pd.DataFrame]]

FAST = ("--folds", "3", "--repeats", "1", "--trials", "1")


@pytest.fixture(scope="module")
def tables(graded_planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feature tables and outcomes of a development and an external cohort, and the external one's card."""
    folder = tmp_path_factory.mktemp("tables")
    for name, role, seed in (("home", "development", 1), ("away", "external", 2)):
        table, outcomes = graded_planted(60, role=role, cohort=name, seed=seed)
        table.write(folder / f"{name}.parquet")
        outcomes.to_csv(folder / f"{name}.csv", index=False)
    (folder / "cases.csv").write_text(
        "case_id,patient_id,centre,image\naway-000-0,away-000,east,none.nii.gz\n", encoding="utf-8"
    )
    (folder / "away.yaml").write_text("name: away\nrole: external\ncases: cases.csv\noutcomes: away.csv\n", encoding="utf-8")
    return folder


def fit(tables: Path, out: Path, *targets: str) -> tuple[str | Path, ...]:
    named = [part for target in targets for part in ("--target", target)]
    cut = ("--ki67-cut", "8") if "ki67" in targets else ()
    return ("fit", tables / "home.parquet", "--outcomes", tables / "home.csv", *cut, "--out", out, *FAST, *named)


def test_all_targets_of_one_table_in_one_command(tables: Path, tmp_path: Path) -> None:
    run = ccrcc(*fit(tables, tmp_path / "m", "grade", "ki67", "isup", "ki67-percent"))
    assert run.returncode == 0, run.stderr
    grade, high = (Model.load(tmp_path / "m" / name) for name in ("grade", "ki67"))
    isup, percent = (GradedModel.load(tmp_path / "m" / name) for name in ("isup", "ki67-percent"))
    assert [len(model.patients) for model in (grade, isup, high, percent)] == [51, 51, 48, 48]
    assert high.target.cut == 8
    lines = [line for line in run.stdout.splitlines() if not line.startswith("Beside it")]
    assert len(lines) == 4
    assert lines[0] == f"{grade.headline}: {tmp_path / 'm' / 'grade'}"
    assert lines[1] == f"{high.headline}: {tmp_path / 'm' / 'ki67'}"
    assert lines[2].startswith(f"Model {isup.id[:12]} of isup (WHO/ISUP grade, 1 to 4) ")
    assert "beat" in lines[3]
    assert lines[3].endswith(f": {tmp_path / 'm' / 'ki67-percent'}")

    scored = ccrcc(
        *("benchmark", tmp_path / "m" / "isup", "--cohort", tables / "away.yaml", "--table", tables / "away.parquet"),
        *("--out", tmp_path / "b"),
    )
    assert scored.returncode == 0, scored.stderr
    assert scored.stdout.splitlines()[-1] == f"Benchmark of isup on 1 cohorts: {tmp_path / 'b'}"
    assert "isup in away (n = 51) " in scored.stdout
    assert (tmp_path / "b" / "graded_figures.csv").is_file()
    again = ("benchmark", tmp_path / "m" / "isup", "--cohort", tables / "away.yaml", "--table", tables / "away.parquet")
    for option, value in (("--prevalence", "0.3"), ("--seed", "1"), ("--print-rule", "cut"), ("--replicates", "100")):
        assert f"{option} is for models of yes or no" in mistake(*again, "--out", tmp_path / "c", option, value)
    assert not (tmp_path / "c").exists()


def test_one_graded_target_has_the_folder_itself(tables: Path, tmp_path: Path) -> None:
    run = ccrcc(*fit(tables, tmp_path / "m", "ki67-percent"))
    assert run.returncode == 0, run.stderr
    assert GradedModel.load(tmp_path / "m").target.name == "ki67-percent"
    assert "holds a model" in mistake(*fit(tables, tmp_path / "m", "grade", "ki67"))


def test_help_names_the_four_targets() -> None:
    text = " ".join(ccrcc("fit", "--help").stdout.split())
    assert "grade, ki67 (high or low), isup (grades 1 to 4), ki67-percent" in text


def test_a_mistake_of_any_target_is_told_before_anything_is_fitted(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    assert "Unknown target 'stage'" in mistake(*fit(tables, out, "grade", "stage"))
    assert "isup is asked for 2 times" in mistake(*fit(tables, out, "isup", "isup"))
    outcomes = tmp_path / "outcomes.csv"
    pd.read_csv(tables / "home.csv").assign(isup_grade=2).to_csv(outcomes, index=False)
    arguments = [outcomes if part == tables / "home.csv" else part for part in fit(tables, out, "ki67", "isup")]
    assert "isup needs patients who differ" in mistake(*arguments)
    assert not out.exists()


def test_what_only_yes_or_no_models_have_is_refused_for_a_graded_one():
    asked = {"--balanced": False, "--ablation": True}
    refuse_for_graded(find_targets(["grade", "ki67"]), asked)
    refuse_for_graded(find_targets(["isup"]), {"--balanced": False})
    with pytest.raises(InputError, match="--ablation is for grade and ki67 only, not for isup"):
        refuse_for_graded(find_targets(["grade", "isup"]), asked)
