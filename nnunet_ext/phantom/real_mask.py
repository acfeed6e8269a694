"""A synthetic scan around a real mask: real shapes, known texture."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.phantom.anatomy import background_layers
from nnunet_ext.phantom.biology import Biology
from nnunet_ext.phantom.fields import Array, Points, SmoothField, Vector
from nnunet_ext.phantom.organs import vessel_layers
from nnunet_ext.phantom.render import expose
from nnunet_ext.phantom.scanner import ENHANCEMENT, Centre, Enhancement, Phase, Protocol
from nnunet_ext.phantom.shapes import Layer, Solid, grown
from nnunet_ext.phantom.torso import EVERYWHERE, Torso, draw_torso, skeleton_layers
from nnunet_ext.phantom.tumour import CYST_HU, PerirenalFat, TumourTissue, parenchyma_hu

_KIDNEY_MM = (66.0, 29.0, 0.0)
"""Where a left kidney's middle lies in the body's frame (LPS)."""
_SMALLEST_KIDNEY_ML = 20.0
_FAT_MM = 9.0

_Labels = npt.NDArray[np.uint8]


def render_on_mask(
    mask: sitk.Image, biology: Biology, *, centre: Centre, seed: int, phase: Phase = Phase.NEPHROGRAPHIC
) -> sitk.Image:
    """Scan a body whose kidneys, tumours and cysts are exactly those of ``mask``.

    Args:
        mask: ``Label`` values, any orientation along the body's axes. An oblique one is taken as if it were upright.
        biology: Drives the tumours' appearance; their size and outline are the mask's.
        centre: Gives the kernel and the tube current; the slice thickness is the mask's spacing.
        seed: Of textures, organs and noise.
        phase: Contrast phase.

    Returns:
        Image in HU (``int16``) on the grid of ``mask``.

    Raises:
        InputError: If the mask is not 3-D or holds no kidney and no tumour.
    """
    if mask.GetDimension() != 3 or min(mask.GetSize()) < 2:
        msg = f"A mask of {'x'.join(map(str, mask.GetSize()))} voxels (xyz) cannot be scanned; give a volume"
        raise InputError(msg)
    upright = sitk.DICOMOrient(mask, "LPS")
    labels = sitk.GetArrayFromImage(upright).astype(np.uint8)
    if not np.isin(labels, (Label.KIDNEY, Label.TUMOUR)).any():
        msg = f"The mask holds no kidney ({Label.KIDNEY}) and no tumour ({Label.TUMOUR}); there is nothing to scan"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    spacing = upright.GetSpacing()
    points = _body_frame(labels, spacing)
    torso = _fitting_torso(labels, points, rng)
    layers = _layers(labels, points, torso, biology=biology, enhancement=ENHANCEMENT[phase], rng=rng)
    protocol = Protocol(centre.tube_current_ma[0], spacing[2], phase)
    hu = sitk.GetImageFromArray(expose(layers, points, torso, protocol, kernel=centre.kernel, rng=rng))
    hu.CopyInformation(upright)
    as_given = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(mask.GetDirection())
    image = sitk.DICOMOrient(hu, as_given)
    image.CopyInformation(mask)
    return image


def _body_frame(labels: _Labels, spacing: Vector) -> Points:
    """Return the voxel centres in mm from the body's middle, which is found from the kidneys."""
    pieces, _ = ndimage.label(labels > 0)
    volumes = np.bincount(pieces.ravel())[1:] * np.prod(spacing) / 1000
    large = [int(piece) + 1 for piece in np.argsort(volumes)[::-1][:2] if volumes[piece] >= _SMALLEST_KIDNEY_ML]
    if not large:
        large = [int(np.argmax(volumes)) + 1]
    places = np.array(ndimage.center_of_mass(labels > 0, pieces, large)) * spacing[::-1]
    middle = places.mean(axis=0)
    middle[1] -= _KIDNEY_MM[1]
    if len(large) == 1:
        extent = labels.shape[2] * spacing[0]
        middle[2] -= _KIDNEY_MM[0] * (1 if places[0, 2] > extent / 2 else -1)
    axes = zip(labels.shape, spacing[::-1], middle, strict=True)
    return Points(*((np.arange(count) * step - centre).astype(np.float32) for count, step, centre in axes))


def _fitting_torso(labels: _Labels, points: Points, rng: np.random.Generator) -> Torso:
    """Draw a body and widen it until its cavity holds everything that is labelled."""
    torso = draw_torso(rng)
    for _ in range(12):
        worst = float(torso.cavity(2.0).distance(points)[labels > 0].max())
        if worst <= 0:
            break
        wider = worst + 2
        torso = replace(torso, half_width_mm=torso.half_width_mm + wider, half_depth_mm=torso.half_depth_mm + wider)
    return torso


