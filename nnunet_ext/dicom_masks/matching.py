"""Assignment of mask files to scans: by their references, else by frame of reference and positions; never across patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom_masks.contours import BETWEEN_SLICES
from nnunet_ext.dicom_masks.grid import TOLERANCE_VOXELS, ScanGrid
from nnunet_ext.dicom_masks.mask_files import MaskFile, read_file, reading
from nnunet_ext.ground.errors import CaseRefused

Key = tuple[str, str, str]
"""Patient, study and series."""

BY_REFERENCE = "by what it refers to"
"""The usual way."""


@dataclass(frozen=True)
class Match:
    """The scans that a mask file belongs to.

    Args:
        scans: Their keys; none if it belongs to none of the import.
        why: How they were found, or why there is none.
        code: ``mask-unmatched`` or ``mask-reference`` if there is none.
    """

    scans: frozenset[Key]
    why: str
    code: str = ""


class Scans:
    """Series of an import that are not masks.

    Args:
        series: All series of the import but the masks.
    """

    def __init__(self, series: Sequence[Series]) -> None:
        self._scans = {key_of(one): Scan(one) for one in series}
        self._owner = {header.instance: key_of(one) for one in series for header in one.headers}

    def frame_of(self, key: Key) -> str:
        """Return the frame of reference of a scan, empty if it states none."""
        return self._scans[key].frame

    def match(self, mask: MaskFile) -> Match:
        """Find the scans that a mask file belongs to."""
        by_slices = {self._owner[uid] for uid in mask.instances if uid in self._owner}
        by_series = {key for key in self._scans if key[2] in mask.series}
        if by_slices and by_series and not by_slices & by_series:
            return Match(frozenset(), "it refers to one series, and to slices of another", "mask-reference")
        referred = (by_slices & by_series) or by_slices or by_series
        if not referred:
            return self._by_frame(mask)
        own = frozenset(key for key in referred if key[0] == mask.header.patient or not (key[0] and mask.header.patient))
        if not own:
            return _unmatched("the scan that it refers to is another patient's")
        return Match(own, BY_REFERENCE)

    def _by_frame(self, mask: MaskFile) -> Match:
        said = "it refers to no scan of this import" if mask.series or mask.instances else "it refers to no scan"
        if not mask.frames:
            return _unmatched(f"{said} and states no frame of reference")
        header = mask.header
        near = [
            scan
            for key, scan in self._scans.items()
            if key[0] == header.patient and (header.patient or key[1] == header.study) and scan.frame in mask.frames
        ]
        near = [scan for scan in near if scan.grid is not None]
        if not near:
            return _unmatched(f"{said}, and no volume of its patient has its frame of reference")
        fitting = [scan for scan in near if scan.holds(mask, TOLERANCE_VOXELS)]
        if not fitting and mask.header.modality == "RTSTRUCT":
            fitting = [scan for scan in near if scan.holds(mask, BETWEEN_SLICES)]
        if len(fitting) > 1:
            fitting = [scan for scan in fitting if scan.skips_none(mask)] or fitting
        if len(fitting) != 1:
            what = f"its positions are those of {len(fitting) or 'no'} volume{'s' if len(fitting) > 1 else ''}"
            return _unmatched(f"{said}; in its frame of reference {what}")
        return Match(frozenset({key_of(fitting[0].series)}), "by frame of reference and positions")


def _unmatched(why: str) -> Match:
    return Match(frozenset(), why, "mask-unmatched")


def key_of(series: Series) -> Key:
    """Return a key that identifies a series among all others."""
    return series.first.patient, series.first.study, series.first.series


@dataclass(frozen=True)
class Scan:
    """A series that a mask may belong to.

    Args:
        series: The series.
    """

    series: Series

    @cached_property
    def frame(self) -> str:
        """Its frame of reference, empty if it states none."""
        try:
            with reading("CT"):
                return str(read_file(self.series.first.path, voxels=False).get("FrameOfReferenceUID") or "")
        except CaseRefused:
            return ""

    @cached_property
    def grid(self) -> ScanGrid | None:
        """The position of its voxels; None if it is not a volume."""
        try:
            slices = self.series.slices
        except CaseRefused:
            return None
        first = slices[0]
        if first.orientation is None or any(one.position_mm is None for one in slices):
            return None
        return ScanGrid.of_slices([one.position_mm for one in slices if one.position_mm], first.orientation, first.grid)

    def holds(self, mask: MaskFile, tolerance: float) -> bool:
        """Return whether the positions of a mask are those of the slices, within a tolerance in voxels."""
        if self.grid is None or mask.positions_mm is None or not len(mask.positions_mm):
            return False
        if not np.isfinite(mask.positions_mm).all():
            return False
        index = self.grid.index_of(mask.positions_mm)
        off = np.abs(index - np.rint(index))[:, slice(None) if mask.header.modality == "SEG" else slice(2, 3)]
        inside = (index[:, 2] > -0.5) & (index[:, 2] < self.grid.size[2] - 0.5)
        return bool(off.max() <= tolerance and inside.all())

    def skips_none(self, mask: MaskFile) -> bool:
        """Return whether a mask that fits lies on neighbouring slices throughout."""
        if self.grid is None or mask.positions_mm is None:
            return False
        numbers = np.unique(np.rint(self.grid.index_of(mask.positions_mm)[:, 2]))
        return bool(len(numbers) == np.ptp(numbers) + 1)
