"""Perturbations of a tumour's mask: what another reader, or the same one on another day, might have drawn.

Only tumours are perturbed, each for itself, on the scan's own grid; the labels around give way or fill in as
``radiomics_cfg.regions.tumours`` says.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import ndimage

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import TOUCHING
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.regions.tumours import Mask, Tumour, Tumours, Values

VERSION = 2
"""Of the perturbed masks. Raised by whoever changes one, so that kept results are not reused."""

LARGEST_CHANGE = 0.3
"""Largest change of volume. Masks of kidney tumours were changed by up to 20% in Mottola et al. 2021,
doi:10.1038/s41598-021-90985-y; what changes by a third is another tumour."""

LARGEST_SHIFT_MM = 5.0
"""Longest translation."""

_BLUR_VOXELS = 0.7
"""Width of the Gaussian before a shift by a fraction of a voxel. With 0.5 a shift by 1 mm was 0.16 mm on voxels of 3 mm; 1.0
changes the contour more and moves it no better."""

_SURELY_IN, _SURELY_OUT = 0.9, 0.2
"""Overlap from which a supervoxel always is in, and below which it never is, as in MIRP."""


class Perturbation(Protocol):
    """Changes the mask of one tumour."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def mask(self, tumour: Tumour) -> Mask:
        """Return the perturbed mask, of the shape of ``tumour.inside``."""


@dataclass(frozen=True, slots=True)
class VolumeChange:
    """Grow or shrink a tumour to a volume changed by a fraction.

    The contour moves along the distance in mm from the surface, by as much as gives the volume. Where more voxels lie at that
    distance than are needed, those with more tumour around them come first, so the number of voxels is right to the last one.

    Args:
        fraction: 0.2 makes it 20% larger, -0.2 makes it 20% smaller.
    """

    fraction: float

    def __post_init__(self) -> None:
        if not abs(self.fraction) <= LARGEST_CHANGE:
            msg = f"A volume changes by -{LARGEST_CHANGE} to {LARGEST_CHANGE} of itself; found {self.fraction}"
            raise InputError(msg)

    @property
    def name(self) -> str:
        """For example ``volume -20%``."""
        return f"volume {self.fraction:+.0%}"

    def mask(self, tumour: Tumour) -> Mask:
        """Return the grown or shrunken mask."""
        count = max(round(tumour.count * (1 + self.fraction)), 1)
        within = tumour.inside if self.fraction < 0 else tumour.allowed
        return _innermost(tumour.signed_distance_mm, tumour.density, count, within)


@dataclass(frozen=True, slots=True)
class Translation:
    """Move a tumour, by fractions of a voxel too.

    The signed distance is moved, by linear interpolation, and as many voxels as before lie innermost in it. Moving the labels
    to the nearest voxel instead would do nothing on slices of 5 mm until it moves a whole slice. Before a shift by other than
    whole voxels, the distance is blurred a little: that of a mask jumps by a voxel at the contour, in which a fraction is
    lost. On tumours of KiTS23, a centre that was to move by 1 mm moved by 0.95 to 1.05 mm in the plane of the slices, and by
    0.5 to 0.9 mm across slices of 2.5 to 5 mm, which show no more of it.

    Args:
        x_mm: Towards the patient's left.
        y_mm: Towards the patient's back.
        z_mm: Towards the patient's head.
    """

    x_mm: float
    y_mm: float
    z_mm: float

    def __post_init__(self) -> None:
        length = float(np.linalg.norm((self.x_mm, self.y_mm, self.z_mm)))
        if not length <= LARGEST_SHIFT_MM:
            msg = f"A translation is at most {LARGEST_SHIFT_MM:g} mm long; found {length:g} mm"
            raise InputError(msg)

    @property
    def name(self) -> str:
        """For example ``translation 1 0 0 mm``."""
        return f"translation {self.x_mm:g} {self.y_mm:g} {self.z_mm:g} mm"

    def mask(self, tumour: Tumour) -> Mask:
        """Return the moved mask."""
        along_axes = np.linalg.solve(tumour.direction, (self.x_mm, self.y_mm, self.z_mm))[::-1]
        shift = np.round(along_axes / tumour.spacing_mm, 6)
        blur = _BLUR_VOXELS if (shift % 1).any() else 0.0
        distance, density = (
            ndimage.shift(values, shift, order=1, mode="nearest").round(6)
            for values in (ndimage.gaussian_filter(tumour.signed_distance_mm, blur), tumour.density)
        )
        return _innermost(distance, density, tumour.count, np.ones_like(tumour.inside)) & tumour.allowed


