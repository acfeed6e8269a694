"""How long the DICOM objects of one patient of 512 x 512 x 300 take, and how large they are.

    uv run python benchmarks/patient_dicom.py

Each kind is written ``RUNS`` times by a fresh identity; the fastest run counts, for other work on the machine only slows one.
CPU seconds are shown too: on a busy machine they are what a quiet one takes, as one thread does the work.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.faults.scans import CORNER_MM
from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.segmentation_object import Algorithm, write_seg
from nnunet_ext.dicom_objects.slicer_segmentation import write_slicer_segmentation
from nnunet_ext.dicom_objects.source import Source

N_SLICES, SIDE, SPACING_MM = 300, 512, (0.7, 0.7, 1.0)
RUNS = 3
ALLOWED_S = 5.0
"""For a SEG of one patient on two cores."""


def kidneys() -> np.ndarray:
    """Return two kidneys, a tumour and a cyst of usual size, shape (z, y, x)."""
    z, y, x = np.ogrid[:N_SLICES, :SIDE, :SIDE]
    mask = np.zeros((N_SLICES, SIDE, SIDE), np.uint8)
    for label, (cx, cy, cz), radius in (
        (1, (150, 300, 150), 60),
        (1, (360, 300, 150), 60),
        (2, (120, 280, 140), 35),
        (3, (380, 320, 160), 15),
    ):
        mask[(y - cy) ** 2 + (x - cx) ** 2 + ((z - cz) * 0.6) ** 2 < radius**2] = label
    return mask


def write_patient(folder: Path) -> tuple[Series, sitk.Image]:
    """Write a series of noise, and return it with its mask."""
    hu = np.random.default_rng(0).integers(-50, 150, (N_SLICES, SIDE, SIDE)).astype(np.int16)

    def place(number: int, file: object) -> None:
        file.ImagePositionPatient = [*CORNER_MM[:2], CORNER_MM[2] + number * SPACING_MM[2]]  # type: ignore[attr-defined]

    write_ct(folder, hu, change=place, PixelSpacing=list(SPACING_MM[:2]), SliceThickness=SPACING_MM[2])
    (series,) = find_series(folder).series
    mask = sitk.GetImageFromArray(kidneys())
    mask.SetSpacing(SPACING_MM)
    mask.SetOrigin(CORNER_MM)
    return series, mask


def fastest_s(write: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the fastest of ``RUNS`` runs, and the fewest CPU seconds."""
    wall, cpu = [], []
    for _ in range(RUNS):
        started, worked = time.perf_counter(), time.process_time()
        write()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - worked)
    return min(wall), min(cpu)


def objects(folder: Path) -> dict[str, tuple[float, float, int]]:
    """Return seconds, CPU seconds and bytes of each kind of object."""
    series, mask = write_patient(folder / "ct")
    network, found = Algorithm("network", "1"), {}

    def seg(path: Path, *, labelmap: bool) -> None:
        write_seg(path, Source.of(series, Identity.replaced()), mask, algorithm=network, labelmap=labelmap)

    for name, labelmap in (("SEG, BINARY", False), ("SEG, LABELMAP", True)):
        path = folder / f"{name}.dcm"
        found[name] = (*fastest_s(lambda path=path, labelmap=labelmap: seg(path, labelmap=labelmap)), path.stat().st_size)
    path = folder / "mask.seg.nrrd"
    found[path.name] = (*fastest_s(lambda: write_slicer_segmentation(path, mask)), path.stat().st_size)
    return found


def main() -> int:
    """Print a table; fail if the SEG that is written by default takes longer than allowed."""
    with tempfile.TemporaryDirectory() as folder:
        found = objects(Path(folder))
    for name, (seconds, cpu, size) in found.items():
        print(f"{name:15} {seconds:5.1f} s {cpu:5.1f} CPU-s {size / 1e6:6.1f} MB")
    return int(found["SEG, BINARY"][0] > ALLOWED_S)


if __name__ == "__main__":
    sys.exit(main())
