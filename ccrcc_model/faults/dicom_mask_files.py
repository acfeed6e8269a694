"""DICOM masks of ``small_scan``: segments with their place changed, contours one by one, and what an import made of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from ccrcc_model.faults.dicom_files import Corners, Imported, new_seg, same_grid, write_ct, write_rtstruct
from ccrcc_model.faults.fault import expect
from ccrcc_model.faults.scans import CORNER_MM, SPACING_MM, small_scan
from nnunet_ext.documents.csv_table import read_csv

Mask = npt.NDArray[np.uint8]


def flat_box(z: float, x0: float, x1: float, y0: float, y1: float) -> Corners:
    """Return a rectangle in a slice, in numbers of voxels: 2.5 to 5.5 holds the voxels 3, 4 and 5."""
    left, right = (CORNER_MM[0] + SPACING_MM[0] * edge for edge in (x0, x1))
    front, back = (CORNER_MM[1] + SPACING_MM[1] * edge for edge in (y0, y1))
    height = CORNER_MM[2] + SPACING_MM[2] * z
    return [[left, front, height], [right, front, height], [right, back, height], [left, back, height]]


def write_seg(
    folder: Path, change: Callable[[Any], None] | None = None, *, volume: Any = None, name: str = "seg.dcm", **options: Any
) -> None:
    """Write a CT with segments drawn on it.

    Args:
        folder: Of both.
        change: Changes the segments before they are written.
        volume: Labels; those of ``small_scan`` by default.
        name: Name of the file.
        options: Of ``new_seg``.
    """
    slices = options.pop("slices", None) or write_ct(folder)
    seg = new_seg(slices, same_grid(small_scan()[1]) if volume is None else volume, **options)
    if change is not None:
        change(seg)
    dcmwrite(folder / name, seg)


def moved(seg: Any, *by_mm: float) -> None:
    """Move every plane of a SEG along x, y, z."""
    places = [frame.PlanePositionSequence[0] for frame in seg.PerFrameFunctionalGroupsSequence]
    for place in {id(one): one for one in places}.values():  # frames of one plane share one place
        place.ImagePositionPatient = [a + b for a, b in zip(place.ImagePositionPatient, by_mm, strict=True)]


def typed(seg: Any, number: int, value: str, meaning: str, scheme: str = "SCT") -> None:
    """Give a segment another type."""
    code = Dataset()
    code.CodeValue, code.CodeMeaning, code.CodingSchemeDesignator = value, meaning, scheme
    seg.SegmentSequence[number - 1].SegmentedPropertyTypeCodeSequence = [code]


def write_contours(
    folder: Path,
    regions: Mapping[str, Sequence[Corners]],
    *,
    change: Callable[[Dataset], None] | None = None,
    slices: Sequence[Dataset] | None = None,
    name: str = "rt.dcm",
    **options: Any,
) -> list[Any]:
    """Write a CT with contours drawn on it, and return the CT's slices.

    Args:
        folder: Of both.
        regions: Contours by the region's name.
        change: Changes the contours' file before it is written.
        slices: Of the CT; written if none are given.
        name: Name of the file.
        options: Of ``write_rtstruct``.
    """
    slices = list(slices or write_ct(folder))
    write_rtstruct(folder / name, slices, regions, **options)
    if change is not None:
        found = dcmread(folder / name)
        change(found)
        found.save_as(folder / name)
    return slices


def with_new_identifiers(seg: Any) -> None:
    """Replace the references of segments by others, as de-identification of the mask alone does."""
    seg.ReferencedSeriesSequence[0].SeriesInstanceUID = generate_uid()
    for one in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence:
        one.ReferencedSOPInstanceUID = generate_uid()
    for frame in seg.PerFrameFunctionalGroupsSequence:
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = generate_uid()


class MaskImported(Imported):
    """An import of which the masks matter."""

    @property
    def regions(self) -> pd.DataFrame:
        """``masks.csv``, empty if it was not written."""
        path = self.out / "masks.csv"
        return read_csv(path) if path.exists() else pd.DataFrame()

    @property
    def verdicts(self) -> list[str]:
        """Of the mask files, sorted."""
        return sorted(self.series.loc[self.series["modality"].isin(["SEG", "RTSTRUCT"]), "verdict"])

    @property
    def taken(self) -> dict[str, str]:
        """What each region was taken as, by its name."""
        return dict(zip(self.regions["name"], self.regions["taken_as"], strict=True))

    def reads(self, truth: npt.NDArray[Any]) -> str:
        """Expect this mask, voxel by voxel."""
        mask = self.volume("masks")
        wrong = "no mask" if mask is None else f"{int((mask != truth).sum())} voxels wrong"
        return expect(mask is not None and bool((mask == truth).all()), f"status {self.ran.status}, {wrong}: {self._why}")

    def refuses(self, code: str) -> str:
        """Expect no mask, a refusal by this code, and its reason in ``series.csv``."""
        held = self.ran.status in {2, 3} and self.volume("masks") is None and code in self.verdicts and code in self.ran.said
        return expect(held, f"status {self.ran.status}: {self._why}")

    def leaves(self, code: str) -> str:
        """Expect the scan without a mask, and the mask file listed with this code."""
        held = self.ran.status == 0 and self.volume("masks") is None and self.verdicts == [code] and code in self.ran.said
        return expect(held, f"status {self.ran.status}: {self._why}")

    @property
    def _why(self) -> str:
        if not len(self.series):
            return "no series.csv"
        rows = self.series[self.series["modality"].isin(["SEG", "RTSTRUCT"])]
        return "; ".join(f"{verdict}: {why}" for verdict, why in zip(rows["verdict"], rows["why"], strict=True))


def truth(*, kidney: bool = True, tumour: bool = True) -> Mask:
    """Return the labels of ``small_scan``, or one of its structures alone."""
    mask = small_scan()[1].copy()
    mask[(mask == 1) & (not kidney)] = 0
    mask[(mask == 2) & (not tumour)] = 0
    return mask


def boxes(label: int) -> Mask:
    """Return what the rectangles of ``outlines`` hold, as that label."""
    mask = np.zeros_like(small_scan()[1])
    for number, plane in enumerate(small_scan()[1] == label):
        if plane.any():
            y, x = np.nonzero(plane)
            mask[number, y.min() : y.max() + 1, x.min() : x.max() + 1] = label
    return mask
