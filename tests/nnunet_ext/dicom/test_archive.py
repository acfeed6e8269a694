"""Zip files within limits: the last that is unpacked beside the first that is not."""

import zipfile
from pathlib import Path

import pytest

from nnunet_ext.dicom import archive
from nnunet_ext.dicom.archive import unpacked
from nnunet_ext.ground.errors import InputError

NAME = "DOE^JANE"


def zipped(folder: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return folder / "a.zip"


def contents(path: Path) -> dict[str, bytes]:
    with unpacked(path) as folder:
        return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_keep_their_content_and_folder_and_lose_their_name(tmp_path: Path, method: int) -> None:
    members = {
        f"{NAME}/1.dcm": b"one",
        f"../../{NAME}": b"two",
        "/etc/x": b"three",
        f"{NAME}/._1.dcm": b"mac",
        "b/in.ZIP": b"PK",
    }
    assert contents(zipped(tmp_path, members, method)) == {
        "0000000/0000000.dcm": b"one",
        "0000001/0000001": b"two",
        "0000002/0000002": b"three",
        "0000003/0000004.zip": b"PK",
    }


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("MOST_MEMBERS", 2, "has 3 files; at most 2"),
        ("MOST_BYTES", 2999, "unpacks to 0 MiB; at most 0 MiB"),
        ("MOST_RATIO", 29, "times its size; at most 29"),
        ("SPARE_BYTES", 1 << 60, "set TMPDIR to a larger disk"),
    ],
)
def test_beyond_a_limit_nothing_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str
) -> None:
    path = zipped(tmp_path, {f"{NAME}{number}": bytes(1000) for number in range(3)})
    monkeypatch.setattr(archive, "RATIO_FREE_BYTES", 2000)
    assert len(contents(path)) == 3
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(InputError, match=said) as refused, unpacked(path):
        pass
    assert NAME not in str(refused.value)


@pytest.mark.parametrize(
    ("at", "change", "said"),
    [(8, 1, "has a password"), (10, 1, "is packed by method 9"), (16, 255, "is a damaged zip"), (24, 4, "is a damaged zip")],
    ids=["password", "deflate64", "checksum", "length"],
)
def test_what_cannot_be_unpacked_is_said_without_a_name(tmp_path: Path, at: int, change: int, said: str) -> None:
    path = zipped(tmp_path, {NAME: bytes(range(256)) * 20})
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\1\2") + at] ^= change
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as refused, unpacked(path):
        pass
    assert NAME not in str(refused.value)


def test_a_stream_with_damage_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, {NAME: bytes(range(256)) * 20 + b"end of it" * 50})
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is a damaged zip file"), unpacked(path):
        pass
