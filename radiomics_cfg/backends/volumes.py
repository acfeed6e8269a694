"""Volumes as PyRadiomics takes them: an image in memory, a file, or a folder with one DICOM series."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import SimpleITK as sitk

from nnunet_ext.dicom.folder import read_folder, refuse_file
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.presence import check_file
from nnunet_ext.volumes.volume_file import read_volume, stamp

Volume: TypeAlias = "str | os.PathLike[str] | sitk.Image"


@dataclass
class _Kept:
    stamp: tuple[Any, ...]
    volume: sitk.Image
    notes: tuple[str, ...] = ()
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)


class LastRead:
    """The volumes read last: several regions of one scan read it once."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def volume(self, source: Volume, what: str) -> sitk.Image:
        """Return a volume, from its file if need be."""
        if isinstance(source, sitk.Image):
            volume = source
        else:
            path = Path(source)
            _check_there(path, what)
            now = (str(path), *stamp(path))
            kept = self._kept.get(what)
            if kept is None or kept.stamp != now:
                kept = self._kept[what] = _Kept(now, *_read(path, what))
            for note in kept.notes:
                warnings.warn(f"{path.name}: {note}", stacklevel=4)
            volume = kept.volume
        if volume.GetDimension() != 3:
            raise CaseRefused("not-3d", f"the {what} has {volume.GetDimension()} dimensions; 3 are needed")
        return volume

    def once(self, source: Volume, what: str, facts: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return facts of a volume, ``image`` or ``mask`` and whatever part of it, found out once for the one read last."""
        if isinstance(source, sitk.Image):
            return facts()
        known = self._kept[what.partition(" ")[0]].facts
        if what not in known:
            known[what] = facts()
        return known[what]


def _read(path: Path, what: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """Read a file, or the DICOM series in a folder, as the gate does; a mask may have several channels."""
    if path.is_dir():
        return read_folder(path), ()
    refuse_file(path, what)
    try:
        volume = read_volume(path, what, channels=what == "mask")
    except CaseRefused as refused:
        if refused.code != "unreadable":
            raise
        raise CaseRefused("unreadable", f"SimpleITK cannot read the {what} rightly: {refused.reason}") from refused
    return volume.image, volume.notes


def _check_there(path: Path, what: str) -> None:
    """Check that there is a file. There is no case list here that could be wrong, so one that is missing is ``unreadable``."""
    try:
        check_file(path, what, folders=True)
    except CaseRefused as refused:
        code = "unreadable" if refused.code.endswith("-missing") else refused.code
        reason = refused.reason.removesuffix("; check the case list and the data root")
        raise CaseRefused(code, f"{reason}; looked for at {path}") from refused.__cause__
