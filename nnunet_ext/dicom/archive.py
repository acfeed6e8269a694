"""Zip files of DICOM studies, unpacked within limits and without their names."""

import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, BadZipFile, ZipFile, ZipInfo, is_zipfile

from nnunet_ext.ground.errors import InputError

MOST_MEMBERS = 1_000_000
"""A thousand studies of a thousand slices. The list of a zip file is kept in memory."""

MOST_BYTES = 200 << 30
"""Unpacked: about four hundred CT examinations of 500 MB. Larger archives have to be unpacked by the user."""

MOST_RATIO = 100
"""Unpacked bytes per packed one, of all members together. CT packs 2 to 4 times and a body in air seldom 10; 1000 is the most
that deflate can do, with zeros."""

RATIO_FREE_BYTES = 32 << 20
"""Below this size the ratio is not checked: a few phantom slices of one value compress well."""

SPARE_BYTES = 256 << 20
"""Space that is kept free on the disk of temporary files."""

_METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)
_ENCRYPTED = 0x1
_BLOCK = 1 << 20


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Yield a folder with the files of a folder, which is that folder, or of a zip file.

    Members of a zip file are named by numbers, so that none of their own names is used, whether it points outside the folder
    or names a patient. Members of one folder stay together.

    Raises:
        InputError: If it is neither, has a password, is damaged, packed in an unknown way, or beyond the limits above.
    """
    refuse_other(source)
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="ccrcc-") as folder:
        try:
            with ZipFile(source) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                _check(source, members, shutil.disk_usage(folder).free)
                _unpack(archive, members, Path(folder))
        except InputError:
            raise
        except OSError as error:
            msg = f"{source} cannot be unpacked: {error.strerror or 'it is damaged'}"
            raise InputError(msg) from error
        except (BadZipFile, EOFError, LZMAError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
            msg = f"{source} is a damaged zip file: it cannot be unpacked"
            raise InputError(msg) from error
        yield Path(folder)


def refuse_other(source: Path) -> None:
    """Refuse what is neither a folder nor a zip file.

    Raises:
        InputError: If it is neither.
    """
    if not source.is_dir() and not (source.is_file() and is_zipfile(source)):
        msg = f"{source} is neither a folder nor a zip file"
        raise InputError(msg)


def _check(source: Path, members: Sequence[ZipInfo], free: int) -> None:
    """Refuse an archive by its list of members, before anything is unpacked."""
    total, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
    problem = None
    if any(one.flag_bits & _ENCRYPTED for one in members):
        problem = "has a password; unpack it and name the folder"
    elif foreign := sorted({one.compress_type for one in members} - set(_METHODS)):
        problem = f"is packed by method {foreign[0]}, which is not supported; unpack it and name the folder"
    elif len(members) > MOST_MEMBERS:
        problem = f"has {len(members)} files; at most {MOST_MEMBERS} are unpacked"
    elif total > MOST_BYTES:
        problem = f"unpacks to {_size(total)}; at most {_size(MOST_BYTES)} are unpacked; unpack it and name the folder"
    elif total > RATIO_FREE_BYTES and total > MOST_RATIO * max(packed, 1):
        problem = f"unpacks to {total // max(packed, 1)} times its size; at most {MOST_RATIO} times is plausible for images"
    elif total > free - SPARE_BYTES:
        problem = f"unpacks to {_size(total)}, and temporary files have {_size(free)}; set TMPDIR to a larger disk"
    if problem:
        msg = f"{source} {problem}"
        raise InputError(msg)


def _unpack(archive: ZipFile, members: Sequence[ZipInfo], folder: Path) -> None:
    parents: dict[PurePosixPath, Path] = {}
    for number, member in enumerate(members):
        name = PurePosixPath(member.filename)
        if name.name.startswith("."):
            continue  # what systems leave
        into = parents.setdefault(name.parent, folder / f"{len(parents):07d}")
        into.mkdir(exist_ok=True)
        suffix = name.suffix.lower() if name.suffix.lower() in _SUFFIXES else ""
        with archive.open(member) as packed, (into / f"{number:07d}{suffix}").open("wb") as plain:
            _copy(packed, plain, member.file_size)


_SUFFIXES = (".dcm", ".dicom", ".ima", ".zip")
"""Which say what a file was meant to be."""


def _copy(packed: IO[bytes], plain: IO[bytes], expected: int) -> None:
    """Copy a member, which has as many bytes as the list of the archive says."""
    left = expected
    while left >= 0 and (block := packed.read(_BLOCK)):
        left -= len(block)
        plain.write(block)
    if left:
        msg = "a member has another length than the list says"
        raise BadZipFile(msg)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / (1 << 30):.1f} GiB" if n_bytes >= 1 << 30 else f"{n_bytes / (1 << 20):.0f} MiB"
