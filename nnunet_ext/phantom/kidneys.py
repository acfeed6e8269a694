"""Kidneys and what grows in them: shapes, places, and the tissue inside."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnunet_ext.phantom.fields import Array, Points, SmoothField, Vector
from nnunet_ext.phantom.shapes import Capsule, Ellipsoid, Shape, ellipsoid_distance

_BEND_PER_MM = 0.0042
"""Sideways shift of the kidney's axis per squared mm of height: the poles lie 12 mm medial to the middle."""


@dataclass(frozen=True, eq=False)
class Kidney:
    """A bean of about 11 cm; its own axes are u lateral, v back, w up.

    Args:
        side: -1 for the patient's right, 1 for the left.
        centre: xyz in mm.
        axes: Rows are u, v, w for a left kidney, shape ``(3, 3)``; a right one is its mirror image.
        half_axes: Along u, v, w in mm.
        lobes: Fetal lobulation of the surface.
    """

    side: int
    centre: Vector
    axes: npt.NDArray[np.float64]
    half_axes: Vector
    lobes: SmoothField

    @property
    def low(self) -> Vector:
        """Lower corner of the box around it."""
        return self._corner(-1)

    @property
    def high(self) -> Vector:
        """Upper corner of the box around it."""
        return self._corner(1)

    def _corner(self, sign: int) -> Vector:
        a, b, c = self.half_axes
        reach = np.abs(self.axes.T) @ np.array([a + _BEND_PER_MM * c**2 / 2, b, c]) + 3
        x, y, z = np.array(self.centre) + sign * reach
        return float(x), float(y), float(z)

    def local(self, points: Points) -> tuple[Array, Array, Array]:
        """Return u, v, w of the points, with the bend taken out."""
        x, y, z = points.relative_to(self.centre)
        x = x * np.float32(self.side)
        axes = self.axes.astype(np.float32)
        u, v, w = (x * row[0] + y * row[1] + z * row[2] for row in axes)
        bend = np.float32(_BEND_PER_MM)
        return u + bend * (w * w - np.float32(self.half_axes[2] ** 2 / 4)), v, w

    def world(self, u: float, v: float, w: float) -> Vector:
        """Return the place (xyz) of a point of the kidney's own axes."""
        u -= _BEND_PER_MM * (w * w - self.half_axes[2] ** 2 / 4)
        x, y, z = self.axes.T @ np.array([u, v, w])
        return self.centre[0] + self.side * float(x), self.centre[1] + float(y), self.centre[2] + float(z)

    def distance(self, points: Points) -> Array:
        """Signed distance to the capsule in mm."""
        return ellipsoid_distance(*self.local(points), self.half_axes) - self.lobes.at(points)

    def sinus_distance(self, points: Points) -> Array:
        """Signed distance to the renal sinus, which opens at the hilum."""
        u, v, w = self.local(points)
        a, b, c = self.half_axes
        return ellipsoid_distance(u + np.float32(0.62 * a), v, w, (0.72 * a, 0.36 * b, 0.44 * c))

    def medulla(self, points: Points, distance: Array) -> Array:
        """Share of medulla: pyramids under 7 mm of cortex, in two rows, with columns of cortex between them."""
        u, v, w = self.local(points)
        around = np.arctan2(v, u + np.float32(0.75 * self.half_axes[0]))
        rows = np.cos(w * np.float32(2 * np.pi / 21)) + np.float32(0.9) * np.cos(around * np.float32(4.0))
        pyramid = np.clip((rows + np.float32(0.3)) * np.float32(3), 0, 1)
        share: Array = pyramid * np.clip((-distance - np.float32(6.5)) / np.float32(1.5), 0, 1)
        return share

    def collecting_system(self) -> tuple[Capsule, ...]:
        """Renal pelvis and three calyces."""
        a, _, c = self.half_axes
        pelvis = self.world(-0.62 * a, 0.0, 0.0)
        calyces = [(-0.15 * a, 0.3 * c), (-0.02 * a, 0.0), (-0.15 * a, -0.3 * c)]
        return (
            Capsule(self.world(-1.25 * a, -2.0, -4.0), pelvis, 5.0),
            *(Capsule(pelvis, self.world(u, 0.0, w), 3.2) for u, w in calyces),
        )


