"""Every public name of the package: where it comes from, what its example shows, what importing costs."""

import shutil
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from front_door import LARGEST_REPR, heavy_imports, modules_of, run_examples

import ccrcc_model as cc
from ccrcc_model.multicentre.result_file import site_result
from nnunet_ext.ground.notebook import as_html

MADE_ELSEWHERE = {"predict", "spread"}
"""Whose examples need scans: `patient/test_predict.py` and `validation/test_mask_spread.py` run them."""


@pytest.fixture(scope="module")
def place(model_folder: Path, planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with tables, outcomes, a locked model, its benchmark and two sites' result files."""
    folder = tmp_path_factory.mktemp("front_door")
    shutil.copytree(model_folder, folder / "models" / "grade")
    model = cc.load_model(folder / "models" / "grade")
    studies = {"home": cc.Study(None, *planted(60))}
    for seed, name in enumerate(("north", "south"), start=1):
        table, outcomes = planted(150, seed=seed, role="external", cohort=name)
        studies[name] = cc.Study(None, table, outcomes)
        site_result(model, table, outcomes).write(folder / f"{name}.json")
    for name, cohort in (("dev", "home"), ("ext", "north")):
        studies[cohort].table.write(folder / f"{name}.parquet")
        studies[cohort].outcomes.to_csv(folder / f"{name}.csv", index=False)
    cc.benchmark(model, studies["north"], replicates=50).save(folder / "benchmark" / "grade")
    known(40).write(folder / "predictions.csv")
    return folder


def known(n: int) -> cc.Predictions:
    """Evenly spread probabilities of which every fourth is wrong."""
    probability = (np.arange(n) + 0.5) / n
    truth = (probability > 0.5) ^ (np.arange(n) % 4 == 0)
    patients = np.array([f"patient-{number}" for number in range(n)])
    centres = np.resize(np.array(["east", "west"]), n)
    return cc.Predictions("north", "grade", patients, centres, truth.astype(np.int_), probability)


@pytest.mark.parametrize("name", sorted(set(cc.__all__) - MADE_ELSEWHERE))
def test_the_example_of_each_public_name_runs(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert run_examples(cc, name) >= 2
    plt.close("all")


def test_no_module_has_the_name_of_a_public_function() -> None:
    assert not modules_of(cc) & set(cc.__all__)
    assert set(cc.__all__) <= set(dir(cc))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ccrcc_model' has no attribute 'fitt'"):
        cc.fitt  # noqa: B018


def test_importing_loads_no_heavy_library() -> None:
    assert heavy_imports("ccrcc_model") == []


def test_paths_may_be_text_everywhere(place: Path, tmp_path: Path) -> None:
    model, result = cc.load_model(str(place / "models" / "grade")), cc.BenchmarkResult.load(str(place / "benchmark" / "grade"))
    site, predictions = cc.SiteResult.read(str(place / "north.json")), cc.Predictions.read(str(place / "predictions.csv"))
    model.save(str(tmp_path / "model"))
    result.save(str(tmp_path / "result"))
    site.write(str(tmp_path / "site.json"))
    predictions.write(str(tmp_path / "predictions.csv"))
    assert cc.Model.load(str(tmp_path / "model")).id == model.id
    assert repr(cc.BenchmarkResult.load(str(tmp_path / "result"))) == repr(result)
    assert cc.SiteResult.read(str(tmp_path / "site.json")) == site
    assert repr(cc.Predictions.read(str(tmp_path / "predictions.csv"))) == repr(predictions)


def test_every_value_shows_itself_in_three_short_lines_without_a_patient(place: Path, graded_folders: Path, planted) -> None:
    north = cc.Study(None, *planted(60, seed=1, role="external", cohort="north"))
    model = cc.load_model(place / "models" / "grade")
    shown: list[object] = [north, north.table, model, model.predict(north), cc.benchmark(model, north, replicates=20)]
    for folder in graded_folders.iterdir():
        graded = cc.load_model(folder)
        shown += [graded, graded.predict(north), cc.benchmark(graded, north)]
    shown.append(cc.pool([cc.SiteResult.read(place / f"{name}.json") for name in ("north", "south")]))
    for value in shown:
        text = repr(value)
        assert len(text.splitlines()) == 3, text
        assert len(text) < LARGEST_REPR, text
        assert "north-0" not in text
        assert "home-0" not in text
        assert value._repr_html_() == as_html(text)


def test_many_cohorts_are_counted_not_listed(planted) -> None:
    table, outcomes = planted(50)
    rows = table.rows.assign(cohort=[f"hospital-{number:02}" for number in range(50)])
    study = cc.Study(None, replace(table, rows=rows), outcomes)
    assert repr(study).splitlines()[0] == "Study of hospital-00, hospital-01, hospital-02 and 47 more, no card"
