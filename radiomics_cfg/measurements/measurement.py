"""One measurement, and all measurements of a lesion, a kidney, a patient."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from radiomics_cfg.measurements.definitions import OF_KIDNEYS, OF_LESIONS, Definition
from radiomics_cfg.regions.lesions import Laterality

DECIMALS = 3
"""Of reported values: far below what a contour leaves uncertain."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    Args:
        name: One of ``OF_LESIONS`` or ``OF_KIDNEYS``.
        value: In the unit of its definition; None if it is not assessable.
        unit: Of the value; empty for a word.
        points: Of the R.E.N.A.L. score, if the measurement has points and is assessable.
        reason: Why it is not assessable.
    """

    name: str
    value: float | str | None
    unit: str
    points: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Assessed:
    """The value of a measurement before it has a name; see ``Measurement``."""

    value: float | str | None
    points: int | None = None
    reason: str | None = None

    @classmethod
    def not_assessable(cls, reason: str) -> Self:
        """Return that there is no value, with the reason."""
        return cls(None, reason=reason)

    def named(self, name: str, definition: Definition) -> Measurement:
        """Return the measurement, its value rounded to ``DECIMALS``."""
        value = round(float(self.value), DECIMALS) + 0.0 if isinstance(self.value, float | int) else self.value
        return Measurement(name, value, definition.unit, self.points, self.reason)


@dataclass(frozen=True)
class LesionMeasurements:
    """All measurements of one lesion.

    Args:
        lesion: Its number. Tumours are numbered as in the feature table; cysts follow.
        side: Of the patient.
        label: Structure of the mask.
        centroid_voxel_xyz: Mean of its voxel indices in the scan as it is stored.
        measurements: One for each of ``OF_LESIONS``, in that order.
    """

    lesion: int
    side: Laterality
    label: Literal["tumour", "cyst", "mass"]
    centroid_voxel_xyz: tuple[float, float, float]
    measurements: tuple[Measurement, ...]

    def __getitem__(self, name: str) -> Measurement:
        """Return a measurement by name."""
        return _named(self.measurements, name)

    @property
    def diameters_mm(self) -> tuple[float, float, float]:
        """Three diameters at right angles to each other, largest first."""
        first, second, third = (self[f"{one}_diameter_mm"].value for one in ("maximum", "second", "third"))
        return float(first or 0), float(second or 0), float(third or 0)

    def to_json(self) -> dict[str, Any]:
        """Return the lesion as JSON."""
        return {
            "lesion": self.lesion,
            "side": self.side,
            "label": self.label,
            "centroid_voxel_xyz": list(self.centroid_voxel_xyz),
            "volume_ml": self["volume_ml"].value,
            "diameters_mm": list(self.diameters_mm),
            "axial_diameter_mm": self["axial_diameter_mm"].value,
            "measurements": [asdict(one) for one in self.measurements],
        }


@dataclass(frozen=True)
class KidneyMeasurements:
    """All measurements of the kidney on one side.

    Args:
        side: Of the patient.
        measurements: One for each of ``OF_KIDNEYS``, in that order.
    """

    side: Laterality
    measurements: tuple[Measurement, ...]

    def __getitem__(self, name: str) -> Measurement:
        """Return a measurement by name."""
        return _named(self.measurements, name)

    def to_json(self) -> dict[str, Any]:
        """Return the kidney as JSON."""
        return {
            "side": self.side,
            "volume_ml": self["volume_ml"].value,
            "measurements": [asdict(one) for one in self.measurements],
        }


@dataclass(frozen=True)
class PatientMeasurements:
    """All measurements of one scan.

    Args:
        lesions: Tumours, largest first, then cysts.
        kidneys: Left, then right; a side without a kidney is left out.
    """

    lesions: tuple[LesionMeasurements, ...]
    kidneys: tuple[KidneyMeasurements, ...]

    def to_json(self) -> dict[str, Any]:
        """Return both as JSON."""
        return {"lesions": [one.to_json() for one in self.lesions], "kidneys": [one.to_json() for one in self.kidneys]}


def of_lesion(found: Mapping[str, Assessed]) -> tuple[Measurement, ...]:
    """Return the measurements of a lesion, of which each has to be found."""
    return tuple(found[name].named(name, definition) for name, definition in OF_LESIONS.items())


def of_kidney(found: Mapping[str, Assessed]) -> tuple[Measurement, ...]:
    """Return the measurements of a kidney, of which each has to be found."""
    return tuple(found[name].named(name, definition) for name, definition in OF_KIDNEYS.items())


def _named(measurements: tuple[Measurement, ...], name: str) -> Measurement:
    for one in measurements:
        if one.name == name:
            return one
    msg = f"No measurement {name!r}; there are {', '.join(one.name for one in measurements)}"
    raise KeyError(msg)
