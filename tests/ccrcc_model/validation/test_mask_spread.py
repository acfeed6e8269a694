"""Spread of the probability under perturbed masks: closed forms, and the command on what ``ccrcc stability`` kept."""

# Also of: ccrcc_model.commands.spread.

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from balls import write_ball
from fitted import fit
from front_door import run_examples
from typer.testing import CliRunner, Result

import ccrcc_model
from ccrcc_model.cli import app
from ccrcc_model.models.combat import Harmonisation
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.table import read_outcomes
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.validation.mask_spread import MaskSpread
from nnunet_ext.cohort.cards import save_cohort
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.backends.backend import load_backend
from radiomics_cfg.runs.batch import DEFAULT_BACKEND
from radiomics_cfg.table import FeatureTable


@pytest.fixture
def known() -> MaskSpread:
    """Three cases under an original and two perturbed masks; one mask of the second has no values, both of the third."""
    probability = np.array([[0.4, 0.6, 0.5], [0.3, np.nan, 0.5], [0.8, np.nan, np.nan]])
    development = np.array([False, True, False])
    return MaskSpread("north", ("a", "b", "c"), development, ("original", "grown", "shrunken"), probability, 0.5)


def test_spread_is_over_the_masks_that_have_values(known: MaskSpread) -> None:
    table = known.table().set_index("case_id")
    assert table["masks"].tolist() == [3, 2, 1]
    assert table["probability"].tolist() == [0.4, 0.3, 0.8]
    assert table["sd"].tolist()[:2] == pytest.approx([0.1, np.sqrt(0.02)])
    assert table["range"].tolist()[:2] == pytest.approx([0.2, 0.2])
    assert table.loc["a", ["low", "high"]].tolist() == [0.4, 0.6]
    assert table.loc["c", ["sd", "low", "high", "range", "call_changed"]].isna().all()


@pytest.mark.parametrize(("threshold", "changed"), [(0.4, 0.0), (0.41, 1.0), (0.5, 1.0), (0.51, 0.5), (0.6, 0.5), (0.61, 0.0)])
def test_a_probability_at_the_threshold_is_a_positive_call(known: MaskSpread, threshold: float, changed: float) -> None:
    assert replace(known, threshold=threshold).table()["call_changed"].iloc[0] == changed


def test_development_is_summarised_apart_and_cases_without_spread_not_at_all(known: MaskSpread) -> None:
    summary = known.summary()
    assert summary["development"].tolist() == [False, True]
    assert summary["cases"].tolist() == [1, 1]
    assert summary["sd_median"].tolist() == pytest.approx([0.1, np.sqrt(0.02)])
    assert summary["unsteady_cases"].tolist() == [1, 1]


def ball(folder: Path, name: str, number: int) -> Case:
    """Write a scan; the larger the number the larger and darker the tumour."""
    stem = f"{name}{number:02}"
    case = Case(f"{stem}-ct", stem, "north", folder / f"{stem}.nii.gz", folder / f"{stem}_mask.nii.gz", phase="nephrographic")
    return write_ball(case, seed=number, side=28, tumour_mm=9 + 0.5 * number, kidney_mm=27, tumour_hu=90 - 3 * number)


