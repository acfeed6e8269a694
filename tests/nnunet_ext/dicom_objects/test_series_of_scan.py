from pathlib import Path

import pytest
import SimpleITK as sitk
from dicom_series import small_volume, write_series

from nnunet_ext.dicom.voxels import read_volume
from nnunet_ext.dicom_objects.series_of_scan import MOST_APART_HU, StudySeries
from nnunet_ext.ground.errors import CaseRefused


def _refused(known: StudySeries, scan: sitk.Image) -> str:
    with pytest.raises(CaseRefused) as refused:
        known.of(scan)
    return refused.value.code


def test_a_scan_is_found_by_its_voxels_among_series_on_the_same_grid(tmp_path: Path) -> None:
    image, _ = small_volume()
    wanted = write_series(tmp_path / "late", image + 1, StudyInstanceUID="1.2.5")
    write_series(tmp_path / "early", image, StudyInstanceUID="1.2.4")
    known = StudySeries.below(tmp_path)
    for order in ("LPS", "RAS", "SPL"):
        assert known.of(sitk.DICOMOrient(image + 1, order)).first.series == wanted.first.series
    assert _refused(known, image + 2) == "source-missing"
    assert _refused(known, image[1:, :, :]) == "source-missing"


def test_two_copies_of_a_series_are_not_guessed_between(tmp_path: Path) -> None:
    image, _ = small_volume()
    for study in ("1.2.4", "1.2.5"):
        write_series(tmp_path / study, image, StudyInstanceUID=study)
    assert _refused(StudySeries.below(tmp_path), image) == "source-several"


def test_one_voxel_that_differs_by_more_than_rounding_is_another_scan(tmp_path: Path) -> None:
    series = write_series(tmp_path, small_volume()[0])
    scan, known = sitk.Cast(read_volume(series), sitk.sitkFloat32), StudySeries([series])
    value = scan.GetPixel(3, 4, 5)
    scan.SetPixel(3, 4, 5, value + MOST_APART_HU)
    assert known.of(scan) is series
    scan.SetPixel(3, 4, 5, value + MOST_APART_HU + 0.01)
    assert _refused(known, scan) == "source-missing"


def test_where_there_is_no_volume_nothing_is_found(tmp_path: Path) -> None:
    assert _refused(StudySeries.below(tmp_path), small_volume()[0]) == "source-missing"
