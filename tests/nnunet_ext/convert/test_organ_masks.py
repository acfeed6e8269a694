from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import ccrcc_here, mistake_here

from ccrcc_model.faults.scans import as_image, small_scan
from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.convert.organ_masks import structure_files, write_organ_mask
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import Label


def structure(file: Path, inside: np.ndarray, *, shift_mm: float = 0.0) -> None:
    image = as_image(inside.astype(np.uint8))
    image.SetOrigin(tuple(one + shift_mm for one in image.GetOrigin()))
    sitk.WriteImage(image, str(file))


@pytest.fixture
def scan(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A scan, a CSV that names it, and TotalSegmentator's folder of structures of it."""
    hu, mask = small_scan()
    sitk.WriteImage(as_image(hu), str(tmp_path / "ct.nii.gz"))
    folder = tmp_path / "segmentations"
    folder.mkdir()
    left = np.zeros(mask.shape, bool)
    left[..., mask.shape[2] // 2 :] = True
    for name, inside in (("kidney_left", left), ("kidney_right", ~left)):
        structure(folder / f"{name}.nii.gz", (mask > 0) & inside)
    structure(folder / "kidney_cyst_left.nii.gz", mask == Label.TUMOUR)
    structure(folder / "liver.nii.gz", mask == 0)
    (tmp_path / "list.csv").write_text("case_id,image,mask\none,ct.nii.gz,segmentations\n", encoding="utf-8")
    return tmp_path, mask


def test_a_folder_of_structures_becomes_a_cohort_of_kidneys(scan: tuple[Path, np.ndarray]) -> None:
    folder, mask = scan
    words = ("import", "table", folder / "list.csv", "--out", folder / "out", "--centre", "north")
    ran = ccrcc_here(*words)
    assert ran.status == 0, ran.said
    cohort = load_cohort(folder / "out" / "card.yaml")
    assert cohort.labels == {"kidney": 1, "cyst": 3}
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(cohort.cases[0].mask)))
    np.testing.assert_array_equal(found, np.where(mask == Label.TUMOUR, Label.CYST, np.where(mask > 0, Label.KIDNEY, 0)))
    assert ccrcc_here("check", folder / "out" / "card.yaml").status == 0


def test_a_file_of_many_organs_needs_to_be_declared_one(scan: tuple[Path, np.ndarray]) -> None:
    folder, mask = scan
    organs = np.select([mask == Label.KIDNEY, mask == Label.TUMOUR], [2, 23], 5)  # liver elsewhere
    structure(folder / "multilabel.nii.gz", organs)
    (folder / "list.csv").write_text("case_id,image,mask\none,ct.nii.gz,multilabel.nii.gz\n", encoding="utf-8")
    words = ("import", "table", folder / "list.csv", "--centre", "north", "--label", "kidney=2,3,cyst=23,24")
    assert ccrcc_here(*words, "--out", folder / "strict").status == 0
    assert "unknown-label" in ccrcc_here("check", folder / "strict" / "card.yaml").said
    ran = ccrcc_here(*words, "--leave-others", "--out", folder / "out")
    assert ran.status == 0, ran.said
    cohort = load_cohort(folder / "out" / "card.yaml")
    assert cohort.labels == {"kidney": 1, "cyst": 3}
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(cohort.cases[0].mask)))
    np.testing.assert_array_equal(found, np.select([organs == 2, organs == 23], [1, 3], 0))


def test_the_renal_masses_of_a_folder_stay_masses(scan: tuple[Path, np.ndarray]) -> None:
    folder, mask = scan
    structure(folder / "segmentations" / "renal_mass.nii.gz", mask == Label.TUMOUR)
    assert write_organ_mask(folder / "segmentations", folder / "mask.nii.gz", {}) == {"kidney", "cyst", "mass"}
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "mask.nii.gz")))
    assert set(np.unique(found)) == {0, Label.KIDNEY, Label.MASS}, "a cyst beside masses is one of them"


def test_a_folder_without_our_structures_or_of_two_grids_is_refused(scan: tuple[Path, np.ndarray]) -> None:
    folder, mask = scan
    structure(folder / "segmentations" / "kidney_cyst_right.nii.gz", mask == 0, shift_mm=3.0)
    with pytest.raises(CaseRefused, match="kidney_cyst_right.nii.gz lies on another grid"):
        write_organ_mask(folder / "segmentations", folder / "mask.nii.gz", {})
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no mask that is named for a kidney, .* such as kidney_left\.nii\.gz"):
        structure_files(folder / "empty")
    (folder / "list.csv").write_text("case_id,image,mask\none,ct.nii.gz,empty\n", encoding="utf-8")
    words = ("import", "table", folder / "list.csv", "--centre", "north", "--out", folder / "out")
    assert "No mask of the list can be used; the first was refused as" in mistake_here(*words)


def test_totalsegmentators_own_example_becomes_a_cohort_of_kidneys(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "real_ct" / "totalsegmentator"
    if not folder.is_dir():
        pytest.skip("TotalSegmentator's example is not here")
    rows = f"case_id,image,mask\nexample,{folder / 'example_ct.nii.gz'},{folder / 'example_seg_fast_force_split.nii.gz'}\n"
    (tmp_path / "list.csv").write_text(rows, encoding="utf-8")
    words = (
        "import",
        "table",
        tmp_path / "list.csv",
        "--centre",
        "basel",
        "--label",
        "kidney=2,3,cyst=23,24",
        "--leave-others",
    )
    ran = ccrcc_here(*words, "--out", tmp_path / "out")
    assert ran.status == 0, ran.said
    checked = ccrcc_here("check", tmp_path / "out" / "card.yaml")
    assert checked.status == 0, checked.said
    (case,) = load_cohort(tmp_path / "out" / "card.yaml").cases
    organs = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "example_seg_fast_force_split.nii.gz")))
    kidneys = sitk.GetArrayFromImage(sitk.ReadImage(str(case.mask)))
    np.testing.assert_array_equal(kidneys == Label.KIDNEY, np.isin(organs, (2, 3)))
    assert int((kidneys == Label.KIDNEY).sum()) * 27 / 1000 > 100, "ml of both kidneys"
