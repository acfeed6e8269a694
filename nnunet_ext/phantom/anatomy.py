"""One patient's anatomy: body, kidneys, tumours and cysts, drawn once and scanned as often as needed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.labels import Label
from nnunet_ext.phantom.biology import Biology
from nnunet_ext.phantom.fields import Array, Points
from nnunet_ext.phantom.kidneys import Kidney, Lesion, draw_kidney, draw_lesion
from nnunet_ext.phantom.organs import bowel_layers, obstacles, organ_layers, vessel_layers
from nnunet_ext.phantom.scanner import Enhancement
from nnunet_ext.phantom.shapes import FAR, Capsule, Layer, Shape, Solid, grown
from nnunet_ext.phantom.torso import FAT_HU, Torso, draw_torso, skeleton_layers, wall_layers
from nnunet_ext.phantom.tumour import CYST_HU, PerirenalFat, TumourTissue, parenchyma_hu

MULTIFOCAL_SHARE = 0.10
BILATERAL_SHARE = 0.06
CYST_SHARE = 0.30
_HALF_HEIGHT_MM = 84.0
"""Tumours stay within this height of the middle, so that the smallest grid holds them whole."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Everything in the body, in mm from its middle (LPS).

    Args:
        torso: Size of the body.
        kidneys: Right, left.
        tumours: At least one, the largest first.
        tissues: Of each tumour.
        cysts: Simple cysts.
        fat: Perirenal.
        seed: For the organs' details.
    """

    torso: Torso
    kidneys: tuple[Kidney, ...]
    tumours: tuple[Lesion, ...]
    tissues: tuple[TumourTissue, ...]
    cysts: tuple[Lesion, ...]
    fat: PerirenalFat
    seed: int

    def layers(self, enhancement: Enhancement) -> list[Layer]:
        """Return the coats of paint that make this body at one contrast phase, first coat first."""
        cavity = self.torso.cavity()
        layers = background_layers(self.torso, enhancement, self.seed)
        layers += [Layer(grown(kidney, 9.0), self.fat.hu, cavity) for kidney in self.kidneys]
        layers += [Layer(grown(tumour, 4.5), self.fat.hu, cavity) for tumour in self.tumours]
        layers += skeleton_layers(self.torso, enhancement)
        layers += vessel_layers(enhancement)
        for kidney in self.kidneys:
            layers += _kidney_layers(kidney, enhancement)
        for tumour, tissue in zip(self.tumours, self.tissues, strict=True):
            layers.append(Layer(tumour, tissue.painted(enhancement), cavity))
        layers += [Layer(cyst, CYST_HU, cavity) for cyst in self.cysts]
        return layers

    def labels(self, points: Points) -> npt.NDArray[np.uint8]:
        """Return the ``Label`` of each point, zyx.

        As in KiTS, kidney is the parenchyma and what is not fat in the hilum (the collecting system); sinus fat is background.
        """
        labels = np.zeros(points.shape, np.uint8)
        cavity = self.torso.cavity()
        solids: list[tuple[Shape, Shape, Label]] = [(kidney, _not_fat(kidney), Label.KIDNEY) for kidney in self.kidneys]
        solids += [(cyst, cavity, Label.CYST) for cyst in self.cysts]
        solids += [(tumour, cavity, Label.TUMOUR) for tumour in self.tumours]
        for shape, clip, label in solids:
            window = points.window(shape.low, shape.high)
            inside = points.crop(window)
            if 0 not in inside.shape:
                labels[window][(shape.distance(inside) < 0) & (clip.distance(inside) < 0)] = label
        return labels


def draw_anatomy(biology: Biology, rng: np.random.Generator) -> Anatomy:
    """Draw a body for a patient with this tumour biology."""
    torso = draw_torso(rng)
    kidneys = (draw_kidney(-1, rng), draw_kidney(1, rng))
    keep_clear = (*obstacles(torso), _outside(torso.cavity(1.0)))
    tumours: list[Lesion] = []
    for host, radius in _draw_tumours(biology, rng):
        clear = (*keep_clear, *(grown(tumour, 4.0) for tumour in tumours))
        rough = biology.margin_irregularity
        tumours.append(draw_lesion(kidneys[host], radius, rng, irregularity=rough, obstacles=clear))
    cysts: list[Lesion] = []
    while rng.random() < CYST_SHARE and len(cysts) < 3:
        clear = (*keep_clear, *(grown(lesion, 3.0) for lesion in (*tumours, *cysts)))
        kidney, radius = kidneys[int(rng.integers(2))], float(rng.uniform(5, 16))
        cysts.append(draw_lesion(kidney, radius, rng, irregularity=0.02, obstacles=clear))
    tissues = tuple(_draw_tissue(tumour, biology, rng) for tumour in tumours)
    fat = PerirenalFat.draw(biology, rng)
    return Anatomy(torso, kidneys, tuple(tumours), tissues, tuple(cysts), fat, int(rng.integers(2**32)))


def background_layers(torso: Torso, enhancement: Enhancement, seed: int) -> list[Layer]:
    """Return the body without kidneys, skeleton and great vessels."""
    rng = np.random.default_rng(seed)
    layers = wall_layers(torso, enhancement, rng)
    layers += bowel_layers(torso, enhancement, rng)
    return layers + organ_layers(torso, enhancement, rng)


def _outside(shape: Shape) -> Solid:
    """The complement of ``shape``, and what is too far up or down."""

    def distance(points: Points) -> Array:
        _, _, z = points.relative_to((0.0, 0.0, 0.0))
        return np.minimum(-shape.distance(points), np.float32(_HALF_HEIGHT_MM) - np.abs(z))

    return Solid((-FAR, -FAR, -FAR), (FAR, FAR, FAR), distance)


def _draw_tumours(biology: Biology, rng: np.random.Generator) -> list[tuple[int, float]]:
    """Return the host kidney (0 right, 1 left) and the radius of each tumour; further ones are smaller."""
    host = int(rng.integers(2))
    hosts = [host]
    if rng.random() < MULTIFOCAL_SHARE:
        hosts.append(host)
    if rng.random() < BILATERAL_SHARE:
        hosts.append(1 - host)
    radius = biology.diameter_mm / 2
    radii = [radius, *(float(np.clip(radius * rng.uniform(0.3, 0.6), 5, 20)) for _ in hosts[1:])]
    return list(zip(hosts, radii, strict=True))


def _draw_tissue(tumour: Lesion, biology: Biology, rng: np.random.Generator) -> TumourTissue:
    tissue = TumourTissue.draw(biology, tumour.low, tumour.high, rng, radius_mm=tumour.radius_mm)
    x, y, z = (np.linspace(*ends, 36, dtype=np.float32) for ends in zip(tumour.low, tumour.high, strict=True))
    points = Points(z, y, x)
    return tissue.with_necrosis(points, tumour.distance(points))


def _sinus(kidney: Kidney) -> Solid:
    return Solid(kidney.low, kidney.high, kidney.sinus_distance)


def _not_fat(kidney: Kidney) -> Solid:
    """Outside the sinus, or in the collecting system."""

    def distance(points: Points) -> Array:
        nearest: Array = -kidney.sinus_distance(points)
        for piece in kidney.collecting_system():
            nearest = np.minimum(nearest, piece.distance(points))
        return nearest

    return Solid(kidney.low, kidney.high, distance)


def _kidney_layers(kidney: Kidney, enhancement: Enhancement) -> list[Layer]:
    """Renal vein and artery, parenchyma, sinus fat, collecting system and the vessels among it."""

    def parenchyma(points: Points, distance: Array) -> Array:
        return parenchyma_hu(kidney.medulla(points, distance), enhancement)

    hilum = kidney.world(-0.9 * kidney.half_axes[0], 0.0, 3.0)
    inner = kidney.world(-0.3 * kidney.half_axes[0], 4.0, 6.0)
    aorta, cava = (8.0, 12.0, kidney.centre[2] + 12.0), (-17.0, 11.0, kidney.centre[2] + 8.0)
    vein = (hilum[0], hilum[1] - 4.0, hilum[2] + 2.0)
    before_aorta = (4.0, -2.0, vein[2] + 3.0)
    drain = (
        [Capsule(vein, before_aorta, 4.5), Capsule(before_aorta, cava, 4.5)] if kidney.side > 0 else [Capsule(vein, cava, 5)]
    )
    return [
        *(Layer(piece, enhancement.renal_vein) for piece in drain),
        Layer(Capsule(hilum, aorta, 3.0), enhancement.aorta),
        Layer(kidney, parenchyma),
        Layer(_sinus(kidney), FAT_HU + 8, kidney),
        *(Layer(piece, enhancement.urine) for piece in kidney.collecting_system()),
        Layer(Capsule(hilum, inner, 3.0), enhancement.renal_vein),
    ]
