"""``Extractor`` takes a folder of DICOM slices as its image, by the rules of an import."""

from pathlib import Path

import pytest
import SimpleITK as sitk

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.faults.scans import as_image, small_scan
from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg import Extractor


def test_a_folder_of_slices_is_measured_as_its_volume(tmp_path: Path) -> None:
    hu, mask = small_scan()
    write_ct(tmp_path / "scan")
    sitk.WriteImage(as_image(mask), str(tmp_path / "mask.nii.gz"))
    extractor = Extractor({"imageType": {"Original": {}}, "featureClass": {"firstorder": ["Mean", "Maximum"]}})
    found = extractor.execute(str(tmp_path / "scan"), str(tmp_path / "mask.nii.gz"), label=1)
    assert float(found["original_firstorder_Maximum"]) == hu[mask == 1].max()
    assert float(found["original_firstorder_Mean"]) == pytest.approx(hu[mask == 1].mean())


def test_a_folder_that_is_no_volume_is_refused_by_its_name(tmp_path: Path) -> None:
    write_ct(tmp_path / "scan", RescaleSlope=0)
    sitk.WriteImage(as_image(small_scan()[1]), str(tmp_path / "mask.nii.gz"))
    with pytest.raises(CaseRefused, match="no-rescale"):
        Extractor({}).execute(str(tmp_path / "scan"), str(tmp_path / "mask.nii.gz"))
