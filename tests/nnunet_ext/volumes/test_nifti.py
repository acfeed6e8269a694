# Also of: nnunet_ext.volumes.nifti_header.

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.volumes.nifti import is_whole, write_nifti


def image() -> sitk.Image:
    made = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 1000, (4, 5, 6)).astype(np.int16))
    made.SetSpacing((0.7, 0.8, 5.0))
    made.SetOrigin((1.5, -2.5, 3.5))
    made.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    return made


def test_a_written_image_comes_back_and_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(image(), tmp_path / name)
    found = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(image()))
    assert found.GetSpacing() == pytest.approx(image().GetSpacing(), rel=1e-6)
    assert found.GetOrigin() == image().GetOrigin()
    assert found.GetDirection() == pytest.approx(image().GetDirection())
    assert is_whole(tmp_path / "a.nii.gz", sitk.GetArrayViewFromImage(found))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_an_image_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write_nifti(sitk.Image(), tmp_path / "a.nii.gz")
    assert list(tmp_path.iterdir()) == []
