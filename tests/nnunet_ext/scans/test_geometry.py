import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import (
    DIRECTION_TOLERANCE,
    HIGHEST_MINIMUM_HU,
    HU_RANGE,
    MASK_MEDIAN_HU,
    ORIGIN_TOLERANCE_VOXELS,
    SPACING_TOLERANCE,
    check_cohort,
    read_scan,
)
from nnunet_ext.volumes.nifti import is_whole

LABELS = {"kidney": 1, "tumour": 2, "cyst": 3}
SPACING = (0.8, 0.8, 5.0)


def kidney_in_fat() -> npt.NDArray[np.float32]:
    """A block of kidney at 150 HU in fat at -100 HU, shape zyx (6, 10, 12)."""
    hu = np.full((6, 10, 12), -100, np.float32)
    hu[2:4, 3:7, 4:8] = 150
    return hu


def labels_of(hu: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    mask = (hu > 0).astype(np.uint8)
    mask[3] *= 2
    return mask


def image_of(array: npt.NDArray[np.generic], spacing: tuple[float, float, float] = SPACING) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-10.0, 20.0, 300.0))
    return image


def case_of(folder: Path, image: sitk.Image, mask: sitk.Image | None = None) -> Case:
    sitk.WriteImage(image, str(folder / "image.nii.gz"))
    if mask is not None:
        sitk.WriteImage(mask, str(folder / "mask.nii.gz"))
    return Case("c", "p", "north", folder / "image.nii.gz", folder / "mask.nii.gz" if mask is not None else None)


def code_of(case: Case, labels: dict[str, int] = LABELS) -> str | None:
    try:
        read_scan(case, labels)
    except CaseRefused as refused:
        return refused.code
    return None


def test_a_sound_scan_passes_with_its_mask_on_the_grid_of_the_image(tmp_path: Path) -> None:
    hu = kidney_in_fat()
    scan = read_scan(case_of(tmp_path, image_of(hu), image_of(labels_of(hu))), LABELS)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(scan.image), hu)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(scan.mask), labels_of(hu))
    assert scan.mask is not None
    assert scan.mask.GetOrigin() == scan.image.GetOrigin()


def test_foreign_label_values_become_ours(tmp_path: Path) -> None:
    hu = kidney_in_fat()
    foreign = labels_of(hu)
    foreign[foreign == 1] = 40
    scan = read_scan(case_of(tmp_path, image_of(hu), image_of(foreign)), {"kidney": 40, "tumour": 2})
    assert set(np.unique(sitk.GetArrayFromImage(scan.mask))) == {0, Label.KIDNEY, Label.TUMOUR}


def test_a_structure_that_was_drawn_in_parts_is_one(tmp_path: Path) -> None:
    hu = kidney_in_fat()
    whole = labels_of(hu)
    parts = whole.copy()
    parts[:, :, 6:][whole[:, :, 6:] == 1] = 9
    assert set(np.unique(parts)) == {0, 1, 2, 9}
    scan = read_scan(case_of(tmp_path, image_of(hu), image_of(parts)), {"kidney": (1, 9), "tumour": 2})
    np.testing.assert_array_equal(sitk.GetArrayFromImage(scan.mask), whole)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (np.nan, "nan"),
        (np.inf, "inf"),
        (HU_RANGE[1], None),
        (HU_RANGE[1] + 1, "hu-range"),
        (HU_RANGE[0] - 1, "hu-range"),
        (1e6, "hu-range"),
    ],
)
def test_one_impossible_voxel_refuses_the_scan(tmp_path: Path, value: float, code: str | None) -> None:
    hu = kidney_in_fat()
    hu[0, 0, 0] = value
    assert code_of(case_of(tmp_path, image_of(hu))) == code


@pytest.mark.parametrize(("lowest", "code"), [(HIGHEST_MINIMUM_HU, None), (HIGHEST_MINIMUM_HU + 1, "not-hu")])
def test_a_volume_without_air_or_fat_is_not_in_hu(tmp_path: Path, lowest: float, code: str | None) -> None:
    assert code_of(case_of(tmp_path, image_of(np.maximum(kidney_in_fat(), lowest)))) == code


