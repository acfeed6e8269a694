"""One orientation for scans whose axes are stored in another order or direction; nothing is resampled.

One scan can be stored in 48 ways, six orders of its axes and two directions of each. DICOM series of axial slices are LPS: the
first axis runs towards the patient's left, the second towards the back (posterior), the third towards the head (superior).
KiTS files store the slices first.
"""

from ctypes import c_char
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

if TYPE_CHECKING:  # the gate brings every reader
    from nnunet_ext.scans.geometry import Scan

CANONICAL = "LPS"
"""What ``oriented`` gives, after where the axes x, y, z run to in the patient."""

_TIE = 1e-4
"""Weight of what decides between two orders of axes that are equally near, as they are after a turn by 45 degrees: far above
what storing a direction in single floats changes, 1e-7, and far below what makes an order nearer: 0.003 degrees."""

_TILE = 32
"""Voxels along two axes that are copied at a time, so that what a cache holds is used for all of them."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a scan's axes are stored.

    Args:
        axes: The stored axis (0 is x) that runs nearest to left-right, back-front and head-feet.
        flipped: Whether each of these runs towards right, front or feet.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def of(cls, image: sitk.Image) -> Self:
        """Return the orientation of a 3-D image.

        Of oblique axes that order is taken which differs from the patient's own by the smallest turn. It depends only on how
        the axes lie in the patient, not on which is stored first, so that all ways to store a scan lead to one.
        """
        cosines = np.array(image.GetDirection()).reshape(3, 3)
        x, y, z = max(permutations(range(3)), key=lambda axes: _nearness(cosines[:, axes]))
        towards = cosines[(0, 1, 2), (x, y, z)] < 0
        return cls((x, y, z), (bool(towards[0]), bool(towards[1]), bool(towards[2])))

    @property
    def is_canonical(self) -> bool:
        """Whether the axes are stored as LPS."""
        return self.axes == (0, 1, 2) and not any(self.flipped)

    def turned(self, image: sitk.Image) -> sitk.Image:
        """Return an image that is stored this way as LPS, each voxel at its place in the patient; itself if it is LPS."""
        if self.is_canonical:
            return image
        size, spacing = image.GetSize(), image.GetSpacing()
        first = [0, 0, 0]
        for axis, flipped in zip(self.axes, self.flipped, strict=True):
            first[axis] = size[axis] - 1 if flipped else 0
        found = sitk.Image([size[axis] for axis in self.axes], image.GetPixelID())
        cosines = np.array(image.GetDirection()).reshape(3, 3)[:, self.axes] * np.where(self.flipped, -1.0, 1.0)
        found.SetSpacing([spacing[axis] for axis in self.axes])
        found.SetDirection((cosines + 0.0).ravel().tolist())  # of -0 it makes 0
        found.SetOrigin(image.TransformIndexToPhysicalPoint(first))
        _copy(self._view(sitk.GetArrayViewFromImage(image)), found)
        return found

    def _view(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return stored voxels (z, y, x) as LPS."""
        steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped[::-1])
        return stored.transpose([2 - axis for axis in self.axes[::-1]])[steps]


def oriented(scan: "Scan") -> "Scan":
    """Return a scan with its axes in the order and direction of ``CANONICAL``: the same voxels at the same place.

    How a scan was stored says nothing of the patient, but a grid begins at the first voxel, filters go along the axes, and
    ties are decided by order. Only permutes and flips axes.

    Args:
        scan: Its mask, if it has one, on exactly the image's grid.

    Returns:
        ``scan`` itself if that is how it is stored.
    """
    orientation = Orientation.of(scan.image)
    if orientation.is_canonical:
        return scan
    mask = None if scan.mask is None else orientation.turned(scan.mask)
    return replace(scan, image=orientation.turned(scan.image), mask=mask)


def _nearness(cosines: npt.NDArray[np.float64]) -> float:
    """Return how near axes run to the patient's own, given an order: the larger, the smaller the turn between them.

    Args:
        cosines: Direction cosines, a column an axis, in that order.
    """
    frame = cosines * np.where(np.diag(cosines) < 0, -1.0, 1.0)
    return float(np.trace(frame) + _TIE * (frame[1, 0] + 0.6 * frame[2, 1] + 0.3 * frame[2, 0]))


def _copy(view: npt.NDArray[Any], image: sitk.Image) -> None:
    """Copy voxels (z, y, x) into an image, which SimpleITK offers only by way of further copies."""
    address = sitk.GetArrayViewFromImage(image).ctypes.data
    memory = (c_char * view.nbytes).from_address(address)
    voxels: npt.NDArray[Any] = np.ndarray(view.shape, view.dtype, buffer=memoryview(memory))
    for z, y in product(range(0, view.shape[0], _TILE), range(0, view.shape[1], _TILE)):
        part = slice(z, z + _TILE), slice(y, y + _TILE)
        voxels[part] = view[part]
