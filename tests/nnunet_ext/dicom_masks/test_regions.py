"""What a region is taken as, by its name, its codes and the user's word."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from nnunet_ext.dicom_masks.codes import SILENT, read_codes, read_interpreted_type
from nnunet_ext.dicom_masks.regions import region_of


def code(value: str, meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodeMeaning, item.CodingSchemeDesignator = value, meaning, "SCT"
    return [item]


@pytest.mark.parametrize(
    ("value", "meaning", "structure", "certainty"),
    [
        ("64033007", "Kidney", "kidney", "sure"),
        ("64033007", "Endo-renal", "kidney", "sure"),
        ("9846003", "Right kidney", "kidney", "sure"),
        ("T-71000", "Kidney", "kidney", "sure"),
        ("86049000", "Neoplasm, Primary", "tumour", "sure"),
        ("M-8FFFF", "Neoplasm", "tumour", "sure"),
        ("4147007", "Mass", "tumour", "sure"),
        ("367643001", "Cyst", "cyst", "sure"),
        ("1", "Kidney structure (body structure)", "kidney", "sure"),
        ("10200004", "Liver", None, "other"),
        ("10200004", "", None, "other"),
        ("2841007", "Renal artery", None, "other"),
        ("14799000", "Neoplasm, Secondary", None, "other"),
        ("64033007", "Liver", None, "other"),  # code and meaning contradict each other
        ("1", "Thing of the third kind", None, "other"),
        ("85756007", "Tissue", None, "silent"),
        ("49755003", "Morphologically Altered Structure", None, "silent"),
    ],
)
def test_codes_are_read(value: str, meaning: str, structure: str | None, certainty: str) -> None:
    reading = read_codes(code(value, meaning))
    assert (reading.structure, reading.certainty) == (structure, certainty)


def test_codes_that_contradict_each_other_are_none_of_ours() -> None:
    assert read_codes([*code("64033007", "Kidney"), *code("367643001", "Cyst")]).certainty == "other"
    assert read_codes([]) is SILENT


@pytest.mark.parametrize(("word", "certainty"), [("GTV", "sure"), ("PTV", "other"), ("ORGAN", "silent"), ("", "silent")])
def test_the_interpreted_type_of_a_region_is_read(word: str, certainty: str) -> None:
    assert read_interpreted_type(word).certainty == certainty


KIDNEY, TUMOUR, CYST = (
    read_codes(code(*one)) for one in (("64033007", "Kidney"), ("108369006", "Tumor"), ("367643001", "Cyst"))
)
LESION, LIVER = read_codes(code("52988006", "Lesion")), read_codes(code("10200004", "Liver"))


@pytest.mark.parametrize(
    ("name", "kind", "structure"),
    [
        ("Kidney", KIDNEY, "kidney"),
        ("Tumor", KIDNEY, "tumour"),  # the organ that it lies in
        ("Cyst", KIDNEY, "cyst"),
        ("Kidney Doe", KIDNEY, "kidney"),  # the code vouches for the name
        ("Tumor Doe", KIDNEY, None),
        ("Segment 1", KIDNEY, "kidney"),
        ("Segment 1", TUMOUR, "tumour"),
        ("Liver", KIDNEY, None),
        ("Kidney", LIVER, None),
        ("Kidney", TUMOUR, None),
        ("Cyst", TUMOUR, None),
        ("Cyst", LESION, "cyst"),
        ("Renal mass", CYST, "cyst"),
        ("Tumor", CYST, None),
        ("Segment 1", SILENT, None),
        ("Tumor", SILENT, "tumour"),
        ("Tumor Doe", SILENT, None),
    ],
)
def test_name_and_type_agree_or_the_region_is_left(name: str, kind: Any, structure: str | None) -> None:
    region = region_of(1, name, {}, kind=kind)
    assert region.structure == structure
    assert region.why


def test_a_tumour_of_another_organ_is_left() -> None:
    assert region_of(1, "Segment 1", {}, kind=TUMOUR, place=LIVER).structure is None
    assert region_of(1, "Segment 1", {}, kind=TUMOUR, place=KIDNEY).structure == "tumour"


def test_the_users_word_goes_before_name_and_type() -> None:
    region = region_of(1, "Lesion_A Doe", {"lesion a doe": "cyst"}, kind=LIVER)
    assert (region.structure, region.user, region.name) == ("cyst", "lesion a doe", "Lesion A …")
    assert region_of(1, "Kidney", {"kidney": None}, kind=KIDNEY).structure is None


def test_the_description_is_read_where_the_label_says_nothing() -> None:
    assert region_of(1, "Segment 1", {}, description="left kidney").structure == "kidney"


@pytest.mark.parametrize(
    ("description", "structure"),
    [
        ("primary tumour", "tumour"),
        ("liver metastasis", None),
        ("left kidney", None),
        ("Segmentation", "tumour"),
        ("drawn by two readers on the slices between liver and pelvis", "tumour"),  # prose
    ],
)
def test_a_short_description_may_contradict_the_label(description: str, structure: str | None) -> None:
    assert region_of(1, "Tumor", {}, description=description).structure == structure
