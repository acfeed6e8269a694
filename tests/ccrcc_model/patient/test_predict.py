"""From a scan to ``answer.json``, through the stage and through the command."""

# Also of: ccrcc_model.commands.predict, ccrcc_model.patient.features_of_models, ccrcc_model.patient.masked_scan,
# ccrcc_model.patient.predictions_file, ccrcc_model.patient.scan_flags, ccrcc_model.patient.target_answer

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from command_line import ccrcc_here, mistake_here
from front_door import run_examples
from predicted_patients import fit_like, without_tumour, write_preset, write_scan

import ccrcc_model as cc
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.patient.answer import Answer
from ccrcc_model.patient.patient_files import PatientFiles
from ccrcc_model.patient.predict import predict
from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.ground.case import Cohort, Role
from nnunet_ext.ground.files import sha256
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.extraction import extract
from radiomics_cfg.measurements.measurement import PatientMeasurements
from radiomics_cfg.measurements.patient import measure_patient


def words(known: Path, out: Path, *more: str | Path) -> tuple[str | Path, ...]:
    models = (known / "grade", known / "percent")
    return ("predict", *models, "--preset", known / "small", "--out", out, *more)


def one(known: Path, out: Path) -> tuple[str | Path, ...]:
    return words(known, out, "--scan", known / "scan.nii.gz", "--mask", known / "scan_mask.nii.gz")


def test_an_answer_holds_measurements_and_the_prediction_of_every_target(known: Path, tmp_path: Path) -> None:
    ran = ccrcc_here(*one(known, tmp_path / "out"))
    assert ran.status == 0, ran.said
    folder = tmp_path / "out" / "scan"
    answer = Answer.read(folder)
    assert (answer.source.kind, answer.source.shape_xyz, answer.source.spacing_mm) == ("nifti", (32, 32, 32), (3, 3, 3))
    assert answer.source.image_sha256 == sha256(known / "scan.nii.gz")
    assert answer.mask.sha256 == sha256(folder / "mask.nii.gz")
    assert (answer.mask.origin, answer.network) == ("given", None)
    assert answer.lesions[0].volume_ml == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.06)
    grade, percent = answer.predictions
    model = Model.load(known / "grade")
    assert (grade.model_sha256, grade.kind, grade.abstained) == (model.id, "binary", False)
    assert grade.threshold == model.decision.threshold
    assert grade.positive == (grade.probability >= model.decision.threshold)
    assert len(grade.development.probabilities_positive) + len(grade.development.probabilities_negative) == 60
    assert (percent.kind, percent.probability, percent.conformal, list(percent.values)) == (
        "percentage", None, None, ["percent"]
    )  # fmt: skip


def test_contributions_of_every_grouping_have_one_sum(known: Path) -> None:
    answers = predict(
        Model.load(known / "grade"), known / "scan.nii.gz", mask=known / "scan_mask.nii.gz", preset=known / "small"
    ).answers
    moved = answers[0].predictions[0].contributions
    sums = [sum(group.log_odds for group in getattr(moved, by)) for by in ("region", "scale", "image", "family")]
    assert sums == pytest.approx([sums[0]] * 4)
    assert {group.group for group in moved.region} <= {"tumour", "kidney"}
    sizes = [abs(feature.log_odds) for feature in moved.features]
    assert sizes == sorted(sizes, reverse=True)


def test_the_probability_is_that_of_the_table(known: Path, tmp_path: Path) -> None:
    card = Cohort("one", Role.EXTERNAL, (write_scan(tmp_path / "one"),))
    save_cohort(card, tmp_path / "one")
    table = tmp_path / "t.parquet"
    ran = ccrcc_here("extract", tmp_path / "one" / "card.yaml", "--preset", known / "small", "--out", table)
    assert ran.status == 0, ran.said
    from radiomics_cfg.table import FeatureTable

    model = Model.load(known / "grade")
    expected = model.predict_patients(FeatureTable.read(table))["probability"].iloc[0]
    answers = predict(model, tmp_path / "one" / "card.yaml", preset=known / "small").answers
    assert answers[0].predictions[0].probability == expected


def test_what_extract_measured_is_used_again(known: Path, tmp_path: Path) -> None:
    card = Cohort("one", Role.EXTERNAL, (write_scan(tmp_path / "one"),))
    save_cohort(card, tmp_path / "one")
    extract(load_cohort(tmp_path / "one" / "card.yaml"), known / "small", cache_dir=tmp_path / "cases")
    kept = [(path.name, path.stat().st_mtime_ns) for path in (tmp_path / "cases").iterdir()]
    found = predict(
        Model.load(known / "grade"), tmp_path / "one" / "card.yaml", preset=known / "small", cache_dir=tmp_path / "cases"
    )
    assert found.answers[0].predictions[0].probability is not None
    assert [(path.name, path.stat().st_mtime_ns) for path in (tmp_path / "cases").iterdir()] == kept


