"""A model folder that was sealed again around nonsense is refused in one line that says where."""

# Also of: ccrcc_model.models.files, ccrcc_model.models.manifest, ccrcc_model.models.member_files.

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccrcc_model.models.folder import MANIFEST, SEAL
from ccrcc_model.models.model import Model
from nnunet_ext.ground.errors import InputError


def seal(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
    """Seal a folder again, as anyone can."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    (folder / SEAL).write_text(hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() + "\n", encoding="utf-8")


def put(content: Any, place: str, value: object) -> None:
    """Set what stands at a place such as ``members.0.features``; ``...`` removes it."""
    *outer, last = (int(part) if part.isdigit() else part for part in place.split("."))
    for part in outer:
        content = content[part]
    if value is ...:
        del content[last]
    else:
        content[last] = value


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


def resealed(source: Path, folder: Path, file: str, where: str, value: object) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    if file == MANIFEST:
        seal(folder, lambda manifest: put(manifest, where, value))
        return folder
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    put(content, where, value)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    seal(folder)
    return folder


FIRST = "members.0"
NAN, INFINITY = float("nan"), float("inf")


def test_what_was_sealed_again_unchanged_is_read(model_folder: Path, place: Path) -> None:
    shutil.copytree(model_folder, place / "same")
    seal(place / "same")
    assert Model.load(place / "same").decision == Model.load(model_folder).decision


@pytest.mark.parametrize(
    ("file", "where", "value", "message"),
    [
        ("decisions.json", "model.threshold", NAN, r"decisions\.json: it holds NaN"),
        ("decisions.json", "model.threshold", INFINITY, r"decisions\.json: it holds Infinity"),
        ("decisions.json", "model.threshold", 1.7, r"model\.threshold: .*less than 1"),
        ("decisions.json", "baseline.threshold", 0.0, r"baseline\.threshold: .*greater than 0"),
        ("decisions.json", "model.threshold", "0.5", r"model\.threshold: .*valid number"),
        ("decisions.json", "model.threshold", True, r"model\.threshold: .*valid number"),
        ("decisions.json", "model.threshold", None, r"model\.threshold: .*valid number"),
        ("decisions.json", "model.threshold", ..., r"model\.threshold: Field required"),
        ("decisions.json", "model.slope", -1.0, r"model\.slope: .*greater than"),
        ("decisions.json", "model.intercept", 1e9, r"model\.intercept: .*less than"),
        ("decisions.json", "model.calibration", "isotonic", r"model\.calibration"),
        ("decisions.json", "other", 1, r"other: Extra inputs"),
        ("pipeline.json", "members", [], r"members: List should have at least 1"),
        ("pipeline.json", f"{FIRST}.features", [], r"a offset with features where it has none, or without"),
        ("pipeline.json", f"{FIRST}.family", "spline", r"family"),
        ("pipeline.json", f"{FIRST}.family", "ridge", r"a ridge with trees where it has none, or without"),
        ("pipeline.json", f"{FIRST}.family", "forest", r"trees that are averaged, or added up, and should not be"),
        ("pipeline.json", f"{FIRST}.trees", None, r"a offset with trees where it has none, or without"),
        ("pipeline.json", f"{FIRST}.weight", 0.0, r"weight"),
        ("pipeline.json", f"{FIRST}.tails", "cut", r"tails"),
        ("pipeline.json", f"{FIRST}.features.0.weight", NAN, r"it holds NaN"),
        ("pipeline.json", f"{FIRST}.features.0.weight", 1e9, r"features\.0\.weight"),
        ("pipeline.json", f"{FIRST}.features.0.spread", 0.0, r"features\.0\.spread"),
        ("pipeline.json", f"{FIRST}.features.0.name", 3, r"features\.0\.name"),
        ("pipeline.json", f"{FIRST}.features.0", ..., r"member_00\.txt: it has trees of another number of features"),
        ("pipeline.json", f"{FIRST}.trees", "../../etc/passwd", r"trees: String should match"),
        ("pipeline.json", f"{FIRST}.trees", "member_77.txt", r"member_77\.txt is not among its files"),
        ("pipeline.json", f"{FIRST}.trees", "member_01.txt", r"trees are given twice"),
        ("pipeline.json", f"{FIRST}.harmoniser", {"names": ["x"]}, r"harmoniser"),
        ("pipeline.json", "baseline.column", "age", r"baseline\.column"),
        ("pipeline.json", "baseline.sd_log", 0, r"baseline\.sd_log"),
        ("importance.json", "0.share", 2.0, r"0\.share"),
        ("importance.json", "0.members", 99, r"kept by 99 of"),
        ("explanation.json", "groups.0.by", "colour", r"groups\.0\.by"),
        ("explanation.json", "stability", "high", r"stability"),
        ("steps.json", "steps.0.seen", [10**6], r"a patient that is not listed"),
        ("steps.json", "steps.0", ..., r"the manifest states"),
        ("applicability.json", "limit", -1.0, r"limit"),
        ("applicability.json", "median", [], r"lists are not of one length"),
        ("applicability.json", "covariance_lower.0", [-5.0], r"a variance is negative"),
        ("applicability.json", "features.0", "unknown", r"compares unknown, which no member sees"),
        ("applicability.json", "acquisition.ranges", {"tube_voltage_kv": [140, 80]}, r"ends before it begins"),
        (MANIFEST, "target", ..., r"target: Field required"),
        (MANIFEST, "target.cut", 2, r"a target named grade that asks for isup_grade >= 2"),
        (MANIFEST, "target.column", "ki67_percent", r"a target named grade that asks for"),
        (MANIFEST, "target.name", "../grade", r"target"),
        (MANIFEST, "cohorts", "home", r"cohorts: .*valid list"),
        (MANIFEST, "patients", [], r"patients: List should have at least 1"),
        (MANIFEST, "patients.0", "0" * 64, r"steps\.json is of other patients"),
        (MANIFEST, "n_positive", 0, r"0 positive of 60"),
        (MANIFEST, "development.pooled_auc", 0.123, r"the AUC of score is not the manifest's"),
        (MANIFEST, "development.pooled_baseline_auc", 0.123, r"the AUC of baseline_score is not the manifest's"),
        (MANIFEST, "development.nested.model.sensitivity.numerator", 0, r"nested_positive is not what the manifest states"),
        (MANIFEST, "development.nested.baseline.design_effect", 0.9, r"greater than or equal to 1"),
        (MANIFEST, "comparisons.0.primary", False, r"not one primary comparison"),
        (MANIFEST, "development.auc.value", 0.999, r"outside of its interval|not theirs"),
        (MANIFEST, "development.auc", {"value": 1.0, "low": None, "high": None, "reason": None}, r"not theirs"),
        (MANIFEST, "audit.no_leak", False, r"audit\.no_leak"),
        (MANIFEST, "audit.leaks", ["outer 0.0"], r"audit\.leaks"),
        (MANIFEST, "preset", "quick", r"preset: .*valid dictionary"),
        (MANIFEST, "settings.folds", "many", r"settings\.folds"),
        (MANIFEST, "comparators.0.auc.low", 3.0, r"outside of its interval"),
        (MANIFEST, "kind", "fuzzy", r"fuzzy"),
        (MANIFEST, "format", 3.5, r"format 3\.5"),
    ],
)
def test_nonsense_behind_a_valid_seal_is_refused(
    model_folder: Path, place: Path, file: str, where: str, value: object, message: str
) -> None:
    folder = resealed(model_folder, place / "copy", file, where, value)
    with pytest.raises(InputError, match=message) as refused:
        Model.load(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("t,1,", "t,2,", "does not hold the 38 positive"),
        ("t,1,", "t,0,", "does not hold the 38 positive"),
        ("0.", "nan0.", "holds what is no number"),
        ("score,", "points,", "lacks the column score"),
        ("\n0", "\n1", "is of other patients"),
    ],
)
def test_out_of_fold_predictions_have_to_be_the_models(
    model_folder: Path, place: Path, old: str, new: str, message: str
) -> None:
    folder = Path(shutil.copytree(model_folder, place / "csv", dirs_exist_ok=True))
    text = (model_folder / "out_of_fold.csv").read_text(encoding="utf-8")
    (folder / "out_of_fold.csv").write_text(text.replace(old, new, 1), encoding="utf-8")
    seal(folder)
    with pytest.raises(InputError, match=message):
        Model.load(folder)


def test_a_calibration_that_the_predictions_do_not_follow_is_refused(model_folder: Path, place: Path) -> None:
    folder = Path(shutil.copytree(model_folder, place / "calibration"))
    decisions = json.loads((folder / "decisions.json").read_text(encoding="utf-8"))
    decisions["model"] |= {"calibration": "logistic", "slope": 2.0}
    (folder / "decisions.json").write_text(json.dumps(decisions), encoding="utf-8")
    seal(folder)
    with pytest.raises(InputError, match="probability does not follow from score"):
        Model.load(folder)


@pytest.mark.parametrize("name", ["pipeline.json", "decisions.json", "applicability.json", "out_of_fold.csv"])
def test_a_file_that_is_not_listed_is_missed(model_folder: Path, place: Path, name: str) -> None:
    folder = Path(shutil.copytree(model_folder, place / f"without {name}"))
    (folder / name).unlink()
    seal_without = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    del seal_without["files"][name]
    (folder / MANIFEST).write_text(json.dumps(seal_without), encoding="utf-8")
    seal(folder)
    with pytest.raises(InputError, match=f"{name} is not among its files"):
        Model.load(folder)


@pytest.mark.parametrize("files", [None, [], {"a": 1}, {"../a": "0"}])
def test_a_manifest_that_lists_no_files_is_refused(model_folder: Path, place: Path, files: object) -> None:
    folder = Path(shutil.copytree(model_folder, place / "files", dirs_exist_ok=True))
    seal(folder, lambda manifest: manifest.update(files=files))
    with pytest.raises(InputError, match="does not list its files"):
        Model.load(folder)


@pytest.mark.parametrize("text", ["[1]", '{"format": 3, "format": 3}', "{" * 5000, "\xff", '{"format": 1e999}'])
def test_a_manifest_that_is_no_manifest_is_refused(model_folder: Path, place: Path, text: str) -> None:
    folder = Path(shutil.copytree(model_folder, place / "manifest", dirs_exist_ok=True))
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    (folder / SEAL).write_text(hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        Model.load(folder)


@pytest.mark.parametrize(
    ("file", "where", "value", "message"),
    [
        ("pipeline.json", "calibration.slope", -1.0, r"calibration\.slope"),
        ("pipeline.json", "calibration.link.thresholds", [2.0, 1.0, 3.0], r"do not rise"),
        ("pipeline.json", "calibration.link.levels", [1.0, 2.0, 3.0, 5.0], r"calibrated for another outcome"),
        ("pipeline.json", "calibration.link", {"mean": 1.0, "sd": 1.0}, r"calibrated for another outcome"),
        ("pipeline.json", "baseline", [], r"baseline: List should have at least 1"),
        (MANIFEST, "target.name", "grade", r"another target or none"),
        (MANIFEST, "target.levels", [1.0, 2.0], r"another target or none"),
        (MANIFEST, "kind", "regression", r"another target or none"),
        (MANIFEST, "development.figures", {}, r"no concordance"),
        (MANIFEST, "development.figures.concordance.model.value", 7.0, r"outside of its interval"),
    ],
)
def test_nonsense_in_a_graded_model_is_refused(
    graded_folders: Path, place: Path, file: str, where: str, value: object, message: str
) -> None:
    folder = resealed(graded_folders / "isup", place / "graded", file, where, value)
    with pytest.raises(InputError, match=message):
        Model.load(folder)


def test_not_a_number_in_the_trees_never_reaches_lightgbm(
    model_folder: Path, graded_folders: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccrcc_model.models.pipeline.lgb.Booster", lambda **_: pytest.fail("the parser was called"))
    for source in (model_folder, graded_folders / "isup"):
        folder = Path(shutil.copytree(source, place / "trees", dirs_exist_ok=True))
        text = (source / "member_00.txt").read_text(encoding="utf-8")
        (folder / "member_00.txt").write_text(text.replace("leaf_value=", "leaf_value=nan ", 1), encoding="utf-8")
        seal(folder)
        with pytest.raises(InputError, match=r"member_00\.txt: it has "):
            Model.load(folder)
        shutil.rmtree(folder)


def test_a_pipe_in_a_model_folder_is_not_waited_for(model_folder: Path, place: Path) -> None:
    folder = Path(shutil.copytree(model_folder, place / "pipe"))
    (folder / "steps.json").unlink()
    os.mkfifo(folder / "steps.json")
    with pytest.raises(InputError, match="is a pipe"):
        Model.load(folder)
