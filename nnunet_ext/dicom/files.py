"""The DICOM files below a folder, grouped into series."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_ext.dicom.headers import Header, Unread, read_header
from nnunet_ext.dicom.series import Series


@dataclass(frozen=True)
class Found:
    """The DICOM content of a tree of files.

    Args:
        series: In the order of their patients, studies and identifiers.
        unread: DICOM files that cannot be read.
        archives: Number of zip files, which are not opened.
    """

    series: tuple[Series, ...]
    unread: tuple[Unread, ...] = ()
    archives: int = 0


def find_series(source: Path, *, below: bool = True, by_study: bool = True) -> Found:
    """Find the series in a folder.

    Args:
        source: The folder.
        below: Whether to search its subfolders too.
        by_study: Take a series whose files name several studies for as many series.

    Files that are not DICOM are skipped, and so are hidden ones: unfinished copies, and system files (``._001.dcm``).
    """
    closed: list[Unread] = []  # folders that may not be looked into
    folders = os.walk(source, onerror=lambda error: closed.append(Unread(Path(error.filename))))
    paths = (Path(folder, name) for folder, _, names in folders if below or Path(folder) == source for name in names)
    files = sorted(path for path in paths if not path.name.startswith(".") and path.is_file())
    read = [read_header(path) for path in files]
    unread = (*closed, *(one for one in read if isinstance(one, Unread)))
    archives = sum(path.suffix.lower() == ".zip" for path in files)
    series = _gathered([one for one in read if isinstance(one, Header)], by_study=by_study)
    missing = _belonging(unread, series)
    return Found(tuple(replace(one, missing=missing.get(one.first.series, 0)) for one in series), unread, archives)


def _gathered(headers: Iterable[Header], *, by_study: bool) -> tuple[Series, ...]:
    grouped: dict[tuple[str, str, str], list[Header]] = {}
    for header in headers:
        known = header.series and (header.study or not by_study)
        key = (header.study if by_study else "", header.series, "" if known else header.person.id)
        grouped.setdefault(key, []).append(header)
    return tuple(Series(tuple(found)) for found in sorted(grouped.values(), key=_place))


def _place(headers: list[Header]) -> tuple[str, str, str]:
    first = headers[0]
    return (first.person.id, first.study, first.series)


def _belonging(unread: Iterable[Unread], series: Iterable[Series]) -> Mapping[str, int]:
    """Return how many unread files name a series in their bytes, by the identifier of the series.

    A header that cannot be parsed mostly still holds the text of its identifiers, and then its slice is missing.
    """
    uids = {one.first.series for one in series if one.first.series}
    counts: dict[str, int] = {}
    for file in unread:
        try:
            with file.path.open("rb") as stream:
                start = stream.read(_HEADER_BYTES)
        except OSError:
            continue
        for uid in (uid for uid in uids if _names(start, uid.encode())):
            counts[uid] = counts.get(uid, 0) + 1
    return counts


_HEADER_BYTES = 1 << 16
"""A CT header is a few kB long, and identifiers stand early in it."""


def _names(text: bytes, uid: bytes) -> bool:
    """Return whether bytes hold an identifier that is not the beginning or the end of a longer one."""
    at = text.find(uid)
    while at >= 0:
        around = text[at - 1 : at] + text[at + len(uid) : at + len(uid) + 1]
        if not any(byte in b"0123456789." for byte in around):
            return True
        at = text.find(uid, at + 1)
    return False
