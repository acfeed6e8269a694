"""The command line end to end on small studies: results, refusals, one clear line and its exit status for a mistake."""

import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
import SimpleITK as sitk
from command_line import ccrcc, mistake

from nnunet_ext.ground.case import Role
from nnunet_ext.phantom import CohortPlan, Grid, write_study
from radiomics_cfg.table import FeatureTable

Planted = Callable[..., tuple[FeatureTable, pd.DataFrame]]

SMALL_GRID = Grid(columns=84, rows=60, spacing_mm=4.0, z_extent_mm=192.0, minimum_slice_spacing_mm=4.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    plan = (CohortPlan("home", Role.DEVELOPMENT, ("centre-1",), 2), CohortPlan("away", Role.EXTERNAL, ("centre-7",), 2))
    write_study(folder, plan, SMALL_GRID, seed=3)
    return folder


@pytest.fixture
def away(study: Path, tmp_path: Path) -> Path:
    """A copy of the external cohort that a test may spoil."""
    return Path(shutil.copytree(study / "away", tmp_path / "away"))


def test_masks_that_are_compared_with_themselves_agree(away: Path, tmp_path: Path) -> None:
    run = ccrcc("overlap", away / "card.yaml", "--predicted", away / "card.yaml", "--out", tmp_path / "overlap.csv")
    assert run.returncode == 0, run.stderr
    table = pd.read_csv(tmp_path / "overlap.csv").dropna(subset=["dice"])
    assert (table["dice"] == 1).all()
    assert (table["hd95_mm"] == 0).all()
    assert {"kidney", "tumour", "kidney_and_masses", "masses"} <= set(table["structure"])
    lesions = pd.read_csv(tmp_path / "overlap.lesions.csv")
    assert lesions["detected"].tolist() == lesions["lesions"].tolist() == lesions["predicted_lesions"].tolist()
    assert all((tmp_path / f"overlap_figure_s1.{suffix}").is_file() for suffix in ("png", "svg", "csv"))


def test_the_version_is_the_distributions() -> None:
    assert ccrcc("--version").stdout.strip() == f"ccrcc-radiomics {version('ccrcc-radiomics')}"


def test_help_names_every_command() -> None:
    text = ccrcc("--help").stdout
    for command in (
        "demo",
        "phantom",
        "check",
        "convert",
        "segment",
        "overlap",
        "extract",
        "compact",
        "fit",
        "benchmark",
        "report",
    ):
        assert f"\n  {command} " in text


def test_check_passes_a_sound_cohort(study: Path) -> None:
    run = ccrcc("check", study / "away" / "card.yaml")
    assert (run.returncode, run.stdout) == (0, "away: 2 of 2 cases pass\n")


def test_check_quarantines_the_bad_case_and_goes_on(away: Path) -> None:
    image = sorted((away / "images").iterdir())[0]
    image.write_bytes(image.read_bytes()[:500])
    run = ccrcc("check", away / "card.yaml", "--out", away / "refused.csv")
    assert run.returncode == 3
    assert "1 of 2 cases pass" in run.stdout
    refused = pd.read_csv(away / "refused.csv")
    assert refused[["stage", "code"]].to_numpy().tolist() == [["check", "unreadable"]]


def test_check_wants_an_outcome_for_every_patient(away: Path) -> None:
    outcomes = pd.read_csv(away / "outcomes.csv").iloc[:1]
    outcomes.to_csv(away / "outcomes.csv", index=False)
    assert "1 patients of cohort away have no row" in mistake("check", away / "card.yaml")


def test_a_mask_of_another_shape_is_refused_by_extraction_and_the_rest_goes_on(away: Path) -> None:
    mask = sorted((away / "masks").iterdir())[0]
    sitk.WriteImage(sitk.ReadImage(str(mask))[:-1], str(mask))
    run = ccrcc("extract", away / "card.yaml", "--preset", "quick", "--out", away / "table.parquet")
    assert run.returncode == 3, run.stderr
    assert len(FeatureTable.read(away / "table.parquet").rows) == 1
    assert pd.read_csv(away / "table.quarantine.csv")["code"].tolist() == ["mask-shape"]


def test_mistakes_get_one_line_and_status_2(away: Path, tmp_path: Path) -> None:
    card = away / "card.yaml"
    assert "No cohort card at" in mistake("check", tmp_path / "none.yaml")
    assert "nnUNet_raw is not set" in mistake("convert", card, "--dataset-id", "501")
    assert "No preset" in mistake("extract", card, "--preset", "huge", "--out", tmp_path / "t.parquet")
    assert "a .parquet or a .csv file" in mistake("extract", card, "--out", tmp_path / "t.xlsx")
    assert "No feature table at" in mistake(
        "fit", tmp_path / "t.parquet", "--outcomes", away / "outcomes.csv", "--target", "grade", "--out", tmp_path / "m"
    )
    card.write_text(card.read_text(encoding="utf-8") + "colour: red\n", encoding="utf-8")
    assert "unknown key 'colour'" in mistake("check", card)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["away"]


def test_an_external_cohort_cannot_be_converted_for_training(away: Path, tmp_path: Path) -> None:
    folders = {f"nnUNet_{name}": str(tmp_path / name) for name in ("raw", "preprocessed", "results")}
    assert "external" in mistake("convert", away / "card.yaml", "--dataset-id", "501", **folders)
    assert not (tmp_path / "raw").exists()


def test_a_demo_is_not_written_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    assert "is not a demo's folder" in mistake("demo", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_thicker_slices_are_a_cohort_that_can_be_extracted(away: Path, tmp_path: Path) -> None:
    run = ccrcc("thicken", away / "card.yaml", "--slice-mm", "8", "--out", tmp_path / "thick")
    assert run.returncode == 0, run.stderr
    assert "2 of 2 scans in slices of 8 mm" in run.stdout
    run = ccrcc("extract", tmp_path / "thick" / "card.yaml", "--preset", "quick", "--out", tmp_path / "thick.parquet")
    assert run.returncode == 0, run.stderr
    rows = FeatureTable.read(tmp_path / "thick.parquet").rows
    assert set(rows["cohort"]) == {"away-8mm"}
    assert sorted(rows["patient_id"]) == sorted(pd.read_csv(away / "outcomes.csv")["patient_id"])
    assert "are not thinner than 2 mm" in mistake("thicken", away / "card.yaml", "--slice-mm", "2", "--out", tmp_path / "no")


@pytest.fixture(scope="module")
def tables(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feature tables and outcomes of a development and an external cohort, the external one's card, and a model."""
    folder = tmp_path_factory.mktemp("tables")
    for name, role, seed in (("home", "development", 1), ("away", "external", 2)):
        table, outcomes = planted(60, role=role, cohort=name, seed=seed)
        table.write(folder / f"{name}.parquet")
        outcomes.to_csv(folder / f"{name}.csv", index=False)
    (folder / "cases.csv").write_text(
        "case_id,patient_id,centre,image\naway-000-0,away-000,east,none.nii.gz\n", encoding="utf-8"
    )
    (folder / "away.yaml").write_text("name: away\nrole: external\ncases: cases.csv\noutcomes: away.csv\n", encoding="utf-8")
    options = ("--folds", "3", "--repeats", "1", "--trials", "3", "--target", "grade")
    run = ccrcc("fit", folder / "home.parquet", "--outcomes", folder / "home.csv", "--out", folder / "model", *options)
    assert run.returncode == 0, run.stderr
    return folder


def benchmark(tables: Path, model: Path, out: Path) -> tuple[str | Path, ...]:
    return ("benchmark", model, "--cohort", tables / "away.yaml", "--table", tables / "away.parquet", "--out", out)


def test_a_locked_model_is_scored_on_another_cohort(tables: Path, tmp_path: Path) -> None:
    run = ccrcc(*benchmark(tables, tables / "model", tmp_path / "b"))
    assert run.returncode == 0, run.stderr
    auc = pd.read_csv(tmp_path / "b" / "discrimination.csv").set_index("group")["auc"]
    assert auc["away"] > 0.7
    assert (tmp_path / "b" / "benchmark.json").is_file()


def test_a_benchmark_also_tells_what_the_user_asks_for_and_what_cannot_be_told(tables: Path, tmp_path: Path) -> None:
    outcomes = pd.read_csv(tables / "away.csv").assign(sex="F", isup_grade=2)
    outcomes.to_csv(tmp_path / "low.csv", index=False)
    card = tmp_path / "away.yaml"
    (tmp_path / "cases.csv").write_text((tables / "cases.csv").read_text(encoding="utf-8"), encoding="utf-8")
    card.write_text((tables / "away.yaml").read_text(encoding="utf-8").replace("away.csv", "low.csv"), encoding="utf-8")
    options = ("--prevalence", "0.3", "--replicates", "100", "--seed", "4")
    out = tmp_path / "b"
    run = ccrcc("benchmark", tables / "model", "--cohort", card, "--table", tables / "away.parquet", "--out", out, *options)
    assert run.returncode == 0, run.stderr
    assert "away: no positive patients among 60, so AUC, AUPRC and calibration are not estimable" in run.stdout
    assert set(pd.read_csv(out / "at_prevalence.csv")["prevalence"]) == {0.3}
    assert pd.read_csv(out / "subgroups.csv").query("factor == 'sex'")["n"].tolist() == [60]
    assert (pd.read_csv(out / "recalibration.csv")["reason"] == "no positive patients").all()
    calls = pd.read_csv(out / "calls.csv")
    assert len(calls) == 4 * 3  # home, away, and the two centres of away
    assert (calls.query("group == 'away' and metric == 'sensitivity'")["reason"] == "no positive patients").all()


def test_a_benchmark_refuses_in_one_line_what_it_cannot_score(tables: Path, tmp_path: Path) -> None:
    arguments = benchmark(tables, tables / "model", tmp_path / "b")
    assert "inside (0, 1), such as 0.3; got 30" in mistake(*arguments, "--prevalence", "30")
    card = tmp_path / "away.yaml"
    (tmp_path / "cases.csv").write_text((tables / "cases.csv").read_text(encoding="utf-8"), encoding="utf-8")
    card.write_text("name: away\nrole: external\ncases: cases.csv\n", encoding="utf-8")
    scored = ("benchmark", tables / "model", "--cohort", card, "--out", tmp_path / "b", "--table")
    assert "has no outcomes" in mistake(*scored, tables / "away.parquet")
    seen = tmp_path / "home.yaml"
    seen.write_text(
        (tables / "away.yaml").read_text(encoding="utf-8").replace("away.csv", str(tables / "home.csv")), encoding="utf-8"
    )
    other = ("benchmark", tables / "model", "--cohort", seen, "--table", tables / "home.parquet", "--out", tmp_path / "b")
    assert "card of away was given a table of home" in mistake(*other)
    seen.write_text(seen.read_text(encoding="utf-8").replace("name: away", "name: home"), encoding="utf-8")
    scored = ("benchmark", tables / "model", "--cohort", seen, "--out", tmp_path / "b", "--table")
    assert "60 patients of the table were used to fit the model" in mistake(*scored, tables / "home.parquet")
    assert not (tmp_path / "b").exists()


def test_a_model_with_one_byte_changed_is_not_used(tables: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tables / "model", tmp_path / "model"))
    trees = next(model.rglob("*.txt"))
    content = bytearray(trees.read_bytes())
    content[len(content) // 2] ^= 1
    trees.write_bytes(content)
    assert trees.name in mistake(*benchmark(tables, model, tmp_path / "b"))
    assert not (tmp_path / "b").exists()


def test_an_external_table_cannot_be_fitted_on(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    arguments = ("fit", tables / "away.parquet", "--outcomes", tables / "away.csv", "--target", "grade", "--out", out)
    assert "external" in mistake(*arguments)
    assert not out.exists()


def test_a_target_with_one_class_is_refused(tables: Path, tmp_path: Path) -> None:
    outcomes = tmp_path / "outcomes.csv"
    pd.read_csv(tables / "home.csv").assign(isup_grade=2).to_csv(outcomes, index=False)
    arguments = ("fit", tables / "home.parquet", "--outcomes", outcomes, "--target", "grade", "--out", tmp_path / "m")
    assert "class" in mistake(*arguments)
    assert not (tmp_path / "m").exists()
