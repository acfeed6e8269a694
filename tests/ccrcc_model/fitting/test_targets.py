"""Several and graded targets end to end through the command."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from command_line import ccrcc, mistake

from ccrcc_model.fitting.settings import Settings
from ccrcc_model.fitting.targets import check_targets, find_targets, model_folders
from ccrcc_model.models.folder import MANIFEST
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE, ISUP, KI67_PERCENT, ki67
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
    isup, percent = (Model.load(tmp_path / "m" / name) for name in ("isup", "ki67-percent"))
    assert [len(model.patients) for model in (grade, isup, high, percent)] == [51, 51, 48, 48]
    assert high.target.cut == 8
    lines = [line for line in run.stdout.splitlines() if line.startswith("Model ")]
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
    assert scored.stdout.splitlines()[-1].startswith(f"Benchmark of isup on 1 cohorts: {tmp_path / 'b'}; ")
    assert "isup in away (n = 51) " in scored.stdout
    assert (tmp_path / "b" / "graded_figures.csv").is_file()
    again = ("benchmark", tmp_path / "m" / "isup", "--cohort", tables / "away.yaml", "--table", tables / "away.parquet")
    for option, value in (("--prevalence", "0.3"), ("--seed", "1"), ("--print-rule", "cut"), ("--replicates", "100")):
        assert f"{option} is for models of yes or no" in mistake(*again, "--out", tmp_path / "c", option, value)
    assert not (tmp_path / "c").exists()


def test_one_graded_target_has_the_folder_itself(tables: Path, tmp_path: Path) -> None:
    run = ccrcc(*fit(tables, tmp_path / "m", "ki67-percent"))
    assert run.returncode == 0, run.stderr
    assert Model.load(tmp_path / "m").target.name == "ki67-percent"
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


def test_a_setting_that_makes_no_sense_for_one_target_is_refused_first(tables: Path, tmp_path: Path) -> None:
    for option, value, reason in (("--balanced", (), "no two classes"), ("--sensitivity", ("0.9",), "no threshold")):
        told = mistake(*fit(tables, tmp_path / "m", "grade", "isup"), option, *value)
        assert f"for grade and ki67 only, not for isup, which has {reason}" in told
    assert not (tmp_path / "m").exists()


def test_targets_are_found_by_name_and_named_once():
    wanted = ("ki67-percent", "grade", "isup", "ki67")
    assert find_targets(wanted, ki67_cut=20) == (KI67_PERCENT, GRADE, ISUP, ki67(20))
    with pytest.raises(InputError, match="Unknown target 'stage'; known ones are grade, ki67, isup, ki67-percent"):
        find_targets(["grade", "stage"])
    with pytest.raises(InputError, match="Target grade is asked for 2 times"):
        find_targets(["grade", "ki67", "grade"])


def test_one_target_has_the_folder_and_several_have_folders_in_it(tmp_path):
    assert model_folders([GRADE], tmp_path) == [tmp_path]
    assert model_folders([GRADE, ISUP], tmp_path) == [tmp_path / "grade", tmp_path / "isup"]
    (tmp_path / MANIFEST).touch()
    assert model_folders([GRADE], tmp_path) == [tmp_path]
    with pytest.raises(InputError, match="holds a model"):
        model_folders([GRADE, ISUP], tmp_path)


def test_every_target_is_checked_before_one_is_fitted(graded_planted):
    table, outcomes = graded_planted(40)
    check_targets(Study(None, table, outcomes), [GRADE, ki67(8), ISUP, KI67_PERCENT], Settings(folds=3))
    few = outcomes.assign(isup_grade=[3.0] * 5 + [2.0] * 35)
    with pytest.raises(InputError, match="at least 6 patients of each class"):
        check_targets(Study(None, table, few), [ki67(8), GRADE], Settings(folds=3))
    with pytest.raises(InputError, match=r"has one class: .* are negative"):
        check_targets(Study(None, table, outcomes), [ISUP, ki67(100)], Settings(folds=3))
    with pytest.raises(InputError, match="patients who differ"):
        check_targets(Study(None, table, outcomes.assign(isup_grade=2.0)), [ki67(8), ISUP], Settings(folds=3))
