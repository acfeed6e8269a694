# Also of: ccrcc_model.patient.report_codes
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import pytest
from dicom_series import small_volume, write_series
from pydicom import dcmread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from valid_dicom import faults

from ccrcc_model.patient.report_codes import LONGEST_MEANING, SCHEME, name_codes, own_code, unit_code
from ccrcc_model.patient.structured_report import (
    STATEMENT,
    ReportedGroup,
    ReportedMeasurement,
    ReportedPrediction,
    write_report,
)
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.segmentation_object import Algorithm, WrittenSeg, write_seg
from nnunet_ext.dicom_objects.source import Source

TUMOUR = ReportedGroup(
    "Tumour 1",
    "tumour",
    (
        ReportedMeasurement("volume_ml", 12.5, "ml"),
        ReportedMeasurement("mean_hu", 88.1, "HU"),
        ReportedMeasurement("exophytic_share", 0.4, "1", points=2),
        ReportedMeasurement("maximum_diameter_mm", 45.0, "mm", points=2),
        ReportedMeasurement("face", "anterior"),
        ReportedMeasurement("collecting_system_distance_mm", None, "mm", "the mask has no collecting system"),
    ),
    side="left",
    segment="Tumour",
)
KIDNEY = ReportedGroup("Right kidney", "kidney", (ReportedMeasurement("length_mm", 112.0, "mm"),), "right", "Kidney")
GRADE = ReportedPrediction("WHO/ISUP grade 3 or 4", 0.37, model="grade", version="abc")
KI67 = ReportedPrediction("Ki67 above 10 %", 0.9, abstention="The scan is outside the domain")


def _written(
    folder: Path, identity: Identity, groups: tuple[ReportedGroup, ...] = (TUMOUR, KIDNEY), *, seg: bool = True
) -> tuple[Any, WrittenSeg | None]:
    image, mask = small_volume()
    source = Source.of(write_series(folder / "ct", image, PatientName="A^B", StudyInstanceUID="1.2.3.4"), identity)
    made = write_seg(folder / "seg.dcm", source, mask, algorithm=Algorithm("network", "1")) if seg else None
    write_report(folder / "sr.dcm", source, made, groups=groups, predictions=(GRADE, KI67))
    return highdicom.sr.srread(folder / "sr.dcm"), made


def _words(folder: Path) -> str:
    return json.dumps(dcmread(folder / "sr.dcm").to_json_dict(), ensure_ascii=False)


@pytest.mark.parametrize("identity", [Identity.kept(), Identity.replaced()], ids=["kept", "replaced"])
@pytest.mark.parametrize("seg", [True, False])
def test_dciodvfy_finds_no_error(tmp_path: Path, identity: Identity, *, seg: bool) -> None:
    _written(tmp_path, identity, seg=seg)
    assert faults(tmp_path / "sr.dcm") == []


def test_a_group_states_its_numbers_and_refers_to_its_segment(tmp_path: Path) -> None:
    report, seg = _written(tmp_path, Identity.kept())
    assert seg is not None
    tumour, kidney = report.content.get_volumetric_roi_measurement_groups()
    (volume,) = tumour.get_measurements(name=codes.SCT.Volume)
    assert (volume.value, volume.unit) == (12.5, Code("mL", "UCUM", "milliliter"))
    (mean,) = tumour.get_measurements(name=codes.DCM.AttenuationCoefficient)
    assert mean.derivation == codes.SCT.Mean
    for name in ("exophytic share points", "maximum diameter points"):
        (points,) = tumour.get_measurements(name=own_code(name))
        assert points.value == 2
    for group, name in ((tumour, "Tumour"), (kidney, "Kidney")):
        (item,) = (one for one in group[0].ContentSequence if "ReferencedSOPSequence" in one)
        assert item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == seg.header.SOPInstanceUID
        assert item.ReferencedSOPSequence[0].ReferencedSegmentNumber == seg.numbers[name]
    assert tumour.finding_type == codes.SCT.Neoplasm
    assert tumour.finding_sites[0].laterality == codes.SCT.Left


