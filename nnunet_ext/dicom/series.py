"""A DICOM series: whether it is one volume of HU, and in which order its slices lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nnunet_ext.dicom.headers import PARTING, TIMES, Header
from nnunet_ext.dicom.kinds import MULTI_FRAME, is_derived, refused_kind
from nnunet_ext.dicom.phases import phase_of
from nnunet_ext.dicom.stack import TURN, axes, check_axial, slice_order
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.files import sha256

FEWEST_SLICES = 10
"""A series with fewer is a localiser, a bolus track or a sample. A folder that a user names may hold fewer, but two."""

_PARTED = ("slice-duplicate", "slice-gap", "slice-shift", "mixed-series")
"""Codes that several volumes in one series cause."""

_ALTERNATING = tuple(name for name in PARTING if name not in TIMES)
"""Attributes that must not alternate along a volume. Times may, for slices are reconstructed in any order."""


@dataclass(frozen=True)
class Series:
    """The files of one series, or of one of the volumes in it.

    Args:
        headers: At least one, all of the same series.
        part: Which of the volumes of a series it is and by which attribute, as a phrase; empty if it is all of it.
        missing: Files that name the series and cannot be read.
        fewest: Slices that make a volume.
    """

    headers: tuple[Header, ...]
    part: str = ""
    missing: int = 0
    fewest: int = FEWEST_SLICES

    @property
    def first(self) -> Header:
        """Any header: patient, study and modality are those of the series."""
        return self.headers[0]

    @cached_property
    def phase(self) -> str | None:
        """Contrast phase, where description or protocol name one; the description decides where they contradict."""
        return phase_of(self.first.description) or phase_of(f"{self.first.description} {self.first.protocol}")

    @cached_property
    def is_derived(self) -> bool:
        """Whether it was computed of others, though in HU."""
        return is_derived(self.headers)

    @property
    def copies(self) -> int:
        """Files that are copies of others of the series, byte by byte; only known of a volume."""
        return len(self.headers) - len(self.slices)

    @cached_property
    def slices(self) -> tuple[Header, ...]:
        """The slices in order along their normal, each once.

        Raises:
            CaseRefused: Why the series is no volume: ``no-identifier``, ``unreadable``, ``not-ct``, ``multi-frame``,
                ``localiser``, ``derived``, ``instance-twice``, ``few-slices``, ``monochrome1``, ``no-geometry``,
                ``mixed-series``, ``not-orthogonal``, ``not-axial``, ``no-rescale``, ``slice-duplicate``, ``slice-gap``,
                ``slice-shift``, ``gantry-tilt``.
        """
        try:
            once = self._checked()
            directions = axes(once[0].orientation or ())
            check_axial(directions)
            positions = np.array([header.position_mm for header in once], float)
            ordered = tuple(once[i] for i in slice_order(positions, directions, min(once[0].grid[:2])))
            _check_alternation(ordered)
        except CaseRefused as refused:
            if refused.code not in _PARTED or self.part:
                raise
            raise CaseRefused(refused.code, refused.reason + self._parting_words()) from refused
        return ordered

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """Unit vectors along rows, along columns and across slices, shape (3, 3), one per row."""
        return axes(self.slices[0].orientation or ())

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring slices."""
        ends = np.array([self.slices[0].position_mm, self.slices[-1].position_mm], float)
        return float(np.linalg.norm(ends[1] - ends[0]) / (len(self.slices) - 1))

    @property
    def length_mm(self) -> float:
        """Extent along the slices' normal."""
        return self.step_mm * len(self.slices)

    def volumes(self) -> tuple["Series", ...]:
        """Return the volumes in the series: itself, or its parts where one attribute parts it into whole volumes."""
        try:
            _ = self.slices
        except CaseRefused as refused:
            if refused.code in _PARTED and not self.part:
                return self._parted()[1] or (self,)
        return (self,)

    def _checked(self) -> list[Header]:
        """Return the slices, each once and in no order; all that does not depend on their order is right with them."""
        self._check_object()
        once = _without_copies(self.headers)
        if len(once) < self.fewest:
            raise CaseRefused("few-slices", f"{len(once)} slices; a volume has at least {self.fewest}")
        if any(header.pixels.photometric == "MONOCHROME1" for header in once):
            raise CaseRefused("monochrome1", "MONOCHROME1: the smallest value is white, so it is unsure what the values mean")
        _check_geometry(once)
        _check_rescale(once)
        return once

    def _check_object(self) -> None:
        """Refuse anything that is not a series of CT slices, by the headers of its files."""
        missing = [name for name in ("study", "series", "instance") if not all(getattr(one, name) for one in self.headers)]
        if missing:
            raise CaseRefused("no-identifier", f"files without an identifier of their {' and '.join(missing)}")
        modalities = sorted({header.modality or "none" for header in self.headers})
        if modalities != ["CT"]:
            raise CaseRefused("not-ct", f"the modality is {' and '.join(modalities)}")
        damaged = self.missing + sum(header.damaged for header in self.headers)
        if damaged:
            raise CaseRefused(
                "unreadable", f"cannot read the headers of {damaged} of its {len(self.headers) + self.missing} files"
            )
        if any(header.storage in MULTI_FRAME or header.pixels.frames != 1 for header in self.headers):
            raise CaseRefused("multi-frame", "several frames in one file (enhanced CT), which are not read")
        if any("LOCALIZER" in header.image_type for header in self.headers):
            raise CaseRefused("localiser", "the image type is LOCALIZER")
        kind = refused_kind(self.headers)
        if kind is not None:
            raise CaseRefused("derived", f"{kind}: its voxels are not the HU of a scan")

    def _parted(self) -> tuple[str, tuple["Series", ...]]:
        """Return the attribute that parts the series into whole volumes that overlap, and these volumes; none if none does."""
        for name in PARTING:
            groups: dict[str, list[Header]] = {}
            for header in self.headers:
                groups.setdefault(header.parting[name], []).append(header)
            if "" in groups or not 2 <= len(groups) <= len(self.headers) // self.fewest:
                continue
            parts = tuple(
                Series(tuple(groups[value]), f"part {number} of {len(groups)} by {name}", fewest=self.fewest)
                for number, value in enumerate(sorted(groups, key=_by_number), start=1)
            )
            if all(_is_volume(part) for part in parts) and _overlap(parts):
                return name, parts
        return "", ()

    def _parting_words(self) -> str:
        name, parts = self._parted()
        if name:
            return f"; {name} splits it into {len(parts)} volumes, which `ccrcc import dicom` separates"
        differing = [
            name for name in PARTING if 1 < len({header.parting[name] for header in self.headers}) < len(self.headers)
        ]
        return f"; {', '.join(differing)} differ, but part it into no whole volumes" if differing else ""


