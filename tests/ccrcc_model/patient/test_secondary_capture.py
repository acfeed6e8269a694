from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from dicom_series import small_volume, write_series
from pydicom import dcmread
from valid_dicom import faults

from ccrcc_model.patient.secondary_capture import write_capture
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.errors import InputError

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)


def _source(folder: Path, identity: Identity) -> Source:
    return Source.of(write_series(folder / "ct", small_volume()[0], PatientName="A^B", StudyInstanceUID="1.2.3.4"), identity)


@pytest.mark.parametrize("identity", [Identity.kept(), Identity.replaced()], ids=["kept", "replaced"])
def test_a_picture_is_valid_and_read_back_colour_by_colour(tmp_path: Path, identity: Identity) -> None:
    path = tmp_path / "sc.dcm"
    write_capture(path, _source(tmp_path, identity), PICTURE)
    np.testing.assert_array_equal(dcmread(path).pixel_array, PICTURE)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0], PICTURE)
    assert dcmread(path).BurnedInAnnotation == "NO"
    assert (b"A^B" in path.read_bytes()) is identity.keep
    assert faults(path) == []


@pytest.mark.parametrize("bad", [PICTURE[..., 0], PICTURE.astype(float), PICTURE[:0], np.zeros((3, 3, 4), np.uint8)])
def test_what_is_no_picture_in_colour_is_refused(tmp_path: Path, bad: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match="uint8"):
        write_capture(tmp_path / "sc.dcm", _source(tmp_path, Identity.kept()), bad)


def test_a_picture_with_a_name_needs_the_identity_kept(tmp_path: Path) -> None:
    write_capture(tmp_path / "sc.dcm", _source(tmp_path, Identity.kept()), PICTURE, names_patient=True)
    assert dcmread(tmp_path / "sc.dcm").BurnedInAnnotation == "YES"
    with pytest.raises(InputError, match="identity is to be replaced"):
        write_capture(tmp_path / "sc.dcm", _source(tmp_path / "b", Identity.replaced()), PICTURE, names_patient=True)