def test_words_and_what_is_not_assessable_have_no_number(tmp_path: Path) -> None:
    report, _ = _written(tmp_path, Identity.kept())
    tumour = report.content.get_volumetric_roi_measurement_groups()[0]
    said = {one.name.meaning: one.value.meaning for one in tumour.get_qualitative_evaluations()}
    assert said.pop("Finding category") == "Morphologically Abnormal Structure"
    assert said == {"face": "anterior", "collecting system distance": "Not assessable"}
    assert tumour.get_measurements(name=own_code("collecting system distance")) == []
    assert "the mask has no collecting system" in _words(tmp_path)


def test_every_prediction_is_labelled_as_research_and_a_withheld_one_has_no_number(tmp_path: Path) -> None:
    report, _ = _written(tmp_path, Identity.kept())
    grade, ki67 = report.content.get_image_measurement_groups()
    for group in (grade, ki67):
        assert group.finding_category.meaning == "Research output, not for clinical use"
        assert group.tracking_identifier.startswith("Research output: ")
        assert any(getattr(item, "TextValue", "") == STATEMENT for item in group[0].ContentSequence)
    (probability,) = grade.get_measurements()
    assert (probability.value, probability.unit.value) == (0.37, "1")
    assert ki67.get_measurements() == []
    assert "0.9" not in {str(one.value) for one in ki67.get_qualitative_evaluations()}
    assert "The scan is outside the domain" in _words(tmp_path)
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")


def test_graded_predictions_state_each_of_their_numbers(tmp_path: Path) -> None:
    source = Source.of(write_series(tmp_path / "ct", small_volume()[0]), Identity.replaced())
    grades = ReportedPrediction("ISUP grade", None, values={"grade_1": 0.25, "grade_2": 0.75, "expected_grade": 1.75})
    ki67 = ReportedPrediction("Ki67 index", None, values={"percent": 12.5})
    write_report(tmp_path / "sr.dcm", source, None, predictions=(grades, ki67))
    report = highdicom.sr.srread(tmp_path / "sr.dcm")
    stated = [
        [
            (one.name.meaning, one.value, one.unit.value, one.derivation and one.derivation.meaning)
            for one in group.get_measurements()
        ]
        for group in report.content.get_image_measurement_groups()
    ]
    assert stated == [
        [
            ("ISUP grade: grade 1", 0.25, "1", "Probability"),
            ("ISUP grade: grade 2", 0.75, "1", "Probability"),
            ("ISUP grade: expected grade", 1.75, "1", None),
        ],
        [("Ki67 index: percent", 12.5, "%", None)],
    ]
    assert "abstains" not in _words(tmp_path)


def test_a_group_whose_segment_is_not_there_is_reported_without_a_reference(tmp_path: Path) -> None:
    report, _ = _written(tmp_path, Identity.kept(), (replace(TUMOUR, segment="Tumour 7"),))
    assert report.content.get_volumetric_roi_measurement_groups() == []
    assert len(report.content.get_image_measurement_groups()) == 3


def test_the_report_is_of_the_study_of_the_segments_and_names_nobody(tmp_path: Path) -> None:
    report, seg = _written(tmp_path, Identity.replaced())
    assert seg is not None
    for name in ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate"):
        assert getattr(report, name) == getattr(seg.header, name)
    assert b"A^B" not in (tmp_path / "sr.dcm").read_bytes()
    assert b"1.2.3.4" not in (tmp_path / "sr.dcm").read_bytes()


@pytest.mark.parametrize(
    ("unit", "code"), [("ml", "mL"), ("mm", "mm"), ("HU", "[hnsf'U]"), ("1", "1"), ("points", "{points}"), ("odd", "{odd}")]
)
def test_units_are_ucum(unit: str, code: str) -> None:
    assert unit_code(unit)[:2] == (code, "UCUM")


def test_codes_of_our_own_fit_into_dicom_and_differ_where_words_do() -> None:
    long = own_code("x" * 65)
    assert len(long.value) == 16
    assert len(long.meaning) == LONGEST_MEANING == len(own_code("x" * 64).meaning)
    assert long.value != own_code("x" * 66).value
    assert name_codes("polar_position").name == Code(own_code("polar position").value, SCHEME, "polar position")
