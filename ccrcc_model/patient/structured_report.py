"""Measurements and predictions of one patient as a DICOM structured report: Comprehensive 3-D SR, TID 1500 of PS3.16.

Each lesion and each kidney is a group of measurements that refers to its segment of a SEG. Predictions follow in groups of
their own, each labelled as research output. The report is preliminary and unverified, as nobody has signed it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ccrcc_model.patient.report_codes import (
    ABSTAINED,
    NOT_ASSESSABLE,
    PREDICTION,
    RESEARCH,
    SCHEME,
    name_codes,
    own_code,
    points_code,
    unit_code,
)
from nnunet_ext.dicom_objects.coding import KIDNEY, STRUCTURE_CODES
from nnunet_ext.dicom_objects.equipment import equipment
from nnunet_ext.dicom_objects.highdicom_extra import highdicom
from nnunet_ext.dicom_objects.object_file import save_object
from nnunet_ext.dicom_objects.segmentation_object import WrittenSeg
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.record import DISTRIBUTION

SERIES_NUMBER = 902
"""Of a report: after that of a SEG."""

STATEMENT = "Research output of software that is not a medical device; not for clinical use. Not verified by a physician."

_COMMENT = Code("121106", "DCM", "Comment")
_PROCEDURE = Code("25045-6", "LN", "CT unspecified body region")
_SIDES = {"left": Code("7771000", "SCT", "Left"), "right": Code("24028007", "SCT", "Right")}


@dataclass(frozen=True, slots=True)
class ReportedMeasurement:
    """One measurement.

    Args:
        name: Such as ``volume_ml``; those of ``report_codes`` have a code of a standard.
        value: A number in ``unit``, a word, or None if it is not assessable.
        unit: Such as ``mm``; without meaning for a word.
        reason: Why it is not assessable.
        points: Of a score, if it has any.
    """

    name: str
    value: float | str | None
    unit: str = ""
    reason: str = ""
    points: int | None = None


@dataclass(frozen=True, slots=True)
class ReportedGroup:
    """What was measured of one lesion or one kidney.

    Args:
        name: Such as ``Tumour 1``; no two groups have the same.
        structure: ``kidney``, ``tumour`` or ``cyst``.
        measurements: In the order in which they are reported.
        side: ``left`` or ``right`` of the patient; empty if not known.
        segment: Name of the segment of the SEG that it is, or is part of; empty if there is none.
    """

    name: str
    structure: str
    measurements: tuple[ReportedMeasurement, ...]
    side: str = ""
    segment: str = ""


@dataclass(frozen=True, slots=True)
class ReportedPrediction:
    """What one model predicts.

    Args:
        target: In words, such as ``WHO/ISUP grade 3 or 4``.
        probability: From 0 to 1, of a yes or no; None if it is withheld, or the target is graded.
        abstention: Why it is withheld; empty if it is not.
        values: Of a graded target: the probability of each grade and the mean grade, or a percentage; by their names.
        model: Name of the model.
        version: Of the model, such as its hash.
    """

    target: str
    probability: float | None
    abstention: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    model: str = DISTRIBUTION
    version: str = "unknown"


def write_report(
    path: Path,
    source: Source,
    seg: WrittenSeg | None,
    *,
    groups: Sequence[ReportedGroup] = (),
    predictions: Sequence[ReportedPrediction] = (),
) -> Dataset:
    """Write a structured report.

    Args:
        path: Of the file.
        source: The CT series that was measured.
        seg: Of the same source, if it was written; without it groups refer to nothing.
        groups: Measurements.
        predictions: Of any number of targets.

    Returns:
        The report.

    Raises:
        InputError: If the extra ``dicom`` is not installed.
    """
    library = highdicom()
    identity = source.identity
    content = json.dumps([[asdict(one) for one in groups], [asdict(one) for one in predictions]], ensure_ascii=False)
    of = (source.series_uid, "" if seg is None else str(seg.header.SOPInstanceUID), content)
    report: Dataset = library.sr.Comprehensive3DSR(
        evidence=[*source.slices, *([] if seg is None else [seg.header])],
        content=_Writer(library, source, seg).content(groups, predictions),
        series_instance_uid=identity.new_uid("SR series", *of),
        series_number=SERIES_NUMBER,
        sop_instance_uid=identity.new_uid("SR", *of),
        instance_number=1,
        is_complete=True,
        series_description="Kidney measurements and predictions (research)",
        **equipment(),
    )
    report.CodingSchemeIdentificationSequence = [_coding_scheme()]
    save_object(path, report, source.identity)
    return report


def _coding_scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = SCHEME, f"Codes of {DISTRIBUTION}"
    scheme.CodingSchemeResponsibleOrganization = DISTRIBUTION
    return scheme


@dataclass(frozen=True)
class _Writer:
    """Builds the content tree by ``highdicom``."""

    library: Any
    source: Source
    seg: WrittenSeg | None

    @cached_property
    def sr(self) -> Any:
        """Its structured reports."""
        return self.library.sr

    def content(self, groups: Sequence[ReportedGroup], predictions: Sequence[ReportedPrediction]) -> Any:
        device = self.sr.DeviceObserverIdentifyingAttributes(
            uid=self.source.identity.new_uid("device", DISTRIBUTION),
            name=DISTRIBUTION,
            manufacturer_name=DISTRIBUTION,
            model_name=DISTRIBUTION,
        )
        observer = self.sr.ObserverContext(Code("121007", "DCM", "Device"), device)
        measured = [self.group(one) for one in groups]
        return self.sr.MeasurementReport(
            observation_context=self.sr.ObservationContext(observer_device_context=observer),
            procedure_reported=_PROCEDURE,
            imaging_measurements=[*measured, *(self.prediction(one) for one in predictions)],
        )

    def group(self, group: ReportedGroup) -> Any:
        numbers = {} if self.seg is None else self.seg.numbers
        codes = STRUCTURE_CODES[group.structure]
        common = {
            "tracking_identifier": self._tracking("group", group.name),
            "finding_type": codes.type,
            "finding_category": codes.category,
            "finding_sites": [self.sr.FindingSite(KIDNEY, laterality=_SIDES.get(group.side))],
            "measurements": list(self._numbers(group.measurements)),
            "qualitative_evaluations": list(self._words(group.measurements)),
        }
        if self.seg is None or group.segment not in numbers:
            made = self.sr.MeasurementsAndQualitativeEvaluations(**common)
        else:
            segment = self.sr.ReferencedSegment(
                self.seg.header.SOPClassUID,
                self.seg.header.SOPInstanceUID,
                numbers[group.segment],
                source_series=self.sr.SourceSeriesForSegmentation(self.source.series_uid),
            )
            made = self.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(**common, referenced_segment=segment)
        return self._commented(made, [f"{one.name}: {one.reason}" for one in group.measurements if one.reason])

    def prediction(self, prediction: ReportedPrediction) -> Any:
        withheld = [self.sr.QualitativeEvaluation(own_code(prediction.target), ABSTAINED)] if prediction.abstention else []
        made = self.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking("prediction", prediction.target),
            finding_type=PREDICTION,
            finding_category=RESEARCH,
            algorithm_id=self.sr.AlgorithmIdentification(prediction.model, prediction.version),
            measurements=[] if withheld else list(self._predicted(prediction)),
            qualitative_evaluations=withheld,
        )
        return self._commented(made, [STATEMENT, prediction.abstention])

    def _predicted(self, prediction: ReportedPrediction) -> Iterator[Any]:
        if prediction.probability is not None:
            yield self._probability(prediction.target, prediction.probability)
        for name, value in prediction.values.items():
            what = f"{prediction.target}: {name.replace('_', ' ')}"
            if name.startswith("grade_"):
                yield self._probability(what, value)
            else:
                yield self.sr.Measurement(own_code(what), value, unit_code("%" if name == "percent" else "1"))

    def _probability(self, what: str, value: float) -> Any:
        return self.sr.Measurement(own_code(what), value, unit_code("1"), derivation=Code("122157", "DCM", "Probability"))

    def _tracking(self, kind: str, name: str) -> Any:
        """Return what follows a group through reports: of a lesion that is a whole segment, the segment's own identifier."""
        whole = {} if self.seg is None else self.seg.tracking
        uid = whole.get(name) if kind == "group" else None
        label = f"Research output: {name}" if kind == "prediction" else name
        return self.sr.TrackingIdentifier(uid or self.source.identity.new_uid(kind, self.source.series_uid, name), label)

    def _numbers(self, measurements: Sequence[ReportedMeasurement]) -> Iterator[Any]:
        for one in measurements:
            codes = name_codes(one.name)
            if isinstance(one.value, float | int):
                yield self.sr.Measurement(codes.name, one.value, unit_code(one.unit), derivation=codes.derivation)
            if one.points is not None:
                yield self.sr.Measurement(points_code(one.name), one.points, unit_code("points"))

    def _words(self, measurements: Sequence[ReportedMeasurement]) -> Iterator[Any]:
        for one in measurements:
            if one.value is None:
                yield self.sr.QualitativeEvaluation(name_codes(one.name).name, NOT_ASSESSABLE)
            elif isinstance(one.value, str):
                yield self.sr.QualitativeEvaluation(name_codes(one.name).name, own_code(one.value))

    def _commented(self, group: Any, texts: Sequence[str]) -> Any:
        """Add comments to a group, whose template (TID 1411, 1501) may be extended."""
        contains = self.sr.RelationshipTypeValues.CONTAINS
        group[0].ContentSequence.extend(self.sr.TextContentItem(_COMMENT, text, contains) for text in texts if text)
        return group
