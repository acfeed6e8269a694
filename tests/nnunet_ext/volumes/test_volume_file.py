"""A file is read for what it holds, whatever it is called, or refused by its true name."""

# Also of: nnunet_ext.volumes.payload, nnunet_ext.volumes.stated_geometry.

import gzip
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.volume_file import read_volume, stamp, volume_files, volume_sha256
from tests.support.volumes import SPACING, code_of, image, voxels, with_numbers, write

NAMES = ("a.nii", "a.nii.gz", "a.hdr", "a.nrrd", "a.nhdr", "a.mha", "a.mhd")
DATA = {"a.hdr": "a.img", "a.nhdr": "a.raw", "a.mhd": "a.raw"}
PACKED_DATA = {"a.hdr": "a.img", "a.nhdr": "a.raw.gz", "a.mhd": "a.zraw"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_read_as_itk_reads_it(tmp_path: Path, name: str, packed: bool) -> None:
    path = write(tmp_path / name, packed=packed)
    volume = read_volume(path, "image")
    known = sitk.ReadImage(str(path))
    assert volume.notes == ()
    assert np.array_equal(sitk.GetArrayFromImage(volume.image), voxels())
    assert volume.image.GetPixelID() == known.GetPixelID()
    for found, expected in ((volume.image.GetSpacing(), SPACING), (volume.image.GetOrigin(), known.GetOrigin())):
        assert found == pytest.approx(expected, rel=1e-6)
    assert volume.image.GetDirection() == known.GetDirection()


@pytest.mark.parametrize("cut", [1, 9, 500])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_short_by_a_byte_or_more_is_refused(tmp_path: Path, name: str, packed: bool, cut: int) -> None:
    path = write(tmp_path / name, packed=packed)
    data = tmp_path / (PACKED_DATA if packed else DATA).get(name, name)
    data.write_bytes(data.read_bytes()[:-cut])
    assert code_of(path) == "unreadable"


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_a_flipped_bit_of_a_packed_file_is_noticed(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, packed=True)
    data = tmp_path / PACKED_DATA.get(name, name)
    content = bytearray(data.read_bytes())
    content[-1000] ^= 1
    data.write_bytes(content)
    assert code_of(path) == "unreadable"


@pytest.mark.parametrize(("extra", "code"), [(20 * 24 * 2 - 1, None), (20 * 24 * 2, "unreadable")])
@pytest.mark.parametrize("name", ["a.nii", "a.hdr", "a.nrrd", "a.mhd"])
def test_a_file_may_be_padded_but_not_by_a_slice(tmp_path: Path, name: str, extra: int, code: str | None) -> None:
    path = write(tmp_path / name)
    data = tmp_path / DATA.get(name, name)
    data.write_bytes(data.read_bytes() + bytes(extra))
    assert code_of(path) == code


@pytest.mark.parametrize(("value", "code"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "inf"), (1e30, None)])
@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("name", NAMES)
def test_a_voxel_that_is_no_number_is_found(tmp_path: Path, name: str, kind: str, value: float, code: str | None) -> None:
    array = voxels(kind)
    array[-1, -1, -1] = value
    assert code_of(write(tmp_path / name, array)) == code


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("a.nii", "b.NII"), ("a.nii.gz", "b.NII.GZ"), ("a.nii.gz", "b.Nii.gz"), ("a.nii.gz", "b.nii"), ("a.nii", "b.nii.gz"),
        ("a.nii", "b.nrrd"), ("a.nii.gz", "b"), ("a.nrrd", "b.nii.gz"), ("a.nrrd", "b.NRRD"),
        ("a.mha", "b.MHA"), ("a.mha", "b.dat"),
    ],
)  # fmt: skip
def test_the_content_names_the_format(tmp_path: Path, made: str, named: str) -> None:
    path = write(tmp_path / made).rename(tmp_path / named)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(path, "image").image), voxels())
    path.write_bytes(path.read_bytes()[:-500])
    assert code_of(path) == "unreadable"


