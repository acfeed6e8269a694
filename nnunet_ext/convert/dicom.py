"""A folder or a zip file of DICOM studies as a cohort: a volume a study, its mask, its acquisition, and no identifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import SimpleITK as sitk

from nnunet_ext.cards import file_name
from nnunet_ext.case import Case, Cohort, Refusal, Role
from nnunet_ext.convert.dicom_masks import read_mask
from nnunet_ext.convert.patient_key import numbered
from nnunet_ext.dicom.archive import unpacked
from nnunet_ext.dicom.choice import Row, choose
from nnunet_ext.dicom.files import Found, find_series
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.studies import Study, alike, studies_of
from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.files import atomic_path
from nnunet_ext.nifti import write_nifti
from nnunet_ext.progress import OnProgress, silent

MASKS = ("RTSTRUCT", "SEG")
"""Modalities that hold masks."""

OnNote = Callable[[str], None]
"""Is told, in a phrase, what the last line of the command has to say."""


def unsaid(_: str) -> None:
    """Say nothing."""


def import_dicom(
    source: Path,
    out: Path,
    *,
    name: str,
    role: Role,
    centre: str,
    key: Path | None = None,
    on_progress: OnProgress = silent,
    on_note: OnNote = unsaid,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Make a cohort of a tree of DICOM files: each study's best CT series becomes a NIfTI volume.

    Of the series that are volumes, one that a mask refers to goes first; then originals before what was derived of them, by
    contrast phase (nephrographic, corticomedullary, excretory, unknown, unenhanced), by extent, and by thin slices. One whose
    voxels cannot be read gives way to the next. ``series.csv`` says what became of each, and of files that cannot be read.
    Patients get numbers; ``key`` alone keeps what they stand for. A study without a patient ID is a patient of its own.

    Args:
        source: Folder, or zip file, of any number of studies.
        out: Gets ``images``, ``masks``, ``series.csv`` and ``acquisition.csv``.
        name: Of the cohort.
        role: Of the cohort.
        centre: Of every case.
        key: CSV file of patient IDs and their numbers, outside ``out``. If it is there, patients keep the numbers it gives.
        on_progress: Told the studies done and the studies in all.
        on_note: Told what is to be known of all studies, such as patients without an ID.

    Returns:
        The cohort, and the studies that no volume could be made of.

    Raises:
        InputError: If the name is none for a card, nothing could be imported, the zip file is damaged, or the key is in
            ``out`` or unreadable.
    """
    file_name(name)
    if key is not None and key.resolve().is_relative_to(out.resolve()):
        msg = f"The key {key} names patients, so it has to lie outside of {out}"
        raise InputError(msg)
    with unpacked(source) as folder:
        found = find_series(folder)
        if not found.series:
            unread = f"; {len(found.unread)} files that should be cannot be read" if found.unread else ""
            msg = f"No DICOM file below {source}{unread}"
            raise InputError(msg)
        studies = studies_of(found.series)
        numbers = numbered(sorted({study.patient for study in studies}), key)
        importer = _Importer(out, centre)
        cases: list[Case] = []
        refusals: list[Refusal] = []
        seen: dict[str, int] = {}
        for done, study in enumerate(studies):
            on_progress(done, len(studies))
            seen[study.patient] = seen.get(study.patient, 0) + 1
            number = numbers[study.patient]
            case_id = f"{number}-{seen[study.patient]}"
            try:
                cases.append(importer.study(case_id, number, study))
            except CaseRefused as refused:
                refusals.append(Refusal(case_id, "import", refused.code, refused.reason))
        on_progress(len(studies), len(studies))
    if found.unread:
        importer.series.append(_unread_row(found))
    for note in _notes(found, studies, importer.passed_over):
        on_note(note)
    _write_table(out / "series.csv", importer.series)
    if not cases:
        codes = ", ".join(sorted({refusal.code for refusal in refusals}))
        verdicts = ", ".join(sorted({str(row["verdict"]) for row in importer.series}))
        what = f"None of the {len(studies)} studies in {source} became a volume ({codes})"
        msg = f"{what}; verdicts on their series: {verdicts}; {out / 'series.csv'} states the reasons"
        raise InputError(msg)
    _write_table(out / "acquisition.csv", importer.acquisition)
    cohort = Cohort(name=name, role=role, cases=tuple(cases), acquisition=out / "acquisition.csv")
    return cohort, tuple(refusals)


