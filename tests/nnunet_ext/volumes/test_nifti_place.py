"""What a NIfTI header must state of the grid, and how far two statements may be apart."""

from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.nifti_header import read_header
from nnunet_ext.volumes.nifti_place import check_place
from nnunet_ext.volumes.stated_geometry import SHEAR_TOLERANCE, STATED_SPACING_TOLERANCE
from nnunet_ext.volumes.volume_file import read_volume
from tests.support.volumes import SPACING, code_of, voxels, with_numbers, write

PIXDIM, UNITS, CODES, QUATERNION, SROW = 76, 123, 252, 256, 280
"""Offsets in the NIfTI-1 header."""


def with_affine(path: Path, affine: np.ndarray) -> Path:
    nib.Nifti1Image(voxels().transpose(2, 1, 0), affine).to_filename(path)
    return path


@pytest.mark.parametrize("size", [0.0, -0.8, np.nan, np.inf])
@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1)])
def test_a_voxel_size_that_is_none_is_refused(tmp_path: Path, codes: tuple[int, int], size: float) -> None:
    path = with_numbers(write(tmp_path / "a.nii"), "<2h", CODES, *codes)
    assert code_of(path) is None
    assert code_of(with_numbers(path, "<f", PIXDIM + 4, size)) == "no-spacing"


@pytest.mark.parametrize(("codes", "code"), [((0, 0), "no-orientation"), ((-1, 0), "no-orientation"), ((0, 2), None)])
def test_a_header_without_a_place_states_no_geometry(tmp_path: Path, codes: tuple[int, int], code: str | None) -> None:
    assert code_of(with_numbers(write(tmp_path / "a.nii.gz"), "<2h", CODES, *codes)) == code


@pytest.mark.parametrize(("units", "code"), [(0, None), (2, None), (10, None), (1, "units"), (3, "units"), (11, "units")])
def test_units_are_millimetres_or_not_stated(tmp_path: Path, units: int, code: str | None) -> None:
    assert code_of(with_numbers(write(tmp_path / "a.nii"), "<B", UNITS, units)) == code


@pytest.mark.parametrize(("factor", "code"), [(0.9, None), (1.1, "spacing-conflict"), (1000.0, "spacing-conflict")])
def test_pixdim_and_sform_state_one_voxel_size(tmp_path: Path, factor: float, code: str | None) -> None:
    path = with_affine(tmp_path / "a.nii", np.diag([-0.8, -0.7, 2.5, 1]))
    with_numbers(path, "<f", PIXDIM + 12, 2.5 * (1 + factor * STATED_SPACING_TOLERANCE))
    assert code_of(path) == code


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_an_sform_of_nothing_is_refused(tmp_path: Path, value: float) -> None:
    path = with_affine(tmp_path / "a.nii", np.diag([-0.8, -0.7, 2.5, 1]))
    with_numbers(path, "<4f", SROW, *[value] * 4)
    assert code_of(path) in ("no-orientation", "spacing-conflict")


@pytest.mark.parametrize(
    ("quaternion", "code"),
    [((0, 0, 1), None), ((0.5, 0.5, 0.5), None), ((1, 1, 1), "no-orientation"), ((np.nan, 0, 0), "no-orientation")],
)
def test_a_qform_is_a_rotation(tmp_path: Path, quaternion: tuple[float, ...], code: str | None) -> None:
    path = with_numbers(write(tmp_path / "a.nii"), "<2h", CODES, 1, 0)
    assert code_of(with_numbers(path, "<3f", QUATERNION, *quaternion)) == code


@pytest.mark.parametrize("qfac", [0.0, 1.0])
def test_a_qfac_of_zero_is_one(tmp_path: Path, qfac: float) -> None:
    path = with_numbers(write(tmp_path / "a.nii"), "<f", PIXDIM, qfac)
    assert np.array_equal(read_volume(path, "image").image.GetDirection(), np.eye(3).ravel())


def test_no_grid_that_itk_writes_is_refused(tmp_path: Path) -> None:
    """The 48 axis orders of a scan of 611 slices, also turned a little: the quaternion of a half turn is the hard one."""
    path = tmp_path / "a.nii"
    tilts = (0.0, 1e-4, 4e-4, 0.02)
    for order, signs, tilt in product(permutations(range(3)), product((1, -1), repeat=3), tilts):
        turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
        grid = sitk.Image([3, 3, 2], sitk.sitkUInt8)
        grid.SetDirection((turn @ np.eye(3)[list(order)] * signs).ravel().tolist())
        grid.SetSpacing((0.5, 0.919921875, 0.919921875))
        grid.SetOrigin((-231.25, 180.5, -1400.125))
        sitk.WriteImage(grid, str(path))
        header = read_header(with_numbers(path, "<3h", 42, 611, 512, 512))
        assert header is not None
        assert check_place(header, "image").affine is None


@pytest.mark.parametrize(("apart", "code"), [(0.45, None), (0.55, "qform-sform")])
def test_what_rounding_leaves_open_is_not_more_than_rounding(tmp_path: Path, apart: float, code: str | None) -> None:
    """A turn of the sform against an exact half turn of the qform, measured at the far corner."""
    path = write(tmp_path / "a.nii")
    affine = np.diag([-0.8, -0.7, 2.5])
    angle = apart * 0.7 / np.hypot(23 * 0.8, 19 * 0.7)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    rows = np.hstack([turn @ affine, np.array([[10.0], [-20.0], [300.0]])])
    assert code_of(with_numbers(path, "<12f", SROW, *rows.ravel())) == code


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_small_shear_is_read_with_a_note(tmp_path: Path, name: str, axis: int) -> None:
    affine = np.diag([-0.8, -0.7, 2.5, 1.0])
    affine[axis, (axis + 1) % 3] = 0.9 * SHEAR_TOLERANCE * SPACING[(axis + 1) % 3]
    volume = read_volume(with_affine(tmp_path / name, affine), "image")
    direction = np.array(volume.image.GetDirection()).reshape(3, 3)
    assert np.abs(direction.T @ direction - np.eye(3)).max() < 1e-6
    assert np.abs(direction - np.eye(3)).max() < SHEAR_TOLERANCE
    assert volume.image.GetSpacing() == pytest.approx(SPACING, rel=1e-5)
    assert np.array_equal(sitk.GetArrayFromImage(volume.image), voxels())
    assert volume.notes == ("axes of the image are off a right angle by 0.0009; read as the nearest right-angled grid",)


def test_a_larger_shear_is_refused_with_what_to_do(tmp_path: Path) -> None:
    affine = np.diag([-0.8, -0.7, 2.5, 1.0])
    affine[1, 2] = 1.1 * SHEAR_TOLERANCE * 2.5
    with pytest.raises(CaseRefused, match=r"0\.063 degrees off a right angle.*resample it") as refused:
        read_volume(with_affine(tmp_path / "a.nii", affine), "image")
    assert refused.value.code == "sheared"


def test_the_rounding_of_single_floats_is_no_shear(tmp_path: Path) -> None:
    turn = nib.eulerangles.euler2mat(0.1, 0.2, 0.3)
    affine = np.eye(4)
    affine[:3, :3] = turn * SPACING
    assert read_volume(with_affine(tmp_path / "a.nii", affine), "image").notes == ()
