"""The frame of the body: skin, fat, muscle wall, ribs, spine and pelvis, as layers of paint."""

from dataclasses import dataclass

import numpy as np

from nnunet_ext.phantom.fields import Array, Points, SmoothField, Vector
from nnunet_ext.phantom.scanner import Enhancement
from nnunet_ext.phantom.shapes import FAR, Capsule, Column, Ellipsoid, Layer, Shape, Solid, Tissue

AIR_HU = -1000.0
FAT_HU = -105.0
SKIN_HU = 20.0
BONE_HU = 340.0
MARROW_HU = 185.0

EVERYWHERE: tuple[Vector, Vector] = ((-200.0, -140.0, -180.0), (200.0, 140.0, 180.0))
"""Box that holds every scan."""
_EXPONENT = 2.25
"""Of the superellipse that the body's outline is."""
_VERTEBRA_MM = 36.0
"""Height of a vertebra with its disc."""
_RIB_STEP_MM = 26.0
_LOWEST_RIB_MM = -42.0


@dataclass(frozen=True)
class Torso:
    """Size of the body.

    Args:
        half_width_mm: From the middle to the flank.
        half_depth_mm: From the middle to the belly and to the back.
        fat_mm: Thickness of the subcutaneous fat at the front.
        wall_mm: Thickness of the muscle wall at the front.
    """

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    wall_mm: float

    def skin(self) -> Solid:
        """Return everything inside the skin's surface."""
        return self._inside(0.0, fat=0.0, wall=0.0)

    def fat(self) -> Solid:
        """Return everything inside the skin."""
        return self._inside(2.0, fat=0.0, wall=0.0)

    def muscle(self) -> Solid:
        """Return everything inside the subcutaneous fat."""
        return self._inside(2.0, fat=1.0, wall=0.0)

    def cavity(self, inset_mm: float = 0.0) -> Solid:
        """Return everything inside the muscle wall, and ``inset_mm`` away from it."""
        return self._inside(2.0 + inset_mm, fat=1.0, wall=1.0)

    def _inside(self, inset_mm: float, *, fat: float, wall: float) -> Solid:
        """Return the body without ``inset_mm`` and these shares of the fat and of the muscle wall."""

        def distance(points: Points) -> Array:
            x, y, z = points.relative_to((0.0, 0.0, 0.0))
            radius = np.sqrt(x * x + y * y) + np.float32(1e-3)
            flat = (np.abs(x) / self.half_width_mm) ** _EXPONENT + (np.abs(y) / self.half_depth_mm) ** _EXPONENT
            outline = radius / (flat + np.float32(1e-9)) ** np.float32(1 / _EXPONENT)
            beside = np.minimum(np.abs(x) / self.half_width_mm, 1)
            behind = 1 / (1 + np.exp(-y / np.float32(15)))
            loin = np.exp(-((x / 46) ** 2)) / (1 + np.exp(-(y - 30) / np.float32(8)))
            coat = fat * self.fat_mm * (1 + 0.5 * behind * beside - 0.25 * beside)
            coat = coat + wall * (self.wall_mm * (1 + 0.4 * beside) + 30 * loin) + inset_mm
            waist = 1 - np.float32(0.035) * np.exp(-(((z + 40) / 60) ** 2))
            return np.asarray(radius - outline * waist + coat, np.float32)

        reach = (1.1 * self.half_width_mm, 1.1 * self.half_depth_mm)
        return Solid((-reach[0], -reach[1], -FAR), (*reach, FAR), distance)


def draw_torso(rng: np.random.Generator) -> Torso:
    """Draw a body that fits into 33 by 23 cm."""
    return Torso(
        half_width_mm=float(np.clip(rng.normal(154, 5), 144, 163)),
        half_depth_mm=float(np.clip(rng.normal(108, 4), 100, 115)),
        fat_mm=rng.uniform(8, 19),
        wall_mm=rng.uniform(7, 10),
    )


def textured(hu: float, field: SmoothField, amplitude_hu: float) -> Tissue:
    """Return a tissue that varies around ``hu`` by ``amplitude_hu`` in standard deviation."""

    def tissue(points: Points, distance: Array) -> Array:  # noqa: ARG001 - one signature for all tissues
        return np.float32(hu) + np.float32(amplitude_hu) * field.at(points)

    return tissue


