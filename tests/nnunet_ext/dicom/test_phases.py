"""What the words of a description say of the contrast phase, and what they do not."""

import pytest

from nnunet_ext.dicom.phases import phase_of

NAMED = {
    "nephrographic": """
        venous | Abdomen PORTAL venous 5.0 | PV | PVP 1.5 | portal venous | portovenös 3.0 B30f
        portalvenös | Abd veineux | temps portal | phase veineuse | fase venosa | fase portale
        fase portal | nephrographic | Néphrographique | tps néphro | nefrografica | NP 100s
        parenchymal phase | Parenchymphase | venöse Phase | portaal veneus | 门脉期 | 静脉期 | 門脈相 | 实质期
        venous CAP | Abdomen/Pelvis venous | late venous
    """,
    "corticomedullary": """
        arterial | ART 1.0 | CMP | artériel | temps artériel | arteriosa | fase arteriosa
        fase arterial | arterielle Phase | corticomedullary | corticomédullaire | kortikomedullär
        late arterial | Spätarterielle | spät arteriell | AP phase | 动脉期 | 動脈相 | 皮质期 | arteriële fase
        arterial abd/pel
    """,
    "excretory": """
        excretory | delayed | DELAY 5min | tardif | temps tardif | fase tardiva | fase tardía | tardivo
        Spätphase | spät | Ausscheidungsphase | urographic | CT urography | Urogramm | pyelographic
        EP | escretoria | excréteur | uitscheidingsfase | 延迟期 | 排泄期 | 排泄相 | laat
    """,
    "unenhanced": """
        native | nativ | CT nativ 5mm | non contrast | Non-Contrast | NON CON | NONCON | PRE CONTRAST
        precontrast | pre-con | W/O | WO | w/o contrast | ABD W/O IV CONTRAST | without
        without contrast | sans injection | sans IV | sans produit de contraste | ohne KM
        ohne Kontrastmittel | senza contrasto | senza mdc | sin contraste | sem contraste
        zonder contrast | blanco | plain | unenhanced | NC | NCCT | NECT | non injecté | basale | 平扫
        単純 | Abdomen W/O CAP
    """,
}

UNNAMED = """
    AP ROUTINE | CAP | ABD/PELVIS | ABD PEL | CT A/P | AP | TAP | Thorax AP 5.0 | CT CH/AB/PEL
    W/O AND W | WITHOUT AND WITH | W AND W/O | with and without contrast | ABD W/WO | WWO | W & W/O
    sans et avec injection | ohne und mit KM | senza e con mdc | sin y con contraste
    pre and post contrast | arterial + venous | venous and delayed | native/arterial | art/ven
    ven + spät | CT | with contrast | mit KM | avec injection | wobble | particular | report
    transport | lateral | plainfield | heart
"""


def listed(text: str) -> list[str]:
    return [name.strip() for line in text.strip("\n").splitlines() for name in line.split("|") if name.strip()]


@pytest.mark.parametrize(("phase", "description"), [(phase, one) for phase, text in NAMED.items() for one in listed(text)])
def test_a_description_names_its_phase(phase: str, description: str) -> None:
    assert phase_of(description) == phase


@pytest.mark.parametrize("description", listed(UNNAMED))
def test_a_description_that_names_none_or_several_names_no_phase(description: str) -> None:
    assert phase_of(description) is None
