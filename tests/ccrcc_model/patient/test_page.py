# Also of: ccrcc_model.patient.lesion_rows, ccrcc_model.patient.shown_prediction, ccrcc_model.patient.templating.

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest
from two_kidneys import an_answer, two_kidneys

from ccrcc_model.patient.lesion_rows import lesion_rows
from ccrcc_model.patient.page import LARGEST_PAGE, About, about_answer, render_page
from ccrcc_model.patient.shown_prediction import percent, shown_prediction, spoken
from ccrcc_model.patient.shown_scan import MOST_BYTES, ShownScan, show
from radiomics_cfg.preset import load_preset

HOSTILE = "</script><script>alert(1)</script>\u2028=cmd|' /C calc'!A0"


@pytest.fixture(scope="module")
def shown() -> ShownScan:
    return show(two_kidneys())


def page_of(shown: ShownScan, **changes: Any) -> str:
    answer = an_answer(**changes)
    return render_page(shown, about_answer(answer), answer)


def words_of(html: str) -> str:
    html = re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def block(html: str, name: str) -> str:
    found = re.search(rf'<script type="[a-z/]+" id="{name}">(.*?)</script>', html, re.DOTALL)
    assert found
    return found[1]


def test_flags_and_abstentions_stand_above_every_number(shown: ShownScan) -> None:
    text = words_of(page_of(shown))
    number = text.index("34%")
    withheld = text.index("No answer: Ki67: the scan is unlike those of the development cohort")
    assert withheld < text.index("Caution: The scan cuts a kidney.") < text.index("Note: The slices are 4 mm thick.") < number


def test_a_withheld_probability_is_nowhere_on_the_page(shown: ShownScan) -> None:
    html = page_of(shown)
    assert "78%" not in words_of(html)
    assert "0.777" not in html
    assert "Withheld" in words_of(html)


def test_the_probability_is_read_with_its_uncertainty(shown: ShownScan) -> None:
    text = words_of(page_of(shown))
    assert "At or above the threshold of 29% (dashed): the model classifies it as positive." in text
    assert re.search(
        r"Of the 40 development patients with the most similar probability \d+ were positive, \d+% \(95% CI", text
    )
    assert "At 90% confidence negative and positive both remain possible: inconclusive." in text
    assert "Tumour volume alone (circle): 41%." in text


@pytest.mark.parametrize(
    ("conformal", "words"),
    [
        ({"alpha": 0.1, "set": ["1"]}, "At 90% confidence only positive remains possible."),
        ({"alpha": 0.05, "set": []}, "At 95% confidence neither class is plausible"),
    ],
)
def test_a_conformal_set_is_put_in_words(conformal: dict[str, Any], words: str) -> None:
    assert any(words in line for line in shown_prediction(an_answer()["predictions"][0] | {"conformal": conformal}).words)


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.001, "<1%"), (0.344, "34%"), (0.999, ">99%"), (1, "100%")])
def test_a_percentage_is_0_or_100_only_where_it_is_exact(share: float, text: str) -> None:
    assert percent(share) == text


def test_grades_and_percentages_are_listed_without_a_strip(shown: ShownScan) -> None:
    graded = {"target": "isup", "kind": "ordinal", "probability": None, "values": {"1": 0.25, "2": 0.75}, "abstained": False}
    one = shown_prediction(graded)
    assert (one.values, one.strip, one.percent) == ((("1", "0.25"), ("2", "0.75")), None, "")
    assert "0.75" in words_of(page_of(shown, predictions=[graded]))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shell_0_3mm", "ring 0–3 mm"),
        ("shell_2p5_5mm_fat", "ring 2.5–5 mm, fat"),
        ("shell_0_3mm__1mm__original_glcm_Contrast", "ring 0–3 mm, 1mm · original glcm Contrast"),
        ("kidney_ipsilateral", "kidney ipsilateral"),
    ],
)
def test_regions_are_named_as_a_reader_says_them(name: str, said: str) -> None:
    assert spoken(name) == said


def test_measurements_that_a_mask_cannot_give_say_so(shown: ShownScan) -> None:
    text = words_of(page_of(shown))
    assert "Radius mm 32 mm 1" in text
    assert "Sinus distance not assessable: no collecting system" in text
    assert "32 × 31 × 30 mm" in text


