"""What a region's name says: whole words in several languages, with what excludes them."""

# Also of: nnunet_ext.dicom_masks.codes, nnunet_ext.dicom_masks.vocabulary.

import pytest

from nnunet_ext.dicom_masks.structure_names import masked, normalised, read_name, structure_of, tokens

KIDNEYS = """
Kidney|KIDNEYS|Kidney_L|LKidney|leftKidney|Kidney Left|R_KIDNEY|kidney-left|Kidney_02|Left Kidney (final)|Kidney L/R|Niere re
Niere_li|rein gauche|riñón derecho|rin\u0303o\u0301n|Ｋｉｄｎｅｙ|Kidney\u00a0R|nier links|Rene sinistro|Renal parenchyma
"""

TUMOURS = """
GTV|GTV1|GTVp|GTV-T|gtv_kidney|tumour 2|Tumour1|TUMOR|RCC|ccRCC|Renal mass|renal tumor left|kidney_tumor|Renal cell carcinoma
cystic RCC|Nierentumor|tumeur du rein|tumor upper pole|Right renal lesion|neoplasm
"""

CYSTS = "cyst|Zyste|renal cyst|kidney cyst left|Kyste du rein|quiste renal|CYST_1"

OTHERS = """
Liver|Liver lesion|liver cyst|lung mass|Lungentumor|pseudocyst pancreas|cystic duct|Gallbladder|Suprarenal gland|adrenal mass
Nebenniere|Renal vein|Renal artery|Renal pelvis|renal sinus|renal hilum|perirenal fat|Kidney stone|tumor thrombus
tumor necrosis
bowel|Body|PTV|CTV kidney|KidneyPRV|Kidney PRV 5mm|tumor+2mm|tumor ring|kidney margin|opti Kidney|Kidneys minus GTV|Kidneys-GTV
Kidney - tumor|kidney & tumor|kidney and tumor|kidney/tumor|Kidney without tumor|Kidney w/o tumor|no tumor|~Kidney|GTVn|GTV-N
Kidney old|test kidney|left kidney upper pole|renal|cystic lesion|cyst or tumor|tumeur du foie|kidneyish|Kidneystone|mastumor
bone metastasis|kidney graft|Kidney ablation
"""


def listed(text: str) -> list[str]:
    return [name for line in text.strip().splitlines() for name in line.split("|") if name]


@pytest.mark.parametrize("name", listed(KIDNEYS))
def test_a_kidney_is_named_by_a_noun(name: str) -> None:
    assert structure_of(name) == "kidney"


@pytest.mark.parametrize("name", listed(TUMOURS))
def test_a_tumour_may_stand_without_its_organ(name: str) -> None:
    assert structure_of(name) == "tumour"


@pytest.mark.parametrize("name", listed(CYSTS))
def test_a_cyst_may_stand_without_its_organ(name: str) -> None:
    assert structure_of(name) == "cyst"


@pytest.mark.parametrize("name", listed(OTHERS))
def test_what_only_holds_a_word_is_left_with_a_reason(name: str) -> None:
    assert structure_of(name) is None
    assert read_name(name).why


@pytest.mark.parametrize("name", ["", "Segment 1", "ROI_2", "label_07"])
def test_a_name_that_says_nothing_leaves_the_word_to_the_codes(name: str) -> None:
    assert read_name(name).certainty == "silent"


def test_a_word_that_is_not_known_makes_a_name_doubtful() -> None:
    reading = read_name("Kidney John Doe")
    assert (reading.structure, reading.certainty, reading.why) == ("kidney", "doubtful", "2 of its words not known")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Kidney Doe^Jane 2", "Kidney … … 2"),
        ("Liver", "Liver"),
        ("LKidney", "LKidney"),
        ("DoeKidney", "…"),
        ("Kidney 19500101", "Kidney …"),
        ("GTV 01 02 50", "GTV … … …"),
        ("GTV 01 02", "GTV 01 02"),
        ("-Kidney+GTV", "Kidney + GTV"),
    ],
)
def test_only_words_of_anatomy_are_written(name: str, shown: str) -> None:
    assert masked(name) == shown


def test_names_are_compared_in_one_form() -> None:
    assert normalised(" Ｒiñón_\u00a0 A ") == normalised("rin\u0303o\u0301n a") == "riñón a"
    assert tokens("GTVp_2") == ["gtv", "p", "2"]
