"""One scan stored in several orders and directions of its axes: it is one scan, and has one row of features."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk
import yaml

from ccrcc_model.faults.fault import ccrcc, expect, fault
from ccrcc_model.faults.scans import as_image, small_scan, write_card
from nnunet_ext.documents.csv_table import inferred, read_csv

ORDERS = ("LPS", "RAI", "SPL", "AIR", "PSR")
"""As stored by DICOM, by NIfTI tools, slices first as KiTS has them, and two more; of both hands."""

OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.05, -0.07, 0.17).GetMatrix()
"""A turn by 10 degrees about the patient's long axis, and by 3 and 4 about the others."""

Labels = npt.NDArray[np.uint8]


def _write_orders(folder: Path, mask: Labels, *, orders: Sequence[str], place: Mapping[str, Any] | None = None) -> Path:
    """Write ``small_scan`` with a mask once an order; return the card."""
    rows = ""
    for name, array in (("image", small_scan()[0]), ("mask", mask)):
        image = as_image(array)
        for key, value in ({"Spacing": (2.6, 2.6, 4.1), "Origin": (-61.3, 40.7, 1e3 / 3)} | dict(place or {})).items():
            getattr(image, f"Set{key}")(value)
        for order in orders:
            sitk.WriteImage(sitk.DICOMOrient(image, order), str(folder / f"{name}_{order}.nii.gz"))
    rows = "".join(f"{order},p{order},north,image_{order}.nii.gz,mask_{order}.nii.gz\n" for order in orders)
    return write_card(folder, rows)


