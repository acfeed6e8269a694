"""From anatomy to an image and its mask."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.phantom.anatomy import Anatomy
from nnunet_ext.phantom.fields import Array, Points
from nnunet_ext.phantom.scanner import ENHANCEMENT, Centre, Grid, Protocol, blur, noise, noise_sigma_hu
from nnunet_ext.phantom.shapes import Canvas, Layer
from nnunet_ext.phantom.torso import AIR_HU, Torso
from nnunet_ext.scans.geometry import Scan

_SUBSLICE_MM = 1.6
"""Tissue is sampled at least this finely along z and averaged over the slice thickness."""
_SLAB_POINTS = 4_000_000
"""Points painted at once; bounds the memory."""


def render(anatomy: Anatomy, centre: Centre, protocol: Protocol, grid: Grid, *, seed: int) -> Scan:
    """Scan ``anatomy``.

    Args:
        anatomy: The patient.
        centre: Gives the kernel.
        protocol: Current, slice thickness and contrast phase.
        grid: Matrix, voxel size and length of the scan.
        seed: Of the noise and of how the patient lies on the table.

    Returns:
        Image in HU (``int16``) and mask of ``Label`` values, identity direction (LPS).
    """
    rng = np.random.default_rng(seed)
    frame = grid.points(protocol.slice_thickness_mm)
    lie = rng.uniform((-4, -3, -5), (4, 3, 5)).astype(np.float32)
    points = Points(frame.z + lie[2], frame.y + lie[1], frame.x + lie[0])
    layers = anatomy.layers(ENHANCEMENT[protocol.phase])
    hu = expose(layers, points, anatomy.torso, protocol, kernel=centre.kernel, rng=rng)
    origin = (float(frame.x[0]), float(frame.y[0]), float(frame.z[0]))
    spacing = (grid.spacing_mm, grid.spacing_mm, protocol.slice_thickness_mm)
    return Scan(_image(hu, spacing, origin), _image(anatomy.labels(points), spacing, origin))


def expose(
    layers: Sequence[Layer],
    points: Points,
    torso: Torso,
    protocol: Protocol,
    *,
    kernel: str,
    rng: np.random.Generator,
) -> npt.NDArray[np.int16]:
    """Return HU (zyx) of the painted body on the voxels at ``points``, as the scanner gives them."""
    spacing = (float(points.y[1] - points.y[0]), float(points.x[1] - points.x[0]))
    sigma = noise_sigma_hu(kernel, protocol)
    parts = max(1, round(protocol.slice_thickness_mm / _SUBSLICE_MM))
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * protocol.slice_thickness_mm
    slab = max(1, _SLAB_POINTS // (parts * len(points.y) * len(points.x)))
    result = np.empty(points.shape, np.int16)
    for start in range(0, len(points.z), slab):
        z = points.z[start : start + slab]
        fine = Points((z[:, None] + offsets.astype(np.float32)).ravel(), points.y, points.x)
        canvas = Canvas(fine, np.full(fine.shape, AIR_HU, np.float32), max(spacing))
        for layer in layers:
            canvas.paint(layer)
        hu = canvas.hu.reshape(len(z), parts, *points.shape[1:]).mean(axis=1)
        hu = blur(hu, kernel, spacing)
        here = Points(z, points.y, points.x)
        hu += sigma * _noise_profile(torso, here) * noise(here.shape, kernel, spacing, rng)
        result[start : start + slab] = np.clip(np.rint(hu), -1024, 3071)
    return result


def _noise_profile(torso: Torso, points: Points) -> Array:
    """Noise relative to the middle of the body: fewer photons come through the middle than past the edge."""
    x, y, _ = points.relative_to((0.0, 0.0, 0.0))
    off_centre = (x / torso.half_width_mm) ** 2 + (y / torso.half_depth_mm) ** 2
    profile: Array = (0.35 + 0.65 * np.exp(-0.7 * off_centre)).astype(np.float32)
    return profile


def _image(array: npt.NDArray[np.generic], spacing: tuple[float, ...], origin: tuple[float, ...]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image