@pytest.mark.parametrize(
    ("median", "code"), [(MASK_MEDIAN_HU[1], None), (MASK_MEDIAN_HU[1] + 1, "mask-hu"), (MASK_MEDIAN_HU[0] - 1, "mask-hu")]
)
def test_labels_must_lie_on_soft_tissue(tmp_path: Path, median: float, code: str | None) -> None:
    hu = kidney_in_fat()
    mask = labels_of(hu)
    hu[mask > 0] = median
    assert code_of(case_of(tmp_path, image_of(hu), image_of(mask))) == code


def test_wrapped_air_is_refused(tmp_path: Path) -> None:
    """Air stored as -1024 in an unsigned type reads 64512."""
    hu = np.full((6, 10, 12), 64512, np.uint16)
    hu[2:4] = 40
    assert code_of(case_of(tmp_path, image_of(hu))) == "hu-range"


@pytest.mark.parametrize(("factor", "code"), [(0.9, None), (1.1, "mask-spacing")])
def test_spacing_tolerance(tmp_path: Path, factor: float, code: str | None) -> None:
    hu = kidney_in_fat()
    off = (SPACING[0], SPACING[1], SPACING[2] * (1 + factor * SPACING_TOLERANCE))
    assert code_of(case_of(tmp_path, image_of(hu), image_of(labels_of(hu), off))) == code


@pytest.mark.parametrize(("factor", "code"), [(0.9, None), (1.1, "mask-origin")])
def test_origin_tolerance_is_in_voxels(tmp_path: Path, factor: float, code: str | None) -> None:
    hu = kidney_in_fat()
    mask = image_of(labels_of(hu))
    mask.SetOrigin((-10.0, 20.0, 300.0 + factor * ORIGIN_TOLERANCE_VOXELS * SPACING[2]))
    assert code_of(case_of(tmp_path, image_of(hu), mask)) == code


@pytest.mark.parametrize(("factor", "code"), [(0.5, None), (2.0, "mask-direction")])
def test_direction_tolerance(tmp_path: Path, factor: float, code: str | None) -> None:
    angle = factor * DIRECTION_TOLERANCE
    hu = kidney_in_fat()
    mask = image_of(labels_of(hu))
    mask.SetDirection((np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1))
    assert code_of(case_of(tmp_path, image_of(hu), mask)) == code


def test_other_faults_of_a_mask_have_their_codes(tmp_path: Path) -> None:
    hu = kidney_in_fat()
    image = image_of(hu)
    assert code_of(case_of(tmp_path, image, image_of(labels_of(hu)[:-1]))) == "mask-shape"
    assert code_of(case_of(tmp_path, image, image_of(np.zeros(hu.shape, np.uint8)))) == "mask-empty"
    assert code_of(case_of(tmp_path, image, image_of(labels_of(hu) * 2))) == "unknown-label"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mask_of_floats_a_hair_off_is_read_as_labels(tmp_path: Path, dtype: type[np.floating]) -> None:
    hu = kidney_in_fat()
    off = (labels_of(hu) * dtype(0.9999)).astype(dtype)
    scan = read_scan(case_of(tmp_path, image_of(hu), image_of(off)), LABELS)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(scan.mask), labels_of(hu))
    assert code_of(case_of(tmp_path, image_of(hu), image_of(off * dtype(0.9)))) == "mask-fraction"
    off[0, 0, 0] = np.nan
    assert code_of(case_of(tmp_path, image_of(hu), image_of(off))) == "nan"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda mask: mask.SetOrigin((-10.0, 20.0, 300.0 + 5 * 0.1004)), "mask-origin", "shifted by 0.1004 voxels"),
        (lambda mask: mask.SetSpacing((0.8, 0.8, 5.006)), "mask-spacing", "0.8 x 0.8 x 5.006 mm"),
        (lambda mask: mask.SetDirection((1, 0.0010004, 0, -0.0010004, 1, 0, 0, 0, 1)), "mask-direction", "up to 0.0010004;"),
    ],
)
def test_what_is_found_never_reads_like_what_is_allowed(
    tmp_path: Path, change: Callable[[sitk.Image], None], code: str, words: str
) -> None:
    hu = kidney_in_fat()
    case, mask = case_of(tmp_path, image_of(hu)), image_of(labels_of(hu))
    change(mask)
    sitk.WriteImage(image_of(hu), str(tmp_path / "image.nrrd"))  # in double precision
    sitk.WriteImage(mask, str(tmp_path / "mask.nrrd"))
    with pytest.raises(CaseRefused, match=words) as refused:
        read_scan(replace(case, image=tmp_path / "image.nrrd", mask=tmp_path / "mask.nrrd"), LABELS)
    assert refused.value.code == code