def _without_copies(headers: Sequence[Header]) -> list[Header]:
    """Return one file of each instance, where the others are its copies byte by byte."""
    once: dict[str, Header] = {}
    for header in headers:
        known = once.setdefault(header.instance, header)
        if known is not header and sha256(known.path) != sha256(header.path):
            raise CaseRefused("instance-twice", "two files with one identifier (SOPInstanceUID) and different contents")
    return list(once.values())


def _check_geometry(slices: Sequence[Header]) -> None:
    if any(header.position_mm is None or header.orientation is None or len(header.grid) != 4 for header in slices):
        raise CaseRefused("no-geometry", "slices without position, orientation, pixel spacing or matrix")
    smallest = min(min(header.grid) for header in slices)
    if smallest <= 0:
        raise CaseRefused("no-geometry", f"a pixel spacing or a matrix of {smallest:g}")
    frames = len({header.frame_of_reference for header in slices})
    # A writer may make up a frame of reference for each file, as SimpleITK's does.
    if len({header.grid for header in slices}) > 1 or 1 < frames < len(slices):
        reason = "slices of several matrices, pixel spacings or frames of reference in one series"
        raise CaseRefused("mixed-series", reason)
    orientations = np.array([header.orientation for header in slices], float)
    if np.ptp(orientations, axis=0).max() > TURN:
        raise CaseRefused("mixed-series", "slices of several orientations in one series")


def _check_rescale(slices: Sequence[Header]) -> None:
    """Refuse slices whose values cannot be turned to HU. Stored values that look like HU may be anything."""
    pixels = [header.pixels for header in slices]
    without = sum(not np.isfinite([one.slope, one.intercept]).all() for one in pixels)
    if without:
        reason = f"{without} of {len(slices)} slices state no slope and intercept, without which stored values are no HU"
        raise CaseRefused("no-rescale", reason)
    if any(one.slope == 0 for one in pixels):
        raise CaseRefused("no-rescale", "slices with a rescale slope of 0")
    if any(one.table for one in pixels):
        raise CaseRefused("no-rescale", "slices with a look-up table instead of slope and intercept")
    if any(one.allocated <= 0 for one in pixels):
        raise CaseRefused("unreadable", "cannot read values that do not state how many bits they take")
    for one in pixels:
        if min(one.bits) >= 0 and one.bits[1] != one.bits[0] - 1:
            reason = f"cannot read values of {one.bits[0]} bits whose highest is number {one.bits[1]}"
            raise CaseRefused("unreadable", reason)


def _check_alternation(ordered: Sequence[Header]) -> None:
    """Refuse slices that alternate between acquisitions, which even distances would hide."""
    for name in _ALTERNATING:
        values = [header.parting[name] for header in ordered]
        runs = 1 + sum(one != other for one, other in pairwise(values))
        if "" not in values and runs > len(set(values)):
            raise CaseRefused("slice-duplicate", f"slices of {len(set(values))} values of {name} alternate: several volumes")
    for name in TIMES:
        times = [_by_number(header.parting[name])[0] for header in ordered if header.parting[name]]
        if len(times) == len(ordered) >= FEWEST_SLICES and _in_turn(times):
            raise CaseRefused("slice-duplicate", f"slices of two acquisitions alternate, as their {name} shows")


def _in_turn(times: Sequence[float]) -> bool:
    """Return whether every other slice is of another time than all those between: two acquisitions at even distances."""
    even, odd = times[::2], times[1::2]
    return max(even) < min(odd) or max(odd) < min(even)


def _is_volume(series: Series) -> bool:
    try:
        return bool(series.slices)
    except CaseRefused:
        return False


def _overlap(parts: Sequence[Series]) -> bool:
    """Return whether volumes overlap along the body; if they follow each other, they are one scan with a hole."""
    heights = [sorted(header.position_mm[2] for header in part.slices if header.position_mm) for part in parts]
    ends = sorted((height[0], height[-1]) for height in heights)
    return all(low < before[1] for before, (low, _) in pairwise(ends))


def _by_number(value: str) -> tuple[float, str]:
    try:
        return (float(value), value)
    except ValueError:
        return (0.0, value)
