"""Only what can be read to its end is read."""

import os
from pathlib import Path

import pytest

from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.errors import InputError


def test_a_file_a_link_to_one_and_what_is_absent_pass(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link", "absent", "file/below"):
        refuse_irregular(tmp_path / name, "table")


def test_a_folder_a_pipe_and_a_device_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "pipe", "a pipe"), (tmp_path / "link", "a pipe")):
        with pytest.raises(InputError, match=f"table at .* is {kind}"):
            refuse_irregular(path, "table")
    with pytest.raises(InputError, match="a device"):
        refuse_irregular(Path(os.devnull), "table")


@pytest.mark.parametrize("name", ["n" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_gives_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        refuse_irregular(tmp_path / name, "table")