def vessels(hu: float, contrast_hu: float, fields: tuple[SmoothField, SmoothField], width: float) -> Tissue:
    """Return a tissue threaded by vessels: the curves along which two random fields are both near 0."""

    def tissue(points: Points, distance: Array) -> Array:
        first, second = (field.at(points) for field in fields)
        tube = np.clip(1.5 - np.sqrt(first * first + second * second) / np.float32(width), 0, 1)
        deep = np.clip(-distance / np.float32(6), 0, 1)
        return np.asarray(np.float32(hu) + np.float32(contrast_hu) * tube * deep + np.float32(3) * first, np.float32)

    return tissue


def wall_layers(torso: Torso, enhancement: Enhancement, rng: np.random.Generator) -> list[Layer]:
    """Skin, subcutaneous fat, muscle, ribs, and the fat of the cavity with its mesenteric vessels."""
    streaks = SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=7)
    lumps = SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=12)
    return [
        Layer(torso.skin(), SKIN_HU),
        Layer(torso.fat(), textured(FAT_HU, lumps, 5)),
        Layer(torso.muscle(), textured(enhancement.muscle - 6, streaks, 14)),
        Layer(_ribs(torso.cavity(-3.0), 4.6), BONE_HU + 80),
        Layer(_ribs(torso.cavity(-3.0), 2.4), MARROW_HU),
        Layer(torso.cavity(), vessels(FAT_HU, 170, (lumps, streaks), 0.16)),
    ]


def skeleton_layers(torso: Torso, enhancement: Enhancement) -> list[Layer]:
    """Psoas and back muscles, vertebrae with discs, canal and processes, and the iliac wings."""
    layers = [Layer(Capsule((s * 34.0, 44.0, 60.0), (s * 46.0, 38.0, -190.0), 15.0), enhancement.muscle) for s in (-1, 1)]
    layers += [Layer(Column((s * 30.0, 74.0), (26.0, 15.0)), enhancement.muscle - 4) for s in (-1, 1)]
    body = Column((0.0, 42.0), (23.0, 17.0))
    layers += [
        Layer(body, 85.0),
        Layer(_vertebrae(body, 7.0), BONE_HU),
        Layer(_vertebrae(Column((0.0, 42.0), (20.5, 14.5)), 11.0), MARROW_HU),
        Layer(_vertebrae(Column((0.0, 66.0), (15.0, 12.0)), 4.0), BONE_HU),
        Layer(Column((0.0, 66.0), (10.0, 7.5)), 25.0),
        Layer(_vertebrae(Column((0.0, 84.0), (3.2, 11.0)), 10.0), BONE_HU),
        *(Layer(_vertebrae(Column((s * 26.0, 65.0), (15.0, 3.4)), 22.0), BONE_HU) for s in (-1, 1)),
    ]
    for side in (-1, 1):
        wing = Ellipsoid((side * 92.0, 42.0, -165.0), (32.0, 44.0, 56.0))
        inner = Ellipsoid((side * 88.0, 38.0, -161.0), (29.0, 41.0, 54.0))
        layers += [Layer(wing, BONE_HU, torso.muscle()), Layer(inner, enhancement.muscle, torso.muscle())]
    return layers


def _ribs(wall: Shape, half_thickness_mm: float) -> Solid:
    """Ribs around ``wall``: they fall towards the front, and the costal margin rises there."""

    def distance(points: Points) -> Array:
        x, y, z = points.relative_to((0.0, 0.0, 0.0))
        height = z - np.float32(0.75) * y - np.float32(0.25) * np.abs(x)
        along = (height + _RIB_STEP_MM / 2) % np.float32(_RIB_STEP_MM) - np.float32(_RIB_STEP_MM / 2)
        depth = wall.distance(points) - np.float32(4)
        rib = np.sqrt((along / 1.25) ** 2 + depth * depth) - np.float32(half_thickness_mm)
        margin = np.float32(_LOWEST_RIB_MM) - np.minimum(z, z + y * np.float32(1.25))
        return np.asarray(np.maximum(rib, np.maximum(margin, np.float32(22) - np.abs(x))), np.float32)

    return Solid((*wall.low[:2], _LOWEST_RIB_MM), wall.high, distance)


def _vertebrae(column: Column, gap_mm: float) -> Solid:
    """A column cut into pieces of one vertebra each, ``gap_mm`` apart."""

    def distance(points: Points) -> Array:
        _, _, z = points.relative_to((0.0, 0.0, 0.0))
        half = np.float32(_VERTEBRA_MM / 2)
        to_disc = np.abs((z + half) % np.float32(_VERTEBRA_MM) - half)
        return np.asarray(np.maximum(column.distance(points), np.float32(gap_mm / 2) - to_disc), np.float32)

    return Solid(column.low, column.high, distance)
