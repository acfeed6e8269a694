from pathlib import Path

import pandas as pd
from command_line import mistake_here


def test_a_table_that_is_not_there_is_refused(tables: Path, tmp_path: Path) -> None:
    words = ("fit", tmp_path / "t.parquet", "--outcomes", tables / "away.csv", "--target", "grade", "--out", tmp_path / "m")
    assert "No feature table at" in mistake_here(*words)


def test_an_external_table_cannot_be_fitted_on(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    arguments = ("fit", tables / "away.parquet", "--outcomes", tables / "away.csv", "--target", "grade", "--out", out)
    assert "external" in mistake_here(*arguments)
    assert not out.exists()


def test_a_target_with_one_class_is_refused(tables: Path, tmp_path: Path) -> None:
    outcomes = tmp_path / "outcomes.csv"
    pd.read_csv(tables / "home.csv").assign(isup_grade=2).to_csv(outcomes, index=False)
    arguments = ("fit", tables / "home.parquet", "--outcomes", outcomes, "--target", "grade", "--out", tmp_path / "m")
    assert "class" in mistake_here(*arguments)
    assert not (tmp_path / "m").exists()
