"""From a locked model at two hospitals to one table, through the commands: beside the benchmark of both at once."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import ccrcc_here as ccrcc
from command_line import mistake_here as mistake

from ccrcc_model.multicentre.result_file import SiteResult
from nnunet_ext.ground.case import Role
from nnunet_ext.phantom import CohortPlan, Grid, write_study

SITES = ("north", "south")


def site(folder: Path, name: str) -> tuple[object, ...]:
    return ("--cohort", folder / f"{name}.yaml", "--table", folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def hospitals(planted: Callable[..., Any], model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hospitals' cards and tables, the benchmark of both at once, and the result file that each made alone."""
    folder = tmp_path_factory.mktemp("hospitals")
    for seed, name in enumerate(SITES, start=4):
        table, outcomes = planted(240, role="external", cohort=name, seed=seed)
        table.write(folder / f"{name}.parquet")
        outcomes.to_csv(folder / f"{name}.csv", index=False)
        (folder / f"{name}-cases.csv").write_text(
            f"case_id,patient_id,centre,image\na,{name}-000,east,none.nii.gz\n", encoding="utf-8"
        )
        card = f"name: {name}\nrole: external\ncases: {name}-cases.csv\noutcomes: {name}.csv\n"
        (folder / f"{name}.yaml").write_text(card, encoding="utf-8")
        run = ccrcc("benchmark", model_folder, *site(folder, name), "--out", folder / name, "--share", folder / "sent")
        assert run.status == 0, run.said
        digest = json.loads((folder / "sent" / f"{name}.grade.json").read_text(encoding="utf-8"))["sha256"]
        assert any(line.endswith(f"{name}.grade.json, SHA-256 {digest}") for line in run.said.splitlines())
    both = [option for name in SITES for option in site(folder, name)]
    run = ccrcc("benchmark", model_folder, *both, "--out", folder / "both")
    assert run.status == 0, run.said
    return folder


def sent(hospitals: Path) -> list[Path]:
    return [hospitals / "sent" / f"{name}.grade.json" for name in SITES]


def check_agreement(benchmark: Path, pooled: Path) -> float:
    """Assert that pooled files and the benchmark of all patients agree; return the resolution of the model's AUC."""
    table = pd.read_csv(pooled / "multicentre.csv").set_index(["row", "predictor"]).loc["all sites"]
    shares = pd.read_csv(benchmark / "operating_points.csv").set_index(["scope", "predictor"]).loc["pooled external"]
    areas = pd.read_csv(benchmark / "discrimination.csv").set_index("scope").loc["pooled external"]
    for predictor, area in (("model", areas["auc"]), ("baseline", areas["baseline_auc"])):
        row, direct = table.loc[predictor], shares.loc[predictor].set_index("metric")
        assert (row["n"], row["events"]) == (areas["n"], areas["events"])
        assert row["auc_at_least"] <= area <= row["auc_at_most"]
        for name in ("sensitivity", "specificity", "accuracy", "ppv", "npv"):
            if pd.isna(row["withheld"]):
                assert row[name] == pytest.approx(direct.loc[name, "value"])
                assert row[f"{name}_low"] == pytest.approx(direct.loc[name, "low"])
            assert row[f"{name}_low"] <= direct.loc[name, "low"] + 1e-12
            assert row[f"{name}_high"] >= direct.loc[name, "high"] - 1e-12
    return float(table.loc["model", "auc_at_most"] - table.loc["model", "auc_at_least"]) / 2


def test_two_result_files_pooled_agree_with_the_benchmark_of_both(hospitals: Path, tmp_path: Path) -> None:
    run = ccrcc("pool", *sent(hospitals), "--out", tmp_path)
    assert run.status == 0, run.said
    assert run.said.splitlines()[-1] == f"Multicentre table: {tmp_path / 'multicentre.csv'}"
    table = pd.read_csv(tmp_path / "multicentre.csv").set_index(["row", "predictor"])
    assert pd.isna(table.loc[("all sites", "model"), "withheld"])
    assert check_agreement(hospitals / "both", tmp_path) < 0.06
    counts = table.loc[("all sites", "model"), ["true_positive", "false_negative", "true_negative", "false_positive"]]
    direct = pd.read_csv(hospitals / "both" / "table_s2.csv").set_index("scope").loc["pooled external"]
    assert counts.tolist() == direct[counts.index].tolist()