def test_notes_of_scans_and_masks_reach_the_listener(tmp_path: Path) -> None:
    hu = kidney_in_fat()
    case = case_of(tmp_path, image_of(hu), image_of(labels_of(hu)))
    for path in (case.image, case.mask):
        image = sitk.ReadImage(str(path))
        sitk.WriteImage(image, str(tmp_path / "plain.nrrd"))
        header, voxels = (tmp_path / "plain.nrrd").read_bytes().split(b"\n\n", 1)
        lines = [line for line in header.split(b"\n") if not line.startswith(b"space origin")]
        path.write_bytes(b"\n".join(lines) + b"\n\n" + voxels)
    heard: list[str] = []
    passed, _ = check_cohort(Cohort("riverside", Role.EXTERNAL, (case,)), on_note=heard.append)
    assert passed.cases == (case,)
    assert [(note.startswith("c: "), "origin" in note) for note in heard] == [(True, True)] * 2


def test_files_that_are_not_volumes_have_their_codes(tmp_path: Path) -> None:
    hu = kidney_in_fat()
    four_d = sitk.JoinSeries([image_of(hu), image_of(hu)])
    assert code_of(case_of(tmp_path, four_d)) == "not-3d"
    case = case_of(tmp_path, image_of(hu))
    case.image.unlink()
    assert code_of(case) == "image-missing"
    (tmp_path / "empty").mkdir()
    assert code_of(Case("c", "p", "north", tmp_path / "empty")) == "no-series"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_file_cut_short_is_refused_not_filled_with_zeros(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(image_of(kidney_in_fat()), str(path))
    assert code_of(Case("c", "p", "north", path)) is None
    path.write_bytes(path.read_bytes()[:-40])
    assert code_of(Case("c", "p", "north", path)) == "unreadable"


def test_a_flipped_bit_of_a_compressed_file_is_noticed(tmp_path: Path) -> None:
    case = case_of(tmp_path, image_of(kidney_in_fat()))
    content = bytearray(case.image.read_bytes())
    content[len(content) // 2] ^= 1
    case.image.write_bytes(content)
    assert code_of(case) == "unreadable"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize(("value", "code"), [(np.nan, "nan"), (-np.inf, "inf")])
def test_a_value_that_is_no_number_is_seen_in_every_format(tmp_path: Path, suffix: str, value: float, code: str) -> None:
    hu = kidney_in_fat().astype(np.float64)
    hu[-1, -1, -1] = value
    sitk.WriteImage(image_of(hu), str(tmp_path / f"image{suffix}"))
    assert code_of(Case("c", "p", "north", tmp_path / f"image{suffix}")) == code


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_the_checksum_of_a_file_tells_that_it_was_read_whole(tmp_path: Path, kind: type[np.generic]) -> None:
    path = tmp_path / "image.nii.gz"
    sitk.WriteImage(image_of(kidney_in_fat().astype(kind)), str(path))
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert is_whole(path, voxels)
    voxels[1, 2, 3] += 1
    assert not is_whole(path, voxels)


def test_a_file_whose_checksum_cannot_tell_is_looked_through(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    sitk.WriteImage(image_of(kidney_in_fat()), str(path))
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))  # two members, as bgzip writes many
    assert not is_whole(path, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    assert code_of(Case("c", "p", "north", path)) is None


def with_header(path: Path, changes: dict[int, bytes]) -> Path:
    """Overwrite bytes of a NIfTI-1 header."""
    content = bytearray(path.read_bytes())
    for offset, new in changes.items():
        content[offset : offset + len(new)] = new
    path.write_bytes(content)
    return path


QFORM_CODE, SROW_X = 252, 280
"""Offsets in the NIfTI-1 header."""


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "SAR", "PIL"])
@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_what_itk_writes_agrees_with_itself(tmp_path: Path, orientation: str, angle: float) -> None:
    image = sitk.DICOMOrient(image_of(kidney_in_fat()), orientation)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    image.SetDirection((turn @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
    image.SetOrigin((-120.0, 37.5, 411.25))
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    header = sitk.ReadImage(str(tmp_path / "a.nii"))
    assert int(header.GetMetaData("qform_code")) > 0
    assert int(header.GetMetaData("sform_code")) > 0
    assert code_of(Case(id="a", patient_id="a", centre="c", image=tmp_path / "a.nii")) is None


@pytest.mark.parametrize(
    ("voxels", "qform_code", "code"), [(0.49, 1, None), (0.51, 1, "qform-sform"), (0.51, 0, None), (np.nan, 1, "qform-sform")]
)
def test_qform_and_sform_may_lie_half_a_voxel_apart(tmp_path: Path, voxels: float, qform_code: int, code: str | None) -> None:
    path = tmp_path / "a.nii"
    sitk.WriteImage(image_of(kidney_in_fat()), str(path))
    row = np.frombuffer(path.read_bytes()[SROW_X : SROW_X + 16], "<f4").copy()
    row[3] += voxels * min(SPACING)
    with_header(path, {SROW_X: row.tobytes(), QFORM_CODE: np.int16(qform_code).tobytes()})
    case = Case(id="a", patient_id="a", centre="c", image=path)
    assert code_of(case) == code


def test_a_mirrored_sform_is_refused_with_the_distance(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    sitk.WriteImage(image_of(kidney_in_fat()), str(path))
    row = -np.frombuffer(path.read_bytes()[SROW_X : SROW_X + 16], "<f4")
    with_header(path, {SROW_X: row.tobytes()})
    with pytest.raises(CaseRefused, match=r"qform and sform of the image place it up to [\d.]+ mm apart; correct its header"):
        read_scan(Case(id="a", patient_id="a", centre="c", image=path), LABELS)


def test_a_stage_that_needs_a_mask_refuses_a_case_without(tmp_path: Path) -> None:
    with pytest.raises(CaseRefused, match="mask-absent"):
        read_scan(case_of(tmp_path, image_of(kidney_in_fat())), LABELS, mask_required=True)


def test_one_bad_case_does_not_stop_the_cohort(tmp_path: Path) -> None:
    good = case_of(tmp_path, image_of(kidney_in_fat()))
    bad = Case("b", "q", "north", tmp_path / "none.nii.gz")
    passed, refusals = check_cohort(Cohort("riverside", Role.EXTERNAL, (bad, good)))
    assert passed.cases == (good,)
    assert [(refusal.case_id, refusal.stage, refusal.code) for refusal in refusals] == [("b", "check", "image-missing")]


def write_series(folder: Path, positions_mm: list[float]) -> None:
    folder.mkdir()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, z in enumerate(positions_mm):
        slice_image = sitk.Cast(image_of(kidney_in_fat()[2:3]), sitk.sitkInt16)
        for key, value in {
            "0008|0060": "CT",
            "0020|000e": "1.2.826.0.1.3680043.2.1125.1",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{number + 1}",
            "0020|0032": f"-10\\20\\{z}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(number),
            "0028|1052": "0",
            "0028|1053": "1",
        }.items():
            slice_image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{number}.dcm"))
        writer.Execute(slice_image)


@pytest.mark.parametrize(
    ("positions", "code"), [([0, 5, 10, 15], None), ([0, 5, 15, 20], "slice-gap"), ([0, 5, 5, 10], "slice-duplicate")]
)
def test_a_dicom_series_with_a_missing_or_double_slice_is_refused(
    tmp_path: Path, positions: list[float], code: str | None
) -> None:
    write_series(tmp_path / "series", positions)
    assert code_of(Case("c", "p", "north", tmp_path / "series")) == code


@pytest.mark.data
@pytest.mark.parametrize("scan", ["CRLM-CT-1004/image", "totalsegmentator/example_ct.nii.gz"])
def test_real_scans_pass(real_data: Path, scan: str) -> None:
    assert code_of(Case("c", "p", "north", real_data / "real_ct" / scan)) is None
