"""A folder or a zip file of DICOM studies as a cohort: one volume per study, its mask, its acquisition, no identifier."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import SimpleITK as sitk

from nnunet_ext.cohort.acquisition import available
from nnunet_ext.cohort.cards import file_name
from nnunet_ext.convert.patient_key import numbered
from nnunet_ext.dicom.archive import unpacked
from nnunet_ext.dicom.choice import Row, choose
from nnunet_ext.dicom.files import Found, find_series
from nnunet_ext.dicom.headers import Header, read_header
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.studies import Study, alike, studies_of
from nnunet_ext.dicom_masks.mask_files import MASKS
from nnunet_ext.dicom_masks.remarks import remarks
from nnunet_ext.dicom_masks.scan_masks import Masks
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Case, Cohort, Refusal, Role
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import canonical_labels
from nnunet_ext.ground.progress import OnNote, OnProgress, quiet, silent
from nnunet_ext.ground.refusals import REASONS
from nnunet_ext.volumes.nifti import write_nifti

NO_STRUCTURES: Mapping[str, str | None] = MappingProxyType({})


def import_dicom(
    source: Path,
    out: Path,
    *,
    name: str,
    role: Role,
    centre: str,
    key: Path | None = None,
    structures: Mapping[str, str | None] = NO_STRUCTURES,
    join_masks: bool = False,
    on_progress: OnProgress = silent,
    on_note: OnNote = quiet,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Make a cohort of a tree of DICOM files: each study's best CT series becomes a NIfTI volume.

    Of the series that are volumes, one to which a mask refers is preferred; then originals over derived series, then by
    contrast phase (nephrographic, corticomedullary, excretory, unknown, unenhanced), by extent, and by thin slices. One whose
    voxels cannot be read is replaced by the next. ``series.csv`` reports what became of each and of unreadable files,
    ``masks.csv`` of each region of a mask. Patients are numbered; only ``key`` holds their identities. A study without a
    patient ID is a separate patient.

    Args:
        source: Folder, or zip file, of any number of studies.
        out: Folder for ``images``, ``masks``, ``series.csv``, ``masks.csv`` and ``acquisition.csv``.
        name: Of the cohort.
        role: Of the cohort.
        centre: Of every case.
        key: CSV file of patient IDs and their numbers, outside ``out``. If it is there, patients keep the numbers it gives.
        structures: Structure of regions by their normalised name, None to ignore one; see ``read_structures``.
        join_masks: Whether mask files of one scan that hold the same structure are joined.
        on_progress: Receives the number of studies done and the total.
        on_note: Receives remarks on all studies, in one line each, such as patients without an ID or unused masks.

    Returns:
        The cohort, and the studies from which no volume could be made.

    Raises:
        InputError: If the name is not valid for a card, nothing could be imported, the zip file is damaged, or the key is in
            ``out`` or unreadable.
    """
    file_name(name)
    if key is not None and key.resolve().is_relative_to(out.resolve()):
        msg = f"The key {key} names patients, so it has to be outside {out}"
        raise InputError(msg)
    with unpacked(source) as folder:
        found = _find(folder, source)
        studies = _with_scans(studies_of(found.series))
        numbers = numbered(sorted({study.patient for study in studies}), key)
        importer = _Importer(out, centre, Masks(found.series, structures, join=join_masks))
        cases, refusals = importer.all(studies, numbers, on_progress)
    importer.finish(found)
    for note in (*_notes(found, studies, importer.passed_over), *importer.remarks()):
        on_note(note)
    if not cases:
        codes = ", ".join(sorted({refusal.code for refusal in refusals}))
        verdicts = ", ".join(sorted({str(row["verdict"]) for row in importer.series}))
        what = f"None of the {len(studies)} studies in {source} became a volume ({codes})"
        msg = f"{what}; verdicts on their series: {verdicts}; {out / 'series.csv'} states the reasons"
        raise InputError(msg)
    _write_table(out / "acquisition.csv", importer.acquisition)
    labels = canonical_labels(name for name in structures.values() if name is not None)
    return Cohort(name=name, role=role, cases=cases, labels=labels, acquisition=out / "acquisition.csv"), refusals


