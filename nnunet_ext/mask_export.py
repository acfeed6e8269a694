"""The masks of a cohort as viewers and archives take them: DICOM SEG, and segmentations of 3D Slicer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk

from nnunet_ext.dicom.archive import unpacked
from nnunet_ext.dicom.folder import only_series
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom_objects.highdicom_extra import highdicom
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.pseudonymous_series import write_series
from nnunet_ext.dicom_objects.segmentation_object import Algorithm, write_seg
from nnunet_ext.dicom_objects.series_of_scan import StudySeries
from nnunet_ext.dicom_objects.slicer_segmentation import SUFFIX, write_slicer_segmentation
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.scans.geometry import read_mask, read_scan

STAGE = "export"
"""What refusals call this."""

SEG_FOLDER = "dicom"
SLICER_FOLDER = "slicer"


def export_seg(
    cohort: Cohort,
    out: Path,
    *,
    identity: Identity,
    algorithm: Algorithm | None,
    studies: Path | None = None,
    labelmap: bool = False,
    slices: bool = False,
    on_progress: OnProgress = silent,
) -> tuple[Refusal, ...]:
    """Write the mask of every case as a SEG that refers to the DICOM series of its scan.

    A case whose image is a folder of slices is its own series. For any other, the series with the same voxels is looked for.

    Args:
        cohort: Cases without a mask are passed over, and so are empty masks, which no SEG can hold.
        out: Gets ``dicom/<case id>.dcm``. What is there under the same identity is not written again.
        identity: How identifiers are replaced.
        algorithm: What drew the masks; none if a person did.
        studies: Folder or zip file of the studies that the scans were imported from.
        labelmap: See ``write_seg``.
        slices: Also write the slices of each series under the identifiers that its SEG refers to, ``dicom/<case id>-ct``.
        on_progress: Called with the cases done and the cases in all.

    Returns:
        The cases that have no SEG, and why.

    Raises:
        InputError: If the extra ``dicom`` is not installed, or ``studies`` cannot be read.
    """
    highdicom()  # before an hour of reading

    with _series_below(studies) as known:

        def write(case: Case, mask: sitk.Image) -> None:
            series = _series_of(case, known)
            source = Source.of(series, identity)
            if slices:
                write_series(out / SEG_FOLDER / f"{case.id}-ct", series, source)
            write_seg(out / SEG_FOLDER / f"{case.id}.dcm", source, mask, algorithm=algorithm, labelmap=labelmap)

        return _export(cohort, write, on_progress)


def export_slicer(cohort: Cohort, out: Path, *, on_progress: OnProgress = silent) -> tuple[Refusal, ...]:
    """Write the mask of every case as ``slicer/<case id>.seg.nrrd`` in a folder; return the cases that have none, and why."""

    def write(case: Case, mask: sitk.Image) -> None:
        write_slicer_segmentation(out / SLICER_FOLDER / f"{case.id}{SUFFIX}", mask)

    return _export(cohort, write, on_progress)


@contextmanager
def _series_below(studies: Path | None) -> Iterator[StudySeries]:
    if studies is None:
        yield StudySeries(())
        return
    with unpacked(studies) as folder:
        yield StudySeries.below(folder)


def _series_of(case: Case, known: StudySeries) -> Series:
    if case.image.is_dir():
        return only_series(case.image)
    return known.of(read_scan(replace(case, mask=None), {}).image)


def _export(cohort: Cohort, write: Callable[[Case, sitk.Image], None], on_progress: OnProgress) -> tuple[Refusal, ...]:
    refusals: list[Refusal] = []
    for done, case in enumerate(cohort.cases, start=1):
        try:
            if case.mask is not None:
                mask = read_mask(case.mask, cohort.labels, may_be_empty=True)
                if sitk.GetArrayViewFromImage(mask).any():
                    write(case, mask)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, STAGE, refused.code, refused.reason))
        on_progress(done, len(cohort.cases))
    return tuple(refusals)