def _layers(
    labels: _Labels,
    points: Points,
    torso: Torso,
    *,
    biology: Biology,
    enhancement: Enhancement,
    rng: np.random.Generator,
) -> list[Layer]:
    fat = PerirenalFat.draw(biology, rng)
    organs = _MaskedSolid.of(labels > 0, points, reach_mm=_FAT_MM + 3)
    columns = SmoothField.draw(rng, *EVERYWHERE, correlation_length_mm=16)

    def parenchyma(where: Points, distance: Array) -> Array:  # noqa: ARG001 - depth counts from the kidney's outside
        depth = np.clip((-organs.distance(where) - np.float32(6.5)) / np.float32(1.5), 0, 1)
        return parenchyma_hu(depth * np.clip((columns.at(where) + np.float32(0.4)) * np.float32(3), 0, 1), enhancement)

    layers = background_layers(torso, enhancement, int(rng.integers(2**32)))
    layers += skeleton_layers(torso, enhancement)
    layers += vessel_layers(enhancement)
    layers.append(Layer(grown(organs.solid(), _FAT_MM), fat.hu, torso.cavity()))
    if (labels == Label.KIDNEY).any():
        layers.append(Layer(_MaskedSolid.of(labels == Label.KIDNEY, points).solid(), parenchyma))
    tumours, count = ndimage.label(labels == Label.TUMOUR)
    layers += [_tumour_layer(tumours == piece, points, biology, enhancement, rng) for piece in range(1, count + 1)]
    if (labels == Label.CYST).any():
        layers.append(Layer(_MaskedSolid.of(labels == Label.CYST, points).solid(), CYST_HU))
    return layers


def _tumour_layer(
    tumour: npt.NDArray[np.bool_], points: Points, biology: Biology, enhancement: Enhancement, rng: np.random.Generator
) -> Layer:
    shape = _MaskedSolid.of(tumour, points)
    radius = max(float(-shape.values.min()), 1.0)
    tissue = TumourTissue.draw(biology, shape.low, shape.high, rng, radius_mm=radius)
    tissue = tissue.with_necrosis(shape.points, shape.values)
    return Layer(shape.solid(), tissue.painted(enhancement))


@dataclass(frozen=True, eq=False)
class _MaskedSolid:
    """A labelled region with its signed distance, known on the voxels of a box around it.

    Args:
        points: Of the box.
        values: Signed distance there, in mm.
    """

    points: Points
    values: Array

    @classmethod
    def of(cls, region: npt.NDArray[np.bool_], points: Points, *, reach_mm: float = 3.0) -> "_MaskedSolid":
        """Measure distances around ``region``, zyx on ``points``, up to ``reach_mm`` outside it."""
        steps = [float(axis[1] - axis[0]) for axis in (points.z, points.y, points.x)]
        window = []
        for axis, step in enumerate(steps):
            used = np.flatnonzero(region.any(axis=tuple({0, 1, 2} - {axis})))
            pad = int(np.ceil(reach_mm / step)) + 1
            window.append(slice(max(int(used[0]) - pad, 0), int(used[-1]) + pad + 1))
        box = (window[0], window[1], window[2])
        inside = region[box]
        # Voxel centres next to the surface are half a voxel away from it, not a whole one.
        half = min(steps) / 2
        outer = ndimage.distance_transform_edt(~inside, sampling=steps) - half
        inner = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=steps)[1:-1, 1:-1, 1:-1] - half
        return cls(points.crop(box), np.where(inside, -inner, outer).astype(np.float32))

    @property
    def low(self) -> Vector:
        """Lower corner of the box."""
        return float(self.points.x[0]), float(self.points.y[0]), float(self.points.z[0])

    @property
    def high(self) -> Vector:
        """Upper corner of the box."""
        return float(self.points.x[-1]), float(self.points.y[-1]), float(self.points.z[-1])

    def distance(self, points: Points) -> Array:
        """Signed distance: looked up in the plane, linear between slices, that of the box's edge outside it."""
        y, x = (
            np.clip(np.rint((axis - own[0]) / (own[1] - own[0])), 0, len(own) - 1).astype(np.intp)
            for axis, own in ((points.y, self.points.y), (points.x, self.points.x))
        )
        own = self.points.z
        z = np.clip((points.z - own[0]) / (own[1] - own[0]), 0, len(own) - 1)
        below = np.minimum(z.astype(np.intp), len(own) - 2)
        above = (z - below).astype(np.float32)[:, None, None]
        plane = self.values[:, y][:, :, x]
        return np.asarray(plane[below] * (1 - above) + plane[below + 1] * above, np.float32)

    def solid(self) -> Solid:
        """Return it as a solid."""
        return Solid(self.low, self.high, self.distance)
