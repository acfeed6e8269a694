"""How the scans of the development cases were acquired, as far as it is known, and what lies outside of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

RANGED = {
    "slice_spacing_mm": ("slice spacing", "mm"),
    "slice_thickness_mm": ("slice thickness", "mm"),
    "tube_voltage_kv": ("tube voltage", "kV"),
}
"""Numbers that are compared, with their name and unit. Tube current, pitch and matrix say little of a scan without its dose
and field of view; kernels have names of their own with each vendor, so their effect is judged by the features alone."""

MARGIN = 0.1
"""Share by which a range is widened at either end: 0.63 mm is no other slice than 0.625 mm. Our choice."""

MOST = 0.5
"""Share of the development cases that must state what is compared; with fewer, the range of the development is not known."""


@dataclass(frozen=True, slots=True)
class AcquisitionRange:
    """What was seen of each parameter.

    Args:
        ranges: Smallest and largest number of each of ``RANGED`` that is compared.
        phases: Contrast phases, in small letters; empty if they are not compared.
    """

    ranges: Mapping[str, tuple[float, float]]
    phases: tuple[str, ...]

    @classmethod
    def of(cls, scans: Sequence[Mapping[str, Any]]) -> Self:
        """Return what was seen in some scans, each with what is known of it as a feature table's provenance holds it."""
        enough = MOST * len(scans)
        numbers = {name: [number for scan in scans if (number := _number(scan.get(name))) is not None] for name in RANGED}
        phases = [phase for scan in scans if (phase := _phase(scan)) is not None]
        return cls(
            {name: (min(seen), max(seen)) for name, seen in numbers.items() if len(seen) > enough},
            tuple(sorted(set(phases))) if len(phases) > enough else (),
        )

    def reasons(self, scan: Mapping[str, Any]) -> list[str]:
        """Return in what a scan lies outside; nothing is said of what it does not state, or development did not."""
        found = []
        for name, (low, high) in self.ranges.items():
            number = _number(scan.get(name))
            if number is not None and not (1 - MARGIN) * low <= number <= (1 + MARGIN) * high:
                words, unit = RANGED[name]
                found.append(f"{words} {number:g} {unit}, seen {low:g} to {high:g}")
        phase = _phase(scan)
        if phase is not None and self.phases and phase not in self.phases:
            found.append(f"phase {phase}, seen {', '.join(self.phases)}")
        return found


def _number(stated: object) -> float | None:
    """Return a number; None if none is stated."""
    try:
        number = float(str(stated))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _phase(scan: Mapping[str, Any]) -> str | None:
    return str(scan.get("phase") or "").strip().lower() or None