def _preset(
    folder: Path,
    *,
    lesions: str = "merged",
    filters: Sequence[str] = (),
    classes: Sequence[str] = ("shape", "firstorder", "glcm", "glrlm"),
    interpolator: str = "sitkBSpline",
) -> Path:
    """Write a preset of one scale with the tumour, the kidney next to it and a ring."""
    kinds: dict[str, dict[str, Any]] = {"Original": {}, "Wavelet": {"wavelet": "coif1"}, "LoG": {"sigma": [4.0]}}
    regions = {
        "lesions": lesions,
        "structures": ["tumour", "kidney_contralateral"],
        "shells": [{"inner_mm": 0, "outer_mm": 6, "sides": ["whole"]}],
        "minimum_voxels": 5,
    }
    scale = {
        "setting": {"resampledPixelSpacing": [4, 4, 4], "binWidth": 25, "interpolator": interpolator},
        "imageType": {kind: kinds[kind] for kind in ("Original", *filters)},
        "featureClass": dict.fromkeys(classes),
    }
    preset = folder / "preset"
    preset.mkdir()
    for name, content in (("regions", regions), ("4mm", scale)):
        (preset / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return preset


def _spread(card: Path, preset: Path, *options: str) -> tuple[float, pd.DataFrame]:
    """Extract; return the largest relative difference between rows that should be alike, and the table's keys."""
    out = card.parent / "features.csv"
    ran = ccrcc("extract", card, "--preset", preset, "--out", out, *options)
    expect(ran.status == 0, f"status {ran.status}: {ran.said[-200:]}")
    table = inferred(read_csv(out))
    keys = table[["case_id", "lesion", "side"]]
    values = table.drop(columns=[*keys.columns, "cohort", "patient_id", "centre"]).to_numpy(dtype=np.float64)
    apart = [0.0]
    for _, rows in keys.groupby("lesion"):
        same = values[rows.index]
        apart.append(float(np.nanmax(np.abs(same - same[0]) / np.maximum(np.abs(same[0]), 1e-9))))
        expect(bool((np.isnan(same) == np.isnan(same[0])).all()), "what is missing follows the order of the axes")
    return max(apart), keys


def _is_one_scan(keys: pd.DataFrame) -> bool:
    """Whether every case has the same lesions on the same sides."""
    rows = [tuple(zip(own["lesion"], own["side"], strict=True)) for _, own in keys.groupby("case_id")]
    return len(set(rows)) == 1


@fault("features depend on the order in which the axes are stored")
def axes_in_other_orders(folder: Path) -> str:
    """An anisotropic scan and its mask in five orders of the axes: one row, with filters and every class of shape."""
    card = _write_orders(folder, small_scan()[1], orders=ORDERS)
    apart, keys = _spread(card, _preset(folder, filters=("Wavelet", "LoG")))
    return expect(apart < 1e-9 and _is_one_scan(keys), f"features differ by up to {apart:.2g}")


@fault("features depend on the order in which the axes are stored")
def oblique_axes_in_other_orders(folder: Path) -> str:
    """A scan at an angle to the patient's axes, in five orders: one row. Its header keeps the angle in single floats."""
    card = _write_orders(folder, small_scan()[1], orders=ORDERS, place={"Direction": OBLIQUE})
    apart, keys = _spread(card, _preset(folder, filters=("Wavelet",)))
    return expect(apart < 1e-9 and _is_one_scan(keys), f"features differ by up to {apart:.2g}")


@fault("features depend on the order in which the axes are stored")
def axes_half_way_between_two(folder: Path) -> str:
    """A scan turned by 45 degrees, whose rows and columns are equally near to left-right: the same ones in every order."""
    half_way = sitk.Euler3DTransform((0, 0, 0), 0, 0, np.pi / 4).GetMatrix()
    card = _write_orders(folder, small_scan()[1], orders=ORDERS, place={"Direction": half_way})
    apart, _ = _spread(card, _preset(folder, filters=("Wavelet",)))
    return expect(apart < 1e-9, f"features differ by up to {apart:.2g}")


@fault("which lesion is the first depends on the order in which the axes are stored")
def lesions_alike_in_other_orders(folder: Path) -> str:
    """Two tumours of equal volume, one in each kidney: the same one is the index lesion in every order."""
    mask = small_scan()[1]
    mask[mask == 2] = 1
    for x in (12, 34):
        mask[5:8, 25:30, x : x + 5] = 2
    apart, keys = _spread(_write_orders(folder, mask, orders=ORDERS[:4]), _preset(folder, lesions="each"))
    return expect(apart < 1e-9 and len(keys) == 8 and _is_one_scan(keys), f"features differ by up to {apart:.2g}")


@fault("a tie between two voxels is decided by the rounding of the origin")
def nearest_voxels_in_other_orders(folder: Path) -> str:
    """Voxels of 6 mm on a grid of 4 mm, nearest neighbour: every third centre lies between two voxels."""
    card = _write_orders(folder, small_scan()[1], orders=ORDERS[:4], place={"Spacing": (6.0, 6.0, 6.0)})
    apart, _ = _spread(card, _preset(folder, interpolator="sitkNearestNeighbor"))
    return expect(apart < 1e-9, f"features differ by up to {apart:.2g}")


@fault("perturbed masks depend on the order in which the axes are stored")
def masks_perturbed_in_other_orders(folder: Path) -> str:
    """The spread of features over perturbed masks, of one scan in two orders: the same values under every mask."""
    card = _write_orders(folder, small_scan()[1], orders=ORDERS[1:3])
    preset, kept = _preset(folder, classes=("firstorder",)), folder / "kept"
    ran = ccrcc("stability", card, "--preset", preset, "--out", folder / "stability.csv", "--cases", kept)
    values = [np.load(file)["values"] for file in sorted(kept.glob("*.masks.npz"))]
    expect(len(values) == 2, f"status {ran.status}: {ran.said[-200:]}")
    apart = np.nanmax(np.abs(values[1] - values[0]) / np.maximum(np.abs(values[0]), 1e-9))
    return expect(bool(apart < 1e-9), f"features under {len(values[0])} masks differ by up to {apart:.2g}")


@fault("the extractor's features depend on the order in which the axes are stored")
def extractor_in_other_orders(folder: Path) -> str:
    """``Extractor(mode="canonical")`` on a scan in two orders, without resampling: the same values."""
    from radiomics_cfg.backends.extractor import Extractor  # noqa: PLC0415 - compiles kernels

    _write_orders(folder, small_scan()[1], orders=ORDERS[1:3])
    extractor = Extractor({"imageType": {"Original": {}, "Wavelet": {}}}, mode="canonical", additionalInfo=False)
    found = [extractor.execute(folder / f"image_{order}.nii.gz", folder / f"mask_{order}.nii.gz", 2) for order in ORDERS[1:3]]
    same = all(one == other for one, other in itertools.pairwise(map(dict, found)))
    return expect(same, f"{len(found[0])} features")
