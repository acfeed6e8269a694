"""``ccrcc deep``, from files to files, and a model fitted on what it writes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from balls import write_ball
from typer.testing import CliRunner, Result

pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from ccrcc_model.cli import app
from ccrcc_model.models.made_by import preset_of
from ccrcc_model.models.model import Model
from nnunet_ext.cohort.cards import save_cohort
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.cases import deep as deep_case
from radiomics_cfg.table import FeatureTable

N_CASES = 24


def ball(folder: Path, number: int) -> Case:
    """Write a scan; every second tumour is darker."""
    case = Case(f"case{number:02}", f"p{number}", "north", folder / f"{number}.nii.gz", folder / f"{number}_mask.nii.gz")
    radius_mm = 10 + np.random.default_rng(number).uniform(0, 6)
    hu = 90 - 40 * (number % 2)
    return write_ball(case, seed=number, side=28, tumour_mm=radius_mm, kidney_mm=28, tumour_hu=hu)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A development cohort of small scans, its outcomes, a preset and the feature table."""
    folder = tmp_path_factory.mktemp("study")
    save_cohort(Cohort("balls", Role.DEVELOPMENT, tuple(ball(folder, number) for number in range(N_CASES))), folder)
    grades = {"patient_id": [f"p{number}" for number in range(N_CASES)], "isup_grade": [2 + n % 2 for n in range(N_CASES)]}
    pd.DataFrame(grades).to_csv(folder / "outcomes.csv", index=False)
    preset = folder / "small"
    preset.mkdir()
    shell = {"inner_mm": 0, "outer_mm": 10, "sides": ["whole"]}
    (preset / "regions.yaml").write_text(yaml.safe_dump({"structures": ["tumour"], "shells": [shell]}), encoding="utf-8")
    parameters = {
        "setting": {"resampledPixelSpacing": [3, 3, 3], "binWidth": 25},
        "imageType": {"Original": {}},
        "featureClass": {"shape": ["MeshVolume"], "firstorder": ["Entropy"]},
    }
    (preset / "3mm.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    assert ccrcc("extract", folder / "card.yaml", "--preset", preset, "--out", folder / "plain.parquet").exit_code == 0
    return folder


def ccrcc(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, InputError):
        raise result.exception
    return result


def deep(study: Path, network: Path, out: Path, *more: object) -> Result:
    table = ("--table", study / "plain.parquet", "--preset", study / "small")
    return ccrcc("deep", study / "card.yaml", *table, "--model", network, "--out", out, *more)


def test_from_masks_to_a_model_of_deep_features(study: Path, untrained_network: Path, tmp_path: Path) -> None:
    out = tmp_path / "joined.parquet"
    result = deep(study, untrained_network, out)
    assert result.exit_code == 0
    assert result.stdout == f"72 deep features (experimental) added to 5 others of {N_CASES} cases: {out}\n"
    plain, joined = FeatureTable.read(study / "plain.parquet"), FeatureTable.read(out)
    assert joined.rows[plain.rows.columns].equals(plain.rows)
    assert not joined.features.isna().any(axis=None)
    assert preset_of(joined) != preset_of(plain)
    run = json.loads((tmp_path / "joined.run.json").read_text(encoding="utf-8"))
    assert run["experimental"] is True
    assert run["deep"]["network"].keys() == {"plans.json", "dataset.json", "fold_0/checkpoint_best.pth"}
    options = ("--folds", 3, "--repeats", 1, "--trials", 1)
    fitted = ccrcc("fit", out, "--outcomes", study / "outcomes.csv", "--target", "grade", "--out", tmp_path / "m", *options)
    assert fitted.exit_code == 0
    model = Model.load(tmp_path / "m")
    assert any("net4mm__deep_component_" in entry.feature for entry in model.importance)
    assert model.manifest["audit"]["no_leak"]
    new = joined.rows.assign(patient_id="new-" + joined.rows["patient_id"])
    frame = model.predict_patients(FeatureTable(new, joined.provenance))
    dark = frame["patient_id"].str.removeprefix("new-p").astype(int) % 2 == 1
    assert frame["probability"][dark].median() > frame["probability"][~dark].max(), "the network sees which tumours are dark"


def test_a_second_run_measures_nothing_and_writes_the_same(
    study: Path, untrained_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "joined.parquet"
    deep(study, untrained_network, out)
    first = out.read_bytes()
    monkeypatch.setattr(deep_case, "measure_deep", lambda *_: pytest.fail("all is done"))
    assert deep(study, untrained_network, out).exit_code == 0
    assert out.read_bytes() == first


def test_one_bad_case_is_quarantined_and_the_rest_is_joined(
    study: Path, untrained_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = deep_case.read_scan

    def torn(case: Case, labels: dict[str, int], *, mask_required: bool) -> object:
        if case.id == "case03":
            msg = "the network is out of luck"
            raise RuntimeError(msg)
        return measure(case, labels, mask_required=mask_required)

    monkeypatch.setattr(deep_case, "read_scan", torn)
    out = tmp_path / "joined.parquet"
    assert deep(study, untrained_network, out).exit_code == 3
    quarantine = pd.read_csv(tmp_path / "joined.quarantine.csv")
    assert quarantine[["case_id", "stage", "code"]].to_numpy().tolist() == [["case03", "deep", "failed"]]
    joined = FeatureTable.read(out)
    assert joined.rows["case_id"][joined.features.isna().any(axis=1)].tolist() == ["case03"]
    monkeypatch.undo()
    assert deep(study, untrained_network, out).exit_code == 0, "what may pass is tried again"
    assert not FeatureTable.read(out).features.isna().any(axis=None)


@pytest.mark.parametrize(
    ("name", "message"),
    [("plain.parquet", "would replace the one that it is made from"), ("joined.txt", "is a .parquet or a .csv file")],
)
def test_the_joined_table_is_a_file_of_its_own(study: Path, untrained_network: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        deep(study, untrained_network, study / name)


def test_a_preset_that_the_table_names_need_not_be_named(study: Path, untrained_network: Path, tmp_path: Path) -> None:
    table = FeatureTable.read(study / "plain.parquet")
    words = ("deep", study / "card.yaml", "--model", untrained_network, "--out", tmp_path / "o.parquet")
    with pytest.raises(InputError, match="No preset 'small'; known ones are multiscale, quick"):
        ccrcc(*words, "--table", study / "plain.parquet")
    FeatureTable(table.rows, {**table.provenance, "preset": "quick"}).write(tmp_path / "quick.parquet")
    with pytest.raises(InputError, match=r"extracted with preset quick \(.*not with quick"):
        ccrcc(*words, "--table", tmp_path / "quick.parquet")


@pytest.mark.slow
def test_two_processes_write_the_table_of_one(study: Path, untrained_network: Path, tmp_path: Path) -> None:
    tables = [tmp_path / jobs / "joined.parquet" for jobs in "12"]
    for jobs, table in enumerate(tables, start=1):
        assert deep(study, untrained_network, table, "--jobs", jobs).exit_code == 0
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_shards_keep_what_the_whole_command_then_uses(
    study: Path, untrained_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "joined.parquet"
    for shard in ("0/2", "1/2"):
        result = deep(study, untrained_network, out, "--shard", shard)
        assert result.exit_code == 0
        assert f"Shard {shard}: {N_CASES // 2} of {N_CASES // 2} cases kept" in result.stdout
    assert not out.exists()
    monkeypatch.setattr(deep_case, "measure_deep", lambda *_: pytest.fail("all is done"))
    assert deep(study, untrained_network, out).exit_code == 0
