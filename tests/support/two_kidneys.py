"""A small scan without a symmetry, what a model might answer of it, and both in every order of storage."""

from itertools import permutations, product
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan

SPACING = (3.0, 3.5, 4.0)
SIZE = (90, 60, 44)
TUMOUR_AT = (64, 30, 24)
"""In the left kidney (x grows to the patient's left), in front and above its middle."""

MARK_AT = (73, 18, 34)
"""The corner voxel of a bright block: left, front, head."""

MARK_HU = 1500

ORDERS = ["".join(ends) for letters in permutations(("LR", "PA", "SI")) for ends in product(*letters)]


def two_kidneys(*, tumour: bool = True, cyst: bool = True) -> Scan:
    """Make a scan of a body with two kidneys, stored as LPS: a tumour on the left, a cyst on the right."""
    z, y, x = (index.astype(np.float64) for index in np.indices(SIZE[::-1]))
    mm = np.array(SPACING)

    def ball(at: tuple[int, ...], radius_mm: float) -> np.ndarray:
        return sum(((axis - c) * step) ** 2 for axis, c, step in zip((x, y, z), at, mm, strict=True)) <= radius_mm**2

    body = ((x - 45) / 42) ** 2 + ((y - 30) / 27) ** 2 <= 1
    labels = np.zeros(body.shape, np.uint8)
    labels[ball((24, 34, 21), 30) | ball((66, 34, 21), 30)] = Label.KIDNEY
    if tumour:
        labels[ball(TUMOUR_AT, 16)] = Label.TUMOUR
    if cyst:
        labels[ball((22, 36, 18), 11)] = Label.CYST
    hu = np.where(body, -90, -1000) + np.choose(labels, [0, 250, 150, 95])
    hu = hu + np.random.default_rng(1).normal(0, 15, hu.shape)
    i, j, k = MARK_AT
    hu[k : k + 3, j : j + 3, i : i + 3] = MARK_HU
    image, mask = sitk.GetImageFromArray(hu.round().astype(np.int16)), sitk.GetImageFromArray(labels)
    for one in (image, mask):
        one.SetSpacing(SPACING)
        one.SetOrigin((-131.5, -99.25, 410.0))
    return Scan(image, mask)


def stored(scan: Scan, order: str) -> Scan:
    """Return the same scan with its axes stored in another order, such as ``SLP``."""
    return Scan(sitk.DICOMOrient(scan.image, order), sitk.DICOMOrient(scan.mask, order))


def an_answer(**changes: Any) -> dict[str, Any]:
    """Return an ``answer.json`` about ``two_kidneys``."""
    rng = np.random.default_rng(2)
    contributions = {
        "region": [{"group": "tumour", "log_odds": 0.42}, {"group": "shell_0_3mm", "log_odds": -0.2}],
        "scale": [{"group": "1mm", "log_odds": 0.22}],
        "image": [{"group": "original", "log_odds": 0.22}],
        "family": [{"group": "glcm", "log_odds": 0.22}],
        "features": [{"feature": "tumour__1mm__original_glcm_Contrast", "log_odds": 0.42, "region": "tumour"}],
    }
    answer = {
        "format": "ccrcc-answer",
        "version": 1,
        "patient": "p-007",
        "created": "2026-11-30",
        "source": {"kind": "nifti", "image_sha256": "a" * 64, "shape_xyz": list(SIZE), "spacing_mm": list(SPACING)},
        "mask": {"origin": "given", "sha256": "b" * 64, "labels": {"kidney": 1, "tumour": 2, "cyst": 3}},
        "network": None,
        "preset": {"preset": "multiscale", "preset_sha256": "c" * 64, "mode": "canonical"},
        "flags": [
            {"code": "thick-slices", "severity": "note", "text": "The slices are 4 mm thick."},
            {"code": "scan-edge", "severity": "caution", "text": "The scan cuts a kidney."},
        ],
        "lesions": [
            {
                "lesion": 1,
                "side": "left",
                "label": "tumour",
                "centroid_voxel_xyz": list(TUMOUR_AT),
                "volume_ml": 17.2,
                "diameters_mm": [32.0, 31.0, 30.0],
                "axial_diameter_mm": 32.0,
                "measurements": [
                    {"name": "radius_mm", "value": 32.0, "unit": "mm", "points": 1, "reason": None},
                    {"name": "sinus_distance", "value": None, "unit": "mm", "points": None, "reason": "no collecting system"},
                ],
            }
        ],
        "kidneys": [{"side": "left", "volume_ml": 96.0, "measurements": []}],
        "predictions": [
            {
                "target": "grade",
                "rule": "isup_grade >= 3",
                "model_id": "m1",
                "model_sha256": "d" * 64,
                "kind": "binary",
                "probability": 0.34,
                "values": {},
                "baseline_probability": 0.41,
                "threshold": 0.29,
                "positive": True,
                "conformal": {"alpha": 0.1, "set": ["0", "1"]},
                "abstained": False,
                "abstained_reason": None,
                "development": {
                    "probabilities_positive": rng.beta(4, 4, 40).tolist(),
                    "probabilities_negative": rng.beta(2, 6, 80).tolist(),
                },
                "contributions": contributions,
            },
            {
                "target": "ki67",
                "rule": "ki67_percent >= 15",
                "model_id": "m2",
                "model_sha256": "e" * 64,
                "kind": "binary",
                "probability": 0.777,
                "values": {},
                "baseline_probability": 0.5,
                "threshold": 0.4,
                "positive": True,
                "conformal": None,
                "abstained": True,
                "abstained_reason": "the scan is unlike those of the development cohort",
                "development": {"probabilities_positive": [0.777], "probabilities_negative": [0.1]},
                "contributions": contributions,
            },
        ],
        "software": {"ccrcc-radiomics": "0.1.0"},
    }
    return answer | changes
