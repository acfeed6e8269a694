"""A kidney and a tumour as balls, in memory and as files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from oracle import disagreements, oracle, volume

from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.backends.backend import Backend, load_backend
from radiomics_cfg.preset import Preset, load_preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND

TwoBalls = Callable[..., Scan]

__all__ = ["disagreements", "oracle", "volume"]


@pytest.fixture
def two_balls() -> TwoBalls:
    """Make a noisy scan in fat: a kidney of 24 mm radius, and on its surface a tumour, with air at one side."""

    def make(*, spacing: tuple[float, float, float] = (3.0, 3.0, 3.0), tumour_mm: float = 12.0, seed: int = 0) -> Scan:
        extent = np.array([108.0, 96.0, 90.0])
        size = np.round(extent / spacing).astype(int)
        x, y, z = ((np.arange(n) + 0.5) * step for n, step in zip(size, spacing, strict=True))
        z, y, x = np.meshgrid(z, y, x, indexing="ij")
        labels = np.zeros(x.shape, np.uint8)
        labels[(x - 46) ** 2 + (y - 48) ** 2 + (z - 45) ** 2 <= 24**2] = Label.KIDNEY
        labels[(x - 66) ** 2 + (y - 50) ** 2 + (z - 47) ** 2 <= tumour_mm**2] = Label.TUMOUR
        rng = np.random.default_rng(seed)
        hu = np.choose(labels, [-100, 160, 90, 10]) + rng.normal(0, 20, labels.shape)
        hu[:, :4] = -1000
        image = sitk.GetImageFromArray(hu.round().astype(np.int16))
        image.SetSpacing(spacing)
        image.SetOrigin((-20.0, 15.0, 100.0))
        mask = sitk.GetImageFromArray(labels)
        mask.CopyInformation(image)
        return Scan(image, mask)

    return make


@pytest.fixture
def write_case(tmp_path: Path) -> Callable[[str, Scan], Case]:
    """Write a scan as NIfTI and return its case."""

    def write(case_id: str, scan: Scan) -> Case:
        image, mask = tmp_path / f"{case_id}.nii.gz", tmp_path / f"{case_id}_mask.nii.gz"
        sitk.WriteImage(scan.image, image)
        sitk.WriteImage(scan.mask, mask)
        return Case(case_id, f"patient-{case_id}", "north", image, mask)

    return write


@pytest.fixture
def small_preset(tmp_path: Path) -> Preset:
    """Two scales, a few cheap features, so that a case takes a tenth of a second."""
    folder = tmp_path / "small"
    folder.mkdir()
    ring = {"inner_mm": 0, "outer_mm": 6, "sides": ["whole", "kidney", "fat"]}
    (folder / "regions.yaml").write_text(
        yaml.safe_dump({"structures": ["tumour", "kidney"], "rings": [ring]}), encoding="utf-8"
    )
    for spacing in (3, 6):
        parameters = {
            "setting": {"resampledPixelSpacing": [spacing] * 3, "binWidth": 25},
            "imageType": {"Original": {}, "LoG": {"sigma": [6.0]}},
            "featureClass": {"shape": ["MeshVolume"], "firstorder": ["Mean", "Entropy"], "glcm": ["Contrast"]},
        }
        (folder / f"{spacing}mm.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False), encoding="utf-8")
    return load_preset(folder)


@pytest.fixture
def cohort(two_balls: TwoBalls, write_case: Callable[[str, Scan], Case]) -> Cohort:
    """Three cases."""
    cases = [write_case(f"case{seed}", two_balls(seed=seed, tumour_mm=9 + 2 * seed)) for seed in range(3)]
    return Cohort("phantoms", Role.EXTERNAL, tuple(cases))


@pytest.fixture(scope="session")
def default_backend() -> Backend:
    try:
        return load_backend(DEFAULT_BACKEND)
    except InputError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def pyradiomics() -> Backend:
    try:
        return load_backend("pyradiomics")
    except InputError as missing:
        pytest.skip(str(missing))
