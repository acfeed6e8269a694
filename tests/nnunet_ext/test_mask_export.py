import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import farthest_mm, places_of, points_by_pydicom, small_volume, write_series
from pydicom import dcmread

from nnunet_ext.convert.dicom import import_dicom
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.mask_export import STAGE, export_seg, export_slicer


def _cohort(folder: Path, n_patients: int = 1) -> Cohort:
    """Write studies, import them, and give each a mask as if a network had drawn it."""
    image, mask = small_volume()
    for number in range(n_patients):
        write_series(
            folder / "studies" / str(number), image + number, StudyInstanceUID=f"1.2.3.{number}", PatientID=f"4{number}"
        )
    cohort, _ = import_dicom(folder / "studies", folder / "cohort", name="one", role=Role.EXTERNAL, centre="north")
    cases = []
    for case in cohort.cases:
        path = folder / "masks" / f"{case.id}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        sitk.WriteImage(mask, str(path))
        cases.append(replace(case, mask=path))
    return cohort.with_cases(cases)


def test_imported_scans_get_segments_that_refer_to_their_own_series(tmp_path: Path) -> None:
    cohort = _cohort(tmp_path, 2)
    done: list[tuple[int, int]] = []
    refusals = export_seg(
        cohort,
        tmp_path / "out",
        identity=Identity.kept(),
        algorithm=None,
        studies=tmp_path / "studies",
        on_progress=lambda *now: done.append(now),
    )
    assert refusals == ()
    assert done == [(1, 2), (2, 2)]
    found = {case.id: dcmread(tmp_path / "out" / "dicom" / f"{case.id}.dcm") for case in cohort.cases}
    assert [seg.PatientID for seg in found.values()] == ["40", "41"]
    for number, case in enumerate(cohort.cases):
        series = {dcmread(path).SeriesInstanceUID for path in (tmp_path / "studies" / str(number)).iterdir()}
        assert {found[case.id].ReferencedSeriesSequence[0].SeriesInstanceUID} == series
        points = points_by_pydicom(tmp_path / "out" / "dicom" / f"{case.id}.dcm", 2)
        assert farthest_mm(points, places_of(sitk.ReadImage(str(case.mask)), 2)) < 1e-3


def test_studies_may_be_a_zip_file_and_an_image_its_own_series(tmp_path: Path) -> None:
    cohort = _cohort(tmp_path)
    with ZipFile(tmp_path / "studies.zip", "w") as archive:
        for path in (tmp_path / "studies").rglob("*.dcm"):
            archive.write(path, path.name)
    zipped = {"identity": Identity.kept(), "algorithm": None, "studies": tmp_path / "studies.zip"}
    assert export_seg(cohort, tmp_path / "zip", **zipped) == ()  # type: ignore[arg-type]
    folder = cohort.with_cases([replace(cohort.cases[0], image=tmp_path / "studies" / "0")])
    assert export_seg(folder, tmp_path / "folder", identity=Identity.kept(), algorithm=None) == ()
    one, other = (next((tmp_path / name / "dicom").iterdir()) for name in ("zip", "folder"))
    assert dcmread(one).SOPInstanceUID == dcmread(other).SOPInstanceUID


def test_a_scan_without_its_series_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    cohort = _cohort(tmp_path, 2)
    refusals = export_seg(
        cohort, tmp_path / "out", identity=Identity.kept(), algorithm=None, studies=tmp_path / "studies" / "1"
    )
    assert [(one.case_id, one.stage, one.code) for one in refusals] == [(cohort.cases[0].id, STAGE, "source-missing")]
    assert [path.stem for path in (tmp_path / "out" / "dicom").iterdir()] == [cohort.cases[1].id]


def test_slices_and_segments_under_one_key_are_one_study(tmp_path: Path) -> None:
    cohort = _cohort(tmp_path)
    out = tmp_path / "out"
    options = {"identity": Identity.replaced(), "algorithm": None, "studies": tmp_path / "studies", "slices": True}
    assert export_seg(cohort, out, **options) == ()  # type: ignore[arg-type]
    again, refused = import_dicom(out / "dicom", tmp_path / "again", name="one", role=Role.EXTERNAL, centre="north")
    assert refused == ()
    mask = sitk.ReadImage(str(again.cases[0].mask))
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(sitk.ReadImage(str(cohort.cases[0].mask)))
    )


def test_an_empty_mask_has_no_segments_and_is_no_fault(tmp_path: Path) -> None:
    _, mask = small_volume()
    sitk.WriteImage(mask * 0, str(tmp_path / "empty.nii.gz"))
    case = Case("a", "p", "north", tmp_path / "absent.nii.gz", tmp_path / "empty.nii.gz")
    cohort = Cohort("one", Role.EXTERNAL, (case, replace(case, id="b", mask=None)))
    assert export_seg(cohort, tmp_path / "out", identity=Identity.kept(), algorithm=None) == ()
    assert export_slicer(cohort, tmp_path / "out") == ()
    assert not (tmp_path / "out").exists()


def test_a_mask_of_other_labels_is_exported_as_its_structures(tmp_path: Path) -> None:
    _, mask = small_volume()
    sitk.WriteImage(mask * 10, str(tmp_path / "mask.nii.gz"))
    case = Case("a", "p", "north", tmp_path / "absent.nii.gz", tmp_path / "mask.nii.gz")
    cohort = Cohort("one", Role.EXTERNAL, (case,), labels={"tumour": 10, "kidney": 20})
    assert export_slicer(cohort, tmp_path) == ()
    found = sitk.ReadImage(str(tmp_path / "slicer" / "a.seg.nrrd"))
    assert (found.GetMetaData("Segment0_Name"), found.GetMetaData("Segment0_LabelValue")) == ("Kidney", "1")
    assert places_of(found, 1).shape == places_of(mask, 2).shape


def test_segments_need_the_library_and_slicer_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, mask = small_volume()
    sitk.WriteImage(mask, str(tmp_path / "mask.nii.gz"))
    cohort = Cohort("one", Role.EXTERNAL, (Case("a", "p", "north", tmp_path / "a.nii.gz", tmp_path / "mask.nii.gz"),))
    monkeypatch.setitem(sys.modules, "highdicom", None)
    assert export_slicer(cohort, tmp_path) == ()
    with pytest.raises(InputError, match=r"ccrcc-radiomics\[dicom\]"):
        export_seg(cohort, tmp_path, identity=Identity.kept(), algorithm=None)
