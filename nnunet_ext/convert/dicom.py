"""A folder or a zip file of DICOM studies as a cohort: a volume a study, its mask, its acquisition, and no identifier."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

import pandas as pd
import SimpleITK as sitk

from nnunet_ext.acquisition import available
from nnunet_ext.cards import file_name
from nnunet_ext.case import Case, Cohort, Refusal, Role
from nnunet_ext.convert.dicom_masks import read_mask
from nnunet_ext.convert.dicom_series import PHASES, Series, find_series
from nnunet_ext.csv_table import read_csv, write_csv
from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.nifti import write_nifti
from nnunet_ext.progress import OnProgress, silent

MASKS = ("RTSTRUCT", "SEG")
"""Modalities that hold masks."""

KEY_COLUMNS = ("original", "patient_id")

Row = dict[str, object]


def import_dicom(
    source: Path,
    out: Path,
    *,
    name: str,
    role: Role,
    centre: str,
    key: Path | None = None,
    on_progress: OnProgress = silent,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Make a cohort of a tree of DICOM files: each study's best CT series becomes a NIfTI volume.

    Of the series that are volumes, one that a mask refers to goes first; then by contrast phase (nephrographic,
    corticomedullary, excretory, unknown, unenhanced), by extent, and by thin slices. ``series.csv`` tells what became of each.
    Patients get numbers; ``key`` alone keeps what they stand for.

    Args:
        source: Folder, or zip file, of any number of studies.
        out: Gets ``images``, ``masks``, ``series.csv`` and ``acquisition.csv``.
        name: Of the cohort.
        role: Of the cohort.
        centre: Of every case.
        key: CSV file of patient IDs and their numbers, outside ``out``. If it is there, patients keep the numbers it gives.
        on_progress: Told the studies done and the studies in all.

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
    with _unpacked(source) as folder:
        studies = _by_study(find_series(folder))
        numbers = _numbers(sorted({patient for patient, _ in studies}), key)
        importer = _Importer(out, centre)
        cases: list[Case] = []
        refusals: list[Refusal] = []
        seen: dict[str, int] = {}
        for done, ((patient, _), series) in enumerate(studies.items()):
            on_progress(done, len(studies))
            seen[patient] = seen.get(patient, 0) + 1
            case_id = f"{numbers[patient]}-{seen[patient]}"
            try:
                cases.append(importer.study(case_id, numbers[patient], series))
            except CaseRefused as refused:
                refusals.append(Refusal(case_id, "import", refused.code, refused.reason))
        on_progress(len(studies), len(studies))
    _write_table(out / "series.csv", importer.series)
    if not cases:
        codes = ", ".join(sorted({refusal.code for refusal in refusals}))
        msg = f"None of the {len(studies)} studies in {source} became a volume ({codes}); {out / 'series.csv'} tells why"
        raise InputError(msg)
    _write_table(out / "acquisition.csv", importer.acquisition)
    cohort = Cohort(name=name, role=role, cases=tuple(cases), acquisition=out / "acquisition.csv")
    return cohort, tuple(refusals)


@contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield source
        return
    if not source.is_file() or not is_zipfile(source):
        msg = f"{source} is neither a folder nor a zip file"
        raise InputError(msg)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with ZipFile(source) as archive:
                archive.extractall(folder)
        except (BadZipFile, EOFError, OSError) as error:
            msg = f"{source} is a damaged zip file: {error}"
            raise InputError(msg) from error
        yield Path(folder)


def _by_study(found: Sequence[Series]) -> dict[tuple[str, str], list[Series]]:
    studies: dict[tuple[str, str], list[Series]] = {}
    for series in found:
        studies.setdefault((series.first.patient, series.first.study), []).append(series)
    return studies


def _numbers(patients: Sequence[str], key: Path | None) -> dict[str, str]:
    """Return a number for each patient, those of the key kept; write the key, if there is one."""
    known: dict[str, str] = {}
    if key is not None and key.is_file():
        frame = read_csv(key, "key")
        if tuple(frame.columns) != KEY_COLUMNS:
            msg = f"{key} is no key: it has the columns {', '.join(map(str, frame.columns))}, not {', '.join(KEY_COLUMNS)}"
            raise InputError(msg)
        known = dict(zip(frame["original"], frame["patient_id"], strict=True))
    taken = set(known.values())
    free = (number for number in (f"p{n:04d}" for n in range(1, 10**6)) if number not in taken)
    known |= {patient: next(free) for patient in patients if patient not in known}
    if key is not None:
        _write_table(key, [dict(zip(KEY_COLUMNS, pair, strict=True)) for pair in known.items()])
    return known


@dataclass
class _Importer:
    """Turns studies into cases.

    Args:
        out: Gets their volumes.
        centre: Of every case.
        series: Rows of ``series.csv`` so far.
        acquisition: Rows of ``acquisition.csv`` so far.
    """

    out: Path
    centre: str
    series: list[Row] = field(default_factory=list)
    acquisition: list[Row] = field(default_factory=list)

    def study(self, case_id: str, patient_id: str, series: Sequence[Series]) -> Case:
        """Write the volume of a study, and its mask if one refers to it.

        Raises:
            CaseRefused: ``no-series`` if none is a volume, ``unreadable``, ``several-masks``, or what ``read_mask`` raises.
        """
        referred = {uid: one for one in series if one.first.modality in MASKS for uid in _referred(one)}
        chosen, table = choose(series, frozenset(referred))
        self.series += [{"case_id": case_id, **row} for row in table]
        if chosen is None:
            codes = ", ".join(str(row["verdict"]) for row in table)
            raise CaseRefused("no-series", f"none of the study's {len(table)} series is a volume: {codes}")
        image = _read_volume(chosen)
        mask = referred.get(chosen.first.series)
        labels = None if mask is None else _read_mask(mask, image, [header.instance for header in chosen.slices])
        image_file, mask_file = (self.out / folder / f"{case_id}.nii.gz" for folder in ("images", "masks"))
        _write_volume(image, image_file)
        if labels is not None:
            _write_volume(labels, mask_file)
        known = available(chosen.slices[0].acquisition)
        known["slice_thickness_mm"] = known["slice_thickness_mm"] or f"{chosen.step_mm:g}"
        self.acquisition.append({"case_id": case_id, **known})
        return Case(case_id, patient_id, self.centre, image_file, mask_file if labels is not None else None, chosen.phase)


def _read_volume(series: Series) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(header.path) for header in series.slices])
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise CaseRefused("unreadable", "ITK cannot read the voxels of the series") from error


def choose(series: Sequence[Series], referred: frozenset[str]) -> tuple[Series | None, list[Row]]:
    """Choose the series of a study that becomes its volume.

    Args:
        series: Of one study.
        referred: Identifiers of series that a mask refers to.

    Returns:
        The series, none if none is a volume; and a row for each with ``series, modality, files, slices, step_mm, length_mm,
        phase, verdict, why``.
    """
    rows: list[Row] = []
    usable: list[tuple[tuple[object, ...], int]] = []
    for number, one in enumerate(series, start=1):
        row: Row = {"series": number, "modality": one.first.modality, "files": len(one.headers)}
        row |= {"slices": "", "step_mm": "", "length_mm": "", "phase": one.phase or "", "verdict": "not chosen", "why": ""}
        try:
            row |= {"slices": len(one.slices), "step_mm": round(one.step_mm, 3), "length_mm": round(one.length_mm, 1)}
            usable.append(((*_preference(one, referred), number), number - 1))
        except CaseRefused as refused:
            row |= {"verdict": refused.code, "why": refused.reason}
        rows.append(row)
    if not usable:
        return None, rows
    best = min(usable)[1]
    for _, at in usable:
        rows[at]["why"] = _reason(series[at], referred)
    rows[best]["verdict"] = "chosen"
    return series[best], rows


def _preference(one: Series, referred: frozenset[str]) -> tuple[object, ...]:
    order = [*list(PHASES)[:-1], None, list(PHASES)[-1]]
    return (one.first.series not in referred, order.index(one.phase), -round(one.length_mm), round(one.step_mm, 3))


def _reason(one: Series, referred: frozenset[str]) -> str:
    mask = "with a mask, " if one.first.series in referred else ""
    return f"{mask}phase {one.phase or 'unknown'}, {one.length_mm:.0f} mm long, slices of {one.step_mm:g} mm"


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
    write_csv(path, pd.DataFrame(rows))
