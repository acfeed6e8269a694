from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.cohort.acquisition import read_acquisition
from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.ground.case import Cohort, Role
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.scans.geometry import check_cohort
from nnunet_ext.thick_slices import thicken, thicker_image, thicker_mask


def image_of(slices: list[float], *, spacing_mm: float = 1.0, kind: type = np.int16) -> sitk.Image:
    """A volume whose slices hold one value each."""
    volume = sitk.GetImageFromArray(np.broadcast_to(np.array(slices)[:, None, None], (len(slices), 3, 2)).astype(kind))
    volume.SetSpacing((0.7, 0.8, spacing_mm))
    volume.SetOrigin((-10.0, 5.0, 100.0))
    return volume


def profile(image: sitk.Image) -> list[float]:
    return sitk.GetArrayFromImage(image)[:, 0, 0].tolist()


def test_whole_multiples_average_neighbours():
    thick = thicker_image(image_of([0, 2, 10, 20, 100, 300, 7, 9]), 2.0)
    assert profile(thick) == [1, 15, 200, 8]
    assert thick.GetSpacing() == (0.7, 0.8, 2.0)


def test_a_slice_counts_by_how_much_of_it_lies_inside():
    thick = thicker_image(image_of([0, 6, 12, 18, 24, 30], kind=np.float32), 1.5)
    assert profile(thick) == pytest.approx([2, 10, 20, 28])  # (0 + 6/2) / 1.5, (6/2 + 12) / 1.5, ...


def test_a_slope_stays_a_slope_at_the_same_places():
    thin = image_of(list(range(0, 400, 10)), kind=np.float32)
    thick = thicker_image(thin, 3.0)
    for k, value in enumerate(profile(thick)):
        z_mm = thick.TransformIndexToPhysicalPoint((0, 0, k))[2]
        assert value == pytest.approx(10 * (z_mm - 100.0), rel=1e-5)


def test_what_is_left_over_is_cut_from_both_ends_alike():
    thick = thicker_image(image_of([90, 1, 1, 1, 1, 1, 1, 1, 1, 90], kind=np.float32), 2.0)
    assert len(profile(thick)) == 5
    thick = thicker_image(image_of([90, 90, *[1] * 8, 90], kind=np.float32), 2.0)
    assert profile(thick) == [90 / 2 + 90 / 4 + 1 / 4, 1, 1, 1, 90 / 4 + 3 / 4]


def test_slices_that_do_not_lie_along_the_third_axis_are_found():
    thin = image_of([0, 2, 10, 20, 100, 300, 7, 9])
    turned = sitk.PermuteAxes(thin, (2, 0, 1))
    thick = thicker_image(turned, 2.0)
    assert sitk.GetArrayFromImage(thick)[0, 0, :].tolist() == [1, 15, 200, 8]
    back = sitk.PermuteAxes(thick, (1, 2, 0))
    straight = thicker_image(thin, 2.0)
    assert back.GetOrigin() == pytest.approx(straight.GetOrigin())
    assert back.GetSpacing() == pytest.approx(straight.GetSpacing())


def test_integers_are_rounded_and_not_cut():
    assert profile(thicker_image(image_of([0, 1, 1, 0, 1, -1, -3, 0, 0, 2, 2, 0]), 3.0)) == [1, 0, -1, 1]


def test_a_voxel_gets_the_label_that_fills_most_of_it():
    mask = image_of([0, 0, 1, 2, 2, 1, 2, 3, 3, 3, 1, 1], kind=np.uint8)
    assert profile(thicker_mask(mask, 3.0)) == [0, 2, 3, 1]


def test_a_tie_goes_to_the_lower_slices_so_that_volumes_are_kept():
    mask = image_of([0, 1, 1, 1, 1, 1, 1, 0], kind=np.uint8)
    assert profile(thicker_mask(mask, 2.0)) == [0, 1, 1, 1]
    assert profile(thicker_mask(sitk.DICOMOrient(mask, "LPI"), 2.0)) == [1, 1, 1, 0]  # stored from the head down


@pytest.mark.parametrize(("slice_mm", "code"), [(1.0, "slices-thick"), (1.009, "slices-thick"), (3.0, "too-thin")])
def test_slices_that_are_thick_or_would_be_few_are_refused(slice_mm, code):
    thin = image_of([0.0] * 8)
    assert len(profile(thicker_image(thin, 2.0))) == 4
    assert len(profile(thicker_image(thin, 1.02))) == 7
    with pytest.raises(CaseRefused) as refused:
        thicker_image(thin, slice_mm)
    assert refused.value.code == code


@pytest.fixture
def two_ball_external(two_ball_cohort: Cohort, tmp_path: Path) -> Cohort:
    """Two scans of 4 mm, the first with known acquisition."""
    table = tmp_path / "acquisition.csv"
    header = "case_id,tube_voltage_kv,tube_current_ma,rows,columns,slice_thickness_mm,pitch,kernel\n"
    table.write_text(f"{header}{two_ball_cohort.cases[0].id},120,200,40,48,4,1,B30\n", encoding="utf-8")
    return replace(two_ball_cohort, role=Role.EXTERNAL, cases=two_ball_cohort.cases[:2], acquisition=table)


