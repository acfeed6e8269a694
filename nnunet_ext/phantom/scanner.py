"""How a tissue becomes a CT image: centres, protocols, grids, enhancement, blur and noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import ndimage

from nnunet_ext.ground.errors import InputError
from nnunet_ext.phantom.fields import Array, Points


class Phase(StrEnum):
    """Time after contrast injection."""

    CORTICOMEDULLARY = "corticomedullary"
    NEPHROGRAPHIC = "nephrographic"


@dataclass(frozen=True)
class Enhancement:
    """Mean HU of what takes up contrast, and how strongly a tumour's own pattern shows."""

    aorta: float
    vein: float
    renal_vein: float
    cortex: float
    medulla: float
    urine: float
    liver: float
    spleen: float
    pancreas: float
    bowel_wall: float
    muscle: float
    tumour: float
    tumour_pattern: float


ENHANCEMENT: Mapping[Phase, Enhancement] = {
    Phase.CORTICOMEDULLARY: Enhancement(
        aorta=280, vein=110, renal_vein=190, cortex=190, medulla=92, urine=10, liver=82, spleen=125, pancreas=105,
        bowel_wall=85, muscle=58, tumour=110, tumour_pattern=1.15,
    ),
    Phase.NEPHROGRAPHIC: Enhancement(
        aorta=155, vein=148, renal_vein=158, cortex=188, medulla=182, urine=14, liver=112, spleen=122, pancreas=92,
        bowel_wall=92, muscle=63, tumour=82, tumour_pattern=0.9,
    ),
}  # fmt: skip
"""Clear-cell tumours enhance strongly and early, then wash out below the parenchyma."""


@dataclass(frozen=True)
class Kernel:
    """Reconstruction kernel: its in-plane blur, and the size and grain of its noise.

    Args:
        blur_mm: Sigma of the Gaussian point spread.
        noise_factor: Noise relative to the standard kernel.
        grain_mm: Sigma of the smoothing of the noise; 0 for white noise.
    """

    blur_mm: float
    noise_factor: float
    grain_mm: float


KERNELS: Mapping[str, Kernel] = {
    "soft": Kernel(blur_mm=1.2, noise_factor=0.75, grain_mm=1.6),
    "standard": Kernel(blur_mm=0.9, noise_factor=1.0, grain_mm=1.0),
    "sharp": Kernel(blur_mm=0.5, noise_factor=1.45, grain_mm=0.0),
}

REFERENCE_NOISE_HU = 8.0
"""Standard deviation in the middle of the body at 250 mA and 3 mm with the standard kernel."""


@dataclass(frozen=True)
class Centre:
    """A hospital's scanner habits.

    Args:
        name: As it stands in case lists.
        tube_voltage_kv: Peak kilovoltage.
        tube_current_ma: Tube currents in use.
        slice_thickness_mm: Slice thicknesses in use.
        pitch: Helical pitch.
        kernel: Key of ``KERNELS``.
        corticomedullary_share: Share of scans in that phase; the others are nephrographic.
        reported: Whether the centre reports voltage, current, pitch and kernel.
    """

    name: str
    tube_voltage_kv: float
    tube_current_ma: tuple[float, ...]
    slice_thickness_mm: tuple[float, ...]
    pitch: float
    kernel: str
    corticomedullary_share: float
    reported: bool = True


CENTRES: tuple[Centre, ...] = (
    Centre("centre-1", 120, (180, 250), (2, 5), 1.0, "standard", 0.5, reported=False),
    Centre("centre-2", 120, (220,), (1, 0.625), 0.83, "standard", 0.6),
    Centre("centre-3", 120, (280,), (0.625,), 0.89, "sharp", 0.35),
    Centre("centre-4", 120, (360,), (1, 2), 0.98, "soft", 0.65),
    Centre("centre-5", 120, (200,), (1, 0.625), 0.92, "standard", 0.4),
    Centre("centre-6", 120, (340,), (0.625,), 0.96, "sharp", 0.7),
    Centre("centre-7", 120, (200,), (0.625,), 0.87, "soft", 0.3),
)
"""The seven cohorts of the paper's Table S1. Kernels and phases are ours, and so is all that centre 1 does not report."""


