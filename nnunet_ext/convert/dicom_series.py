"""DICOM series of CT: found in a tree of files, told apart, and put in order.

Nothing that leaves this module but a series' files names a patient.
"""

import re
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnunet_ext.errors import CaseRefused, InputError

FEWEST_SLICES = 10
"""A series with fewer is a localiser, a bolus track or a sample."""

AXIAL_COSINE = 0.9
"""Of the angle between the slices' normal and the body's long axis, above which a series is axial."""

TILT_DEGREES = 0.5
"""Angle between the slices' normal and the line through their corners from which the gantry was tilted."""

STEP_SHARE = 0.1
"""Share by which the distances of neighbouring slices may differ; a missing slice doubles one."""

SAME_PLACE_MM = 0.01

PHASES = {
    "nephrographic": r"nephro|venous|portal|\bpv\b|\bpvp\b|\bnp\b",
    "corticomedullary": r"cortico|arter|\bcmp\b|\bap\b",
    "excretory": r"excret|delay|urogra|\bep\b",
    "unenhanced": r"non.?contrast|native|nativ|plain|unenh|\bnc\b|w/?o\b|without",
}
"""Words of a series' description that tell its phase, the wanted phase first."""

ACQUISITION = {
    "tube_voltage_kv": "KVP",
    "tube_current_ma": "XRayTubeCurrent",
    "rows": "Rows",
    "columns": "Columns",
    "slice_thickness_mm": "SliceThickness",
    "pitch": "SpiralPitchFactor",
    "kernel": "ConvolutionKernel",
}
"""Columns of an acquisition file, and the DICOM attributes behind them."""

_GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")
_IDENTITY = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality")
_WORDS = ("ImageType", "SeriesDescription", "ProtocolName")


@dataclass(frozen=True)
class Header:
    """What one file says of itself.

    Args:
        path: Of the file.
        patient: Patient ID.
        study: Unique identifier.
        series: Likewise.
        instance: Likewise.
        modality: Such as ``CT``, ``RTSTRUCT``, ``SEG``.
        image_type: Words, such as ``LOCALIZER``.
        description: Of series and protocol; may hold names, so only what is derived of it leaves.
        position_mm: Centre of the first voxel; none if the file is no slice.
        orientation: Direction cosines of rows and columns.
        grid: Pixel spacing, rows and columns.
        acquisition: Cells of an acquisition file, empty where not available.
    """

    path: Path
    patient: str
    study: str
    series: str
    instance: str
    modality: str
    image_type: tuple[str, ...]
    description: str
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    grid: tuple[float, ...]
    acquisition: dict[str, str]


@dataclass(frozen=True)
class Series:
    """The files of one series.

    Args:
        headers: At least one, all of the same series.
    """

    headers: tuple[Header, ...]

    @property
    def first(self) -> Header:
        """Any header: patient, study and modality are those of the series."""
        return self.headers[0]

    @property
    def phase(self) -> str | None:
        """Contrast phase, where the description tells it."""
        words = self.first.description.lower()
        return next((phase for phase, pattern in PHASES.items() if re.search(pattern, words)), None)

    @cached_property
    def slices(self) -> tuple[Header, ...]:
        """The slices in order along their normal, each once.

        Raises:
            CaseRefused: Why the series is no volume: ``not-ct``, ``localiser``, ``few-slices``, ``no-geometry``,
                ``mixed-series``, ``not-axial``, ``slice-duplicate``, ``slice-gap``, ``gantry-tilt``.
        """
        if self.first.modality != "CT":
            raise CaseRefused("not-ct", f"the modality is {self.first.modality}")
        if any("LOCALIZER" in header.image_type for header in self.headers):
            raise CaseRefused("localiser", "the image type says LOCALIZER")
        once = list({header.instance: header for header in self.headers}.values())  # a file may be there twice
        if len(once) < FEWEST_SLICES:
            raise CaseRefused("few-slices", f"{len(once)} slices; a volume has at least {FEWEST_SLICES}")
        if any(header.position_mm is None or header.orientation is None for header in once):
            raise CaseRefused("no-geometry", "slices without position, orientation or pixel spacing")
        self._check_one_grid(once)
        return self._in_order(once)

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring slices."""
        ends = np.array([self.slices[0].position_mm, self.slices[-1].position_mm], float)
        return float(np.linalg.norm(ends[1] - ends[0]) / (len(self.slices) - 1))

    @property
    def length_mm(self) -> float:
        """Extent along the slices' normal."""
        return self.step_mm * len(self.slices)

    def _check_one_grid(self, once: Sequence[Header]) -> None:
        orientations = np.array([header.orientation for header in once], float)
        if len({header.grid for header in once}) > 1 or np.ptp(orientations, axis=0).max() > 1e-3:
            raise CaseRefused("mixed-series", "slices of several matrices, pixel spacings or orientations in one series")
        if abs(_normal(once[0])[2]) < AXIAL_COSINE:
            raise CaseRefused("not-axial", "the slices are not axial")

    def _in_order(self, once: Sequence[Header]) -> tuple[Header, ...]:
        normal = _normal(once[0])
        positions = np.array([header.position_mm for header in once], float)
        along = positions @ normal
        order = np.argsort(along, kind="stable")
        steps = np.diff(along[order])
        if (steps < SAME_PLACE_MM).any():
            count = int((steps < SAME_PLACE_MM).sum())
            raise CaseRefused("slice-duplicate", f"{count} slices lie where another one does: two acquisitions in one series")
        usual = float(np.median(steps))
        if steps.max() > (1 + STEP_SHARE) * usual or steps.min() < (1 - STEP_SHARE) * usual:
            reason = f"slices {steps.min():.2f} to {steps.max():.2f} mm apart, {usual:.2f} mm in the median: some are missing"
            raise CaseRefused("slice-gap", reason)
        line = positions[order[-1]] - positions[order[0]]
        tilt = float(np.degrees(np.arccos(min(1.0, abs(float(line @ normal)) / float(np.linalg.norm(line))))))
        if tilt > TILT_DEGREES:
            raise CaseRefused("gantry-tilt", f"the gantry was tilted by {tilt:.1f} degrees, so the volume is sheared")
        return tuple(once[i] for i in order)