def test_a_second_run_keeps_answers_and_a_changed_scan_is_done_again(known: Path, tmp_path: Path) -> None:
    scan, out = write_scan(tmp_path / "in"), tmp_path / "out"
    model = Model.load(known / "grade")
    options = {"mask": scan.mask, "out": out, "preset": known / "small"}
    stored = out / "scan" / "answer.json"
    first, written = predict(model, scan.image, **options).answers, stored.stat().st_mtime_ns
    assert (predict(model, scan.image, **options).answers, stored.stat().st_mtime_ns) == (first, written)
    write_scan(tmp_path / "in", seed=1)
    third, again = predict(model, scan.image, **options).answers, stored.stat().st_mtime_ns
    assert third[0].source.image_sha256 != first[0].source.image_sha256
    assert again > written
    stored.write_text("{", encoding="utf-8")
    assert predict(model, scan.image, **options).answers[0].predictions == third[0].predictions
    assert Answer.read(out / "scan").source == third[0].source


def test_one_bad_patient_is_quarantined_and_the_others_are_answered(known: Path, tmp_path: Path) -> None:
    good, bad = write_scan(tmp_path / "in", "good"), write_scan(tmp_path / "in", "bad")
    bad.image.write_bytes(bad.image.read_bytes()[:500])
    scans = ("--scan", bad.image, "--mask", bad.mask, "--scan", good.image, "--mask", good.mask)
    ran = ccrcc_here(*words(known, tmp_path / "out", *scans))
    assert ran.status == 3, ran.said
    quarantine = pd.read_csv(tmp_path / "out" / "quarantine.csv")
    assert quarantine[["case_id", "stage", "code"]].to_numpy().tolist() == [["bad", "predict", "unreadable"]]
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert table[["patient_id", "target"]].to_numpy().tolist() == [["good", "grade"], ["good", "ki67-percent"]]
    assert not (tmp_path / "out" / "bad").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [(MemoryError(), "out-of-memory"), (RuntimeError("ITK says no"), "failed"), (ZeroDivisionError(), "failed")],
)
def test_an_error_of_one_patient_does_not_end_the_run(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def measured(scan: Scan, **options: str | None) -> PatientMeasurements:
        if scan.image.GetSize()[0] == 31:
            raise error
        return measure_patient(scan, **options)

    monkeypatch.setattr("ccrcc_model.patient.predict.measure_patient", measured)
    good, bad = write_scan(tmp_path / "in", "good"), write_scan(tmp_path / "in", "bad")
    for path in (bad.image, bad.mask):
        sitk.WriteImage(sitk.ReadImage(str(path))[:31], str(path))
    found = predict(
        Model.load(known / "grade"),
        [bad.image, good.image],
        mask=[bad.mask, good.mask],
        preset=known / "small",
        out=tmp_path / "out",
    )
    assert [answer.patient for answer in found.answers] == ["good"]
    assert [(one.case_id, one.code) for one in found.refusals] == [("bad", code)]


def test_a_patient_who_is_refused_now_keeps_no_page_of_an_earlier_scan(known: Path, tmp_path: Path) -> None:
    scan, out = write_scan(tmp_path / "in"), tmp_path / "out"
    model, whole = Model.load(known / "grade"), scan.image.read_bytes()
    options = {"mask": scan.mask, "out": out, "preset": known / "small", "files": PatientFiles(slicer=True)}
    predict(model, scan.image, **options)
    stored = (out / "scan" / "answer.json").stat().st_mtime_ns
    scan.image.write_bytes(whole[:500])
    assert [one.code for one in predict(model, scan.image, **options).refusals] == ["unreadable"]
    assert sorted(path.name for path in (out / "scan").iterdir()) == ["answer.json", "mask.nii.gz"]
    scan.image.write_bytes(whole)
    assert len(predict(model, scan.image, **options).answers) == 1
    assert (out / "scan" / "page.html").is_file()
    assert (out / "scan" / "answer.json").stat().st_mtime_ns == stored


def test_a_card_that_names_a_development_patient_later_is_refused_later(known: Path, tmp_path: Path) -> None:
    case, model = write_scan(tmp_path / "in"), Model.load(known / "grade")
    codes = []
    for patient in ("someone", "dev-007"):
        card = Cohort("one", Role.EXTERNAL, (replace(case, patient_id=patient),))
        save_cohort(card, tmp_path / "in")
        found = predict(model, tmp_path / "in" / "card.yaml", preset=known / "small", out=tmp_path / "out")
        codes.append([one.code for one in found.refusals])
    assert codes == [[], ["development-patient"]]


def test_a_mask_without_a_tumour_has_an_answer_without_a_probability(known: Path, tmp_path: Path) -> None:
    scan = without_tumour(write_scan(tmp_path / "in"))
    ran = ccrcc_here(*words(known, tmp_path / "out", "--scan", scan.image, "--mask", scan.mask))
    assert ran.status == 3, ran.said
    assert "the mask shows no tumour" in ran.said
    answer = Answer.read(tmp_path / "out" / "scan")
    assert (answer.predictions, answer.lesions) == ((), ())
    assert [flag.code for flag in answer.refusals] == ["tumour-absent"]
    assert answer.kidneys[0].volume_ml == pytest.approx(4 / 3 * np.pi * 27, rel=0.05)
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert table["probability"].isna().all()
    assert "no tumour" in table["reason"][0]


def test_a_model_that_abstains_gives_no_number_but_its_reason(known: Path, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "in")
    model = fit_like(scan, known / "small", GRADE, tmp_path / "far", shift=100)
    answers = predict(model, scan.image, mask=scan.mask, preset=known / "small").answers
    found = answers[0].predictions[0]
    assert found.abstained
    assert found.abstained_reason
    assert (found.probability, found.positive, found.conformal, found.contributions.features) == (None, None, None, ())


def test_a_patient_whom_a_model_was_fitted_on_is_refused(known: Path, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "in", "dev-007")
    refused = predict(Model.load(known / "grade"), scan.image, mask=scan.mask, preset=known / "small").refusals
    assert [(one.case_id, one.code) for one in refused] == [("dev-007", "development-patient")]


def test_a_mask_of_another_scan_is_refused(known: Path, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "in")
    moved = sitk.ReadImage(str(scan.mask))
    moved.SetOrigin((50.0, 0.0, 0.0))
    sitk.WriteImage(moved, str(scan.mask))
    refused = predict(Model.load(known / "grade"), scan.image, mask=scan.mask, preset=known / "small").refusals
    assert [one.code for one in refused] == ["mask-origin"]


def test_a_mask_with_other_values_is_taken_as_it_is_labelled(known: Path, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "in")
    mask = sitk.ReadImage(str(scan.mask))
    sitk.WriteImage(mask * 5, str(scan.mask))
    given = ("--scan", scan.image, "--mask", scan.mask, "--label", "kidney=5", "--label", "tumour=10")
    ran = ccrcc_here(*words(known, tmp_path / "out", *given))
    assert ran.status == 0, ran.said
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "scan" / "mask.nii.gz"))), sitk.GetArrayFromImage(mask)
    )


