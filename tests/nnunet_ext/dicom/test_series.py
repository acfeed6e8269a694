"""Whether files are one volume of HU."""

# Also of: nnunet_ext.dicom.folder, nnunet_ext.dicom.kinds.

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from ccrcc_model.faults.scans import small_scan
from nnunet_ext.dicom.headers import Header, read_header
from nnunet_ext.dicom.series import Series
from nnunet_ext.ground.errors import CaseRefused

WriteSeries = Callable[..., Series]

HU = small_scan()[0]


def code(written: WriteSeries, **changes: Any) -> str | None:
    try:
        assert written(**changes).slices
    except CaseRefused as refused:
        return refused.code
    return None


def table() -> list[Dataset]:
    found = Dataset()
    found.ModalityLUTType = "HU"
    return [found]


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, None),
        ({"RescaleType": "HU"}, None),
        ({"RescaleType": "US"}, None),
        ({"RescaleType": "HU_MOD"}, "derived"),
        ({"RescaleSlope": "1e-3"}, None),
        ({"RescaleSlope": "0"}, "no-rescale"),
        ({"RescaleSlope": None}, "no-rescale"),
        ({"RescaleIntercept": ""}, "no-rescale"),
        ({"RescaleSlope": ["1", "1"]}, "no-rescale"),
        ({"ModalityLUTSequence": table()}, "no-rescale"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "monochrome1"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "derived"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "derived"),
        ({"BitsStored": 12, "HighBit": 11}, None),
        ({"BitsStored": 12, "HighBit": 15}, "unreadable"),
        ({"BitsAllocated": None}, "unreadable"),
        ({"NumberOfFrames": 1}, None),
        ({"NumberOfFrames": 14}, "multi-frame"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "multi-frame"),
        ({"PixelSpacing": [0, 0]}, "no-geometry"),
        ({"PixelSpacing": [4, -4]}, "no-geometry"),
        ({"PixelSpacing": None}, "no-geometry"),
        ({"StudyInstanceUID": ""}, "no-identifier"),
        ({"Modality": ""}, "not-ct"),
        ({"Modality": "MR"}, "not-ct"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localiser"),
        ({"hu": HU[:10]}, None),
        ({"hu": HU[:9]}, "few-slices"),
    ],
)
def test_the_last_header_that_is_read(written: WriteSeries, changes: dict[str, Any], refused: str | None) -> None:
    assert code(written, **changes) == refused


@pytest.mark.parametrize("value", ["nan", "inf", "1,0"])
def test_a_slope_that_is_no_number_is_refused(written: WriteSeries, value: str) -> None:
    def change(number: int, file: Any) -> None:
        if number == 4:
            file.RescaleSlope = "0.1234"

    series = written(change=change)
    path = next(header.path for header in series.headers if header.pixels.slope == 0.1234)
    path.write_bytes(path.read_bytes().replace(b"0.1234", value.encode().ljust(6), 1))
    again = [read_header(header.path) for header in series.headers]
    with pytest.raises(CaseRefused, match=r"no-rescale|unreadable"):
        assert Series(tuple(header for header in again if isinstance(header, Header))).slices


@pytest.mark.parametrize(
    ("image_type", "description", "refused"),
    [
        ("ORIGINAL/PRIMARY/AXIAL/CT_SOM5 SPI", "Abd venous 3.0 B30f", None),
        ("ORIGINAL/PRIMARY/AXIAL", "low dose CT after iodine, 3D recon", None),
        ("ORIGINAL/PRIMARY/AXIAL", "iodine map", "derived"),
        ("ORIGINAL/PRIMARY/AXIAL", "VNC 1.0", "derived"),
        ("ORIGINAL/PRIMARY/AXIAL", "Dose Report", "derived"),
        ("DERIVED/SECONDARY/AXIAL", "venous 1.0", None),
        ("DERIVED/PRIMARY/AXIAL/MPR", "venous 1.0", None),
        ("DERIVED/PRIMARY/AXIAL/VMI", "Mono 70 keV", None),
        ("DERIVED/PRIMARY/AXIAL/MAT_REMOVED", "venous", "derived"),
        ("DERIVED/PRIMARY/AXIAL/EFF_ATOMIC_NUM", "venous", "derived"),
        ("DERIVED/SECONDARY/AXIAL/MIP", "venous", "derived"),
        ("DERIVED/SECONDARY/OTHER/CSA MIPTHIN", "venous", "derived"),
        ("DERIVED/SECONDARY/SCREEN SAVE", "venous", "derived"),
        ("DERIVED/SECONDARY/OTHER/VRT", "venous", "derived"),
        ("DERIVED/SECONDARY/AXIAL", "venous iodine", "derived"),
        ("DERIVED/SECONDARY/AXIAL", "perfusion", "derived"),
    ],
)
def test_what_is_no_hu_of_a_scan_is_refused(
    written: WriteSeries, image_type: str, description: str, refused: str | None
) -> None:
    assert code(written, ImageType=image_type.split("/"), SeriesDescription=description) == refused


