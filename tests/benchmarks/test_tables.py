"""The benchmark on others' tables: on a small planted one, and its summary on figures known by hand."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
ROWS, FEATURES = 60, 40


@pytest.fixture(scope="module")
def tables() -> Iterator[ModuleType]:
    if not (SCRIPTS / "tables.py").is_file():
        pytest.skip("benchmarks/tables.py is not beside the tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        import tables

        yield tables
    for name in ("tables", "peers_of_tables", "summary_of_tables", "modelling"):
        sys.modules.pop(name, None)


@pytest.fixture
def planted(tables: ModuleType, tmp_path: Path) -> Any:
    """A file as radMLBench has them: the first feature separates the classes, one id is missing."""
    rng = np.random.default_rng(0)
    y = np.arange(ROWS) % 2
    frame = pd.DataFrame(rng.normal(size=(ROWS, FEATURES)), columns=[f"feature {place}" for place in range(FEATURES)])
    frame["feature 0"] += 4 * y
    frame.loc[3, "feature 4"] = np.nan
    frame.insert(0, "ID", [None, *range(1, ROWS)])
    frame["Target"] = y
    frame.to_csv(tmp_path / "planted.gz", index=False, compression="gzip")
    return tables.Table("planted", tmp_path / "planted.gz", lambda: tables.radiomic_table(tmp_path / "planted.gz"))


def _results(out: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted((out / "fits").rglob("*.json"))]


def test_a_row_without_an_id_is_a_patient_of_its_own(planted: Any) -> None:
    cases = planted.load()
    assert len(cases.patients) == ROWS
    assert cases.names == tuple(f"feature {place}" for place in range(FEATURES))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("model", ["ours", "lightgbm", "tuned_lightgbm", "forest", "forest_of_fives", "extra_trees"])
def test_trees_find_a_planted_feature(tables: ModuleType, planted: Any, model: str) -> None:
    _finds_it(tables, planted, model)


@pytest.mark.filterwarnings("ignore:The max_iter was reached")
@pytest.mark.parametrize("model", ["ridge", "ridge_on_30", "elastic_net", "support_vectors"])
def test_linear_peers_find_a_planted_feature(tables: ModuleType, planted: Any, model: str) -> None:
    _finds_it(tables, planted, model)


def _finds_it(tables: ModuleType, planted: Any, model: str) -> None:
    cases = planted.load()
    fold = tables.patient_folds(cases, folds=tables.FOLDS, repeats=1, seed=0)[0]
    found = tables.scored(model, cases.take(fold.train), cases.take(fold.test), tables.Budget(trials=2))
    assert found["auc"] > 0.9
    assert found["log_loss"] < np.log(2)
    assert len(found["p"]) == len(fold.test)


def test_every_patient_is_tested_once(tables: ModuleType, planted: Any, tmp_path: Path) -> None:
    n_fits = tables.run(planted, ["ridge"], tables.Budget(), out=tmp_path, repeats=1, jobs=1)
    results = _results(tmp_path)
    assert n_fits == len(results) == tables.FOLDS
    assert [one.get("failure") for one in results] == [None] * tables.FOLDS
    assert {one["fold"] for one in results} == set(range(tables.FOLDS))
    assert sum(len(one["y"]) for one in results) == ROWS


def test_a_run_goes_on_where_it_was_cut_off(tables: ModuleType, planted: Any, tmp_path: Path) -> None:
    budget = tables.Budget()
    assert tables.run(planted, ["ridge"], budget, out=tmp_path, repeats=1, jobs=1) == tables.FOLDS
    assert tables.run(planted, ["ridge"], budget, out=tmp_path, repeats=1, jobs=1) == 0
    next((tmp_path / "fits").rglob("*.json")).unlink()
    assert tables.run(planted, ["ridge"], budget, out=tmp_path, repeats=1, jobs=1) == 1


def test_another_table_of_the_name_is_fitted_anew(tables: ModuleType, planted: Any, tmp_path: Path) -> None:
    tables.run(planted, ["ridge"], tables.Budget(), out=tmp_path, repeats=1, jobs=1)
    frame = pd.read_csv(planted.file)
    frame.iloc[1:].to_csv(planted.file, index=False, compression="gzip")
    assert tables.run(planted, ["ridge"], tables.Budget(), out=tmp_path, repeats=1, jobs=1) == tables.FOLDS


def test_a_version_knows_the_settings_that_matter(tables: ModuleType) -> None:
    few, many = tables.Budget(trials=2), tables.Budget(trials=3)
    models = ("ours", "tuned_lightgbm", "forest", "ridge")
    of_both = {model: (tables.version_of(model, few), tables.version_of(model, many)) for model in models}
    assert {model for model, (one, other) in of_both.items() if one != other} == {"ours", "tuned_lightgbm"}


def test_a_peer_sees_no_patient_of_the_test_part(
    tables: ModuleType, planted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[float], set[float]]] = []

    class Watching:
        def fit(self, values: Any, y: Any) -> "Watching":
            assert len(values) == len(y)
            self.rows = set(values[:, 1])
            return self

        def predict_proba(self, values: Any) -> Any:
            seen.append((self.rows, set(values[:, 1])))
            return np.full((len(values), 2), 0.5)

    monkeypatch.setitem(tables.PEERS, "ridge", tables.PEERS["forest"].__class__("watching", lambda _: Watching()))
    monkeypatch.setattr(tables, "version_of", lambda *_: "0")
    tables.run(planted, ["ridge"], tables.Budget(), out=tmp_path, repeats=1, jobs=1)
    assert len(seen) == tables.FOLDS
    assert all(not train & test and len(train | test) == ROWS for train, test in seen)
    assert {one["auc"] for one in _results(tmp_path)} == {0.5}
    assert [one["log_loss"] for one in _results(tmp_path)] == pytest.approx([np.log(2)] * tables.FOLDS)


def test_a_peer_that_fails_is_named_and_tried_again(
    tables: ModuleType, planted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Any:
        msg = "no weights\nsee elsewhere"
        raise OSError(msg)

    monkeypatch.setitem(tables.PEERS, "ridge", tables.PEERS["forest"].__class__("refusing", refuse))
    monkeypatch.setattr(tables, "version_of", lambda model, _: model)
    run = {"out": tmp_path, "repeats": 1, "jobs": 1}
    tables.run(planted, ["ridge", "ridge_on_30"], tables.Budget(), **run)
    text = tables.summary(tables.read_fits(tmp_path), titles={"ridge": "refusing", "ridge_on_30": "other"})
    assert "Not ranked: refusing, 0 fits on 1 tables; 5 failed, the first by OSError: no weights." in text
    assert "| other | " in text
    assert tables.run(planted, ["ridge", "ridge_on_30"], tables.Budget(), **run) == tables.FOLDS


def test_without_the_data_nothing_is_fitted(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "RADMLBENCH", tmp_path / "none")
    monkeypatch.setattr(tables, "DATA", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["tables.py", "--models", "forest", "--out", str(tmp_path)])
    tables.main()
    assert "no data folder beside the checkout" in capsys.readouterr().out


def test_an_unknown_model_is_refused_with_those_that_are_here(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tables.py", "--models", "oracle", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        tables.main()
    assert "models that are not here: oracle; here are ours, lightgbm" in capsys.readouterr().err


def _fit(tables: ModuleType, model: str, table: str, auc: float, *, n: int = 120, version: str = "v", at: float = 0) -> Any:
    return tables.Fitted(
        table=table,
        model=model,
        version=f"{version}-{table}",
        finished=at,
        place=(0, 0),
        n=n,
        n_positive=40,
        n_features=10,
        auc=auc,
        log_loss=0.5,
        cpu_s=2.0,
        seconds=60,
        failure=None,
    )


TITLES = {"ours": "ours", "forest": "forest", "ridge": "ridge"}


def _row(text: str, title: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {title} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_summary_of_three_models_on_two_tables(tables: ModuleType) -> None:
    aucs = {"ours": (0.80, 0.60), "forest": (0.70, 0.70), "ridge": (0.80, 0.50)}
    fits = [_fit(tables, model, "large", pair[0]) for model, pair in aucs.items()]
    fits += [_fit(tables, model, "small", pair[1], n=80) for model, pair in aucs.items()]
    text = tables.summary(fits, titles=TITLES)
    # ranks of ours: shared first (1.5) and second (2); of the tables it wins half of one
    assert _row(text, "ours") == ["0.700", "0.800", "0.500", "1.75", "0.5", "-0.100 (small)", "+0.000", "2.0"]
    assert _row(text, "forest") == ["0.700", "0.700", "0.500", "2.00", "1", "-0.100 (large)", "-0.100", "2.0"]
    assert _row(text, "ridge") == ["0.650", "0.800", "0.500", "2.25", "0.5", "-0.200 (small)", "+0.000", "2.0"]
    # differences from the forest are +0.1 and -0.1: mean 0, half-width 12.706 * 0.1
    assert "| forest | +0.000 (-1.271 to +1.271) |" in text


def test_only_the_newest_version_counts_and_the_looks_are_counted(tables: ModuleType) -> None:
    fits = [_fit(tables, "ours", "t", auc, version=f"v{place}", at=place) for place, auc in enumerate((0.9, 0.8, 0.6))]
    text = tables.summary([*reversed(fits), _fit(tables, "forest", "t", 0.7)], titles=TITLES)
    assert _row(text, "ours")[0] == "0.600"
    assert "Versions of ours that were ever fitted on any of these tables, this one included: 3." in text


def test_a_model_that_lacks_a_table_is_not_ranked(tables: ModuleType) -> None:
    fits = [_fit(tables, "forest", "a", 0.7), _fit(tables, "forest", "b", 0.7), _fit(tables, "ridge", "a", 0.9)]
    text = tables.summary(fits, titles=TITLES)
    assert "Not ranked: ridge, 1 fits on 1 tables." in text
    assert "| ridge |" not in text
