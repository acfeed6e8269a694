"""A CT series of any orientation, and SEG files read back by three readers that share no code with ours."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.dataset import FileDataset
from scipy.spatial import KDTree

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.faults.scans import small_scan
from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.series import Series

ORDERS = tuple("".join(word) for axes in itertools.permutations(("LR", "PA", "SI")) for word in itertools.product(*axes))
"""The 48 orders and directions in which the axes of a volume can be stored."""

AXIAL = tuple(order for order in ORDERS if order[2] in "SI")
"""Those of axial slices: four directions of rows and columns, two of which may be swapped, slices upwards or downwards."""

Mask = npt.NDArray[np.bool_]


def small_volume(order: str = "LPS", *, direction: Any = None) -> tuple[sitk.Image, sitk.Image]:
    """Return ``small_scan`` and its mask on voxels of three different sizes, stored in an order of axes."""
    found = []
    for array in small_scan():
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((3.1, 3.7, 4.3))
        image.SetOrigin((-61.3, 40.7, -812.9))
        if direction is not None:
            image.SetDirection(direction)
        found.append(sitk.DICOMOrient(image, order))
    return found[0], found[1]


def write_series(folder: Path, image: sitk.Image, *, numbered_backwards: bool = False, **attributes: Any) -> Series:
    """Write a volume as a CT series, a file per plane along its third axis, and return the series."""
    directions = np.array(image.GetDirection()).reshape(3, 3)
    spacing, n_slices = image.GetSpacing(), image.GetSize()[2]

    def change(number: int, file: FileDataset) -> None:
        place = image.TransformIndexToPhysicalPoint((0, 0, number))
        file.ImagePositionPatient = [f"{value:.10g}" for value in place]
        file.ImageOrientationPatient = [f"{value:.10g}" for value in directions[:, :2].T.ravel()]
        file.PixelSpacing, file.SliceThickness = [spacing[1], spacing[0]], spacing[2]
        file.InstanceNumber = n_slices - number if numbered_backwards else number + 1

    write_ct(folder, sitk.GetArrayFromImage(image), change=change, **attributes)
    (series,) = find_series(folder).series
    return series


def centroid_mm(mask: sitk.Image, label: int) -> npt.NDArray[np.float64]:
    """Return the centroid of a label in the patient, by ITK."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(mask)
    return np.array(shapes.GetCentroid(label))


def points_by_pydicom(path: Path, segment: int) -> npt.NDArray[np.float64]:
    """Return the places of a segment's voxels, shape (n, 3) in mm, from the attributes of each frame alone."""
    found = dcmread(path)
    return _points(found, np.atleast_3d(found.pixel_array) > 0, segment)


def points_by_simpleitk(path: Path, segment: int) -> npt.NDArray[np.float64]:
    """Return the same with voxels as GDCM reads them. ITK takes no position of a frame from a SEG; those are pydicom's."""
    return _points(dcmread(path, stop_before_pixels=True), sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0, segment)


def points_by_highdicom(path: Path, segment: int) -> npt.NDArray[np.float64]:
    """Return the same by highdicom's own geometry."""
    import highdicom

    volume = highdicom.seg.segread(path).get_volume(combine_segments=True, rescale_fractional=False)
    indices = np.argwhere(volume.array == segment)
    return np.asarray(volume.map_indices_to_reference(indices))


def places_of(mask: sitk.Image, label: int) -> npt.NDArray[np.float64]:
    """Return the places of a label's voxels, shape (n, 3) in mm, from the geometry of the volume."""
    zyx = np.argwhere(sitk.GetArrayViewFromImage(mask) == label)
    steps = np.array(mask.GetDirection()).reshape(3, 3) * np.array(mask.GetSpacing())
    return np.asarray(np.array(mask.GetOrigin()) + zyx[:, ::-1] @ steps.T)


def farthest_mm(found: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> float:
    """Return the largest distance of a place from its nearest one in the other set; infinite if their numbers differ.

    Voxels are millimetres apart, so sets of one size with a small distance are the same voxels.
    """
    if len(found) != len(expected) or len(np.unique(found, axis=0)) != len(found):
        return float("inf")
    return max(float(KDTree(a).query(b)[0].max()) for a, b in ((found, expected), (expected, found)))


def _points(found: Any, frames: Mask, segment: int) -> npt.NDArray[np.float64]:
    places = []
    shared = found.SharedFunctionalGroupsSequence[0]
    cosines = [float(value) for value in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
    along_row, along_column = np.reshape(cosines, (2, 3))
    between_rows, between_columns = (float(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing)
    for group, frame in zip(found.PerFrameFunctionalGroupsSequence, frames, strict=True):
        own = group if "SegmentIdentificationSequence" in group else shared  # where there is only one segment
        if int(own.SegmentIdentificationSequence[0].ReferencedSegmentNumber) != segment:
            continue
        corner = np.array([float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient])
        rows, columns = np.nonzero(frame)
        places.append(corner + np.outer(columns, along_row * between_columns) + np.outer(rows, along_column * between_rows))
    return np.concatenate(places)
