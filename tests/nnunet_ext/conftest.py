"""Tiny scans with two balls for kidneys, and a network that stock nnU-Net trained on them for two iterations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.convert.nnunet import RawDataset, convert
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.labels import Label
from nnunet_ext.training import NnUNetFolders, prepare, train

SPACING_MM = 4.0


def two_ball_scan(seed: int, *, cyst: bool = False) -> tuple[sitk.Image, sitk.Image]:
    """Return a CT and its mask (32 × 40 × 48 zyx): two kidneys of 28 mm radius, a tumour on the one at low x."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) * SPACING_MM for n in (32, 40, 48)), indexing="ij")

    def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
        return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2

    hu = np.where(ball((64, 80, 96), 120), -100.0, -1000.0)
    mask = np.zeros(hu.shape, np.uint8)
    parts = [(Label.KIDNEY, ball((64, 90, 50), 28), 180), (Label.KIDNEY, ball((60, 90, 142), 28), 180)]
    parts.append((Label.TUMOUR, ball((64, 66, 50), 12 + 4 * rng.random()), 80))
    if cyst:
        parts.append((Label.CYST, ball((60, 112, 142), 10), 10))
    for label, where, value in parts:
        mask[where], hu[where] = label, value
    image = sitk.GetImageFromArray(np.round(hu + rng.normal(0, 10, hu.shape)).astype(np.int16))
    image.SetSpacing((SPACING_MM,) * 3)
    image.SetOrigin((-90.5, -70.25, 12.0))
    stored = sitk.GetImageFromArray(mask)
    stored.CopyInformation(image)
    return image, stored


def write_case(folder: Path, name: str, patient: str, centre: str, scan: tuple[sitk.Image, sitk.Image]) -> Case:
    files = folder / f"{name}.nii.gz", folder / f"{name}_mask.nii.gz"
    for volume, file in zip(scan, files, strict=True):
        sitk.WriteImage(volume, str(file), useCompression=True)
    return Case(id=name, patient_id=patient, centre=centre, image=files[0], mask=files[1])


@pytest.fixture(scope="session")
def two_ball_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Seven development scans of six patients at two centres; the third has a cyst, the last two are one patient's."""
    folder = tmp_path_factory.mktemp("two_balls")
    cases = [
        write_case(folder, f"case{i}", f"patient{min(i, 5)}", ("north", "south")[min(i, 5) % 2], two_ball_scan(i, cyst=i == 2))
        for i in range(7)
    ]
    return Cohort(name="two_balls", role=Role.DEVELOPMENT, cases=tuple(cases))


@dataclass(frozen=True)
class TinyTraining:
    folders: NnUNetFolders
    dataset: RawDataset
    model: Path
    epochs_told: list[tuple[int, int]]


@pytest.fixture(scope="session")
def tiny_training(two_ball_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> TinyTraining:
    """Data set 7 went through the stock commands: planned, preprocessed, one epoch of two iterations."""
    folders = NnUNetFolders.below(tmp_path_factory.mktemp("nnunet"))
    dataset, refusals = convert(two_ball_cohort, 7, raw_dir=folders.raw, preprocessed_dir=folders.preprocessed)
    assert not refusals
    told: list[tuple[int, int]] = []
    prepare(dataset.name, folders, jobs=1)
    model = train(dataset.name, folders, epochs=1, iterations=2, on_progress=lambda done, total: told.append((done, total)))
    return TinyTraining(folders, dataset, model, told)
