"""A folder or a zip file of DICOM studies as a cohort: a volume a study, its mask, its acquisition, and no identifier."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from zipfile import BadZipFile, ZipFile, is_zipfile

import pandas as pd
import SimpleITK as sitk

from nnunet_ext.acquisition import available
from nnunet_ext.cards import file_name
from nnunet_ext.case import Case, Cohort, Refusal, Role
from nnunet_ext.convert.dicom_series import PHASES, Series, find_series
from nnunet_ext.csv_table import read_csv, write_csv
from nnunet_ext.dicom_masks.mask_files import MASKS
from nnunet_ext.dicom_masks.remarks import OnRemark, remarks, unheard
from nnunet_ext.dicom_masks.scan_masks import Masks
from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.nifti import write_nifti
from nnunet_ext.progress import OnProgress, silent

KEY_COLUMNS = ("original", "patient_id")

NO_STRUCTURES: Mapping[str, str | None] = MappingProxyType({})

Row = dict[str, object]


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
    on_remark: OnRemark = unheard,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Make a cohort of a tree of DICOM files: each study's best CT series becomes a NIfTI volume.

    Of the series that are volumes, one that a mask refers to goes first; then by contrast phase (nephrographic,
    corticomedullary, excretory, unknown, unenhanced), by extent, and by thin slices. ``series.csv`` tells what became of each,
    ``masks.csv`` of each region of a mask. Patients get numbers; ``key`` alone keeps what they stand for.

    Args:
        source: Folder, or zip file, of any number of studies.
        out: Gets ``images``, ``masks``, ``series.csv``, ``masks.csv`` and ``acquisition.csv``.
        name: Of the cohort.
        role: Of the cohort.
        centre: Of every case.
        key: CSV file of patient IDs and their numbers, outside ``out``. If it is there, patients keep the numbers it gives.
        structures: Structure of regions by their normalised name, none to leave one; see ``read_structures``.
        join_masks: Whether mask files of one scan that hold the same structure are joined.
        on_progress: Told the studies done and the studies in all.
        on_remark: Told in a line what of the masks was not used.

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
        found = find_series(folder)
        studies = _by_study(found)
        numbers = _numbers(sorted({patient for patient, _ in studies}), key)
        importer = _Importer(out, centre, Masks(found, structures, join=join_masks))
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
    importer.finish()
    for line in remarks(importer.series, importer.regions, importer.masks.unmatched_names):
        on_remark(line)
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
    scans = {key: series for key, series in studies.items() if any(one.first.modality not in MASKS for one in series)}
    return scans or studies  # masks in a study of their own belong to a scan of another


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
        masks: Of the import.
        series: Rows of ``series.csv`` so far.
        regions: Rows of ``masks.csv`` so far.
        acquisition: Rows of ``acquisition.csv`` so far.
    """

    out: Path
    centre: str
    masks: Masks
    series: list[Row] = field(default_factory=list)
    regions: list[Row] = field(default_factory=list)
    acquisition: list[Row] = field(default_factory=list)

    def study(self, case_id: str, patient_id: str, series: Sequence[Series]) -> Case:
        """Write the volume of a study, and its mask if one belongs to it.

        Raises:
            CaseRefused: ``no-series`` if none is a volume, ``unreadable``, or why the mask cannot be used.
        """
        chosen, table = choose([one for one in series if one.first.modality not in MASKS], self.masks.preferred(series))
        self.series += [{"case_id": case_id, **row} for row in table]
        if chosen is None:
            codes = ", ".join(str(row["verdict"]) for row in table)
            raise CaseRefused("no-series", f"none of the study's {len(table)} series is a volume: {codes}")
        image = _read_volume(chosen)
        labels = self._mask(case_id, chosen, image, len(table))
        image_file, mask_file = (self.out / folder / f"{case_id}.nii.gz" for folder in ("images", "masks"))
        _write_volume(image, image_file)
        if labels is not None:
            _write_volume(labels, mask_file)
        known = available(chosen.slices[0].acquisition)
        known["slice_thickness_mm"] = known["slice_thickness_mm"] or f"{chosen.step_mm:g}"
        self.acquisition.append({"case_id": case_id, **known})
        return Case(case_id, patient_id, self.centre, image_file, mask_file if labels is not None else None, chosen.phase)

    def _mask(self, case_id: str, chosen: Series, image: sitk.Image, told: int) -> sitk.Image | None:
        """Return the mask of a series, and keep the rows of its files, counted on from the series told before.

        Raises:
            CaseRefused: Why the mask cannot be used.
        """
        mask = self.masks.of_scan(chosen, image)
        self.series += [{"case_id": case_id, "series": told + n, **row} for n, row in enumerate(mask.series, start=1)]
        self.regions += [{"case_id": case_id, **row} for row in mask.regions]
        if mask.refusal is not None:
            raise mask.refusal
        return mask.labels

    def finish(self) -> None:
        """Write ``series.csv`` and ``masks.csv``, with the mask files that no scan was found for."""
        rest = self.masks.rest()
        self.series += [{"case_id": "", "series": "", **row} for row in rest.series]
        self.regions += [{"case_id": "", **row} for row in rest.regions]
        _write_table(self.out / "series.csv", self.series)
        (self.out / "masks.csv").unlink(missing_ok=True)
        if self.regions:
            _write_table(self.out / "masks.csv", self.regions)


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


def _write_volume(image: sitk.Image, file: Path) -> None:
    for tag in image.GetMetaDataKeys():
        image.EraseMetaData(tag)
    write_nifti(image, file)


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    write_csv(path, pd.DataFrame(rows))
