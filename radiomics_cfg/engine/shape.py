"""Shape of a region: its mesh, its extent, and the axes of its voxels.

The mesh runs half-way between voxels inside and outside (marching cubes). Its diameters are the largest distances between
mesh vertices, of which only those on the hull of a plane can take part.

References:
    Lorensen and Cline 1987, doi:10.1145/37401.37422; IBSI family HCUG.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.compiled import compiled
from radiomics_cfg.engine.feature import FeatureClass

Array = npt.NDArray[np.float64]

_MIDDLE_OF_EDGE = np.array([(0, 0, 1), (0, 1, 2), (0, 2, 1), (0, 1, 0), (2, 0, 1), (2, 1, 2), (2, 2, 1), (2, 1, 0),
                     (1, 0, 0), (1, 0, 2), (1, 2, 2), (1, 2, 0)]) / 2  # fmt: skip
"""Middle (z, y, x) of each edge of a cube of voxel centres. Corners 0 to 3 go round its first plane from (0, 0, 0) by x first,
4 to 7 round its second; edges 0 to 7 begin at them, 8 to 11 join the planes. Corner k sets bit k of a cube's case."""

_TRIANGLES = """
- 083 190 183198 12a 08312a 92a029 2832a8a98 b23 b2008b 190b23 b2119b98b 3a1ba3 a1008a8ba 9033b9ba9 98aba8 478 043473
190478 194147173 12a478 34730412a 92a902478 2a9297273479 478b23 b47b24204 190478b23 47b94bb29192 3a1ba3478 ba114b10447b
4789033b9ba9 47b4b99ba 954 954083 054015 854835315 12a954 08312a954 2a5542240 2a5325354834 954b23 b2008b954 054015b23
215258b28548 3a1ba3954 549a1008a8ba 54050ba5bb03 548a58ba8 789579 309539357 780017715 157173 78957912a 12a309395357
0288258572a5 2a5253357 579789b23 579972209b27 b23018178157 21b17b157 7895793a1ba3 5705097b0a10ba0 ba003ba50078570 ba557b
65a 08365a 19065a 18319865a 165126 165126083 965906026 598582526832 b2365a b2008b65a 190b2365a b2119b98b65a 63b653513
08b0b50515b6 63b036065059 65969bb98 47865a 04347365a 19047865a 19414717365a 478165126 043473165126 478965906026
739479329596269 b2347865a b47b2420465a 190b2347865a 47b94bb2919265a 47863b653513 51b5b610b47b04b 47863b036065059
65969b4797b9 a4964a a4964a083 01aa60640 18316886461a 149124264 149124264083 024426 832824426 b23a4964a b2008ba4964a
b2301aa60640 64161a148b2118b 964369139b63 18b081b61149641 63b036640 86468b 67a78a89a 67a0a709a073 67a1a7178018 67a1a7173
126168189678 269129679309739 078706602 273267 b2367a78a89a 207b2709767a9a7 67a1a7178018b23 b2117ba61167 896678169b63136
09167b 07870603bb60 67b
"""
"""Triangles of the 128 cases whose last corner is outside, as edges in hexadecimal; the others are their mirror images.
The diagonals of polygons are cut as in PyRadiomics (BSD-3-Clause), because the surface depends on that."""


_CASE_OF_TRIANGLE = np.array([case for case, edges in enumerate(_TRIANGLES.split()) for _ in edges[::3] if edges != "-"])
_CORNERS_OF_TRIANGLES = _MIDDLE_OF_EDGE[[int(edge, 16) for edge in "".join(_TRIANGLES.split()) if edge != "-"]].reshape(
    -1, 3, 3
)