def test_mistakes_of_the_call_end_in_one_line(known: Path, tmp_path: Path) -> None:
    scan, mask = known / "scan.nii.gz", known / "scan_mask.nii.gz"
    out = tmp_path / "out"
    assert "found both" in mistake_here(*one(known, out), "--network", known)
    for option in (("--fold", "1"), ("--device", "cuda"), ("--whole-scan",), ("--trust-checkpoint",)):
        assert "is for a network" in mistake_here(*one(known, out), *option)
    assert "--label is for --mask" in mistake_here(*words(known, out, "--scan", scan, "--label", "tumour=5"))
    assert "one mask for each scan" in mistake_here(*words(known, out, "--scan", scan, "--scan", scan, "--mask", mask))
    assert "no file or folder" in mistake_here(*words(known, out, "--scan", tmp_path / "none.nii.gz"))
    missing = mistake_here("predict", known / "grade", "--scan", scan, "--mask", mask, "--out", out)
    assert "No preset 'small'" in missing
    twice = ("predict", known / "grade", known / "grade", "--preset", known / "small", "--scan", scan, "--out", out)
    assert "Two models answer isup_grade >= 3" in mistake_here(*twice)
    other = write_preset(tmp_path / "other", bin_width=30)
    assert "give the folder of theirs with --preset" in mistake_here(
        "predict", known / "grade", "--preset", other, "--scan", scan, "--mask", mask, "--out", out
    )


