"""How far features follow from the order in which a scan's axes are stored: all 48 orders and directions against LPS.

Nothing is resampled between them: it is one scan at one place. A tumour in a kidney with noise and a slow wave, once on
voxels of 3 mm and once of 2.6 x 2.6 x 4.1 mm, is resampled to 3 mm and filtered (original, LoG of 3 mm, eight wavelets) in
both modes. For each image type and feature class the largest difference is shown, as a share of the larger of the two values,
and how many features differ by more than 1 %.

Run: uv run python benchmarks/orientations.py
"""

import argparse
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.backends.backend import load_backend
from radiomics_cfg.cases.measure import feature_columns, measure_case
from radiomics_cfg.modes import MODES, Mode
from radiomics_cfg.preset import Parameters, Preset, RegionRules, Scale
from radiomics_cfg.runs.batch import DEFAULT_BACKEND

SPACINGS_MM = {"isotropic": (3.0, 3.0, 3.0), "anisotropic": (2.6, 2.6, 4.1)}
EXTENT_MM = (72.0, 66.0, 62.0)
NOTEWORTHY = 0.01
CONTENT: dict[str, Any] = {
    "setting": {"resampledPixelSpacing": [3, 3, 3], "binWidth": 25, "padDistance": 10},
    "imageType": {"Original": {}, "LoG": {"sigma": [3.0]}, "Wavelet": {"wavelet": "coif1"}},
    "featureClass": dict.fromkeys(("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")),
}


def orders() -> list[str]:
    """Return the names of the 48 ways to store a scan, LPS first."""
    found = ["".join(ends) for axes in itertools.permutations(("LR", "PA", "SI")) for ends in itertools.product(*axes)]
    return sorted(found, key=lambda one: one != "LPS")


def phantom(spacing_mm: tuple[float, float, float], *, seed: int) -> Scan:
    """Return a tumour in a kidney in fat, with air in front."""
    size = np.round(np.array(EXTENT_MM) / spacing_mm).astype(int)
    along = [(np.arange(n) + 0.5) * mm for n, mm in zip(size, spacing_mm, strict=True)]
    z, y, x = np.meshgrid(*along[::-1], indexing="ij")
    labels = np.zeros(z.shape, np.uint8)
    labels[((x - 38) / 20) ** 2 + ((y - 36) / 18) ** 2 + ((z - 33) / 26) ** 2 < 1] = Label.KIDNEY
    labels[((x - 27) / 14) ** 2 + ((y - 29) / 12) ** 2 + ((z - 35) / 13) ** 2 < 1] = Label.TUMOUR
    wave = 25 * np.sin(z / 6) * np.cos(x / 9) * (labels > 0)
    hu = np.choose(labels, [-100, 160, 90, 10]) + wave + np.random.default_rng(seed).normal(0, 15, z.shape)
    hu[:, :2] = -1000
    image, mask = sitk.GetImageFromArray(hu.round().astype(np.int16)), sitk.GetImageFromArray(labels)
    image.SetSpacing(spacing_mm)
    image.SetOrigin((-70.123, -60.7, 10.33))
    mask.CopyInformation(image)
    return Scan(image, mask)


def rows(scan: Scan, preset: Preset, mode: Mode) -> npt.NDArray[np.float64]:
    """Return the features of each order, shape ``(48, n_features)``."""
    engine = load_backend(DEFAULT_BACKEND)
    found = []
    for order in orders():
        stored = Scan(sitk.DICOMOrient(scan.image, order), sitk.DICOMOrient(scan.mask, order))
        found.append(measure_case(stored, preset, engine, mode=mode).values[0])
    return np.array(found)


def differences(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the largest difference of each feature from that of LPS, as a share of the larger value, 0 to 2."""
    first = values[0]
    larger = np.maximum(np.maximum(np.abs(values), np.abs(first)), 1e-9)
    found: npt.NDArray[np.float64] = np.nanmax(np.abs(values - first) / larger, axis=0)
    return found


def summary(columns: list[str], found: Mapping[tuple[str, str], npt.NDArray[np.float64]]) -> pd.DataFrame:
    """Return one row an image type and class: its number of features, then for each scan and mode what differs."""
    image, kind = zip(*(column.split("__")[2].split("_")[:2] for column in columns), strict=True)
    family = [name.split("-")[0] for name in image]
    table = pd.DataFrame({"image": family, "class": kind, **{" ".join(key): one for key, one in found.items()}})
    groups = table.groupby(["image", "class"], sort=False)
    shown = pd.DataFrame({"features": groups.size()})
    for key in map(" ".join, found):
        over = groups[key].apply(lambda one: int((one > NOTEWORTHY).sum()))
        shown[key] = [f"{most:.2g} ({n})" for most, n in zip(groups[key].max(), over, strict=True)]
    return shown.reset_index()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    rules = RegionRules(structures=("tumour",))
    preset = Preset("orientations", rules, (Scale("3mm", Parameters.model_validate(CONTENT)),), "")
    columns = feature_columns(preset, load_backend(DEFAULT_BACKEND))
    found = {}
    for name, spacing_mm in SPACINGS_MM.items():
        scan = phantom(spacing_mm, seed=seed)
        for mode in MODES:
            found[name, mode] = differences(rows(scan, preset, mode))
    print(f"Largest difference of 47 orders from LPS, as a share of the larger value (features over {NOTEWORTHY:.0%}):")
    print(summary(columns, found).to_string(index=False))
    for key, one in found.items():
        volume = one[columns.index("tumour__3mm__original_shape_MeshVolume")]
        print(f"{' '.join(key)}: {int((one > NOTEWORTHY).sum())} of {len(one)} features over 1 %; volume {volume:.2g}")


if __name__ == "__main__":
    main()