@pytest.mark.parametrize(
    ("image_type", "description", "derived"),
    [
        ("ORIGINAL/PRIMARY/AXIAL", "venous", False),
        ("DERIVED/PRIMARY/AXIAL", "venous", True),
        ("ORIGINAL/SECONDARY/AXIAL", "venous", True),
        ("ORIGINAL/PRIMARY/AXIAL", "MonoE 55 keV", True),
    ],
)
def test_what_was_computed_of_a_scan_is_known(written: WriteSeries, image_type: str, description: str, derived: bool) -> None:
    assert written(ImageType=image_type.split("/"), SeriesDescription=description).is_derived is derived


@pytest.mark.parametrize(
    ("numbers", "parts"),
    [
        (lambda number: 1 + number % 2, 2),
        (lambda number: 1 + (number >= 14), 1),  # one after the other: two tables of one scan
        (lambda number: 1 + number // 2, 1),
    ],
)
def test_acquisitions_part_a_series_where_they_alternate(written: WriteSeries, numbers: Any, parts: int) -> None:
    def change(number: int, file: Any) -> None:
        file.AcquisitionNumber = numbers(number)

    volumes = written(hu=np.repeat(HU, 2, axis=0), change=change).volumes()
    assert [len(volume.slices) for volume in volumes] == [28 // parts] * parts


def test_acquisitions_that_alternate_in_too_few_slices_are_refused(written: WriteSeries) -> None:
    def change(number: int, file: Any) -> None:
        file.AcquisitionNumber = 1 + number % 2

    with pytest.raises(
        CaseRefused, match=r"slice-duplicate: slices of 2 values of AcquisitionNumber alternate.*no whole volumes"
    ):
        assert written(change=change).slices


def test_slices_in_two_frames_of_reference_are_refused(written: WriteSeries) -> None:
    def change(number: int, file: Any) -> None:
        file.FrameOfReferenceUID = f"1.2.{number // 7}"

    assert code(written, change=change) == "mixed-series"


@pytest.mark.parametrize("name", ["AcquisitionTime", "ContentTime"])
@pytest.mark.parametrize(
    ("seconds", "refused"),
    [
        (lambda number: number, None),
        (lambda number: (number * 5) % 14, None),  # in the order of reconstruction
        (lambda number: number + 30 * (number % 2), "slice-duplicate"),
    ],
)
def test_slices_that_alternate_in_time_are_two_acquisitions(
    written: WriteSeries, name: str, seconds: Any, refused: str | None
) -> None:
    def change(number: int, file: Any) -> None:
        setattr(file, name, f"1200{seconds(number):02d}.5")

    assert code(written, change=change) == refused


def test_times_part_two_acquisitions_at_one_place(written: WriteSeries) -> None:
    def change(number: int, file: Any) -> None:
        file.ImagePositionPatient = [0, 0, 5 * (number % 14)]
        file.ContentTime = "120000" if number < 14 else "120030"

    parts = written(hu=np.concatenate([HU, HU]), change=change).volumes()
    assert [(len(part.slices), part.part) for part in parts] == [(14, f"part {n} of 2 by ContentTime") for n in (1, 2)]
