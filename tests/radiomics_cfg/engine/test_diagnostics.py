from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from radiomics_cfg.engine.diagnostics import content_hash, image_elements, mask_elements


@pytest.fixture
def parts(volume: Any) -> tuple[sitk.Image, sitk.Image]:
    """A permuted image, and label 2 in it in two parts that touch at a corner, and one apart."""
    values = np.random.default_rng(0).normal(40, 20, (5, 6, 7)).astype(np.float32)
    labels = np.zeros(values.shape, np.uint8)
    labels[0, 0, 0] = 1
    labels[1, 1, 1:3] = labels[2, 2, 3] = labels[4, 5, 6] = 2
    direction = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0)
    return volume(values, (0.5, 1.5, 2.0), direction), volume(labels, (0.5, 1.5, 2.0), direction)


@pytest.mark.parametrize("kind", ["i2", "u1", "f4", "f8"])
def test_the_hash_is_simpleitks(volume: Any, kind: str) -> None:
    values = np.random.default_rng(0).normal(90, 20, (5, 6, 7)).astype(kind)
    assert content_hash(volume(values)) == sitk.Hash(volume(values))
    assert content_hash(volume(values[:, ::-1])) != sitk.Hash(volume(values))


def test_a_mask_is_hashed_as_pyradiomics_casts_it(parts: tuple[sitk.Image, sitk.Image]) -> None:
    assert content_hash(parts[1], kind="uint32") == sitk.Hash(sitk.Cast(parts[1], sitk.sitkUInt32))


def test_elements_of_a_region_in_parts(parts: tuple[sitk.Image, sitk.Image]) -> None:
    image, mask = parts
    found = mask_elements(mask, 2, "original", image=image)
    assert found["Mask-original_VoxelNum"] == 4
    assert found["Mask-original_VolumeNum"] == 2  # corners touch
    assert found["Mask-original_BoundingBox"] == (1, 1, 1, 6, 5, 4)
    centre = found["Mask-original_CenterOfMassIndex"]
    assert centre == pytest.approx(((1 + 2 + 3 + 6) / 4, (1 + 1 + 2 + 5) / 4, (1 + 1 + 2 + 4) / 4))
    assert found["Mask-original_CenterOfMass"] == pytest.approx(mask.TransformContinuousIndexToPhysicalPoint(centre))
    inside = sitk.GetArrayFromImage(image)[sitk.GetArrayFromImage(mask) == 2].astype(float)
    statistics = [found[f"Mask-original_{name}"] for name in ("Mean", "Minimum", "Maximum")]
    assert statistics == pytest.approx([inside.mean(), inside.min(), inside.max()])


def test_elements_are_pyradiomics_and_in_its_order(oracle: Any, parts: tuple[sitk.Image, sitk.Image]) -> None:
    image, mask = parts
    theirs = oracle.module.generalinfo.GeneralInfo()
    theirs.generalInfo.clear()
    theirs.addImageElements(image)
    theirs.addMaskElements(image, sitk.Cast(mask, sitk.sitkUInt32), 2)
    ours = image_elements(image, "original", content_hash(image))
    ours |= mask_elements(mask, 2, "original", image=image, mask_hash=content_hash(mask, kind="uint32"))
    assert [f"diagnostics_{name}" for name in ours] == list(theirs.generalInfo)
    for name, value in ours.items():
        known = theirs.generalInfo[f"diagnostics_{name}"]
        assert value == known if isinstance(value, str) else value == pytest.approx(known, rel=1e-12), name
