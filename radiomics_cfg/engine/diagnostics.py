"""The diagnostics that PyRadiomics returns in addition to the features, under its names."""

import hashlib
from typing import Any

import numpy as np
import pywt
import SimpleITK as sitk
from scipy.ndimage import label as connected_components

from radiomics_cfg.engine.preparation import label_box


def content_hash(volume: sitk.Image, *, kind: str | None = None) -> str:
    """Return the SHA-1 of a volume's voxels, as ``sitk.Hash`` does; ``kind`` is a voxel type to change to before."""
    voxels = np.ascontiguousarray(sitk.GetArrayViewFromImage(volume))
    return hashlib.sha1((voxels.astype(kind) if kind else voxels).data, usedforsecurity=False).hexdigest()


def version_elements(package_version: str, python: str) -> dict[str, Any]:
    """Versions that values depend on; PyRadiomics is not run, so its place names what stands in for it."""
    return {
        "Versions_PyRadiomics": f"3.0.1 by ccrcc-radiomics {package_version}",
        "Versions_Numpy": np.__version__,
        "Versions_SimpleITK": sitk.Version().VersionString(),
        "Versions_PyWavelet": pywt.__version__,
        "Versions_Python": python,
    }


def image_elements(image: sitk.Image, prefix: str, image_hash: str | None = None) -> dict[str, Any]:
    """Geometry and values of an image; ``image_hash`` is given for the original only."""
    found: dict[str, Any] = {}
    if image_hash is not None:
        found |= {f"Image-{prefix}_Hash": image_hash, f"Image-{prefix}_Dimensionality": f"{image.GetDimension()}D"}
    values = sitk.GetArrayViewFromImage(image)
    return found | {
        f"Image-{prefix}_Spacing": image.GetSpacing(),
        f"Image-{prefix}_Size": image.GetSize(),
        f"Image-{prefix}_Mean": float(values.mean(dtype=np.float64)),
        f"Image-{prefix}_Minimum": float(values.min()),
        f"Image-{prefix}_Maximum": float(values.max()),
    }


def mask_elements(
    mask: sitk.Image, label: int, prefix: str, *, image: sitk.Image | None = None, mask_hash: str | None = None
) -> dict[str, Any]:
    """Geometry of a region and, with an image, its values there; ``mask_hash`` is given for the original only."""
    box = label_box(mask, label)
    part = tuple(slice(int(a), int(a + n)) for a, n in zip(box.lower[::-1], box.size[::-1], strict=True))
    inside = sitk.GetArrayViewFromImage(mask)[part] == label
    centre = tuple((np.array(np.nonzero(inside)).mean(axis=1)[::-1] + box.lower).tolist())
    found: dict[str, Any] = {} if mask_hash is None else {f"Mask-{prefix}_Hash": mask_hash}
    found |= {
        f"Mask-{prefix}_Spacing": mask.GetSpacing(),
        f"Mask-{prefix}_Size": mask.GetSize(),
        f"Mask-{prefix}_BoundingBox": (*box.lower.tolist(), *box.size.tolist()),
        f"Mask-{prefix}_VoxelNum": box.voxels,
        f"Mask-{prefix}_VolumeNum": int(connected_components(inside, np.ones((3, 3, 3)))[1]),
        f"Mask-{prefix}_CenterOfMassIndex": centre,
        f"Mask-{prefix}_CenterOfMass": mask.TransformContinuousIndexToPhysicalPoint(centre),
    }
    if image is not None:
        values = sitk.GetArrayViewFromImage(image)[part][inside].astype(np.float64)
        found |= {
            f"Mask-{prefix}_Mean": float(values.mean()),
            f"Mask-{prefix}_Minimum": float(values.min()),
            f"Mask-{prefix}_Maximum": float(values.max()),
        }
    return found