@dataclass(frozen=True, eq=False)
class Lesion:
    """A tumour or a cyst: a ball whose radius varies with direction.

    Args:
        centre: xyz in mm.
        radius_mm: Mean radius.
        irregularity: Standard deviation of the radius over its mean.
        surface: Unit-variance fields at the scale of the radius and of half of it.
    """

    centre: Vector
    radius_mm: float
    irregularity: float = 0.0
    surface: tuple[SmoothField, ...] = ()

    @property
    def low(self) -> Vector:
        """Lower corner of the box around it."""
        return self._ball().low

    @property
    def high(self) -> Vector:
        """Upper corner of the box around it."""
        return self._ball().high

    def _ball(self) -> Ellipsoid:
        reach = self.radius_mm * (1 + 3 * self.irregularity)
        return Ellipsoid(self.centre, (reach, reach, reach))

    def distance(self, points: Points) -> Array:
        """Signed distance in mm; exact for a smooth ball."""
        x, y, z = points.relative_to(self.centre)
        distance: Array = np.sqrt(x * x + y * y + z * z) - np.float32(self.radius_mm)
        for field, share in zip(self.surface, (0.8, 0.6), strict=False):
            distance -= np.float32(share * self.irregularity * self.radius_mm) * field.at(points)
        return distance


def draw_kidney(side: int, rng: np.random.Generator) -> Kidney:
    """Draw a kidney: its long axis leans outwards and forwards at the lower pole, its hilum looks forwards and in.

    One in eight lies low, one in eight is malrotated.
    """
    low = rng.uniform(18, 30) if rng.random() < 0.125 else 0.0
    malrotation = rng.uniform(25, 55) if rng.random() < 0.125 else 0.0
    centre = (
        side * rng.uniform(64, 69),
        rng.uniform(26, 31),
        rng.uniform(-3, 7) + (4 if side > 0 else -6) - low,
    )
    half_axes = (rng.uniform(27, 30), rng.uniform(24, 26.5), rng.uniform(51, 56))
    lateral = np.radians(rng.uniform(8, 18))
    forward = np.radians(rng.uniform(4, 14))
    about = np.radians(rng.uniform(20, 35) + malrotation)
    lean = np.array([[np.cos(lateral), 0, np.sin(lateral)], [0, 1, 0], [-np.sin(lateral), 0, np.cos(lateral)]])
    tip = np.array([[1, 0, 0], [0, np.cos(forward), -np.sin(forward)], [0, np.sin(forward), np.cos(forward)]])
    turn = np.array([[np.cos(about), np.sin(about), 0], [-np.sin(about), np.cos(about), 0], [0, 0, 1]])
    lobes = SmoothField.draw(rng, _shift(centre, -75), _shift(centre, 75), correlation_length_mm=16)
    return Kidney(side, centre, turn @ tip @ lean, half_axes, lobes)


def draw_lesion(
    kidney: Kidney, radius_mm: float, rng: np.random.Generator, *, irregularity: float, obstacles: tuple[Shape, ...]
) -> Lesion:
    """Draw a lesion somewhere in ``kidney``, mostly within the kidney or mostly outside it.

    Of 60 places the first that keeps clear of ``obstacles`` is taken, or else the clearest.
    """
    best, best_clear = kidney.centre, -1.0
    for _ in range(60):
        place = _draw_place(kidney, radius_mm, rng)
        clear = _clear_share(place, radius_mm, obstacles)
        if clear > best_clear:
            best, best_clear = place, clear
        if clear > 0.985:
            break
    reach = 2 * radius_mm
    surface = tuple(
        SmoothField.draw(rng, _shift(best, -reach), _shift(best, reach), correlation_length_mm=scale * radius_mm)
        for scale in (1.0, 0.5)
    )
    return Lesion(best, radius_mm, irregularity, surface)


def _draw_place(kidney: Kidney, radius_mm: float, rng: np.random.Generator) -> Vector:
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    if direction[0] < -0.2:
        direction[0] *= -1
    to_surface = 1 / float(np.linalg.norm(direction / np.array(kidney.half_axes)))
    exophytic = rng.uniform(-0.25, 0.55) if radius_mm > 22 else rng.uniform(-0.9, 0.7)
    u, v, w = direction * max(to_surface + exophytic * radius_mm, 0.4 * to_surface)
    return kidney.world(float(u), float(v), float(w))


def _clear_share(place: Vector, radius_mm: float, obstacles: tuple[Shape, ...]) -> float:
    """Share of the ball around ``place`` that lies outside every obstacle."""
    steps = np.linspace(-radius_mm, radius_mm, 9, dtype=np.float32)
    points = Points(steps + np.float32(place[2]), steps + np.float32(place[1]), steps + np.float32(place[0]))
    x, y, z = points.relative_to(place)
    ball = x * x + y * y + z * z <= np.float32(radius_mm**2)
    clear = ball.copy()
    for obstacle in obstacles:
        clear &= obstacle.distance(points) > 0
    return float(clear.sum() / ball.sum())


def _shift(place: Vector, by: float) -> Vector:
    return place[0] + by, place[1] + by, place[2] + by
