# Also of: nnunet_ext.documents.quarantine, nnunet_ext.ground.files, nnunet_ext.ground.record.

import os
import stat
import time
from collections import namedtuple
from pathlib import Path

import pytest

from nnunet_ext.ground import outputs
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import TEMPORARY, atomic_path, sha256
from nnunet_ext.ground.outputs import TABLE_BYTES, remove_unfinished, reserve, try_file, try_folder

Usage = namedtuple("Usage", "total used free")


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    try_file(tmp_path / "new" / "deep" / "table.csv")
    try_folder(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []


def blocked(folder: Path) -> Path:
    (folder / "file").write_text("x", encoding="utf-8")
    return folder / "file" / "below.csv"


def a_folder(folder: Path) -> Path:
    (folder / "table.csv").mkdir()
    return folder / "table.csv"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.csv")
    return folder / "pipe.csv"


def protected(folder: Path) -> Path:
    (folder / "kept.csv").write_text("x", encoding="utf-8")
    (folder / "kept.csv").chmod(0o444)
    return folder / "kept.csv"


def dangling(folder: Path) -> Path:
    (folder / "link.csv").symlink_to(folder / "nowhere" / "table.csv")
    return folder / "link.csv"


def a_loop(folder: Path) -> Path:
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    return folder / "loop.csv"


def below_a_dangling_link(folder: Path) -> Path:
    (folder / "link").symlink_to(folder / "nowhere")
    return folder / "link" / "table.csv"


PLACES = {
    "is a file, not a folder": blocked,
    "it is a folder": a_folder,
    "not a file": a_pipe,
    "write-protected": protected,
    "it is a link that leads nowhere": dangling,
    "link that leads": a_loop,
    "a link above it leads nowhere": below_a_dangling_link,
    "null is a file": lambda _: Path("/dev/null/table.csv"),
    "a device or a pipe": lambda _: Path("/dev/null"),
    "NUL": lambda folder: folder / "a\0b.csv",
    "File name too long": lambda folder: folder / f"{'n' * 252}.csv",
    "longer than": lambda folder: folder / "new" / ("n" * 256) / "table.csv",
    "UTF-8": lambda folder: folder / "\udcff.csv",
}


@pytest.mark.parametrize("reason", PLACES)
def test_a_place_where_no_file_can_be_is_refused_in_one_line(reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason) as refused:
        try_file(PLACES[reason](tmp_path))
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))


def test_the_longest_name_leaves_room_for_what_is_written_beside_it(tmp_path: Path) -> None:
    for letters, fits in ((240, True), (241, False)):
        path = tmp_path / f"{'n' * letters}.csv"
        beside = [f"{path.stem}.quarantine.csv"]
        if fits:
            try_file(path, beside=beside)
        else:
            with pytest.raises(InputError, match="longer than 255"):
                try_file(path, beside=beside)
    try_file(tmp_path / f"{'n' * 251}.csv")


@pytest.mark.parametrize("place", [blocked, dangling, below_a_dangling_link, protected])
def test_a_place_where_no_folder_can_be_is_refused(place: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Nothing can be written to --share"):
        try_folder(place(tmp_path), option="--share")  # type: ignore[operator]


def test_a_full_disk_is_refused_from_the_last_byte_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, full in ((TABLE_BYTES, False), (TABLE_BYTES - 1, True)):
        monkeypatch.setattr(outputs.shutil, "disk_usage", lambda _, free=free: Usage(10**9, 0, free))
        if full:
            with pytest.raises(InputError, match="1 MB free, and 1 MB are needed"):
                try_file(tmp_path / "table.csv")
        else:
            try_file(tmp_path / "table.csv")
    monkeypatch.setattr(outputs.shutil, "disk_usage", lambda _: Usage(0, 0, 0))  # a share that does not say
    try_file(tmp_path / "table.csv")


def test_a_quota_that_is_used_up_shows_when_a_block_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def used_up(_: int) -> None:
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(outputs.os, "fsync", used_up)
    with pytest.raises(InputError, match="Disk quota exceeded"):
        try_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_room_is_held_until_it_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    monkeypatch.setattr(outputs.os, "posix_fallocate", lambda _, start, n_bytes: held.append(n_bytes - start))
    with reserve(tmp_path, 1 << 20):
        assert held == [1 << 20]
        assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with pytest.raises(InputError, match="cannot be held there"), reserve(tmp_path, 1 << 60):
        pass


def test_what_a_killed_run_left_is_removed_after_a_day(tmp_path: Path) -> None:
    names = (f"{TEMPORARY}old.csv", f"{TEMPORARY}young.csv", "old.csv")
    for name in names:
        (tmp_path / name).write_text("x", encoding="utf-8")
        if "old" in name:
            os.utime(tmp_path / name, (time.time() - 86_500,) * 2)
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_hidden_files_do_not_change_the_hash_of_a_series(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(b"slice")
    before = sha256(tmp_path)
    (tmp_path / f"{TEMPORARY}ab.dcm").write_bytes(b"half a slice")
    assert sha256(tmp_path) == before


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "table.csv").write_text("old", encoding="utf-8")
    link = tmp_path / "table.csv"
    link.symlink_to(tmp_path / "large" / "table.csv")
    with atomic_path(link) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert link.is_symlink()
    assert (tmp_path / "large" / "table.csv").read_text(encoding="utf-8") == "new"
    assert stat.S_IMODE(link.stat().st_mode) == 0o644


def test_an_error_of_writing_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as error, atomic_path(tmp_path / "table.csv"):
        raise OSError(28, "No space left on device")
    assert error.value.filename == str(tmp_path / "table.csv")
    assert list(tmp_path.iterdir()) == []
