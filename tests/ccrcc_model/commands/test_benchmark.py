import json
import shutil
from pathlib import Path

import pandas as pd
from command_line import ccrcc_here, mistake_here

from ccrcc_model.validation.result import BenchmarkResult


def benchmark(tables: Path, model: Path, out: Path) -> tuple[str | Path, ...]:
    return ("benchmark", model, "--cohort", tables / "away.yaml", "--table", tables / "away.parquet", "--out", out)


def test_a_locked_model_is_scored_on_another_cohort(tables: Path, model_folder: Path, tmp_path: Path) -> None:
    ran = ccrcc_here(*benchmark(tables, model_folder, tmp_path / "b"))
    assert ran.status == 0, ran.said
    for one in BenchmarkResult.load(tmp_path / "b").contrasts:
        figures = f"AUC {one.found.model}, tumour volume alone {one.found.baseline.value:.2f}, difference "
        assert f"{one.name}: {figures}" in ran.said
        assert f"; {one.n} patients, {one.events} of them positive" in ran.said
    auc = pd.read_csv(tmp_path / "b" / "discrimination.csv").set_index("group")["auc"]
    assert auc["away"] > 0.7
    assert (tmp_path / "b" / "benchmark.json").is_file()
    record = json.loads((tmp_path / "b" / "run.json").read_text(encoding="utf-8"))
    assert (record["command"], record["target"], record["cohorts"]) == ("ccrcc benchmark", "grade", ["away"])
    assert record["settings"]["replicates"] == 2000


def test_a_benchmark_also_gives_what_the_user_asks_for_and_says_what_is_not_estimable(
    tables: Path, model_folder: Path, tmp_path: Path
) -> None:
    outcomes = pd.read_csv(tables / "away.csv").assign(sex="F", isup_grade=2)
    outcomes.to_csv(tmp_path / "low.csv", index=False)
    card = tmp_path / "away.yaml"
    (tmp_path / "cases.csv").write_text((tables / "cases.csv").read_text(encoding="utf-8"), encoding="utf-8")
    card.write_text((tables / "away.yaml").read_text(encoding="utf-8").replace("away.csv", "low.csv"), encoding="utf-8")
    options = ("--prevalence", "0.3", "--replicates", "100", "--seed", "4")
    out = tmp_path / "b"
    ran = ccrcc_here("benchmark", model_folder, "--cohort", card, "--table", tables / "away.parquet", "--out", out, *options)
    assert ran.status == 0, ran.said
    assert "away: no positive patients among 60, so AUC, AUPRC and calibration are not estimable" in ran.said
    assert set(pd.read_csv(out / "at_prevalence.csv")["prevalence"]) == {0.3}
    assert pd.read_csv(out / "subgroups.csv").query("factor == 'sex'")["n"].tolist() == [60]
    assert (pd.read_csv(out / "recalibration.csv")["reason"] == "no positive patients").all()
    calls = pd.read_csv(out / "calls.csv")
    assert len(calls) == 4 * 3  # home, away, and the two centres of away
    assert (calls.query("group == 'away' and metric == 'sensitivity'")["reason"] == "no positive patients").all()


def test_a_benchmark_refuses_in_one_line_what_it_cannot_score(tables: Path, model_folder: Path, tmp_path: Path) -> None:
    arguments = benchmark(tables, model_folder, tmp_path / "b")
    assert "inside (0, 1), such as 0.3; got 30" in mistake_here(*arguments, "--prevalence", "30")
    card = tmp_path / "away.yaml"
    (tmp_path / "cases.csv").write_text((tables / "cases.csv").read_text(encoding="utf-8"), encoding="utf-8")
    card.write_text("name: away\nrole: external\ncases: cases.csv\n", encoding="utf-8")
    scored = ("benchmark", model_folder, "--cohort", card, "--out", tmp_path / "b", "--table")
    assert "has no outcomes" in mistake_here(*scored, tables / "away.parquet")
    seen = tmp_path / "home.yaml"
    seen.write_text(
        (tables / "away.yaml").read_text(encoding="utf-8").replace("away.csv", str(tables / "home.csv")), encoding="utf-8"
    )
    other = ("benchmark", model_folder, "--cohort", seen, "--table", tables / "home.parquet", "--out", tmp_path / "b")
    assert "card of away was given a table of home" in mistake_here(*other)
    seen.write_text(seen.read_text(encoding="utf-8").replace("name: away", "name: home"), encoding="utf-8")
    scored = ("benchmark", model_folder, "--cohort", seen, "--out", tmp_path / "b", "--table")
    assert "60 patients of the table were used to fit the model" in mistake_here(*scored, tables / "home.parquet")
    assert not (tmp_path / "b").exists()


def test_a_model_with_one_byte_changed_is_not_used(tables: Path, model_folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(model_folder, tmp_path / "model"))
    trees = next(model.rglob("*.txt"))
    content = bytearray(trees.read_bytes())
    content[len(content) // 2] ^= 1
    trees.write_bytes(content)
    assert trees.name in mistake_here(*benchmark(tables, model, tmp_path / "b"))
    assert not (tmp_path / "b").exists()