def _unread_row(found: Found) -> Row:
    """Return the row of ``series.csv`` for files that cannot be read, and so are of no known study."""
    known = sum(one.missing for one in found.series)
    why = f"cannot read {len(found.unread)} files; {known} of them name a series, which is refused for it"
    return {"case_id": "", "series": "", "modality": "", "files": len(found.unread), "verdict": "unreadable", "why": why}


def _notes(found: Found, studies: Sequence[Study], passed_over: int) -> list[str]:
    unknown = sum(not study.known for study in studies)
    same = alike(sorted({study.patient for study in studies}))
    notes = {
        f"{len(found.unread)} files could not be read": len(found.unread),
        f"{unknown} studies without a patient ID are patients of their own": unknown,
        f"{same} patients have IDs that differ only in capitals or blanks and were kept apart": same,
        f"{passed_over} studies whose best series cannot be read gave another one": passed_over,
        f"{found.archives} zip files among the files were not opened": found.archives,
    }
    return [note for note, count in notes.items() if count]


@dataclass
class _Importer:
    """Turns studies into cases.

    Args:
        out: Gets their volumes.
        centre: Of every case.
        series: Rows of ``series.csv`` so far.
        acquisition: Rows of ``acquisition.csv`` so far.
        passed_over: Studies whose best series could not be read, so that another one was taken.
    """

    out: Path
    centre: str
    series: list[Row] = field(default_factory=list)
    acquisition: list[Row] = field(default_factory=list)
    passed_over: int = 0

    def study(self, case_id: str, patient_id: str, study: Study) -> Case:
        """Write the volume of a study, and its mask if one refers to it.

        Raises:
            CaseRefused: ``patient-mixed``, ``no-series`` if none is a volume, ``several-masks``, or what ``read_mask`` raises.
        """
        referred = {uid: one for one in study.series if one.first.modality in MASKS for uid in _referred(one)}
        choice = choose(study.series, frozenset(referred), case_id=case_id, note=study.note)
        self.series += choice.rows
        if study.problem:
            choice.refuse_all(CaseRefused("patient-mixed", f"{study.problem}, so it is unsure whose it is"))
        chosen, image = choice.first_readable()
        mask = referred.get(chosen.first.series)
        with choice.trying(chosen):
            labels = None if mask is None else _read_mask(mask, image, [header.instance for header in chosen.slices])
        choice.take(chosen)
        self.passed_over += chosen is not choice.usable[0]
        image_file, mask_file = (self.out / folder / f"{case_id}.nii.gz" for folder in ("images", "masks"))
        _write_volume(image, image_file)
        if labels is not None:
            _write_volume(labels, mask_file)
        known = dict(chosen.slices[0].acquisition)
        known["slice_thickness_mm"] = known["slice_thickness_mm"] or f"{chosen.step_mm:g}"
        self.acquisition.append({"case_id": case_id, **known})
        return Case(case_id, patient_id, self.centre, image_file, mask_file if labels is not None else None, chosen.phase)


def _referred(mask: Series) -> set[str]:
    """Return the identifiers of the series that an RTSTRUCT or a SEG refers to."""
    from pydicom import dcmread  # noqa: PLC0415 - an optional extra

    found = dcmread(mask.first.path, stop_before_pixels=True)
    uids = {str(one.SeriesInstanceUID) for one in found.get("ReferencedSeriesSequence", [])}
    for frame in found.get("ReferencedFrameOfReferenceSequence", []):
        for study in frame.get("RTReferencedStudySequence", []):
            uids |= {str(one.SeriesInstanceUID) for one in study.get("RTReferencedSeriesSequence", [])}
    return uids


def _read_mask(mask: Series, image: sitk.Image, instances: Sequence[str]) -> sitk.Image:
    if len(mask.headers) > 1:
        raise CaseRefused("several-masks", f"{len(mask.headers)} files of contours in one series; leave the right one")
    return read_mask(mask.first.path, mask.first.modality, image, instances)


def _write_volume(image: sitk.Image, file: Path) -> None:
    for tag in image.GetMetaDataKeys():
        image.EraseMetaData(tag)
    write_nifti(image, file)


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    with atomic_path(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