def test_a_larger_smallest_cell_is_kept_and_a_smaller_one_is_no_option(
    hospitals: Path, model_folder: Path, tmp_path: Path
) -> None:
    command = ("benchmark", model_folder, *site(hospitals, "north"), "--out", tmp_path / "b", "--share", tmp_path)
    assert ccrcc(*command, "--smallest-cell", "4").status == 2
    assert ccrcc(*command, "--smallest-cell", "10").status == 0
    result = SiteResult.read(tmp_path / "north.grade.json")
    assert result.smallest_cell == 10
    assert not any(0 < count < 10 for cell in result.model.histogram.cells for count in (cell.negatives, cell.positives))


def test_a_cohort_with_too_few_of_a_class_is_not_shared_but_its_benchmark_is_kept(
    hospitals: Path, model_folder: Path, tmp_path: Path
) -> None:
    command = ("benchmark", model_folder, *site(hospitals, "north"), "--out", tmp_path / "b", "--share", tmp_path / "s")
    assert "Cohort north has fewer than 300 positive patients" in mistake(*command, "--smallest-cell", "300")
    assert (tmp_path / "b" / "table_s2.csv").is_file()
    assert not (tmp_path / "s").exists()


def test_a_smallest_cell_without_a_result_file_is_refused(hospitals: Path, model_folder: Path, tmp_path: Path) -> None:
    command = ("benchmark", model_folder, *site(hospitals, "north"), "--out", tmp_path / "b", "--smallest-cell", "10")
    assert "--smallest-cell is of the result files that --share writes" in mistake(*command)
    assert not (tmp_path / "b").exists()


def test_bad_result_files_get_one_line_and_nothing_is_written(hospitals: Path, tmp_path: Path) -> None:
    north, south = sent(hospitals)
    out = tmp_path / "out"
    text = south.read_text(encoding="utf-8")

    def with_south(name: str, content: str) -> str:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return mistake("pool", north, tmp_path / name, "--out", out)

    assert "tampered.json was changed" in with_south("tampered.json", text.replace('"n": 240', '"n": 241'))
    assert "format 3, this version reads 1 and 2: update" in with_south(
        "newer.json", text.replace('"format": 2', '"format": 3')
    )
    assert "Cohort north is there 2 times" in mistake("pool", north, north, "--out", out)
    replace(SiteResult.read(south), model_id="f" * 64).write(tmp_path / "other.json")
    assert "Results of different models cannot be pooled" in mistake("pool", north, tmp_path / "other.json", "--out", out)
    assert not out.exists()


@pytest.mark.slow
def test_two_phantom_centres_agree_with_their_benchmark(tmp_path: Path) -> None:
    """The same from scans: their small cohorts have withheld counts, which the pooled intervals must cover."""
    plan = [CohortPlan("home", Role.DEVELOPMENT, ("centre-1", "centre-2"), 20)]
    plan += [CohortPlan(name, Role.EXTERNAL, (centre,), 24) for name, centre in (("north", "centre-6"), ("south", "centre-7"))]
    grid = Grid(columns=84, rows=60, spacing_mm=4.0, z_extent_mm=192.0, minimum_slice_spacing_mm=4.0)
    write_study(tmp_path, plan, grid, seed=5, jobs=2)
    for cohort in plan:
        card, table = tmp_path / cohort.name / "card.yaml", tmp_path / f"{cohort.name}.parquet"
        assert ccrcc("extract", card, "--preset", "quick", "--out", table, "--jobs", "2").status == 0
    outcomes = tmp_path / "home" / "outcomes.csv"
    options = ("--target", "grade", "--trials", "3", "--repeats", "1")
    run = ccrcc("fit", tmp_path / "home.parquet", "--outcomes", outcomes, *options, "--out", tmp_path / "model")
    assert run.status == 0, run.said
    cards = {name: ("--cohort", tmp_path / name / "card.yaml", "--table", tmp_path / f"{name}.parquet") for name in SITES}
    for name, options in (*cards.items(), ("both", (*cards["north"], *cards["south"]))):
        run = ccrcc(
            "benchmark", tmp_path / "model", *options, "--out", tmp_path / "b" / name, "--share", tmp_path / "sent" / name
        )
        assert run.status == 0, run.said
    files = [tmp_path / "sent" / name / f"{name}.grade.json" for name in SITES]
    assert ccrcc("pool", *files, "--out", tmp_path / "pooled").status == 0
    check_agreement(tmp_path / "b" / "both", tmp_path / "pooled")