def test_models_of_two_presets_are_refused_in_one_line(known: Path, tmp_path: Path) -> None:
    other = write_preset(tmp_path / "other", bin_width=30)
    fit_like(write_scan(tmp_path / "in"), other, "isup", tmp_path / "isup")
    given = ("--scan", known / "scan.nii.gz", "--mask", known / "scan_mask.nii.gz", "--out", tmp_path / "out")
    line = mistake_here("predict", known / "grade", tmp_path / "isup", *given)
    assert "two presets, small" in line
    assert "by themselves" in line


def test_a_scan_without_mask_and_network_is_refused(known: Path) -> None:
    refused = predict(Model.load(known / "grade"), known / "scan.nii.gz", preset=known / "small").refusals
    assert [one.code for one in refused] == ["mask-absent"]


def test_a_network_makes_the_mask(known: Path, tmp_path: Path) -> None:
    pytest.importorskip("nnunetv2")
    from threshold_network import write_threshold_network

    network = write_threshold_network(tmp_path / "network")
    scan = write_scan(tmp_path / "in")
    ran = ccrcc_here(*words(known, tmp_path / "out", "--scan", scan.image, "--network", network))
    assert ran.status in (0, 3), ran.said
    answer = Answer.read(tmp_path / "out" / "scan")
    assert answer.mask.origin == "network"
    assert answer.network is not None
    assert answer.network.name == "network"


def test_folders_of_results_stay_in_the_result(known: Path, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "in", "scan")
    odd = Path(shutil.copy(scan.image, tmp_path / "in" / "=1+1 <b>.nii.gz"))
    answers = predict(Model.load(known / "grade"), odd, mask=scan.mask, preset=known / "small", out=tmp_path / "out").answers
    assert answers[0].patient.isascii()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        answers[0].patient, "index.html", "predictions.csv", "quarantine.csv"
    ]  # fmt: skip
    assert not set("<>=") & set(answers[0].patient)
    content = json.loads((tmp_path / "out" / answers[0].patient / "answer.json").read_text(encoding="utf-8"))
    assert (content["format"], content["version"]) == ("ccrcc-answer", 1)


def test_the_example_of_the_front_door_runs(known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(known, tmp_path / "known")
    (tmp_path / "known" / "models").mkdir()
    (tmp_path / "known" / "grade").rename(tmp_path / "known" / "models" / "grade")
    monkeypatch.chdir(tmp_path / "known")
    assert run_examples(cc, "predict") >= 2


def test_a_result_is_not_written_into_the_folder_of_the_scan(known: Path, tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    assert "choose another with --out" in mistake_here(*words(known, tmp_path / "series", "--scan", tmp_path / "series"))


def as_masses(known: Path, out: Path) -> Path:
    mask = sitk.ReadImage(str(known / "scan_mask.nii.gz"))
    labels = sitk.GetArrayFromImage(mask)
    labels[labels == 2] = 4
    masses = sitk.GetImageFromArray(labels)
    masses.CopyInformation(mask)
    sitk.WriteImage(masses, str(out / "masses.nii.gz"))
    return out / "masses.nii.gz"


def test_a_mass_is_a_tumour_only_if_the_user_declares_it(known: Path, tmp_path: Path) -> None:
    mask = as_masses(known, tmp_path)
    asked = words(known, tmp_path / "out", "--scan", known / "scan.nii.gz", "--mask", mask)
    said = mistake_here(*asked, "--labels", "kidney=1,mass=4")
    assert "fitted on tumours, and these lesions are masses" in said
    assert "(tumour=…)" in said
    declared = ccrcc_here(*asked, "--labels", "kidney=1,tumour=4")
    assert declared.status == 0, declared.said
    plain = ccrcc_here(*one(known, tmp_path / "plain"))
    assert plain.status == 0, plain.said
    given, usual = (Answer.read(tmp_path / name / "scan") for name in ("out", "plain"))
    assert given.predictions == usual.predictions


def test_a_network_of_masses_does_not_answer_for_a_model_of_tumours(known: Path, tmp_path: Path) -> None:
    pytest.importorskip("nnunetv2")
    from threshold_network import write_threshold_network

    network = write_threshold_network(tmp_path / "network", labels={"kidney": 1, "renal mass": 2})
    scan = write_scan(tmp_path / "in")
    asked = words(known, tmp_path / "out", "--scan", scan.image, "--network", network)
    assert "these lesions are masses" in mistake_here(*asked)
    ran = ccrcc_here(*asked, "--labels", "kidney=1,tumour=2")
    assert ran.status in (0, 3), ran.said
    answer = Answer.read(tmp_path / "out" / "scan")
    assert answer.network is not None
    assert answer.network.labels == "kidney=1,tumour=2"
