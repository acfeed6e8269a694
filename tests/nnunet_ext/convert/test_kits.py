import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.convert.kits import import_kits
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import InputError


def record(case_id: str, **changes: Any) -> dict[str, Any]:
    known = {"case_id": case_id, "tumor_isup_grade": "3", "tumor_histologic_subtype": "clear_cell_rcc", "gender": "male"}
    return {**known, "age_at_nephrectomy": 49, "bmi": 29.5, "radiographic_size": 2.4, **changes}


def write_kits(
    folder: Path, records: list[dict[str, Any]], *, mask: str = "segmentation.nii.gz", file: str = "kits23.json"
) -> Path:
    for one in records:
        (folder / one["case_id"]).mkdir(parents=True)
        image = sitk.GetImageFromArray(np.zeros((4, 5, 6), np.int16))
        sitk.WriteImage(image, str(folder / one["case_id"] / "imaging.nii.gz"))
        sitk.WriteImage(sitk.Cast(image, sitk.sitkUInt8), str(folder / one["case_id"] / mask))
    (folder / file).write_text(json.dumps(records), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("mask", "file"), [("segmentation.nii.gz", "kits23.json"), ("aggregated_MAJ_seg.nii.gz", "kits.json")]
)
def test_a_kits_folder_becomes_a_cohort_with_outcomes(tmp_path: Path, mask: str, file: str) -> None:
    records = [record("case_00000"), record("case_00001", tumor_isup_grade=None, age_at_nephrectomy=">=90")]
    source = write_kits(tmp_path / "kits", records, mask=mask, file=file)
    cohort, refusals = import_kits(source, tmp_path / "out", name="kits23", role=Role.EXTERNAL)
    assert refusals == ()
    again = load_cohort(save_cohort(cohort, tmp_path / "out"))
    assert [case.id for case in again.cases] == ["case_00000", "case_00001"]
    assert all(case.image.is_file() and case.mask is not None and case.mask.name == mask for case in again.cases)
    outcomes = pd.read_csv(tmp_path / "out" / "outcomes.csv").set_index("patient_id")
    assert outcomes.loc["case_00000", "isup_grade"] == 3
    assert np.isnan(outcomes.loc["case_00001", "isup_grade"])
    assert outcomes["age"].tolist() == [49, 90]


def test_only_the_subtypes_that_are_asked_for_are_taken(tmp_path: Path) -> None:
    records = [record("case_00000"), record("case_00001", tumor_histologic_subtype="papillary")]
    source = write_kits(tmp_path / "kits", records)
    for subtypes, expected in ((("clear_cell_rcc",), 1), (("papillary", "clear_cell_rcc"), 2), ((), 2)):
        cohort, _ = import_kits(source, tmp_path / "out", name="kits", role=Role.DEVELOPMENT, subtypes=subtypes)
        assert len(cohort.cases) == expected
    with pytest.raises(
        InputError, match=r"No case of subtype oncocytoma in the records, which hold clear_cell_rcc \(1\), papillary \(1\)"
    ):
        import_kits(source, tmp_path / "out", name="kits", role=Role.DEVELOPMENT, subtypes=("oncocytoma",))


def test_a_case_without_its_image_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    source = write_kits(tmp_path / "kits", [record("case_00000"), record("case_00001")])
    (source / "case_00000" / "imaging.nii.gz").unlink()
    cohort, refusals = import_kits(source, tmp_path / "out", name="kits", role=Role.DEVELOPMENT)
    assert [case.id for case in cohort.cases] == ["case_00001"]
    assert [(one.case_id, one.code) for one in refusals] == [("case_00000", "image-missing")]
    assert pd.read_csv(tmp_path / "out" / "outcomes.csv")["patient_id"].tolist() == ["case_00001"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No clinical records in"),
        ("[", "is damaged"),
        ("{}", "not a list of records"),
        ('[{"id": 1}]', "not a list of records"),
    ],
)
def test_records_that_cannot_be_used_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "kits.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        import_kits(tmp_path, tmp_path / "out", name="kits", role=Role.DEVELOPMENT)


@pytest.mark.data
def test_the_data_sets_own_folder_layout_is_read(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "kits23_layout"
    if not source.is_dir():
        pytest.skip("the layout is not in the real data folder")
    with pytest.raises(InputError, match="3 records match, but none has its image"):  # the images are not there
        import_kits(source, tmp_path / "out", name="kits", role=Role.EXTERNAL, subtypes=())


def test_a_name_that_a_card_could_not_have_is_refused(tmp_path: Path) -> None:
    source = write_kits(tmp_path / "kits", [record("case_00000")])
    with pytest.raises(InputError, match="'my kits' must be letters, digits"):
        import_kits(source, tmp_path / "out", name="my kits", role=Role.DEVELOPMENT)


def test_a_record_whose_case_id_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kits.json").write_text(json.dumps([record("../elsewhere")]), encoding="utf-8")
    with pytest.raises(InputError, match=r"case_id '\.\./elsewhere'"):
        import_kits(tmp_path, tmp_path / "out", name="kits", role=Role.DEVELOPMENT)


def test_a_subtype_is_found_as_either_challenge_calls_it(tmp_path: Path) -> None:
    records = [record("case_00000", tumor_histologic_subtype="papillary_rcc"), record("case_00001")]
    source = write_kits(tmp_path / "kits", records)
    for subtype in ("papillary", "papillary_rcc", " papillary "):
        cohort, _ = import_kits(source, tmp_path / "out", name="kits", role=Role.DEVELOPMENT, subtypes=(subtype,))
        assert [case.id for case in cohort.cases] == ["case_00000"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "is damaged"),
        (b"\xff[]", "is damaged"),
        (b"{}", "is not a list of records"),
        (b'[{"case_id": null}]', "is not a list of records"),
        (b'[{"case_id": "case_0"}, {"case_id": "case_0"}]', "holds case_0 twice"),
        (b'[{"case_id": "case_0", "case_id": "case_1"}]', "the key 'case_id' occurs twice"),
        (b'[{"case_id": "case_0", "gender": ["male"]}]', "case_0, whose gender is not a single value"),
        (b'[{"case_id": "../up"}]', "holds the case_id"),
    ],
)
def test_damaged_records_are_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "kits.json").write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        import_kits(tmp_path, tmp_path / "out", name="kits", role=Role.DEVELOPMENT, subtypes=())
    assert "\n" not in str(refused.value)