def import_study(source: Path, out: Path, *, case_id: str, mask: Path | None = None) -> Cohort:
    """Make a volume, and its mask if it has one, of the only study in a folder or zip file, by the rules of ``import_dicom``.

    Args:
        source: Folder, or zip file.
        out: Folder for ``images``, ``masks`` and ``acquisition.csv``.
        case_id: Of the case and its patient; no identifier of the study is kept.
        mask: SEG or RTSTRUCT file that takes the place of those in the study.

    Returns:
        A cohort of one case.

    Raises:
        CaseRefused: ``several-studies``, why the study is no volume, or why the mask cannot be used.
        InputError: If there is no DICOM file, or the zip file is damaged or holds more than it may.
    """
    with unpacked(source) as folder:
        series = _find(folder, source).series
        if mask is not None:
            series = (*(one for one in series if one.first.modality not in MASKS), *_mask_series(mask))
        studies = _with_scans(studies_of(series))
        if len(studies) > 1:
            patients = len({study.patient for study in studies})
            raise CaseRefused("several-studies", f"{len(studies)} studies of {patients} patients; name the folder of one")
        importer = _Importer(out, "unknown", Masks(series, NO_STRUCTURES))
        case = importer.study(case_id, case_id, studies[0])
        if mask is not None and case.mask is None:
            row = next(row for row in (*importer.series, *importer.masks.rest().series) if row["modality"] in MASKS)
            code = str(row["verdict"]) if row["verdict"] in REASONS else "mask-unmatched"
            raise CaseRefused(code, str(row["why"]))
    _write_table(out / "acquisition.csv", importer.acquisition)
    return Cohort(name=case_id, role=Role.EXTERNAL, cases=(case,), acquisition=out / "acquisition.csv")


def _mask_series(mask: Path) -> tuple[Series, ...]:
    """Return a mask file as the series that it is.

    Raises:
        CaseRefused: ``mask-unreadable``, if it is none.
    """
    header = read_header(mask)
    if not isinstance(header, Header) or header.modality not in MASKS:
        raise CaseRefused("mask-unreadable", f"{mask.name} is no SEG and no RTSTRUCT file that can be read")
    return (Series((header,)),)


def _find(folder: Path, source: Path) -> Found:
    found = find_series(folder)
    if not found.series:
        unread = f"; {len(found.unread)} files that should be cannot be read" if found.unread else ""
        msg = f"No DICOM file below {source}{unread}"
        raise InputError(msg)
    return found


def _with_scans(studies: Sequence[Study]) -> tuple[Study, ...]:
    """Return the studies that hold more than masks; masks in a separate study belong to a scan of another study."""
    scans = tuple(study for study in studies if any(one.first.modality not in MASKS for one in study.series))
    return scans or tuple(studies)


def _notes(found: Found, studies: Sequence[Study], passed_over: int) -> list[str]:
    unknown = sum(not study.known for study in studies)
    same = alike(sorted({study.patient for study in studies}))
    notes = {
        f"{len(found.unread)} files could not be read": len(found.unread),
        f"{unknown} studies without a patient ID count as separate patients": unknown,
        f"{same} patients have IDs that differ only in capitals or blanks and were kept separate": same,
        f"{passed_over} studies whose best series cannot be read use another one": passed_over,
        f"{found.archives} zip files among the files were not opened": found.archives,
    }
    return [note for note, count in notes.items() if count]


