"""One kidney: its outline, long axis, poles, sinus and polar lines."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from radiomics_cfg.measurements.outline import Mask, Outline, Points, distance_from_mm
from radiomics_cfg.measurements.sinus import find_sinus, opening_of
from radiomics_cfg.regions.grid import bounds

MOST_TILTED = np.cos(np.radians(60.0))
"""Cosine of the angle up to which an axis of the kidney stands for one of the patient's."""

LEAST_OFFSET_MM = 3.0
"""Distance of the sinus' centre from the long axis that gives the hilum a side."""

CORTEX_MM = (1.0, 5.0)
"""Depth of the cortex below the surface; its first mm holds voxels that are partly fat."""

FROM_LESIONS_MM = 5.0
"""Distance of the cortex from tumours and cysts, whose margin it would show."""


@dataclass(frozen=True)
class Directions:
    """Directions of the patient along the axes of an array (z, y, x), unit vectors.

    Args:
        head: Towards the head.
        front: Towards the front.
    """

    head: Points
    front: Points

    @classmethod
    def of(cls, cosines: Points) -> Self:
        """Return the directions in an image, whose direction cosines (x, y, z) are a column an axis, in LPS."""
        return cls((cosines.T @ (0.0, 0.0, 1.0))[::-1], (cosines.T @ (0.0, -1.0, 0.0))[::-1])


@dataclass(frozen=True, eq=False)
class Kidney:
    """A kidney on a box of the scan; points are zyx in mm from the centre of the box's first voxel.

    Args:
        parenchyma: Shape (z, y, x).
        lesions: Tumours and cysts in the box, same shape.
        outline: Hull of the parenchyma.
        directions: Of the patient.
        spacing_mm: Voxel size along z, y, x.
    """

    parenchyma: Mask
    lesions: Mask
    outline: Outline
    directions: Directions
    spacing_mm: Points

    @cached_property
    def within(self) -> Mask:
        """Voxels inside the outline."""
        return self.outline.voxels(self.parenchyma.shape, self.spacing_mm)

    @cached_property
    def sinus(self) -> Mask | None:
        """The renal sinus; None if the mask shows none."""
        return find_sinus(self.within, self.parenchyma | self.lesions, self.spacing_mm)

    @cached_property
    def centre_mm(self) -> Points:
        """Centre of the outline's volume."""
        return np.asarray(np.argwhere(self.within).mean(axis=0) * self.spacing_mm)

    @cached_property
    def long_axis(self) -> Points | None:
        """Unit vector towards the upper pole; None if no principal axis is near head-feet."""
        points = np.argwhere(self.within) * self.spacing_mm - self.centre_mm
        axes = np.linalg.eigh(points.T @ points)[1].T
        along = axes @ self.directions.head
        nearest = int(np.abs(along).argmax())
        if abs(along[nearest]) < MOST_TILTED:
            return None
        return np.asarray(axes[nearest] * np.sign(along[nearest]))

    @cached_property
    def poles_mm(self) -> tuple[float, float] | None:
        """Coordinates of the lower and the upper pole on the long axis, from ``centre_mm``."""
        if self.long_axis is None:
            return None
        heights = (self.outline.corners_mm - self.centre_mm) @ self.long_axis
        return float(heights.min()), float(heights.max())

    @cached_property
    def polar_lines_mm(self) -> tuple[float, float] | None:
        """Coordinates of the lower and the upper polar line on the long axis; None without an opening of the sinus."""
        if self.long_axis is None or self.sinus is None:
            return None
        opening = opening_of(self.sinus, self.within, self.spacing_mm)
        if not opening.any():
            return None
        heights = (np.argwhere(opening) * self.spacing_mm - self.centre_mm) @ self.long_axis
        half = float(np.abs(self.long_axis * self.spacing_mm).max()) / 2
        return float(heights.min()) - half, float(heights.max()) + half

    @cached_property
    def forwards(self) -> Points | None:
        """Unit vector across the plane of long axis and sinus, towards the front; None if that plane is far from coronal."""
        if self.long_axis is None or self.sinus is None:
            return None
        hilum = np.argwhere(self.sinus).mean(axis=0) * self.spacing_mm - self.centre_mm
        across = np.cross(self.long_axis, hilum)
        length = float(np.linalg.norm(across))
        if length < LEAST_OFFSET_MM:  # the sinus lies in the middle, so that its side is chance
            return None
        towards = float(across @ self.directions.front) / length
        return across / length * np.sign(towards) if abs(towards) >= MOST_TILTED else None

    @cached_property
    def cortex(self) -> Mask:
        """Parenchyma at the depth of ``CORTEX_MM`` below the outer surface, away from lesions."""
        solid = self.parenchyma | self.lesions
        solid = solid if self.sinus is None else solid | self.sinus
        box = bounds(self.parenchyma)
        shallowest, deepest = CORTEX_MM
        depth = distance_from_mm(~solid[box], self.spacing_mm, reach_mm=deepest, beyond=True)
        away = distance_from_mm(self.lesions[box], self.spacing_mm, reach_mm=FROM_LESIONS_MM, beyond=False)
        found = np.zeros_like(self.parenchyma)
        found[box] = self.parenchyma[box] & (depth > shallowest) & (depth <= deepest) & (away >= FROM_LESIONS_MM)
        return found
