"""What a MetaImage's header must state of the grid."""

from pathlib import Path

import pytest

from nnunet_ext.volumes.volume_file import read_volume
from tests.support.volumes import code_of, voxels

GOOD = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "-10 20 300",
    "ElementSpacing": "0.8 0.7 2.5",
    "DimSize": "24 20 6",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}


def metaimage(folder: Path, changes: dict[str, str | None]) -> Path:
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    fields["ElementDataFile"] = fields.pop("ElementDataFile")  # the last
    path = folder / "a.mha"
    path.write_bytes(
        "".join(f"{name} = {value}\n" for name, value in fields.items()).encode() + voxels().astype("<i2").tobytes()
    )
    return path


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"ElementSpacing": None}, "no-spacing"),
        ({"ElementSpacing": None, "ElementSize": "0.8 0.7 2.5"}, None),
        ({"ElementSpacing": "0.8 0.7 0"}, "no-spacing"),
        ({"ElementSpacing": "0.8 0.7 -2.5"}, "no-spacing"),
        ({"ElementSpacing": "0.8 0.7 nan"}, "no-spacing"),
        ({"ElementSpacing": "0.8 0.7"}, "no-spacing"),
        ({"TransformMatrix": None}, "no-orientation"),
        ({"TransformMatrix": None, "Rotation": "1 0 0 0 1 0 0 0 1"}, None),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0 0"}, "no-orientation"),
        ({"TransformMatrix": "2 0 0 0 1 0 0 0 1"}, "no-orientation"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0 x"}, "no-orientation"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0.002 1"}, "sheared"),
        ({"Offset": "0 0 nan"}, "no-orientation"),
        ({"DistanceUnits": "mm"}, None),
        ({"DistanceUnits": "um"}, "units"),
        ({"BinaryData": "False"}, "format"),
        ({"ElementDataFile": "LIST"}, "format"),
        ({"ElementDataFile": "a%03d.raw 1 6 1"}, "format"),
        ({"ElementDataFile": "absent.raw"}, "image-missing"),
        ({"DimSize": "24 20 7"}, "unreadable"),
        ({"DimSize": "24 20 5"}, "unreadable"),
        ({"DimSize": "24 20"}, "unreadable"),
        ({"DimSize": "24 -20 6"}, "unreadable"),
        ({"ElementType": "MET_STRING"}, "unreadable"),
        ({"CompressedData": "True"}, "unreadable"),
    ],
)
def test_what_a_header_lacks_or_contradicts_is_refused(
    tmp_path: Path, changes: dict[str, str | None], code: str | None
) -> None:
    assert code_of(metaimage(tmp_path, changes)) == code


def test_a_field_that_is_stated_twice_is_refused(tmp_path: Path) -> None:
    path = metaimage(tmp_path, {})
    path.write_bytes(b"ObjectType = Image\nElementSpacing = 1 1 1\n" + path.read_bytes().split(b"\n", 1)[1])
    assert code_of(path) == "unreadable"


def test_an_origin_that_is_not_stated_is_noted(tmp_path: Path) -> None:
    assert len(read_volume(metaimage(tmp_path, {"Offset": None}), "image").notes) == 1