def test_a_lesion_of_the_answer_is_found_by_its_number(shown: ShownScan) -> None:
    small = an_answer()["lesions"][0] | {"lesion": 2, "side": "right", "volume_ml": 0.2, "diameters_mm": [7.0, 7.0, 7.0]}
    tumour, cyst, *totals = lesion_rows(shown, an_answer(lesions=[small, an_answer()["lesions"][0]]))
    assert (tumour.name, tumour.side, tumour.diameters, tumour.index) == ("Tumour 1", "left", "32 × 31 × 30 mm", 0)
    assert (cyst.name, cyst.side, cyst.index) == ("Cyst 2", "", 1)
    assert [row.name for row in totals] == ["Kidney, in all", "Tumour, in all", "Cyst, in all"]


def test_every_region_of_a_preset_that_moved_the_answer_can_be_lit() -> None:
    rules = load_preset("multiscale").regions
    html = page_of(show(two_kidneys(), rules))
    regions = json.loads(block(html, "page-data"))["regions"]
    assert set(regions) == set(rules.names)
    assert 'data-region="shell_0_3mm"' in html
    assert html.count('data-shows="shell_') == len(rules.rings)  # only whole rings are contours


def test_images_masks_and_regions_are_those_that_were_handed_over(shown: ShownScan) -> None:
    html = page_of(shown)
    data = json.loads(block(html, "page-data"))
    differences = np.frombuffer(zlib.decompress(base64.b64decode(block(html, "image"))), np.uint8)
    assert np.array_equal(np.cumsum(differences.reshape(shown.codes.shape), axis=2, dtype=np.uint8), shown.codes)
    assert zlib.decompress(base64.b64decode(block(html, "labels"))) == shown.labels.tobytes()
    bits = np.frombuffer(zlib.decompress(base64.b64decode(block(html, data["regions"]["shell_0_3mm"]))), np.uint8)
    assert np.array_equal(np.unpackbits(bits)[: shown.labels.size], shown.regions["shell_0_3mm"].ravel())
    assert tuple(data["size"]) == shown.size


def test_markup_and_formulae_do_nothing(shown: ShownScan) -> None:
    clean = page_of(shown)
    flags = [{"code": HOSTILE, "severity": "caution", "text": HOSTILE}]
    prediction = an_answer()["predictions"][0] | {"target": HOSTILE, "rule": HOSTILE}
    html = page_of(shown, patient=HOSTILE, flags=flags, predictions=[prediction], software={HOSTILE: HOSTILE})
    assert "<script>alert" not in html
    assert html.count("<script") == clean.count("<script")
    assert json.loads(block(html, "page-data"))["case"] == HOSTILE
    assert "\u2028" not in block(html, "page-data")


def test_only_the_pages_own_style_and_script_may_run_and_nothing_is_asked_for(shown: ShownScan) -> None:
    html = page_of(shown)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert policy
    stated = unescape(policy[1])
    assert stated.startswith("default-src 'none'")
    assert "unsafe" not in stated
    assert "http" not in stated
    for element in ("style", "script"):
        own = re.search(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
        assert own
        digest = base64.b64encode(hashlib.sha256(own[1].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in stated
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert " style=" not in html
    assert not re.search(r"\son[a-z]+=", re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL))


def test_a_patient_without_a_tumour_gets_a_page_that_says_so() -> None:
    refusal = {"code": "no-tumour", "severity": "refusal", "text": "The mask holds no tumour, so there is no answer."}
    html = render_page(
        show(two_kidneys(tumour=False, cyst=False)),
        about_answer(an_answer(flags=[refusal])),
        an_answer(flags=[refusal], lesions=[], predictions=[]),
    )
    text = words_of(html)
    assert "Refusal: The mask holds no tumour" in text
    assert "No model was applied to this patient." in text
    assert "%" not in text.split("Images")[0].split("Answer")[-1]


def test_without_an_answer_the_page_is_one_of_contours(shown: ShownScan) -> None:
    text = words_of(render_page(shown, About("case-1", "b" * 64)))
    assert "No check raised a flag" in text
    assert "Answer" not in text


def test_averaged_and_oblique_images_are_declared(shown: ShownScan) -> None:
    odd = replace(shown, merged=(2, 2, 1), oblique_degrees=12.4)
    text = words_of(render_page(odd, About("case-1", "b" * 64)))
    assert "averaged to voxels of 6 × 7 × 4 mm; the contours are not" in text
    assert "oblique by 12°" in text


def test_the_largest_image_and_the_viewer_make_a_page_of_less_than_15_mb(shown: ShownScan) -> None:
    without_images = len(page_of(replace(shown, image=b"", labels=np.zeros((1, 1, 1), np.uint8), regions={})))
    assert MOST_BYTES * 4 / 3 + without_images < LARGEST_PAGE - 1_000_000  # a million for masks and regions
