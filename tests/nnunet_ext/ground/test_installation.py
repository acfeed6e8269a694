import pytest

from nnunet_ext.ground.installation import EXTRAS, installation, missing_folders


def test_an_extra_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "dicom", "no-such-package-here")
    assert installation().extras["dicom"] is None


def test_a_variable_of_nnunet_that_names_no_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nnUNet_raw", "/no/such/folder")
    monkeypatch.delenv("nnUNet_results", raising=False)
    found = installation()
    assert "nnUNet_raw" in missing_folders(found)
    assert found.nnunet_folders["nnUNet_results"] is None
