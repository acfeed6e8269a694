"""Voxels are those that each slice's header says, in every way to store them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.faults.scans import CORNER_MM, SPACING_MM, small_scan
from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.folder import read_folder
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.voxels import read_volume
from nnunet_ext.ground.errors import CaseRefused

WriteSeries = Callable[..., Series]

HU = small_scan()[0]


def rewritten(source: Path, out: Path, syntax: UID) -> None:
    out.mkdir()
    for file in write_ct(source):
        values = file.pixel_array
        made = Dataset()
        for element in file:
            made.add_new(element.tag, element.VR, element.value)
        made.PixelData = values.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()
        made["PixelData"].VR = "OW"
        made.file_meta = FileMetaDataset()
        made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = (
            file.SOPClassUID,
            file.SOPInstanceUID,
        )
        made.file_meta.TransferSyntaxUID = syntax
        if syntax == RLELossless:
            made.file_meta.TransferSyntaxUID = file.file_meta.TransferSyntaxUID
            made.compress(RLELossless, generate_instance_uid=False)
        little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
        dcmwrite(
            out / Path(str(file.filename)).name, made, implicit_vr=implicit, little_endian=little, enforce_file_format=True
        )


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless],
    ids=lambda uid: uid.name,
)
def test_every_transfer_syntax_gives_the_same_voxels(tmp_path: Path, syntax: UID) -> None:
    rewritten(tmp_path / "plain", tmp_path / "scan", syntax)
    assert np.array_equal(sitk.GetArrayFromImage(read_folder(tmp_path / "scan")), HU)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_lossless_jpeg_as_itk_writes_it_is_read(tmp_path: Path, compressor: str) -> None:
    writer, series = sitk.ImageFileWriter(), generate_uid()
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.KeepOriginalImageUIDOn()
    for number, plane in enumerate(HU):
        image = sitk.GetImageFromArray(plane[None])
        image.SetSpacing(SPACING_MM)
        tags = {"0008|0060": "CT", "0020|000e": series, "0008|0018": generate_uid(), "0020|0037": "1\\0\\0\\0\\1\\0"}
        tags |= {"0020|0032": f"0\\0\\{number * 5}", "0028|1052": "-1024", "0028|1053": "1"}
        for key, value in tags.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(tmp_path / f"{number}.dcm"))
        writer.Execute(image)
    assert np.array_equal(sitk.GetArrayFromImage(read_folder(tmp_path)), HU)


def test_a_volume_lies_where_its_slices_say(written: WriteSeries) -> None:
    image = read_volume(written(ImageOrientationPatient=[0.98, 0.17, 0, -0.17, 0.98, 0], SliceThickness=1))
    direction = np.array(image.GetDirection()).reshape(3, 3)
    assert image.GetSpacing() == pytest.approx(SPACING_MM)
    assert image.GetOrigin() == pytest.approx(CORNER_MM)
    assert direction.T @ direction == pytest.approx(np.eye(3))
    assert direction[:, 0] == pytest.approx(np.array([0.98, 0.17, 0]) / np.hypot(0.98, 0.17))


def test_rows_and_columns_keep_their_own_spacing(written: WriteSeries) -> None:
    assert read_volume(written(PixelSpacing=[3, 2])).GetSpacing() == pytest.approx((2, 3, 5))


def test_slices_of_several_types_share_the_smallest_that_holds_all(written: WriteSeries) -> None:
    def change(number: int, file: Any) -> None:
        file.BitsStored, file.HighBit = 12, 11
        if number == 6:
            file.RescaleIntercept = "-1024.5"

    volume = sitk.GetArrayFromImage(read_volume(written(change=change)))
    assert volume.dtype == np.float64
    assert np.array_equal(volume[6], HU[6] - 0.5)
    assert np.array_equal(np.delete(volume, 6, axis=0), np.delete(HU, 6, axis=0))


@pytest.mark.parametrize("cut", [2, 3000])
def test_pixel_data_that_are_cut_short_are_refused(written: WriteSeries, cut: int) -> None:
    series = written()
    path = series.headers[4].path
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(
        CaseRefused, match=r"unreadable: cannot read the voxels of slice 5 of 14: .* cut short, \d+ of 4608 bytes"
    ):
        read_volume(series)


@pytest.mark.data
@pytest.mark.parametrize("folder", ["real_ct/CRLM-CT-1004/image", "ibsi/ibsi_1_ct_radiomics_phantom/dicom/image"])
def test_real_series_are_read_as_itk_reads_them(real_data: Path, folder: str) -> None:
    (series,) = find_series(real_data / folder).series
    ours = read_volume(series)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(real_data / folder)))
    theirs = reader.Execute()
    assert np.array_equal(sitk.GetArrayViewFromImage(ours), sitk.GetArrayViewFromImage(theirs))
    assert ours.GetPixelID() == theirs.GetPixelID()
    for side in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(ours, side)() == pytest.approx(getattr(theirs, side)(), abs=1e-9)