def ccrcc(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(result.exception, InputError):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model fitted on small scans, the feature table of three others, and the values of these under all masks."""
    try:
        load_backend(DEFAULT_BACKEND)
    except InputError as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("study")
    (folder / "small").mkdir()
    (folder / "small" / "regions.yaml").write_text(yaml.safe_dump({"structures": ["tumour"]}), encoding="utf-8")
    classes = {"shape": ["MeshVolume"], "firstorder": ["Mean", "Entropy", "10Percentile"], "glcm": ["Contrast"]}
    parameters = {"imageType": {"Original": {}}, "featureClass": classes, "setting": {"binWidth": 25}}
    (folder / "small" / "native.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    for name, role, numbers in (("home", Role.DEVELOPMENT, range(16)), ("away", Role.EXTERNAL, (4, 9, 14))):
        (folder / name).mkdir()
        cases = tuple(ball(folder / name, name, number) for number in numbers)
        save_cohort(Cohort(name, role, cases), folder / name)
        run = ccrcc("extract", folder / name / "card.yaml", "--preset", folder / "small", "--out", folder / f"{name}.parquet")
        assert run.exit_code == 0, run.output
    grade = [3 if number > 7 else 2 for number in range(16)]
    grade[5], grade[10] = 3, 2
    outcomes = pd.DataFrame({"patient_id": [f"home{number:02}" for number in range(16)], "isup_grade": grade})
    outcomes.to_csv(folder / "home.csv", index=False)
    options = ("--target", "grade", "--folds", "3", "--repeats", "1", "--trials", "1", "--out", folder / "model")
    assert ccrcc("fit", folder / "home.parquet", "--outcomes", folder / "home.csv", *options).exit_code == 0
    run = ccrcc(
        *("stability", folder / "away" / "card.yaml", "--preset", folder / "small"), "--out", folder / "stability.parquet"
    )
    assert run.exit_code == 0, run.output
    return folder


def test_the_example_of_spread_runs(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    assert run_examples(ccrcc_model, "spread") >= 2


def spread(study: Path, out: Path, *more: str | Path, cohort: str = "away") -> Result:
    usual: dict[str | Path, str | Path] = {"--cohort": study / cohort / "card.yaml", "--preset": study / "small"}
    usual |= {"--cases": study / "stability.cases", **dict(zip(more[::2], more[1::2], strict=True))}
    return ccrcc("spread", study / "model", "--out", out, *(word for option in usual.items() for word in option))


def test_the_command_tells_how_far_each_probability_moves(study: Path, tmp_path: Path) -> None:
    run = spread(study, tmp_path / "spread.csv")
    assert run.exit_code == 0, run.output
    table = pd.read_csv(tmp_path / "spread.csv")
    assert table["case_id"].tolist() == ["away04-ct", "away09-ct", "away14-ct"]
    assert (table["masks"] == 10).all()
    assert not table["development"].any()
    frame = Model.load(study / "model").predict_patients(FeatureTable.read(study / "away.parquet"))
    np.testing.assert_allclose(table["probability"], frame["probability"], rtol=1e-9)
    assert (table["sd"] > 0).all()
    assert ((table["low"] <= table["probability"]) & (table["probability"] <= table["high"])).all()
    summary = pd.read_csv(tmp_path / "spread.summary.csv")
    assert summary[["cohort", "cases"]].to_numpy().tolist() == [["away", 3]]
    record = json.loads((tmp_path / "spread.run.json").read_text(encoding="utf-8"))
    assert record["result"] == {"cases": 3, "refused": 0, "development": 0}
    assert record["masks"][0] == "original"
    changed = int((table["call_changed"] > 0).sum())
    line = f"Median SD {table['sd'].median():.3f}; a mask changes the call of {changed} of 3 cases: {tmp_path / 'spread.csv'}"
    assert run.output.splitlines()[-1] == line


def test_the_table_of_a_study_carries_what_is_known_of_the_scans(study: Path) -> None:
    cases = FeatureTable.read(study / "away.parquet").provenance["cases"]
    assert cases["away04-ct"]["acquisition"] == {"slice_spacing_mm": 3.0, "phase": "nephrographic"}
    model = Model.load(study / "model")
    assert model.domain.acquisition.ranges == {"slice_spacing_mm": (3.0, 3.0)}
    assert model.domain.acquisition.phases == ("nephrographic",)


def test_a_case_without_kept_values_is_refused_and_a_cohort_without_any_too(study: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    cases.mkdir()
    kept = sorted((study / "stability.cases").glob("*.npz"))
    (cases / kept[0].name).write_bytes(kept[0].read_bytes())
    run = spread(study, tmp_path / "spread.parquet", "--cases", cases)
    assert run.exit_code == 3
    assert len(pd.read_parquet(tmp_path / "spread.parquet")) == 1
    assert pd.read_csv(tmp_path / "spread.quarantine.csv")["code"].tolist() == ["not-measured"] * 2
    with pytest.raises(InputError, match="No case of cohort away has values under perturbed masks .* not-measured"):
        spread(study, tmp_path / "none.csv", "--seed", "1")
    assert not (tmp_path / "none.csv").exists()


def test_cases_of_the_development_are_marked(study: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(study / "away" / "cases.csv", dtype=str)
    rows.loc[0, "patient_id"] = "home04"
    rows["image"] = [str(study / "away" / name) for name in rows["image"]]
    rows["mask"] = [str(study / "away" / name) for name in rows["mask"]]
    rows.to_csv(tmp_path / "cases.csv", index=False)
    (tmp_path / "card.yaml").write_text((study / "away" / "card.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    run = spread(study, tmp_path / "spread.csv", "--cohort", tmp_path / "card.yaml")
    assert run.exit_code == 0, run.output
    assert pd.read_csv(tmp_path / "spread.csv")["development"].tolist() == [True, False, False]
    assert "(1 of the development)" in run.output
    assert pd.read_csv(tmp_path / "spread.summary.csv")["cases"].tolist() == [2, 1]


def test_another_preset_or_mode_is_refused(study: Path, tmp_path: Path) -> None:
    other = shutil.copytree(study / "small", tmp_path / "other")
    (other / "regions.yaml").write_text(yaml.safe_dump({"structures": ["tumour"], "minimum_voxels": 50}), encoding="utf-8")
    with pytest.raises(InputError, match="fitted on features of preset small .* the table holds other"):
        spread(study, tmp_path / "s.csv", "--preset", other)
    with pytest.raises(InputError, match="fitted on features of preset small .*pyradiomics"):
        spread(study, tmp_path / "s.csv", "--mode", "pyradiomics")
    with pytest.raises(InputError, match=r"spread table is a \.parquet or a \.csv file"):
        spread(study, tmp_path / "s.xlsx")


@pytest.mark.parametrize("harmonise", ["combat", "combat-transductive"])
def test_a_harmonised_model_gives_its_own_probability_or_is_refused(
    study: Path, tmp_path: Path, harmonise: Harmonisation
) -> None:
    home = FeatureTable.read(study / "home.parquet")
    centres = replace(home, rows=home.rows.assign(centre=["north", "south"] * (len(home.rows) // 2)))
    outcomes = read_outcomes(study / "home.csv")
    model = fit(centres, outcomes, GRADE, out_dir=tmp_path / "model", folds=3, repeats=1, trials=1, harmonise=harmonise)
    options = ("--cohort", study / "away" / "card.yaml", "--preset", study / "small", "--out", tmp_path / "spread.csv")
    arguments = ("spread", tmp_path / "model", *options, "--cases", study / "stability.cases")
    if harmonise == "combat-transductive":
        with pytest.raises(InputError, match="no probability by itself"):
            ccrcc(*arguments)
        return
    assert ccrcc(*arguments).exit_code == 0
    expected = model.predict_patients(FeatureTable.read(study / "away.parquet"))["probability"]
    np.testing.assert_allclose(pd.read_csv(tmp_path / "spread.csv")["probability"], expected, rtol=1e-9)