def test_a_cohort_becomes_one_of_thicker_slices_that_passes_the_gate(two_ball_external, tmp_path):
    steps = []
    thick, refusals = thicken(two_ball_external, 8.0, tmp_path / "thick", on_progress=lambda *step: steps.append(step))
    assert (thick.name, thick.role, refusals, steps) == ("two_balls-8mm", Role.EXTERNAL, (), [(1, 2), (2, 2)])
    assert [case.patient_id for case in thick.cases] == [case.patient_id for case in two_ball_external.cases]
    passed, refused = check_cohort(load_cohort(save_cohort(thick, tmp_path / "thick")))
    assert (len(passed.cases), refused) == (2, ())
    for old, new in zip(two_ball_external.cases, thick.cases, strict=True):
        before, after = (sitk.ReadImage(str(case.mask)) for case in (old, new))
        assert after.GetSize() == (48, 40, 16)
        volumes = [(sitk.GetArrayViewFromImage(one) == 1).sum() * np.prod(one.GetSpacing()) for one in (before, after)]
        assert volumes[1] == pytest.approx(volumes[0], rel=0.05)
    rows = read_acquisition(thick.acquisition).set_index("case_id")
    assert rows["slice_thickness_mm"].tolist() == ["8", "8"]
    assert rows["tube_voltage_kv"].tolist() == ["120", ""]


def test_scans_that_are_there_are_not_written_again(two_ball_external, tmp_path):
    thick, _ = thicken(two_ball_external, 8.0, tmp_path)
    before = thick.cases[0].image.stat().st_mtime_ns
    assert thicken(two_ball_external, 8.0, tmp_path)[0] == thick
    assert thick.cases[0].image.stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda _: b""])
@pytest.mark.parametrize("name", ["images/case0.nii.gz", "masks/case0.nii.gz", "made_of/case0.json"])
def test_files_that_are_no_longer_whole_are_written_again(name, damage, two_ball_external, tmp_path):
    thicken(two_ball_external, 8.0, tmp_path)
    file = tmp_path / name
    before = file.read_bytes()
    file.write_bytes(damage(before))
    assert thicken(two_ball_external, 8.0, tmp_path)[1] == ()
    assert file.read_bytes() == before


def test_an_edited_mask_is_quarantined_and_stays(two_ball_external, tmp_path):
    thick, _ = thicken(two_ball_external, 8.0, tmp_path)
    mask = thick.cases[0].mask
    sitk.WriteImage(sitk.ReadImage(str(mask)) * 0, str(mask))
    edited = mask.read_bytes()
    again, refusals = thicken(two_ball_external, 8.0, tmp_path)
    assert [(one.case_id, one.stage, one.code) for one in refusals] == [("case0", "thicken", "mask-changed")]
    assert [case.id for case in again.cases] == ["case1"]
    assert mask.read_bytes() == edited


def test_scans_of_another_thickness_image_or_mask_are_written_again(two_ball_external, tmp_path):
    def first_sizes(cohort: Cohort, slice_mm: float) -> tuple[int, int]:
        thick, _ = thicken(cohort, slice_mm, tmp_path / "thick")
        return tuple(sitk.ReadImage(str(path)).GetSize()[2] for path in (thick.cases[0].image, thick.cases[0].mask))

    assert first_sizes(two_ball_external, 8.0) == (16, 16)
    assert first_sizes(two_ball_external, 5.0) == (25, 25)
    first, second = two_ball_external.cases
    swapped = replace(two_ball_external, cases=(replace(second, id=first.id),))
    thick, _ = thicken(swapped, 5.0, tmp_path / "thick")
    fresh, _ = thicken(swapped, 5.0, tmp_path / "fresh")
    for name in ("image", "mask"):
        assert getattr(thick.cases[0], name).read_bytes() == getattr(fresh.cases[0], name).read_bytes()


def test_a_bad_scan_is_quarantined_and_the_rest_goes_on(two_ball_external, tmp_path):
    absent = replace(two_ball_external.cases[0], id="gone", image=tmp_path / "gone.nii.gz")
    bare = replace(two_ball_external.cases[1], mask=None)
    thick, refusals = thicken(replace(two_ball_external, cases=(absent, bare)), 8.0, tmp_path / "thick")
    assert [(one.case_id, one.stage, one.code) for one in refusals] == [("gone", "thicken", "image-missing")]
    assert thick.cases[0].mask is None


@pytest.mark.parametrize("slice_mm", [0.0, -1.0, float("inf"), float("nan")])
def test_a_thickness_is_a_positive_number(two_ball_external, tmp_path, slice_mm):
    with pytest.raises(InputError, match="a positive number of mm"):
        thicken(two_ball_external, slice_mm, tmp_path)


def test_a_cohort_that_is_already_thick_is_the_users_to_mend(two_ball_external, tmp_path):
    with pytest.raises(InputError, match=r"No scan of two_balls .* slices of 4 mm are not thinner than 3 mm"):
        thicken(two_ball_external, 3.0, tmp_path)
