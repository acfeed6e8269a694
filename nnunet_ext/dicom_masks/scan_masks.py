"""The mask of a scan, from all mask files of an import: which are used, which are not, and why.

A file whose regions hold our structures is preferred over one that has none. Two files that hold different structures are
joined; two that hold the same one are refused, unless the user requests that they be joined. The order of identifiers
never decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom_masks.contours import place_contours
from nnunet_ext.dicom_masks.grid import ScanGrid
from nnunet_ext.dicom_masks.mask_files import MASKS, MaskFile, describe, read_file, reading
from nnunet_ext.dicom_masks.matching import BY_REFERENCE, Key, Match, Scans, key_of
from nnunet_ext.dicom_masks.placed import Placed
from nnunet_ext.dicom_masks.regions import Region
from nnunet_ext.dicom_masks.segments import place_segments
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import STRUCTURES, Label

Row = dict[str, object]

_ORDER = ("kidney", "cyst", "mass", "tumour")
"""Where structures overlap, the last one stays."""

_NO_STRUCTURE = ("no-structure", "no region named like a kidney, a tumour or a cyst")

_SERIES_COLUMNS = ("slices", "step_mm", "length_mm", "phase")


@dataclass
class ScanMask:
    """The result of the mask files for one scan.

    Args:
        labels: ``UInt8`` volume of ``Label`` values on the scan's grid; none if no file belongs to it, or it is refused.
        refusal: Why the study cannot be used.
        series: Rows of ``series.csv``, one per file of the study or of the scan.
        regions: Rows of ``masks.csv``, one per region.
    """

    labels: sitk.Image | None = None
    refusal: CaseRefused | None = None
    series: list[Row] = field(default_factory=list)
    regions: list[Row] = field(default_factory=list)


class Masks:
    """All mask files of an import.

    Args:
        series: All series of the import, masks and others.
        structures: The user's structures by normalised name.
        join: Whether files that hold the same structure are joined.
    """

    def __init__(self, series: Sequence[Series], structures: Mapping[str, str | None], *, join: bool = False) -> None:
        self._join = join
        self._masses = "mass" in structures.values()
        self._scans = Scans([one for one in series if one.first.modality not in MASKS])
        files = [file for one in series if one.first.modality in MASKS for file in _files(one, structures)]
        self._matches = [(file, self._scans.match(file)) for file in files]
        self._told: set[int] = set()
        named = {region.user for file in files for region in file.regions}
        self.unmatched_names = tuple(name for name in structures if name not in named)

    def preferred(self, series: Sequence[Series]) -> frozenset[str]:
        """Return the identifiers of those series of a study that a mask belongs to: one of ours, if there is any."""
        keys = {key_of(one) for one in series}
        found = [(file, key[2]) for file, match in self._matches for key in match.scans & keys]
        ours = frozenset(uid for file, uid in found if file.structures)
        return ours or frozenset(uid for _, uid in found)

    def of_scan(self, scan: Series, image: sitk.Image) -> ScanMask:
        """Make the mask of a scan, and record what became of every mask file of its study.

        Args:
            scan: The chosen series.
            image: Its volume.
        """
        key = key_of(scan)
        own = [file for file, match in self._matches if key in match.scans or _damaged_in(file, key)]
        made = _Work(self._scans.frame_of(key), scan, image, self._join, masses=self._masses).mask_of(own)
        for row, file in zip(made.series, own, strict=True):
            how = next(match.why for one, match in self._matches if one is file)
            if row["verdict"] == "used" and how != BY_REFERENCE:
                row["why"] = f"{row['why']}; matched {how}"
        for number, (file, match) in enumerate(self._matches):
            if file in own or (file.header.patient, file.header.study) == key[:2]:
                self._told.add(number)
                if file not in own:
                    made.series.append(_row(file, *_not_of(match)))
                    made.regions += _region_rows(file, match.why)
        return made

    def rest(self) -> ScanMask:
        """Record what became of every mask file whose scan was not requested."""
        made = ScanMask()
        for number, (file, match) in enumerate(self._matches):
            if number not in self._told:
                made.series.append(_row(file, *_not_of(match)))
                made.regions += _region_rows(file, match.why)
        return made


def _files(series: Series, structures: Mapping[str, str | None]) -> Iterator[MaskFile]:
    """Describe the files of a mask series, each once: a file may be there twice."""
    seen: dict[str, list[bytes]] = {}
    number = 0
    for header in series.headers:
        content = header.path.read_bytes() if header.instance in seen or _twice(series, header.instance) else b""
        if content in seen.get(header.instance, []):
            continue
        seen.setdefault(header.instance, []).append(content)
        number += 1
        yield describe(header, number, structures)


def _twice(series: Series, instance: str) -> bool:
    return sum(header.instance == instance for header in series.headers) > 1


def _damaged_in(file: MaskFile, key: Key) -> bool:
    """Notice a file whose references cannot be read; it is taken for one of its own study."""
    nothing = not (file.series or file.instances or file.frames)
    return file.problem is not None and nothing and (file.header.patient, file.header.study) == key[:2]


def _not_of(match: Match) -> tuple[str, str]:
    if match.scans:
        return "not chosen", "it belongs to a series that did not become a volume"
    return match.code, match.why


def _row(file: MaskFile, verdict: str, why: str) -> Row:
    row: Row = {"modality": file.header.modality, "files": 1} | dict.fromkeys(_SERIES_COLUMNS, "")
    names = _names([region for region in file.regions if region.structure is None])
    left = f"left: {names}" if names else ""
    return row | {"verdict": verdict, "why": "; ".join(part for part in (why, left) if part)}


def _names(regions: Sequence[Region]) -> str:
    """Return the names of regions as far as they may be written, the first ten."""
    more = f" and {len(regions) - 10} more" if len(regions) > 10 else ""
    return ", ".join(f"{region.name or 'no name'}" for region in regions[:10]) + more


def _region_rows(file: MaskFile, why: str, placed: Placed | None = None) -> list[Row]:
    rows: list[Row] = []
    for region in file.regions:
        notes = [] if placed is None else placed.notes.get(region.number, [])
        reason = region.why if placed is not None else f"{region.why}; not used: {why}"
        row: Row = {"modality": file.header.modality, "file": file.file, "region": region.number, "name": region.name}
        row |= {"taken_as": (region.structure or "") if placed is not None else ""}
        row |= {"reason": "; ".join(part for part in (reason, *notes) if part)}
        rows.append(row | {"voxels": "" if placed is None else placed.voxels.get(region.number, "")})
    return rows


class _Work:
    """Makes one scan's mask of the files that belong to it.

    Where the user takes any region for a mass, every lesion is one: the masks do not distinguish tumours from cysts.
    """

    def __init__(self, frame: str, scan: Series, image: sitk.Image, join: bool, *, masses: bool) -> None:
        slices = scan.slices
        self._frame = frame
        self._image = image
        self._join = join
        self._masses = masses
        self._grid = ScanGrid.of(image, [header.position_mm for header in slices])
        self._instances = [header.instance for header in slices]

    def mask_of(self, files: Sequence[MaskFile]) -> ScanMask:
        made = ScanMask()
        placed: dict[int, Placed] = {}
        verdicts: dict[int, tuple[str, str]] = {}
        try:
            for number, file in enumerate(files):
                if file.structures or file.problem:
                    placed[number] = self._place_or_tell(number, file, verdicts)
            if files:
                made.labels = self._joined(files, placed, verdicts)
        except CaseRefused as refused:
            made.refusal = refused
        for number, file in enumerate(files):
            verdict, why = verdicts.get(number, ("not used", "") if file.structures else _NO_STRUCTURE)
            made.series.append(_row(file, verdict, why))
            used = placed.get(number) if verdict in {"used", "region-empty", "mask-empty"} else None
            made.regions += _region_rows(file, verdict, used)
        return made

    def _place_or_tell(self, number: int, file: MaskFile, verdicts: dict[int, tuple[str, str]]) -> Placed:
        try:
            return self._place(file)
        except CaseRefused as refused:
            verdicts[number] = (refused.code, refused.reason)
            raise

    def _place(self, file: MaskFile) -> Placed:
        if file.problem is not None:
            raise file.problem
        if file.frames and self._frame and file.frames != {self._frame}:
            raise CaseRefused("mask-grid", "its frame of reference is another one than that of the scan it refers to")
        with reading(file.header.modality):
            place = place_segments if file.header.modality == "SEG" else place_contours
            made = place(read_file(file.header.path), self._grid, self._instances, file.regions)
        for number, voxels in made.voxels.items():
            if not voxels:
                made.notes[number] = ["it holds no voxel", *made.notes.get(number, [])]
        return made

    def _joined(
        self, files: Sequence[MaskFile], placed: Mapping[int, Placed], verdicts: dict[int, tuple[str, str]]
    ) -> sitk.Image:
        """Return the labels of all files.

        Raises:
            CaseRefused: ``no-structure``, ``several-masks``, ``region-empty`` or ``mask-empty``.
        """
        if not placed:
            names = _names([region for file in files for region in file.regions])
            count = sum(len(file.regions) for file in files)
            reason = f"none of its {count} regions is named like a kidney, a tumour or a cyst: {names}"
            raise CaseRefused("no-structure", reason)
        holders = {structure: [n for n, one in placed.items() if one.count(structure)] for structure in _ORDER}
        try:
            self._check_versions(files, placed, holders)
            self._check_empty(files, placed, holders)
        except CaseRefused as refused:
            verdicts |= dict.fromkeys(placed, (refused.code, refused.reason))
            raise
        labels = np.zeros(self._grid.shape, np.uint8)
        for structure in _ORDER:
            value = Label.MASS if self._masses and structure != "kidney" else STRUCTURES[structure]
            for number in holders[structure]:
                labels[placed[number].volumes[structure]] = value
        verdicts |= {number: ("used", self._why(files, number, placed, holders)) for number in placed}
        mask = sitk.GetImageFromArray(labels)
        mask.CopyInformation(self._image)
        return mask

    def _check_versions(
        self, files: Sequence[MaskFile], placed: Mapping[int, Placed], holders: Mapping[str, list[int]]
    ) -> None:
        """Refuse structures that are drawn several times, in several files or in one, unless they are to be joined."""
        for structure, numbers in holders.items():
            if len(numbers) > 1 and not self._join:
                reason = f"{len(numbers)} mask files hold a {structure}; leave the right one, or join them with --join-masks"
                raise CaseRefused("several-masks", reason)
            for number in numbers:
                versions = {
                    region.version
                    for region in files[number].regions
                    if region.structure == structure and region.user is None and placed[number].voxels.get(region.number)
                }
                if len(versions) > 1 and not self._join:
                    what = f"{len(versions)} drawings of a {structure} in one file"
                    raise CaseRefused("several-masks", f"{what}; choose one with --structures, or join them with --join-masks")

    def _check_empty(self, files: Sequence[MaskFile], placed: Mapping[int, Placed], holders: Mapping[str, list[int]]) -> None:
        if not any(holders.values()):
            raise CaseRefused("mask-empty", "no region of a kidney, a tumour or a cyst holds a voxel")
        if not holders["tumour"] and any("tumour" in files[number].structures for number in placed):
            raise CaseRefused("region-empty", "the region of the tumour holds no voxel; draw it, or remove the region")

    def _why(
        self, files: Sequence[MaskFile], number: int, placed: Mapping[int, Placed], holders: Mapping[str, list[int]]
    ) -> str:
        one = placed[number]
        held = [f"{structure} {one.count(structure)} voxels" for structure in _ORDER if structure in files[number].structures]
        said = [", ".join(held), one.said]
        if len(placed) > 1:
            shared = any(len(numbers) > 1 and number in numbers for numbers in holders.values())
            said.append(f"joined with {len(placed) - 1} other{', as --join-masks says' if shared else ''}")
        names = {region.number: region.name for region in files[number].regions}
        said += [f"{names[key]}: {', '.join(notes)}" for key, notes in one.notes.items() if notes]
        return "; ".join(part for part in said if part)
