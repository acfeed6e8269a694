from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from dicom_series import farthest_mm, places_of, small_volume, write_series
from pydicom import dcmread
from skimage.measure import find_contours

from ccrcc_model.faults.dicom_files import write_rtstruct
from ccrcc_model.faults.orientation import OBLIQUE
from nnunet_ext.convert.dicom import import_dicom
from nnunet_ext.ground.case import Role


def _contours(mask: sitk.Image, label: int) -> list[npt.NDArray[np.float64]]:
    """Return the outlines of a label in every slice, half-way between voxels, each of shape (n, 3) in mm."""
    found = []
    for z, plane in enumerate(sitk.GetArrayFromImage(mask) == label):
        for outline in find_contours(np.pad(plane, 1).astype(float), 0.5):
            corners = [(x - 1, y - 1, float(z)) for y, x in outline[:-1]]
            found.append(np.array([mask.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners]))
    return found


@pytest.mark.parametrize("order", ["LPS", "RAI", "PRS"])
def test_contours_of_a_mask_are_imported_as_the_same_voxels(tmp_path: Path, order: str) -> None:
    image, mask = small_volume(order, direction=OBLIQUE)
    series = write_series(tmp_path / "scan", image)
    slices = [dcmread(header.path, stop_before_pixels=True) for header in series.slices]
    regions = {name: [one.tolist() for one in _contours(mask, label)] for name, label in (("Kidney", 1), ("Tumour", 2))}
    write_rtstruct(tmp_path / "scan" / "rt.dcm", slices, regions)
    cohort, refused = import_dicom(tmp_path / "scan", tmp_path / "out", name="a", role=Role.EXTERNAL, centre="north")
    assert refused == ()
    read = sitk.ReadImage(str(cohort.cases[0].mask))
    for label in (1, 2):
        assert farthest_mm(places_of(read, label), places_of(mask, label)) < 1e-3
