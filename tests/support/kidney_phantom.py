"""Kidneys with tumours whose measurements follow from their geometry, painted on any grid."""

from collections.abc import Callable, Sequence
from math import pi

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan

Where = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]
"""Whether points, coordinates x, y, z in LPS along the first axis, are inside a body."""

HU = {Label.BACKGROUND: -100, Label.KIDNEY: 160, Label.TUMOUR: 90, Label.CYST: 5}
CENTRE = np.array([60.0, 0.0, 0.0])
"""Of the left kidney."""


def ellipsoid(radii: Sequence[float], at: Sequence[float] = (0, 0, 0)) -> Where:
    """A body whose centre is given from ``CENTRE``, radii along x, y, z."""
    middle, across = np.array(at) + CENTRE, np.array(radii)
    return lambda p: (((p.T - middle) / across) ** 2).sum(axis=-1).T <= 1


def ball(radius: float, at: Sequence[float] = (0, 0, 0)) -> Where:
    return ellipsoid((radius, radius, radius), at)


def block(half: Sequence[float], at: Sequence[float] = (0, 0, 0)) -> Where:
    middle, reach = np.array(at) + CENTRE, np.array(half)
    return lambda p: (np.abs(p.T - middle) <= reach).all(axis=-1).T


def phantom(
    *parts: tuple[Label, Where],
    spacing: Sequence[float] = (1, 1, 1),
    cosines: npt.NDArray[np.float64] | None = None,
    half_mm: Sequence[float] = (60, 50, 70),
    hu: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] | None = None,
) -> Scan:
    """Paint bodies in turn; ``Label.BACKGROUND`` carves. A small right kidney makes the other one the left.

    Args:
        spacing: Voxel size along x, y, z.
        cosines: Direction cosines, a column an axis.
        half_mm: Half the extent of the grid around ``CENTRE``, along its axes.
        hu: HU at points, instead of ``HU`` by label.
    """
    directions = np.eye(3) if cosines is None else cosines
    size = [2 * round(half / mm) + 1 for half, mm in zip(half_mm, spacing, strict=True)]
    size[0] += round(120 / spacing[0])  # towards the right kidney
    index = np.stack(np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij"))[::-1]
    local = index * np.array(spacing).reshape(3, 1, 1, 1)
    middle = np.array([half_mm[0] + 120, half_mm[1], half_mm[2]])
    origin = CENTRE - directions @ middle
    points = np.tensordot(directions, local, axes=1) + origin.reshape(3, 1, 1, 1)
    labels = np.zeros(points.shape[1:], np.uint8)
    labels[ellipsoid((12, 12, 20), (-120, 0, 0))(points)] = Label.KIDNEY
    for label, where in parts:
        labels[where(points)] = label
    values = np.vectorize(HU.get)(labels) if hu is None else hu(points)
    images = [sitk.GetImageFromArray(one) for one in (values.astype(np.int16), labels)]
    for image in images:
        image.SetSpacing([float(mm) for mm in spacing])
        image.SetDirection(directions.ravel().tolist())
        image.SetOrigin(origin.tolist())
    return Scan(*images)


def cap_share(radius: float, beyond: float) -> float:
    """Share of a ball's volume beyond a plane at this distance from its centre; negative where most is beyond."""
    height = radius - beyond
    return float(pi * height**2 * (3 * radius - height) / 3 / (4 / 3 * pi * radius**3))
