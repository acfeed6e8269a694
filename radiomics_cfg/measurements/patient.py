"""All measurements of one scan with its mask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.labels import MINIMUM_LESION_ML, STRUCTURES, Label, is_lesion
from nnunet_ext.scans.geometry import Scan
from nnunet_ext.scans.orientation import oriented
from radiomics_cfg.engine.extent import Slices
from radiomics_cfg.measurements import nephrometry
from radiomics_cfg.measurements.attenuation import NO_CORTEX, against_cortex, mean_hu
from radiomics_cfg.measurements.kidney import Directions, Kidney
from radiomics_cfg.measurements.measurement import (
    Assessed,
    KidneyMeasurements,
    LesionMeasurements,
    PatientMeasurements,
    of_kidney,
    of_lesion,
)
from radiomics_cfg.measurements.outline import Mask, Outline
from radiomics_cfg.measurements.size import axial_diameter_mm, diameters_mm
from radiomics_cfg.regions.grid import bounds
from radiomics_cfg.regions.lesions import LEFT, MINIMUM_KIDNEY_ML, RIGHT, Laterality, find_sides, numbered_pieces, voxel_ml

NO_COLLECTING_SYSTEM = "the mask has no collecting system"


@dataclass(frozen=True, eq=False)
class _Lesion:
    """A lesion on the box of its side, shape (z, y, x)."""

    number: int
    label: Literal["tumour", "cyst", "mass"]
    voxels: Mask


@dataclass(frozen=True, eq=False)
class _Side:
    """One side of the patient: the box of its labels, its lesions, and its kidney if there is one."""

    name: Laterality
    box: Slices
    hu: npt.NDArray[Any]
    lesions: tuple[_Lesion, ...]
    kidney: Kidney | None
    parenchyma_ml: float

    @property
    def cortex_hu(self) -> float | None:
        """Mean of the cortex."""
        return None if self.kidney is None else mean_hu(self.hu, self.kidney.cortex)


def measure_patient(scan: Scan, *, phase: str | None = None) -> PatientMeasurements:
    """Measure every lesion and both kidneys of a scan.

    Args:
        scan: Image and mask, through the gate. The mask may be empty.
        phase: Contrast phase of the scan, if it is known: one of ``nnunet_ext.dicom.phases.PHASES``.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> from nnunet_ext.scans.geometry import read_scan
        >>> cohort = load_cohort("dev/card.yaml")
        >>> found = measure_patient(read_scan(cohort.cases[0], cohort.labels))
        >>> [kidney.side for kidney in found.kidneys]
        ['left', 'right']
    """
    turned = oriented(scan)
    labels: npt.NDArray[np.uint8] = sitk.GetArrayViewFromImage(turned.mask)
    if not labels.any():
        return PatientMeasurements((), ())
    sides = list(_sides(turned, labels))
    cortex = {side.name: side.cortex_hu for side in sides}
    lesions = []
    for side in sides:
        other = next((value for name, value in cortex.items() if name != side.name), None)
        own = cortex[side.name] if cortex[side.name] is not None else other
        for lesion in side.lesions:
            centre = _centre_in(lesion.voxels, side.box, turned.image, scan.image)
            found = of_lesion(_measure_lesion(lesion.voxels, side, cortex_hu=own, phase=phase, image=turned.image))
            lesions.append(LesionMeasurements(lesion.number, side.name, lesion.label, centre, found))
    kidneys = (
        KidneyMeasurements(side.name, of_kidney(_measure_kidney(side.kidney, side.parenchyma_ml, cortex[side.name])))
        for side in sides
        if side.kidney is not None
    )
    return PatientMeasurements(tuple(sorted(lesions, key=lambda lesion: lesion.lesion)), tuple(kidneys))


def lesion_numbers(scan: Scan) -> tuple[npt.NDArray[np.uint16], dict[int, Literal["tumour", "cyst", "mass"]]]:
    """Return the number of the lesion at each voxel as ``measure_patient`` numbers them, and the structure of each lesion.

    Args:
        scan: Image and mask, in any orientation.

    Returns:
        Numbers, shape (z, y, x) of the scan as it is stored, 0 outside lesions; and the structure by number.
    """
    labels: npt.NDArray[np.uint8] = sitk.GetArrayViewFromImage(scan.mask)
    numbers = np.zeros(labels.shape, np.uint16)
    if not labels.any():
        return numbers, {}
    whole = bounds(labels > 0)
    numbers[whole], names, _ = _numbered_lesions(labels[whole], find_sides(scan, whole), scan.image)
    return numbers, names


def _sides(scan: Scan, labels: npt.NDArray[np.uint8]) -> Iterator[_Side]:
    """Yield the left side, then the right; a side without labels is left out."""
    whole = bounds(labels > 0)
    labels, side_of = labels[whole], find_sides(scan, whole)
    hu = sitk.GetArrayViewFromImage(scan.image)
    numbers, names, owners = _numbered_lesions(labels, side_of, scan.image)
    directions = Directions.of(np.array(scan.image.GetDirection()).reshape(3, 3))
    for value, name in ((LEFT, "left"), (RIGHT, "right")):
        own = [number for number, side in owners.items() if side == value]
        there = (side_of == value) | np.isin(numbers, own)
        if not there.any():
            continue
        part = bounds(there)
        box = bounds(there, offset=whole)
        here, number = labels[part], numbers[part]
        parenchyma = (here == Label.KIDNEY) & (side_of[part] == value)
        lesions = tuple(_Lesion(one, names[one], number == one) for one in own)
        ml = float(np.count_nonzero(parenchyma)) * voxel_ml(scan.image)
        kidney = _kidney(parenchyma, here, directions, scan.image) if ml >= MINIMUM_KIDNEY_ML else None
        yield _Side("left" if name == "left" else "right", box, hu[box], lesions, kidney, ml)


def _kidney(parenchyma: Mask, labels: npt.NDArray[np.uint8], directions: Directions, image: sitk.Image) -> Kidney | None:
    """Return the kidney of a side; None if it lies in one plane."""
    spacing_mm = np.array(image.GetSpacing()[::-1])
    outline = Outline.of(parenchyma, spacing_mm)
    if outline is None:
        return None
    return Kidney(parenchyma, is_lesion(labels) | (labels == Label.CYST), outline, directions, spacing_mm)


def _numbered_lesions(
    labels: npt.NDArray[np.uint8], side_of: npt.NDArray[np.uint8], image: sitk.Image
) -> tuple[npt.NDArray[np.uint16], dict[int, Literal["tumour", "cyst", "mass"]], dict[int, int]]:
    """Return the number of the lesion at each voxel, and of each lesion the structure and the side of most of its voxels."""
    numbers = np.zeros(labels.shape, np.uint16)
    names: dict[int, Literal["tumour", "cyst", "mass"]] = {}
    owners: dict[int, int] = {}
    structures: Sequence[Literal["tumour", "cyst", "mass"]] = ("tumour", "mass", "cyst")
    for name in structures:
        structure = labels == STRUCTURES[name]
        if not structure.any():
            continue
        box = bounds(structure)
        pieces, first = numbered_pieces(structure[box], image), len(names)
        at = np.nonzero(pieces)
        voxels = np.bincount(pieces[at])
        is_left = np.bincount(pieces[at], weights=side_of[box][at] == LEFT)
        for piece in range(1, len(voxels)):
            if name == "cyst" and round(voxels[piece] * voxel_ml(image), 6) < MINIMUM_LESION_ML:
                continue
            names[first + piece] = name
            owners[first + piece] = LEFT if is_left[piece] > voxels[piece] / 2 else RIGHT
            numbers[box][pieces == piece] = first + piece
    return numbers, names, owners


def _measure_lesion(
    lesion: Mask, side: _Side, *, cortex_hu: float | None, phase: str | None, image: sitk.Image
) -> dict[str, Assessed]:
    """Return every measurement of a lesion by name."""
    spacing_mm = np.array(image.GetSpacing()[::-1])
    box = bounds(lesion)
    first, second, third = diameters_mm(lesion[box], spacing_mm)
    hu = mean_hu(side.hu, lesion) or 0.0
    found = {
        "volume_ml": Assessed(float(np.count_nonzero(lesion)) * voxel_ml(image)),
        "maximum_diameter_mm": Assessed(first, nephrometry.radius_points(first)),
        "second_diameter_mm": Assessed(second),
        "third_diameter_mm": Assessed(third),
        "axial_diameter_mm": Assessed(axial_diameter_mm(lesion[box], spacing_mm)),
        "collecting_system_distance_mm": Assessed.not_assessable(NO_COLLECTING_SYSTEM),
        "mean_hu": Assessed(hu),
        **against_cortex(hu, cortex_hu, phase),
        **nephrometry.depth_and_place(lesion, side.kidney),
    }
    found["renal_score"] = nephrometry.score(
        radius=found["maximum_diameter_mm"],
        exophytic=found["exophytic_share"],
        nearness=found["sinus_distance_mm"],
        location=found["between_polar_lines_share"],
    )
    return found


def _measure_kidney(kidney: Kidney, parenchyma_ml: float, cortex_hu: float | None) -> dict[str, Assessed]:
    """Return every measurement of a kidney by name."""
    sinus, poles = kidney.sinus, kidney.poles_mm
    none = Assessed.not_assessable
    sinus_ml = 0.0 if sinus is None else float(np.count_nonzero(sinus) * np.prod(kidney.spacing_mm)) / 1000
    return {
        "volume_ml": Assessed(parenchyma_ml),
        "length_mm": none(nephrometry.NO_AXIS) if poles is None else Assessed(poles[1] - poles[0]),
        "sinus_volume_ml": none(nephrometry.NO_SINUS) if sinus is None else Assessed(sinus_ml),
        "cortex_hu": none(NO_CORTEX) if cortex_hu is None else Assessed(cortex_hu),
    }


def _centre_in(lesion: Mask, box: Slices, turned: sitk.Image, stored: sitk.Image) -> tuple[float, float, float]:
    """Return the mean voxel index (x, y, z) of a lesion in the scan as it is stored."""
    zyx = np.argwhere(lesion).mean(axis=0) + [part.start for part in box]
    place = turned.TransformContinuousIndexToPhysicalPoint(zyx[::-1].tolist())
    x, y, z = (round(index, 3) + 0.0 for index in stored.TransformPhysicalPointToContinuousIndex(place))
    return x, y, z
