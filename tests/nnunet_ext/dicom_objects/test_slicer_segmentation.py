from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import ORDERS, small_volume

from ccrcc_model.faults.orientation import OBLIQUE
from nnunet_ext.dicom_objects.segment import Segment
from nnunet_ext.dicom_objects.slicer_segmentation import write_slicer_segmentation
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.scans.geometry import read_mask

PLAIN = {"kidney": 1, "tumour": 2, "cyst": 3}


@pytest.mark.parametrize("order", ORDERS)
def test_itk_and_our_own_reader_find_the_mask_in_its_place(tmp_path: Path, order: str) -> None:
    _, mask = small_volume(order, direction=OBLIQUE)
    path = tmp_path / "mask.seg.nrrd"
    write_slicer_segmentation(path, mask)
    for read in (sitk.ReadImage(str(path)), read_mask(path, PLAIN)):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(mask))
        assert read.GetSize() == mask.GetSize()
        np.testing.assert_allclose(read.GetOrigin(), mask.GetOrigin(), atol=1e-9)
        np.testing.assert_allclose(read.GetSpacing(), mask.GetSpacing(), atol=1e-9)
        np.testing.assert_allclose(read.GetDirection(), mask.GetDirection(), atol=1e-9)


def test_the_header_names_colours_and_bounds_each_segment(tmp_path: Path) -> None:
    _, mask = small_volume()
    path = tmp_path / "mask.seg.nrrd"
    write_slicer_segmentation(path, mask)
    image = sitk.ReadImage(str(path))
    said = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.startswith("Segment")}
    assert [said[f"Segment{n}_Name"] for n in (0, 1)] == ["Kidney", "Tumour"]
    assert [said[f"Segment{n}_LabelValue"] for n in (0, 1)] == ["1", "2"]
    assert "Segment2_Name" not in said
    red, green, blue = (float(part) for part in said["Segment1_Color"].split())
    assert (red, green, blue) == pytest.approx((255 / 255, 116 / 255, 196 / 255), abs=1e-5)
    first_x, last_x, first_y, last_y, first_z, last_z = (int(part) for part in said["Segment1_Extent"].split())
    tumour = sitk.GetArrayFromImage(mask) == 2
    assert tumour[first_z : last_z + 1, first_y : last_y + 1, first_x : last_x + 1].sum() == tumour.sum()
    for tight in (
        np.s_[:, :, first_x],
        np.s_[:, :, last_x],
        np.s_[:, first_y],
        np.s_[:, last_y],
        np.s_[first_z],
        np.s_[last_z],
    ):
        assert tumour[tight].any()
    assert "SCT^108369006^Neoplasm" in said["Segment1_Tags"]
    assert said["Segmentation_SourceRepresentation"] == "Binary labelmap"


def test_a_name_cannot_add_a_line_to_the_header(tmp_path: Path) -> None:
    _, mask = small_volume()
    path = tmp_path / "mask.seg.nrrd"
    names = [Segment(1, "kidney", "a\n\nb\r\ntype: double"), Segment(2, "tumour", "c")]
    write_slicer_segmentation(path, mask, segments=names)
    assert sitk.ReadImage(str(path)).GetMetaData("Segment0_Name") == "a b type: double"


def test_the_same_mask_gives_the_same_bytes_and_an_unknown_value_none(tmp_path: Path) -> None:
    _, mask = small_volume()
    for name in ("a", "b"):
        write_slicer_segmentation(tmp_path / f"{name}.seg.nrrd", mask)
    assert (tmp_path / "a.seg.nrrd").read_bytes() == (tmp_path / "b.seg.nrrd").read_bytes()
    large = sitk.Cast(mask, sitk.sitkUInt16) * 200
    for bad, code in ((mask + 5, "unknown-label"), (large, "unknown-label"), (mask * 0, "mask-empty")):
        with pytest.raises(CaseRefused) as refused:
            write_slicer_segmentation(tmp_path / "c.seg.nrrd", bad)
        assert refused.value.code == code
    assert not (tmp_path / "c.seg.nrrd").exists()
