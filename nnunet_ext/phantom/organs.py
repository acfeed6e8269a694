"""What lies in the cavity besides the kidneys: liver, spleen, pancreas, stomach, bowel, great vessels, lung bases."""

from itertools import pairwise

import numpy as np

from nnunet_ext.phantom.fields import Array, Points, SmoothField, Vector
from nnunet_ext.phantom.scanner import Enhancement
from nnunet_ext.phantom.shapes import FAR, Capsule, Column, Ellipsoid, Layer, Shape, Solid, Tissue, rough
from nnunet_ext.phantom.torso import EVERYWHERE, Torso, vessels

GAS_HU = -970.0
BILE_HU = 9.0
LUNG_HU = -840.0

_COLON: tuple[Vector, ...] = (
    (-98.0, 22.0, -180.0), (-96.0, 18.0, -60.0), (-92.0, -2.0, -8.0), (-60.0, -52.0, -22.0), (0.0, -64.0, -34.0),
    (58.0, -54.0, -14.0), (98.0, -2.0, 28.0), (104.0, 30.0, 10.0), (104.0, 34.0, -70.0), (100.0, 30.0, -180.0),
)  # fmt: skip
"""From the caecum up the right side, across, and down the left."""
_SMALL_BOWEL_LOOPS = 30


def obstacles(torso: Torso) -> tuple[Shape, ...]:
    """Return what a tumour does not grow into: spine, aorta, vena cava and the front of the belly."""
    front = Ellipsoid((0.0, -torso.half_depth_mm, 0.0), (70.0, 45.0, 300.0))
    return Column((0.0, 42.0), (29.0, 22.0)), Column((8.0, 12.0), (13.0, 13.0)), Column((-17.0, 13.0), (14.0, 12.0)), front


def organ_layers(torso: Torso, enhancement: Enhancement, rng: np.random.Generator) -> list[Layer]:
    """Liver on the patient's right, stomach and spleen on the left, gallbladder, pancreas and lung bases."""
    cavity = torso.cavity(1.0)
    lumps = SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=45)
    thick = SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=30)
    thin = SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=26)
    liver = vessels(enhancement.liver, 0.5 * (enhancement.vein - enhancement.liver) + 16, (thick, thin), 0.17)
    tip = float(rng.uniform(-8, 8))
    solids: list[tuple[Shape, Tissue]] = [
        (rough(Ellipsoid((52.0, -38.0, 66.0), (44.0, 34.0, 40.0)), lumps, 2.5), enhancement.bowel_wall),
        (rough(Ellipsoid((52.0, -38.0, 66.0), (39.0, 29.0, 35.0)), lumps, 2.5), 22.0),
        (Ellipsoid((52.0, -55.0, 66.0), (32.0, 11.0, 26.0)), GAS_HU),
        (rough(Ellipsoid((107.0, 28.0, 66.0), (27.0, 44.0, 46.0)), lumps, 3.0), enhancement.spleen),
        (rough(Ellipsoid((-66.0, -8.0, 72.0 + tip), (66.0, 74.0, 84.0)), lumps, 4.0), liver),
        (rough(Ellipsoid((-5.0, -48.0, 82.0 + tip), (62.0, 34.0, 42.0)), lumps, 3.0), liver),
        (Ellipsoid((-52.0, -50.0, 8.0), (15.0, 20.0, 22.0)), BILE_HU),
        (rough(Capsule((-28.0, -14.0, 6.0), (20.0, -18.0, 20.0), 11.0), lumps, 2.0), enhancement.pancreas),
        (rough(Capsule((20.0, -18.0, 20.0), (78.0, 4.0, 44.0), 10.0), lumps, 2.0), enhancement.pancreas),
        (_lung((-60.0, 0.0, 142.0)), LUNG_HU),
        (_lung((62.0, 0.0, 134.0)), LUNG_HU),
    ]
    return [Layer(solid, tissue, cavity) for solid, tissue in solids]