@dataclass(frozen=True)
class Shape:
    """Shape of one region.

    Args:
        voxels: Number of voxels.
        spacing_mm: Voxel size along z, y, x.
        mesh_mm3: Volume of the mesh.
        surface_mm2: Area of the mesh.
        diameters_mm: Largest distance within a plane across z, across y, across x, and of all.
        axes_mm2: Variances along the principal axes, ascending.
    """

    voxels: int
    spacing_mm: tuple[float, float, float]
    mesh_mm3: float
    surface_mm2: float
    diameters_mm: tuple[float, float, float, float]
    axes_mm2: tuple[float, float, float]

    @classmethod
    def of(cls, inside: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> "Shape":
        """Measure a region, shape (z, y, x), of at least one voxel."""
        padded = np.pad(inside, 1)
        step = np.array(spacing_mm)
        volume, area = _mesh(_cubes_by_case(padded), step)
        return cls(int(inside.sum()), spacing_mm, volume, area, _diameters(padded, step), _axes(inside, step))

    @cached_property
    def unit_sphere(self) -> float:
        """Surface of the ball that has the mesh's volume."""
        return float((36 * np.pi * self.mesh_mm3**2) ** (1 / 3))


def _mesh(cubes: npt.NDArray[np.int64], step: Array) -> tuple[float, float]:
    """Return the volume and the area of the mesh. Its signed volumes can cancel: then the volume is 0.

    Args:
        cubes: As ``_cubes_by_case`` counts them.
        step: Voxel size along z, y, x.
    """
    corners = _CORNERS_OF_TRIANGLES * step
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab = np.cross(a, b)
    twice_normal = ab + np.cross(b, c) + np.cross(c, a)
    twice_area = np.linalg.norm(np.cross(a - c, b - c), axis=1)
    here, turned = cubes[_CASE_OF_TRIANGLE], cubes[255 - _CASE_OF_TRIANGLE]  # with inside and outside changed
    signed = here - turned
    volume = (signed[:, 0] * (ab * c).sum(1) + ((signed[:, 1:] * step) * twice_normal).sum(1)).sum() / 6
    volume = 0.0 if abs(volume) < _ROUNDING * np.prod(step) else volume
    return float(volume), float((here[:, 0] + turned[:, 0]) @ twice_area) / 2


_ROUNDING = 1e-9
"""Part of a voxel's volume that the sums may be off by."""


@compiled
def _cubes_by_case(padded: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return for each of the 256 cases how many cubes have it, and the sums of their first corners' z, y, x."""
    nz, ny, nx = padded.shape
    cubes = np.zeros((256, 4), np.int64)
    for z in range(nz - 1):
        for y in range(ny - 1):
            case = 0
            for x in range(nx):
                # Corners 1, 2, 5, 6 of this cube are corners 0, 3, 4, 7 of the next.
                fresh = (
                    padded[z, y, x] << 1 | padded[z, y + 1, x] << 2 | padded[z + 1, y, x] << 5 | padded[z + 1, y + 1, x] << 6
                )
                if x and (case or fresh):
                    whole = case | fresh
                    cubes[whole, 0] += 1
                    cubes[whole, 1] += z
                    cubes[whole, 2] += y
                    cubes[whole, 3] += x - 1
                case = (fresh >> 1 & 1) | (fresh >> 2 & 1) << 3 | (fresh >> 5 & 1) << 4 | (fresh >> 6 & 1) << 7
    return cubes


def _axes(inside: npt.NDArray[np.bool_], step: Array) -> tuple[float, float, float]:
    """Return the variances of the voxel centres along their principal axes, ascending; rounding below 0 is 0."""
    variances = np.linalg.eigvalsh(_covariance(inside) * step[:, None] * step)
    least, minor, major = np.where((variances < 0) & (variances > -1e-10), 0.0, variances).tolist()
    return least, minor, major


@compiled
def _covariance(inside):
    """Return the covariance of the places (z, y, x) of a region's voxels, in voxels."""
    nz, ny, nx = inside.shape
    count = 0
    sums, products = np.zeros(3), np.zeros((3, 3))
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if inside[z, y, x]:
                    place = (z - nz // 2, y - ny // 2, x - nx // 2)
                    count += 1
                    for i in range(3):
                        sums[i] += place[i]
                        for j in range(i + 1):
                            products[i, j] += place[i] * place[j]
    covariance = np.empty((3, 3))
    for i in range(3):
        for j in range(i + 1):
            covariance[i, j] = covariance[j, i] = products[i, j] / count - sums[i] / count * (sums[j] / count)
    return covariance


def _diameters(padded: npt.NDArray[np.bool_], step: Array) -> tuple[float, float, float, float]:
    """Return the largest distance of mesh vertices within a plane across z, across y and across x, and of all."""
    nz, ny, nx = padded.shape
    along_x, along_y = np.empty((2 * nz, 2 * ny, 2), np.int64), np.empty((2 * nz, 2 * nx, 2), np.int64)
    for lines in (along_x, along_y):
        lines[:, :, 0], lines[:, :, 1] = np.iinfo(np.int64).max, -1
    _find_extremes(padded, along_x, along_y)
    half = step / 2
    squared = []
    for extremes, (across, rows, reach) in (
        (along_x, (0, 1, 2)),
        (along_x.transpose(1, 0, 2), (1, 0, 2)),
        (along_y.transpose(1, 0, 2), (2, 0, 1)),
    ):
        hull = _plane_hulls(np.ascontiguousarray(extremes)) * half[[across, rows, reach]]
        squared.append(_widest_in_planes(hull))
        if across == 0:
            radius = np.sqrt(((hull - hull.mean(axis=0)) ** 2).sum(axis=1))
            order = np.argsort(-radius)
            everything = _widest(np.ascontiguousarray(hull[order]), radius[order])
    across_z, across_y, across_x, most = np.sqrt([*squared, everything]).tolist()
    return across_z, across_y, across_x, most


@compiled
def _find_extremes(padded, along_x, along_y):
    """Find the outermost mesh vertices of every line along x, by z and y, and of every line along y, by z and x.

    Places count half voxels. Each is a pair (lowest, highest); lowest exceeds highest where a line has no vertex.
    """
    nz, ny, nx = padded.shape
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                if not padded[z, y, x]:
                    continue
                for axis in range(3):
                    for side in (-1, 1):
                        dz, dy, dx = side * (axis == 0), side * (axis == 1), side * (axis == 2)
                        if padded[z + dz, y + dy, x + dx]:
                            continue
                        hz, hy, hx = 2 * z + dz, 2 * y + dy, 2 * x + dx
                        along_x[hz, hy, 0] = min(along_x[hz, hy, 0], hx)
                        along_x[hz, hy, 1] = max(along_x[hz, hy, 1], hx)
                        along_y[hz, hx, 0] = min(along_y[hz, hx, 0], hy)
                        along_y[hz, hx, 1] = max(along_y[hz, hx, 1], hy)


@compiled
def _plane_hulls(extremes):
    """Return the corners of the convex hull in each plane, shape (n_corners, 3): plane, row, place along the row.

    Andrew 1979, doi:10.1016/0020-0190(79)90072-3: the rows are in order, so a chain of the highest and a chain of the lowest.
    """
    planes, rows, _ = extremes.shape
    corners = np.empty((2 * planes * rows, 3))
    count = 0
    chain = np.empty((rows, 2), np.int64)
    for plane in range(planes):
        for side in (0, 1):
            sign = 2 * side - 1
            length = 0
            for row in range(rows):
                if extremes[plane, row, 0] > extremes[plane, row, 1]:
                    continue
                place = sign * extremes[plane, row, side]
                while length > 1:
                    r0, p0 = chain[length - 2]
                    r1, p1 = chain[length - 1]
                    if (r1 - r0) * (place - p0) < (p1 - p0) * (row - r0):
                        break
                    length -= 1
                chain[length, 0], chain[length, 1] = row, place
                length += 1
            for k in range(length):
                corners[count, 0], corners[count, 1], corners[count, 2] = plane, chain[k, 0], sign * chain[k, 1]
                count += 1
    return corners[:count].copy()


@compiled
def _widest_in_planes(points):
    """Return the largest squared distance of two points of one plane; planes follow each other."""
    best = 0.0
    first = 0
    for i in range(len(points)):
        if points[i, 0] != points[first, 0]:
            first = i
        for j in range(first, i):
            d1, d2 = points[i, 1] - points[j, 1], points[i, 2] - points[j, 2]
            best = max(best, d1 * d1 + d2 * d2)
    return best


@compiled
def _widest(points, radius):
    """Return the largest squared distance of two points, which come in descending order of their distance from a point."""
    n = len(points)
    best = 0.0
    for i in range(n):
        if 2 * radius[i] * (1 + 1e-12) < np.sqrt(best):
            break
        for j in range(i + 1, n):
            if (radius[i] + radius[j]) * (1 + 1e-12) < np.sqrt(best):
                break
            d0, d1, d2 = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1], points[i, 2] - points[j, 2]
            best = max(best, d0 * d0 + d1 * d1 + d2 * d2)
    return best


SHAPE: FeatureClass[Shape] = FeatureClass("shape")


@SHAPE.add("MeshVolume", "RNU0")
def _mesh_volume(s: Shape) -> float:
    """Volume of the mesh in mm³."""
    return s.mesh_mm3


@SHAPE.add("VoxelVolume", "YEKZ")
def _voxel_volume(s: Shape) -> float:
    """Number of voxels times their volume, mm³."""
    return s.voxels * float(np.prod(s.spacing_mm))


@SHAPE.add("SurfaceArea", "C0JK")
def _surface_area(s: Shape) -> float:
    """Area of the mesh in mm²."""
    return s.surface_mm2


@SHAPE.add("SurfaceVolumeRatio", "2PR5")
def _surface_volume_ratio(s: Shape) -> float:
    """A / V; infinite for a mesh without volume."""
    return s.surface_mm2 / s.mesh_mm3 if s.mesh_mm3 else np.inf


@SHAPE.add("Sphericity", "QCFX")
def _sphericity(s: Shape) -> float:
    """(36 π V²)^⅓ / A."""
    return s.unit_sphere / s.surface_mm2


@SHAPE.add("Compactness1", "SKGS", optional=True)
def _compactness_1(s: Shape) -> float:
    """V / (A^1.5 √π)."""
    return float(s.mesh_mm3 / (s.surface_mm2**1.5 * np.sqrt(np.pi)))


@SHAPE.add("Compactness2", "BQWJ", optional=True)
def _compactness_2(s: Shape) -> float:
    """36 π V² / A³."""
    return float(36 * np.pi * s.mesh_mm3**2 / s.surface_mm2**3)


@SHAPE.add("SphericalDisproportion", "KRCK", optional=True)
def _spherical_disproportion(s: Shape) -> float:
    """A / (36 π V²)^⅓; infinite for a mesh without volume."""
    return s.surface_mm2 / s.unit_sphere if s.mesh_mm3 else np.inf


@SHAPE.add("Maximum2DDiameterSlice")
def _diameter_slice(s: Shape) -> float:
    """Largest distance within a plane across z, mm."""
    return s.diameters_mm[0]


@SHAPE.add("Maximum2DDiameterColumn")
def _diameter_column(s: Shape) -> float:
    """Largest distance within a plane across y, mm."""
    return s.diameters_mm[1]


@SHAPE.add("Maximum2DDiameterRow")
def _diameter_row(s: Shape) -> float:
    """Largest distance within a plane across x, mm."""
    return s.diameters_mm[2]


@SHAPE.add("Maximum3DDiameter", "L0JK")
def _diameter(s: Shape) -> float:
    """Largest distance of two mesh vertices, mm."""
    return s.diameters_mm[3]


@SHAPE.add("MajorAxisLength", "TDIC")
def _major_axis(s: Shape) -> float:
    """4 √λ of the largest variance, mm."""
    return 4 * float(np.sqrt(s.axes_mm2[2]))


@SHAPE.add("MinorAxisLength", "P9VJ")
def _minor_axis(s: Shape) -> float:
    """4 √λ of the middle variance, mm."""
    return 4 * float(np.sqrt(s.axes_mm2[1]))


@SHAPE.add("LeastAxisLength", "7J51")
def _least_axis(s: Shape) -> float:
    """4 √λ of the smallest variance, mm."""
    return 4 * float(np.sqrt(s.axes_mm2[0]))


@SHAPE.add("Elongation", "Q3CK")
def _elongation(s: Shape) -> float:
    """√(λ middle / λ largest)."""
    return float(np.sqrt(s.axes_mm2[1] / s.axes_mm2[2]))


@SHAPE.add("Flatness", "N17B")
def _flatness(s: Shape) -> float:
    """√(λ smallest / λ largest)."""
    return float(np.sqrt(s.axes_mm2[0] / s.axes_mm2[2]))