@dataclass
class _Importer:
    """Turns studies into cases.

    Args:
        out: Folder for their volumes.
        centre: Of every case.
        masks: Of the import.
        series: Rows of ``series.csv`` so far.
        regions: Rows of ``masks.csv`` so far.
        acquisition: Rows of ``acquisition.csv`` so far.
        passed_over: Studies whose best series could not be read, so that another one was taken.
    """

    out: Path
    centre: str
    masks: Masks
    series: list[Row] = field(default_factory=list)
    regions: list[Row] = field(default_factory=list)
    acquisition: list[Row] = field(default_factory=list)
    passed_over: int = 0

    def all(
        self, studies: Sequence[Study], numbers: Mapping[str, str], on_progress: OnProgress
    ) -> tuple[tuple[Case, ...], tuple[Refusal, ...]]:
        """Return a case for every study, or why there is none; the studies of a patient are numbered."""
        cases: list[Case] = []
        refusals: list[Refusal] = []
        seen: Counter[str] = Counter()
        for done, study in enumerate(studies):
            on_progress(done, len(studies))
            seen[study.patient] += 1
            number = numbers[study.patient]
            case_id = f"{number}-{seen[study.patient]}"
            try:
                cases.append(self.study(case_id, number, study))
            except CaseRefused as refused:
                refusals.append(Refusal(case_id, "import", refused.code, refused.reason))
        on_progress(len(studies), len(studies))
        return tuple(cases), tuple(refusals)

    def study(self, case_id: str, patient_id: str, study: Study) -> Case:
        """Write the volume of a study, and its mask if one belongs to it.

        Raises:
            CaseRefused: ``patient-mixed``, ``no-series`` if none is a volume, or why the voxels or the mask cannot be used.
        """
        scans = [one for one in study.series if one.first.modality not in MASKS]
        choice = choose(scans, self.masks.preferred(study.series), case_id=case_id, note=study.note)
        self.series += choice.rows
        if study.problem:
            choice.refuse_all(CaseRefused("patient-mixed", f"{study.problem}, so it is unsure whose it is"))
        chosen, image = choice.first_readable()
        with choice.trying(chosen):
            labels = self._mask(case_id, chosen, image, len(choice.rows))
        choice.take(chosen)
        self.passed_over += chosen is not choice.usable[0]
        image_file, mask_file = (self.out / folder / f"{case_id}.nii.gz" for folder in ("images", "masks"))
        _write_volume(image, image_file)
        if labels is not None:
            _write_volume(labels, mask_file)
        known = available(chosen.slices[0].acquisition)
        known["slice_thickness_mm"] = known["slice_thickness_mm"] or f"{chosen.step_mm:g}"
        self.acquisition.append({"case_id": case_id, **known})
        return Case(case_id, patient_id, self.centre, image_file, mask_file if labels is not None else None, chosen.phase)

    def _mask(self, case_id: str, chosen: Series, image: sitk.Image, told: int) -> sitk.Image | None:
        """Return the mask of a series, and keep the rows of its files, numbered on from the series listed before.

        Raises:
            CaseRefused: Why the mask cannot be used.
        """
        mask = self.masks.of_scan(chosen, image)
        self.series += [{"case_id": case_id, "series": told + n, **row} for n, row in enumerate(mask.series, start=1)]
        self.regions += [{"case_id": case_id, **row} for row in mask.regions]
        if mask.refusal is not None:
            raise mask.refusal
        return mask.labels

    def finish(self, found: Found) -> None:
        """Write ``series.csv`` and ``masks.csv``, with the files that belong to no study or cannot be read."""
        rest = self.masks.rest()
        self.series += [{"case_id": "", "series": "", **row} for row in rest.series]
        self.regions += [{"case_id": "", **row} for row in rest.regions]
        if found.unread:
            self.series.append(_unread_row(found))
        _write_table(self.out / "series.csv", self.series)
        (self.out / "masks.csv").unlink(missing_ok=True)
        if self.regions:
            _write_table(self.out / "masks.csv", self.regions)

    def remarks(self) -> list[str]:
        """Return remarks on the masks, in one line each."""
        return remarks(self.series, self.regions, self.masks.unmatched_names)


def _unread_row(found: Found) -> Row:
    """Return the row of ``series.csv`` for unreadable files, which belong to no known study."""
    known = sum(one.missing for one in found.series)
    why = f"cannot read {len(found.unread)} files; {known} of them name a series, which is therefore refused"
    return {"case_id": "", "series": "", "modality": "", "files": len(found.unread), "verdict": "unreadable", "why": why}


def _write_volume(image: sitk.Image, file: Path) -> None:
    for tag in image.GetMetaDataKeys():
        image.EraseMetaData(tag)
    write_nifti(image, file)


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    write_csv(path, pd.DataFrame(rows))