@dataclass(frozen=True)
class Grid:
    """Voxel grid of a scan.

    Args:
        columns: Voxels from right to left.
        rows: Voxels from front to back.
        spacing_mm: In-plane voxel size.
        z_extent_mm: Length scanned.
        minimum_slice_spacing_mm: Thinner slices are not written; they are averaged to this thickness.
    """

    columns: int
    rows: int
    spacing_mm: float
    z_extent_mm: float
    minimum_slice_spacing_mm: float

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 2 or min(self.spacing_mm, self.z_extent_mm, self.minimum_slice_spacing_mm) <= 0:
            msg = f"A grid needs at least 2 columns and 2 rows and positive lengths; got {self}"
            raise InputError(msg)

    def points(self, slice_thickness_mm: float) -> Points:
        """Return the voxel centres of contiguous slices, centred on the origin."""
        slices = max(1, round(self.z_extent_mm / slice_thickness_mm))
        axes = ((slices, slice_thickness_mm), (self.rows, self.spacing_mm), (self.columns, self.spacing_mm))
        return Points(*(((np.arange(count) - (count - 1) / 2) * step).astype(np.float32) for count, step in axes))


DEMO_GRID = Grid(columns=112, rows=80, spacing_mm=3.0, z_extent_mm=192.0, minimum_slice_spacing_mm=3.0)
"""Small enough for a demo on a CPU."""
FULL_GRID = Grid(columns=512, rows=512, spacing_mm=0.75, z_extent_mm=300.0, minimum_slice_spacing_mm=1.0)
"""The size of a clinical scan."""


@dataclass(frozen=True)
class Protocol:
    """How one scan was made; what its centre's ``Centre`` allows."""

    tube_current_ma: float
    slice_thickness_mm: float
    phase: Phase


def draw_protocol(centre: Centre, grid: Grid, rng: np.random.Generator, *, phase: Phase | None = None) -> Protocol:
    """Draw a protocol of ``centre``; slices are at least as thick as ``grid`` allows."""
    early = rng.random() < centre.corticomedullary_share
    drawn = Phase.CORTICOMEDULLARY if early else Phase.NEPHROGRAPHIC
    return Protocol(
        tube_current_ma=float(rng.choice(centre.tube_current_ma)),
        slice_thickness_mm=float(max(rng.choice(centre.slice_thickness_mm), grid.minimum_slice_spacing_mm)),
        phase=phase or drawn,
    )


def noise_sigma_hu(kernel: str, protocol: Protocol) -> float:
    """Noise in the middle of the body: it falls with the root of the photons, so of current times slice thickness."""
    dose = protocol.tube_current_ma * protocol.slice_thickness_mm / (250.0 * 3.0)
    return float(REFERENCE_NOISE_HU * KERNELS[kernel].noise_factor / np.sqrt(dose))


def blur(hu: Array, kernel: str, spacing_mm: tuple[float, float]) -> Array:
    """Apply the kernel's point spread to each slice of ``hu`` (zyx); ``spacing_mm`` is yx."""
    sigma = KERNELS[kernel].blur_mm
    smooth: Array = ndimage.gaussian_filter(hu, (0, sigma / spacing_mm[0], sigma / spacing_mm[1]), mode="nearest", truncate=3)
    return smooth


def noise(shape: tuple[int, int, int], kernel: str, spacing_mm: tuple[float, float], rng: np.random.Generator) -> Array:
    """Draw noise of standard deviation 1 with the kernel's grain; slices are independent. ``spacing_mm`` is yx."""
    white = rng.standard_normal(shape, dtype=np.float32)
    grain = KERNELS[kernel].grain_mm
    if grain == 0:
        return white
    sigma = (grain / spacing_mm[0], grain / spacing_mm[1])
    kept = np.sqrt(np.prod([_gaussian_energy(value) for value in sigma]))
    grained: Array = ndimage.gaussian_filter(white, (0, *sigma), mode="wrap", truncate=4) / np.float32(kept)
    return grained


def _gaussian_energy(sigma: float) -> float:
    """Sum of squares of the discrete Gaussian that ``ndimage`` uses: the variance it leaves of white noise."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return float(((weights / weights.sum()) ** 2).sum())
