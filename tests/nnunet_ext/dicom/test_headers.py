"""What is read of a header, and what is not."""

from pathlib import Path

import pytest

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.faults.scans import small_scan
from nnunet_ext.dicom.headers import Header, Unread, read_header, short_number


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("1.6000000238418579", "1.6"),
        ("1.60000002384186", "1.6"),
        ("0.8999999761581421", "0.9"),
        ("0.9375", "0.9375"),
        ("5.000000", "5.000000"),
        ("120", "120"),
        ("1.25", "1.25"),
        ("0.123456789", "0.123456789"),
        ("1.61", "1.61"),
        ("B30f", "B30f"),
        ("1e40", "1e40"),
        ("nan", "nan"),
        ("", ""),
    ],
)
def test_only_the_digits_that_storage_adds_are_dropped(text: str, short: str) -> None:
    assert short_number(text) == short


@pytest.fixture
def one_slice(tmp_path: Path) -> Path:
    write_ct(tmp_path / "scan", small_scan()[0][:1])
    return next((tmp_path / "scan").iterdir())


@pytest.mark.parametrize("kept", [0, 100, 131, 132, 150, 200])
def test_a_slice_that_ends_in_its_meta_is_unread(one_slice: Path, kept: int) -> None:
    one_slice.write_bytes(one_slice.read_bytes()[:kept])
    assert isinstance(read_header(one_slice), Unread)


def test_no_byte_that_is_lost_raises(one_slice: Path) -> None:
    whole = one_slice.read_bytes()
    for kept in range(200, len(whole) - small_scan()[0][0].size * 2, 7):
        one_slice.write_bytes(whole[:kept])
        assert isinstance(read_header(one_slice), Header | Unread)


def test_notes_beside_the_slices_are_no_dicom(tmp_path: Path) -> None:
    for name, text in {"README.txt": "notes", "LICENSE": "free", "table.csv": "a,b\n", "x": "\x08\x00 no"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert read_header(tmp_path / name) is None


def test_an_identifier_of_the_file_meta_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    def change(_: int, file: object) -> None:
        del file.SOPInstanceUID  # type: ignore[attr-defined]

    (slice_,) = write_ct(tmp_path, small_scan()[0][:1], change=change)
    header = read_header(next(tmp_path.iterdir()))
    assert isinstance(header, Header)
    assert header.instance == slice_.file_meta.MediaStorageSOPInstanceUID