@pytest.mark.parametrize("names", [("a.hdr", "a.img"), ("A.HDR", "A.IMG")])
def test_either_file_of_a_pair_names_the_volume(tmp_path: Path, names: tuple[str, str]) -> None:
    write(tmp_path / "made.hdr")
    header, data = (tmp_path / name for name in names)
    (tmp_path / "made.hdr").rename(header)
    (tmp_path / "made.img").rename(data)
    for path in (header, data):
        assert np.array_equal(sitk.GetArrayFromImage(read_volume(path, "image").image), voxels())
    before = volume_sha256(header, "image"), stamp(header)
    assert set(volume_files(header)) == set(volume_files(data)) == {header, data}
    data.write_bytes(bytes(voxels().nbytes))
    assert before[0] != volume_sha256(header, "image")
    data.unlink()
    assert code_of(header) == "unreadable"


def test_a_pair_may_be_compressed(tmp_path: Path) -> None:
    write(tmp_path / "a.hdr")
    (tmp_path / "a.img.gz").write_bytes(gzip.compress((tmp_path / "a.img").read_bytes()))
    (tmp_path / "a.img").unlink()
    for name in ("a.hdr", "a.img.gz"):
        assert np.array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / name, "image").image), voxels())


@pytest.mark.parametrize("name", ["a.gipl", "a.tif", "a.vtk", "a.png"])
def test_other_formats_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    array = voxels("u1")
    sitk.WriteImage(sitk.GetImageFromArray(array[0] if name == "a.png" else array), str(tmp_path / name))
    with pytest.raises(CaseRefused, match=r"none of the formats that are read; write it as NIfTI") as refused:
        read_volume(tmp_path / name, "image")
    assert refused.value.code == "format"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.nii.gz", b"", "unreadable"), ("a.nii", b"no volume", "unreadable"),
        ("a.nii.gz", gzip.compress(b"x" * 400, mtime=0), "unreadable"),
        ("a.mha", b"NDims = 3\nDimSize = 2 2 2\n", "unreadable"), ("a.nrrd", b"NRRD0004\ntype: short\n", "unreadable"),
        ("a", b"no volume", "format"), ("a.txt", b"no volume", "format"),
    ],
)  # fmt: skip
def test_what_is_named_a_volume_and_is_none_is_damaged(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert code_of(tmp_path / name) == code


def test_analyze_states_no_orientation(tmp_path: Path) -> None:
    nib.AnalyzeImage(voxels().transpose(2, 1, 0), np.eye(4)).to_filename(tmp_path / "a.img")
    assert [code_of(tmp_path / name) for name in ("a.img", "a.hdr")] == ["format", "format"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["Nifti2Image", "Nifti2Pair", "Nifti1Pair", "Nifti1Image"])
def test_both_versions_of_nifti_in_both_byte_orders(tmp_path: Path, kind: str, order: str) -> None:
    made = getattr(nib, kind)(voxels(f"{order}i2").transpose(2, 1, 0), np.diag([-0.8, -0.7, 2.5, 1]))
    swapped = made.__class__(made.dataobj, made.affine, made.header.as_byteswapped(order))
    path = tmp_path / ("a.img" if "Pair" in kind else "a.nii.gz")
    swapped.to_filename(path)
    found = read_volume(path, "image").image
    assert np.array_equal(sitk.GetArrayFromImage(found), voxels())
    assert found.GetSpacing() == pytest.approx(SPACING)


def test_a_fourth_axis_of_one_voxel_is_dropped_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "a.mha"):
        for n, code in ((1, None), (2, "not-3d")):
            sitk.WriteImage(sitk.JoinSeries([image()] * n), str(tmp_path / name))
            assert code_of(tmp_path / name) == code, name
    sitk.WriteImage(sitk.JoinSeries([image()]), str(tmp_path / "a.nii"))
    found = read_volume(tmp_path / "a.nii", "image").image
    assert (found.GetSize(), found.GetSpacing()) == ((24, 20, 6), pytest.approx(SPACING))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_several_values_per_voxel_are_for_masks_that_ask_for_them(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(sitk.Compose(image(), image()), str(tmp_path / name))
    assert code_of(tmp_path / name) == "not-scalar"
    assert read_volume(tmp_path / name, "mask", channels=True).image.GetNumberOfComponentsPerPixel() == 2


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    nib.Nifti1Image(voxels().astype(np.complex64), np.eye(4)).to_filename(tmp_path / "a.nii")
    with pytest.raises(CaseRefused, match="not-scalar"):
        read_volume(tmp_path / "a.nii", "mask", channels=True)


@pytest.mark.parametrize(
    ("form", "at", "values"),
    [
        ("<3h", 42, (30000, 30000, 3)), ("<h", 42, (-24,)), ("<h", 40, (9,)), ("<h", 40, (0,)), ("<f", 108, (1e9,)),
        ("<f", 108, (np.nan,)), ("<f", 108, (-352.0,)), ("<f", 108, (0.0,)), ("<h", 70, (99,)), ("<f", 112, (np.inf,)),
        ("<h", 46, (4,)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_hostile_header_takes_no_memory_and_is_refused(
    tmp_path: Path, name: str, form: str, at: int, values: tuple[float, ...]
) -> None:
    assert code_of(with_numbers(write(tmp_path / name), form, at, *values)) == "unreadable"


def test_more_voxels_than_a_scan_has_are_refused_before_they_are_read(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: LPS\nsizes: 2048 2048 1024\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
    )
    path = tmp_path / "a.nhdr"
    path.write_text(f"{header}space origin: (0,0,0)\nencoding: raw\ndata file: a.raw\n\n", encoding="utf-8")
    with (tmp_path / "a.raw").open("wb") as sparse:
        sparse.truncate(2048 * 2048 * 1024)
    assert code_of(path) == "too-large"


def test_other_tools_files_pass(tmp_path: Path) -> None:
    nib.Nifti1Image(voxels().transpose(2, 1, 0), np.diag([-0.8, -0.7, 2.5, 1])).to_filename(tmp_path / "a.nii.gz")
    nib.Nifti1Image(voxels("f4").transpose(2, 1, 0), np.diag([-0.8, -0.7, 2.5, 1])).to_filename(tmp_path / "b.nii.gz")
    assert [code_of(tmp_path / name) for name in ("a.nii.gz", "b.nii.gz")] == [None, None]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_plane_is_no_volume(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(voxels()[0]), str(tmp_path / name))
    assert code_of(tmp_path / name) == "not-3d"


def test_a_slope_that_is_no_number_is_none(tmp_path: Path) -> None:
    path = with_numbers(write(tmp_path / "a.nii.gz"), "<2f", 112, np.nan, np.nan)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(path, "image").image), voxels())


def test_a_pair_whose_header_is_damaged_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.hdr")
    (tmp_path / "a.hdr.gz").write_bytes(gzip.compress((tmp_path / "a.hdr").read_bytes())[:100])
    (tmp_path / "a.hdr").unlink()
    assert [code_of(tmp_path / name) for name in ("a.img", "a.hdr.gz")] == ["unreadable"] * 2


def test_scaled_voxels_are_read_scaled(tmp_path: Path) -> None:
    path = with_numbers(write(tmp_path / "a.nii"), "<2f", 112, 2.0, -1000.0)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(path, "image").image), voxels() * 2.0 - 1000)


def test_a_detached_file_that_is_missing_or_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("a.nhdr", "a.mhd", "a.hdr"):
        path = write(tmp_path / name)
        (tmp_path / DATA[name]).unlink()
        assert code_of(path) in ("image-missing", "unreadable")
        os.mkfifo(tmp_path / DATA[name])
        assert code_of(path) == "unreadable"
        (tmp_path / DATA[name]).unlink()


def test_the_hash_of_one_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    shutil.copy(path, tmp_path / "b.nii.gz")
    assert volume_sha256(path, "image") == volume_sha256(tmp_path / "b.nii.gz", "image")
    assert stamp(tmp_path / "none.nii.gz") == []


@pytest.mark.data
@pytest.mark.parametrize(
    "pattern", ["kits23/masks/case_0000*.nii.gz", "real_ct/totalsegmentator/*.nii.gz", "pyradiomics_baseline/*.nrrd"]
)
def test_real_files_pass_without_a_note(real_data: Path, pattern: str) -> None:
    files = sorted(real_data.glob(pattern))[:4]
    assert files
    assert all(read_volume(file, "image").notes == () for file in files)
