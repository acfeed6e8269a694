"""Tissue of tumours, kidneys and the fat around them, from depth in mm: the same for a drawn shape and a real mask."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from nnunet_ext.phantom.biology import Biology
from nnunet_ext.phantom.fields import Array, Points, SmoothField, Vector
from nnunet_ext.phantom.scanner import Enhancement
from nnunet_ext.phantom.shapes import Tissue
from nnunet_ext.phantom.torso import EVERYWHERE, FAT_HU

NECROSIS_HU = 18.0
CYST_HU = 8.0
_RIM_MM = 4.5
"""Depth at which the rim's extra enhancement has fallen to 1/e."""


@dataclass(frozen=True, eq=False)
class TumourTissue:
    """What a tumour shows inside.

    Args:
        biology: Drives all of it.
        texture: Of the viable part, at the biology's correlation length.
        patches: Larger ones, which make the necrotic core's outline ragged.
        radius_mm: Depth of the tumour's middle.
        threshold: Where depth and patches together exceed it, the tumour is necrotic.
    """

    biology: Biology
    texture: SmoothField
    patches: SmoothField
    radius_mm: float
    threshold: float = np.inf

    @classmethod
    def draw(cls, biology: Biology, low: Vector, high: Vector, rng: np.random.Generator, *, radius_mm: float) -> Self:
        """Draw the fields over the box from ``low`` to ``high``; nothing is necrotic yet."""
        texture = SmoothField.draw(rng, low, high, correlation_length_mm=biology.correlation_length_mm)
        patches = SmoothField.draw(rng, low, high, correlation_length_mm=max(0.7 * radius_mm, 3.0))
        return cls(biology, texture, patches, radius_mm)

    def with_necrosis(self, points: Points, distance: Array) -> Self:
        """Return this tissue with the threshold that makes the biology's share of the tumour necrotic.

        Args:
            points: Cover the tumour evenly.
            distance: Signed distance to its surface there.
        """
        inside = self._core(points, distance)[distance < 0]
        if inside.size == 0:
            return self
        return replace(self, threshold=float(np.quantile(inside, 1 - self.biology.necrotic_fraction)))

    def painted(self, enhancement: Enhancement) -> Tissue:
        """Return the tissue at one contrast phase."""
        gain = enhancement.tumour_pattern
        mean, texture, rim = (
            np.float32(value)
            for value in (
                enhancement.tumour + gain * self.biology.enhancement_hu,
                gain * self.biology.heterogeneity_hu,
                gain * self.biology.rim_hu,
            )
        )

        def hu(points: Points, distance: Array) -> Array:
            outermost = np.exp(-((np.maximum(-distance, 0) / np.float32(_RIM_MM)) ** 2))
            viable = mean + texture * self.texture.at(points) + rim * outermost
            dead = (self._core(points, distance) - np.float32(self.threshold)) / np.float32(0.15) + np.float32(0.5)
            return np.asarray(viable + np.clip(dead, 0, 1) * (np.float32(NECROSIS_HU) - viable), np.float32)

        return hu

    def _core(self, points: Points, distance: Array) -> Array:
        score: Array = np.float32(-1.6 / self.radius_mm) * distance + np.float32(0.45) * self.patches.at(points)
        return score


@dataclass(frozen=True, eq=False)
class PerirenalFat:
    """Fat with strands: thin sheets, denser near the kidney's or the tumour's surface."""

    sheets: SmoothField
    stranding: float

    @classmethod
    def draw(cls, biology: Biology, rng: np.random.Generator) -> Self:
        """Draw the sheets."""
        return cls(SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=14), biology.stranding)

    def hu(self, points: Points, distance: Array) -> Array:
        """Return the HU at ``points``; ``distance`` (mm) is to the outer surface of the fat, negative inside."""
        sheet = np.clip(1.5 - np.abs(self.sheets.at(points)) / np.float32(0.1), 0, 1)
        near = np.clip(-distance / np.float32(8), 0, 1)
        strands = np.float32(self.stranding) * near * (np.float32(14) + np.float32(75) * sheet)
        return np.asarray(np.float32(FAT_HU) + strands, np.float32)


def parenchyma_hu(medulla: Array, enhancement: Enhancement) -> Array:
    """Return the HU of kidney tissue from its share of medulla."""
    hu: Array = np.float32(enhancement.cortex) + np.float32(enhancement.medulla - enhancement.cortex) * medulla
    return hu