def _normal(header: Header) -> npt.NDArray[np.float64]:
    orientation = np.array(header.orientation, float)
    return np.cross(orientation[:3], orientation[3:])


def find_series(source: Path) -> tuple[Series, ...]:
    """Find the series below a folder, in the order of their patients, studies and identifiers. Other files are passed over.

    Raises:
        InputError: If pydicom is not installed, or the folder holds no DICOM file.
    """
    grouped: dict[tuple[str, str, str], list[Header]] = {}
    for header in _headers(source):
        grouped.setdefault((header.patient, header.study, header.series), []).append(header)
    if not grouped:
        msg = f"No DICOM file below {source}"
        raise InputError(msg)
    return tuple(Series(tuple(grouped[key])) for key in sorted(grouped))


def _headers(source: Path) -> Iterator[Header]:
    try:
        from pydicom import dcmread  # noqa: PLC0415 - an optional extra
        from pydicom.errors import InvalidDicomError  # noqa: PLC0415
    except ImportError as error:
        msg = "pydicom is not installed; pip install 'ccrcc-radiomics[dicom]'"
        raise InputError(msg) from error
    tags = [*_GEOMETRY, *_IDENTITY, *_WORDS, *ACQUISITION.values()]
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        try:
            found = dcmread(path, stop_before_pixels=True, specific_tags=tags)
        except (InvalidDicomError, OSError, EOFError, ValueError, KeyError):
            continue
        if not all(found.get(name) for name in _IDENTITY[1:]):
            continue
        position, orientation, spacing = (_numbers(found.get(name)) for name in _GEOMETRY[:3])
        has_geometry = (len(position), len(orientation), len(spacing)) == (3, 6, 2)
        yield Header(
            path=path,
            patient=str(found.get("PatientID") or ""),
            study=str(found.StudyInstanceUID),
            series=str(found.SeriesInstanceUID),
            instance=str(found.SOPInstanceUID),
            modality=str(found.Modality),
            image_type=tuple(str(word).upper() for word in found.get("ImageType") or ()),
            description=" ".join(str(found.get(name) or "") for name in ("SeriesDescription", "ProtocolName")),
            position_mm=position if has_geometry else None,
            orientation=orientation if has_geometry else None,
            grid=(*spacing, *_numbers(found.get("Rows")), *_numbers(found.get("Columns"))),
            acquisition={column: _cell(found.get(name)) for column, name in ACQUISITION.items()},
        )


def _several(value: object) -> Sequence[object]:
    """Return the parts of an attribute, of which there may be one or none."""
    if isinstance(value, list | tuple | MutableSequence):
        return value
    return () if value is None else (value,)


def _numbers(value: object) -> tuple[float, ...]:
    """Return an attribute's numbers, none if one of its parts is no number."""
    try:
        return tuple(float(str(part)) for part in _several(value))
    except ValueError:
        return ()


def _cell(value: object) -> str:
    """Return an attribute as text, the first of several."""
    return next((str(part) for part in _several(value) if part is not None), "")