def vessel_layers(enhancement: Enhancement) -> list[Layer]:
    """Aorta on the left, inferior vena cava on the right, and the mesenteric vessels in front of them."""
    fork = (8.0, 12.0, -112.0)
    return [
        Layer(Column((8.0, 12.0), (10.0, 10.0), -110.0), enhancement.aorta),
        Layer(Capsule(fork, (34.0, 22.0, -180.0), 7.0), enhancement.aorta),
        Layer(Capsule(fork, (-20.0, 20.0, -180.0), 7.0), enhancement.aorta),
        Layer(Column((-17.0, 13.0), (12.0, 9.5)), enhancement.vein),
        Layer(Capsule((6.0, -8.0, 30.0), (2.0, -24.0, -90.0), 3.6), enhancement.aorta),
        Layer(Capsule((-8.0, -12.0, 30.0), (-12.0, -26.0, -90.0), 5.0), enhancement.vein),
    ]


def bowel_layers(torso: Torso, enhancement: Enhancement, rng: np.random.Generator) -> list[Layer]:
    """Colon with stool and gas, and loops of small bowel, some with a level of gas over fluid."""
    cavity = torso.cavity(1.5)
    haustra = SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=22)
    stool = _stool(SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=9))
    layers = []
    for _ in range(_SMALL_BOWEL_LOOPS):
        layers += _small_bowel_loop(cavity, enhancement, rng)
    bends = [_vector(np.array(bend) + rng.normal(0, 4, 3)) for bend in _COLON]
    pieces = list(pairwise(bends))
    layers += [Layer(rough(Capsule(*ends, 18.0), haustra, 3.0), enhancement.bowel_wall, cavity) for ends in pieces]
    layers += [Layer(rough(Capsule(*ends, 15.0), haustra, 3.0), stool, cavity) for ends in pieces]
    return layers


def _small_bowel_loop(cavity: Shape, enhancement: Enhancement, rng: np.random.Generator) -> list[Layer]:
    """Three pieces with bends between them."""
    radius = float(rng.uniform(9, 14))
    place = np.array([rng.uniform(-72, 80), rng.uniform(-56, -10), rng.uniform(-150, 10)])
    bends = [_vector(place)]
    for _ in range(3):
        place = place + rng.normal(0, 1, 3) * (17, 9, 13)
        bends.append(_vector(place))
    level = min(bend[1] for bend in bends) - float(rng.uniform(-0.3, 3)) * radius
    content = _fluid(float(rng.uniform(12, 45)), level)
    pieces = list(pairwise(bends))
    layers = [Layer(Capsule(*ends, radius), enhancement.bowel_wall, cavity) for ends in pieces]
    return layers + [Layer(Capsule(*ends, radius - 3.0), content, cavity) for ends in pieces]


def _stool(crumbs: SmoothField) -> Tissue:
    def tissue(points: Points, distance: Array) -> Array:  # noqa: ARG001 - one signature for all tissues
        grain = crumbs.at(points)
        gas = np.clip((grain - np.float32(0.75)) / np.float32(0.15), 0, 1)
        return np.asarray(np.float32(30) + np.float32(18) * grain + gas * np.float32(GAS_HU), np.float32)

    return tissue


def _fluid(hu: float, level_y: float) -> Tissue:
    """Fluid with gas in front of ``level_y``: the patient lies on the back."""

    def tissue(points: Points, distance: Array) -> Array:
        _, y, _ = points.relative_to((0.0, level_y, 0.0))
        gas = np.clip(np.float32(0.5) - y / np.float32(2), 0, 1)
        return np.broadcast_to(np.float32(hu) + gas * np.float32(GAS_HU - hu), distance.shape)

    return tissue


def _lung(apex: Vector) -> Solid:
    """What lies above a dome of the diaphragm."""

    def distance(points: Points) -> Array:
        x, y, z = points.relative_to(apex)
        dome = -60 * ((x / 75) ** 2 + (y / 80) ** 2)
        beside_spine = np.float32(12) - np.float32(np.sign(apex[0])) * (x + np.float32(apex[0]))
        return np.asarray(0.8 * np.maximum(dome - z, beside_spine), np.float32)

    return Solid((apex[0] - 90, -140.0, apex[2] - 100), (apex[0] + 90, 140.0, FAR), distance)


def _vector(place: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Vector:
    x, y, z = place.tolist()
    return x, y, z