@dataclass(frozen=True, slots=True)
class ContourRandomisation:
    """Draw a tumour's contour anew along the edges in the image.

    The image around the tumour is parted into supervoxels of like HU. Each is in the new mask with the probability of its
    overlap with the old one; it surely is from an overlap of 0.9, and surely not below 0.2. Small holes are closed. So the
    contour stays where the image has a clear edge.

    Unlike the paper's, supervoxels are smaller in a tumour of less than 25 ml (``tumours.SUPERVOXELS_IN_TUMOUR``), their
    scattered voxels are not joined to another one, and of the new mask the largest connected piece is kept.

    Args:
        seed: Seed of what is drawn.

    References:
        Zwanenburg et al. 2019, doi:10.1038/s41598-018-36938-4; supervoxels: Achanta et al. 2012, doi:10.1109/TPAMI.2012.120.
    """

    seed: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            msg = f"A seed is a whole number from 0; found {self.seed}"
            raise InputError(msg)

    @property
    def name(self) -> str:
        """For example ``contour 7``."""
        return f"contour {self.seed}"

    def mask(self, tumour: Tumour) -> Mask:
        """Return the randomised mask."""
        parts = tumour.supervoxels
        size = np.bincount(parts.ravel())
        overlap = np.bincount(parts[tumour.inside], minlength=len(size)) / np.maximum(size, 1)
        overlap[overlap.argmax()] = 1  # so that a tumour never vanishes
        overlap[overlap >= _SURELY_IN] = 1
        overlap[overlap < _SURELY_OUT] = 0
        chosen = np.random.default_rng((self.seed, tumour.number)).random(len(size)) < overlap
        pieces, _ = ndimage.label(ndimage.binary_closing(chosen[parts]) & tumour.allowed, structure=TOUCHING)
        return np.asarray(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)


def usual_perturbations(seed: int = 0) -> tuple[Perturbation, ...]:
    """Return nine perturbations: volumes changed by 10% and 20%, shifts by 1 mm in both directions, three contours."""
    volumes = (VolumeChange(fraction) for fraction in (-0.2, -0.1, 0.1, 0.2))
    shifts = (Translation(mm, mm, mm) for mm in (-1.0, 1.0))
    return (*volumes, *shifts, *(ContourRandomisation(3 * seed + draw) for draw in range(3)))


def perturb(tumours: Tumours, perturbation: Perturbation) -> Scan:
    """Return the scan of ``tumours`` with its mask perturbed."""
    return tumours.with_masks([perturbation.mask(tumour) for tumour in tumours.pieces])


def _innermost(distance_mm: Values, density: Values, count: int, within: Mask) -> Mask:
    """Return the ``count`` voxels of ``within`` at the least signed distance, the densest first of those at the last one.

    What lies so far out that its distance was cut is never among them.
    """
    found: Mask = within & (distance_mm < distance_mm.max())
    if np.count_nonzero(found) > count:
        last = np.partition(distance_mm[found], count - 1)[count - 1]
        ties = np.flatnonzero(found & (distance_mm == last))
        found &= distance_mm < last
        densest = np.argsort(-density.ravel()[ties], kind="stable")
        found.ravel()[ties[densest[: count - np.count_nonzero(found)]]] = True
    return found
