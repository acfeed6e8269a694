"""What is at a path is found out without opening it."""

import os
import socket
from pathlib import Path

import pytest

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.presence import check_file, is_there


def refusal(path: Path, what: str = "image") -> CaseRefused:
    with pytest.raises(CaseRefused) as refused:
        check_file(path, what)
    return refused.value


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.nii.gz", "no image at none.nii.gz; check the case list"),
        ("z" * 252 + ".nii", "longer than the file system allows"),
        ("a\0b.nii", "no file can have that name"),
        ("file/a.nii", "part of its path is a file"),
        ("circle", "lead in a circle"),
        ("broken", "symbolic link to a file that is not there"),
    ],
)
def test_a_path_that_leads_nowhere_is_missing(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    found = refusal(tmp_path / name)
    assert found.code == "image-missing"
    assert words in found.reason
    assert len(found.reason) < 200
    assert not is_there(tmp_path / name)


def test_the_longest_name_that_a_file_can_have_is_found(tmp_path: Path) -> None:
    path = tmp_path / ("z" * 251 + ".nii")
    path.touch()
    check_file(path, "mask")
    assert is_there(path)


def test_what_is_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo.nii")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("a.nii")  # a socket's path may not be long
        for path, words in (("fifo.nii", "a FIFO"), ("a.nii", "a socket"), ("/dev/null", "a device"), (".", "a folder")):
            found = refusal(Path(path), "mask")
            assert (found.code, words in found.reason) == ("unreadable", True)
    check_file(tmp_path, "image", folders=True)


def test_what_the_system_hides_may_pass_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    found = refusal(tmp_path / "a.nii")
    assert (found.code, found.reason) == ("io-error", "the image a.nii could not be looked up: Permission denied")


def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.nii").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert refusal(tmp_path / "a.nii").code == "io-error"
