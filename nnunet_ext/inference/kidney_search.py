"""The position of kidneys and tumours in a scan, from a coarse pass of the network itself in windows that do not overlap."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nnunet_ext.anatomy.rules import MAX_KIDNEYS, MIN_KIDNEY_ML, plausible_anatomy
from nnunet_ext.ground.labels import TOUCHING, Label
from nnunet_ext.inference.network_grid import Box

MARGIN_MM = 25.0
"""Between what the coarse pass found and the faces of the boxes that the fine pass runs in."""

FACE_MM = 5.0
"""A plausible label this near to a face may continue beyond it: then the whole body is segmented."""

BODY_HU = -300.0
"""Above air and lung, below fat."""

BODY_GRID_MM = 3.0
"""Distance of the voxels that are sampled to find the body."""


def body_box(hu: npt.NDArray[Any], spacing_mm: tuple[float, ...]) -> Box:
    """Return the box of the patient, without the table: the largest piece that is denser than lung once thin ones are gone.

    Args:
        hu: CT, shape zyx.
        spacing_mm: Voxel size, zyx.

    Returns:
        The box, all of the volume if nothing is found.
    """
    strides = [max(1, round(BODY_GRID_MM / spacing)) for spacing in spacing_mm]
    dense = hu[tuple(slice(None, None, stride) for stride in strides)] > BODY_HU
    pieces, n_pieces = ndimage.label(ndimage.binary_opening(np.pad(dense, 1, mode="edge"), TOUCHING)[1:-1, 1:-1, 1:-1])
    if not n_pieces:
        return Box.whole(hu.shape)
    largest = int(np.argmax(np.bincount(pieces.ravel())[1:]))
    body = ndimage.find_objects(pieces)[largest]
    edges = [
        (max(0, (where.start - 1) * stride), min(n, (where.stop + 1) * stride))
        for where, stride, n in zip(body, strides, hu.shape, strict=True)
    ]
    (z, z_end), (y, y_end), (x, x_end) = edges
    return Box((z, y, x), (z_end, y_end, x_end))


def boxes_of_kidneys(
    mask: npt.NDArray[np.uint8], spacing_mm: tuple[float, ...], patch: Sequence[int]
) -> tuple[Box, ...] | None:
    """Return the boxes for the fine pass, None if the coarse pass did not find two separate kidneys.

    Args:
        mask: ``Label`` values of the coarse pass, shape zyx.
        spacing_mm: Voxel size, zyx.
        patch: A box is at least as large as the network's window, so that it sees the scan and no padding.

    Returns:
        Boxes without overlap, from the first plane on. They hold every kidney, cyst and tumour found that is anatomically
        plausible, with a margin.
    """
    z, y, x = spacing_mm
    plausible = plausible_anatomy(mask, spacing_mm=(z, y, x))
    bodies, n_bodies = ndimage.label(plausible > 0, structure=TOUCHING)
    parenchyma = np.bincount(bodies[plausible == Label.KIDNEY], minlength=n_bodies + 1) * float(np.prod(spacing_mm)) / 1000
    if int(np.sum(parenchyma >= MIN_KIDNEY_ML)) != MAX_KIDNEYS:
        return None
    return _boxes_around(bodies, spacing_mm, patch)


def boxes_of_given_kidneys(
    kidneys: npt.NDArray[np.bool_], spacing_mm: tuple[float, ...], patch: Sequence[int]
) -> tuple[Box, ...]:
    """Return the boxes for the fine pass around kidneys that are known, as ``boxes_of_kidneys``."""
    bodies, _ = ndimage.label(kidneys, structure=TOUCHING)
    return _boxes_around(bodies, spacing_mm, patch)


def with_given_kidneys(mask: npt.NDArray[np.uint8], kidneys: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Return the lesions of a mask with parenchyma where kidneys are known, and nowhere else.

    Args:
        mask: ``Label`` values of the network, shape zyx.
        kidneys: With or without their lesions, same shape.
    """
    parenchyma = np.where(kidneys, np.uint8(Label.KIDNEY), np.uint8(Label.BACKGROUND))
    return np.where((mask != Label.BACKGROUND) & (mask != Label.KIDNEY), mask, parenchyma)


def _boxes_around(
    bodies: npt.NDArray[np.integer[Any]], spacing_mm: tuple[float, ...], patch: Sequence[int]
) -> tuple[Box, ...]:
    margin = [int(np.ceil(MARGIN_MM / spacing)) for spacing in spacing_mm]
    boxes = [_grown(found, margin, patch, bodies.shape) for found in ndimage.find_objects(bodies)]
    return tuple(_merged(boxes))


def reaches_a_face(mask: npt.NDArray[np.uint8], spacing_mm: tuple[float, ...], box: Box, shape: Sequence[int]) -> bool:
    """Return whether a label in a box is so near to a face that it may continue beyond it, in a volume of ``shape``."""
    for axis in range(3):
        near = int(np.ceil(FACE_MM / spacing_mm[axis]))
        planes = np.atleast_1d(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if (box.start[axis] > 0 and planes[:near].any()) or (box.end[axis] < shape[axis] and planes[-near:].any()):
            return True
    return False


def _grown(found: tuple[slice, ...], margin: Sequence[int], patch: Sequence[int], shape: Sequence[int]) -> Box:
    """Return the box of one body with its margin, at least a window large, within the volume."""
    edges = []
    for axis, where in enumerate(found):
        n, side = shape[axis], patch[axis]
        start, end = max(0, where.start - margin[axis]), min(n, where.stop + margin[axis])
        if end - start < side:
            start = max(0, min(start - (side - (end - start)) // 2, n - side))
            end = min(n, start + side)
        edges.append((start, end))
    (z, z_end), (y, y_end), (x, x_end) = edges
    return Box((z, y, x), (z_end, y_end, x_end))


def _merged(boxes: Sequence[Box]) -> list[Box]:
    """Join boxes until none overlaps another."""
    apart: list[Box] = []
    for box in boxes:
        joined = box
        while (other := next((one for one in apart if _overlap(one, joined)), None)) is not None:
            apart.remove(other)
            z, y, x = map(min, other.start, joined.start)
            z_end, y_end, x_end = map(max, other.end, joined.end)
            joined = Box((z, y, x), (z_end, y_end, x_end))
        apart.append(joined)
    return sorted(apart, key=lambda one: (one.start, one.end))


def _overlap(one: Box, other: Box) -> bool:
    return all(one.start[axis] < other.end[axis] and other.start[axis] < one.end[axis] for axis in range(3))
