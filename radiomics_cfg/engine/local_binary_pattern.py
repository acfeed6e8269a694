"""Local binary patterns in 3D by spherical harmonics, as PyRadiomics computes them.

A sphere around each voxel is sampled; where the image is no lower than at the voxel the sample is 1, else 0. The energies of
this pattern's spherical harmonics do not change when the image is rotated.

References:
    Banerjee et al. 2013, doi:10.1007/978-3-642-37410-4_3.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates
from scipy.special import sph_harm_y

Array = npt.NDArray[np.float64]

NO_SPREAD = -3.0
"""Excess kurtosis of samples that are all equal, as SciPy defined it in PyRadiomics 3.0.1's time; it is undefined now."""


def local_binary_patterns(
    image: npt.NDArray[Any], inside: npt.NDArray[np.bool_], *, levels: int = 2, radius: float = 1, subdivisions: int = 1
) -> Iterator[tuple[str, Array]]:
    """Yield an image for each level of the spherical harmonics, and the excess kurtosis of the samples; 0 outside the region.

    Args:
        image: Shape (z, y, x).
        inside: The region, of the same shape.
        levels: Degrees of the spherical harmonics, from 0.
        radius: Of the sphere, in voxels.
        subdivisions: How often the faces of the icosahedron that gives the samples are parted in four.

    Yields:
        PyRadiomics' name, such as ``lbp-3D-m1`` or ``lbp-3D-k``, and an array of the shape of ``image``.
    """
    sphere = icosphere(subdivisions) * radius
    places = np.array(np.nonzero(inside))
    at = places[:, :, None] + sphere.T[:, None, :]
    samples: npt.NDArray[Any] = map_coordinates(image, at, order=3)  # in the type of the image, rounded if it is an integer
    higher = (samples >= np.asarray(image)[inside][:, None]).astype(np.float64)
    # PyRadiomics hands the polar angle over first, where SciPy then expected the azimuth; its values have it so.
    polar, azimuth = np.arccos(sphere[:, 2] / radius), np.arctan2(sphere[:, 1], sphere[:, 0])
    for degree in range(levels):
        energy = np.zeros((len(higher), len(sphere)), np.complex128)
        for order in range(-degree, degree + 1):
            harmonic = sph_harm_y(degree, order, azimuth, polar)
            energy += (higher @ harmonic)[:, None] * harmonic
        yield f"lbp-3D-m{degree + 1}", _on_region(inside, np.sqrt((energy**2).sum(axis=1)).real)
    from scipy.stats import kurtosis  # noqa: PLC0415 - takes seconds to import

    measured = samples.astype(samples.dtype if np.issubdtype(samples.dtype, np.floating) else np.float64)
    is_flat = measured.var(axis=1) <= (np.finfo(measured.dtype).resolution * measured.mean(axis=1)) ** 2
    measured[is_flat] = sphere[:, 0]  # whose kurtosis is not used, but is one
    yield "lbp-3D-k", _on_region(inside, np.where(is_flat, NO_SPREAD, kurtosis(measured, axis=1)))


def _on_region(inside: npt.NDArray[np.bool_], values: Array) -> Array:
    filled = np.zeros(inside.shape)
    filled[inside] = values
    return filled


def icosphere(subdivisions: int) -> Array:
    """Return the corners of an icosahedron whose faces were parted in four ``subdivisions`` times, on the unit sphere.

    Returns:
        Shape ``(10 * 4**subdivisions + 2, 3)``.
    """
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0, s, t * golden) for s in (1, -1) for t in (1, -1)]
    points = np.array([p[k:] + p[:k] for p in corners for k in range(3)], np.float64)
    faces = [
        (i, j, k)
        for i in range(12)
        for j in range(i)
        for k in range(j)
        if max(np.linalg.norm(points[a] - points[b]) for a, b in ((i, j), (j, k), (k, i))) < 2.01  # edges of 2
    ]
    sphere = points / np.linalg.norm(points[0])
    for _ in range(subdivisions):
        halves: dict[tuple[int, int], int] = {}
        fresh = list(sphere)
        parted = []
        for i, j, k in faces:
            middles = []
            for a, b in ((i, j), (j, k), (k, i)):
                key = (min(a, b), max(a, b))
                if key not in halves:
                    halves[key] = len(fresh)
                    middle = sphere[a] + sphere[b]
                    fresh.append(middle / np.linalg.norm(middle))
                middles.append(halves[key])
            ij, jk, ki = middles
            parted += [(i, ij, ki), (j, jk, ij), (k, ki, jk), (ij, jk, ki)]
        sphere, faces = np.array(fresh), parted
    return sphere
