import base64
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from ccrcc_model.patient.index import IndexRow, render_index, write_index
from ccrcc_model.patient.page import Flag
from ccrcc_model.report.run_parts import _is_index
from nnunet_ext.anatomy.self_check import SelfCheck, self_check
from nnunet_ext.ground.case import Refusal

HOSTILE = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def check() -> SelfCheck:
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[1:7, 1:4, 1:7], mask[2:4, 2:3, 2:4] = 1, 2
    return self_check("one", mask, mask, spacing_mm=(10, 10, 10))


def row(check: SelfCheck, name: str = "one") -> IndexRow:
    flags = (Flag("scan-edge", "caution", "Labels on an outer face."),)
    return IndexRow(name, f"p-{name}", "north", f"pages/{name}.html", "a" * 64, b"\xff\xd8jpeg", check, flags)


def test_a_row_holds_volumes_flags_and_a_link(check: SelfCheck) -> None:
    html = render_index("Cohort north", [row(check), replace(row(check, "two"), flags=(), quality="needs-correction")])
    assert '<a href="pages/one.html">one</a>' in html
    assert f'data-tumour="{check.tumour_ml}"' in html
    assert 'data-codes="scan-edge"' in html
    assert 'data-state="correct"' in html
    assert "2 cases, 1 with a flag" in re.sub(r"\s+", " ", html)
    assert "Centre" not in re.sub(r"<script.*", "", html, flags=re.DOTALL)  # one centre needs no column


def test_marks_are_tied_to_the_mask_and_its_structures(check: SelfCheck) -> None:
    html = render_index("Cohort north", [row(check)])
    found = re.search(r'id="index-data">(.*?)</script>', html, re.DOTALL)
    assert found
    (data,) = json.loads(found[1])
    assert (data["case"], data["mask_sha256"], data["structures"]) == ("one", "a" * 64, ["kidney", "tumour"])
    assert base64.b64decode(data["thumbnail"]) == b"\xff\xd8jpeg"


def test_answers_and_refused_cases_are_listed(check: SelfCheck) -> None:
    answered = replace(row(check), results=(("Grade", "34%"), ("Ki67", "withheld")))
    html = render_index("Patients", [answered], refusals=[Refusal("bad", "look", "mask-shape", "the mask has <2> voxels")])
    assert "Grade: 34%" in html
    assert "the mask has &lt;2&gt; voxels" in html


def test_markup_in_names_does_nothing(check: SelfCheck) -> None:
    html = render_index(HOSTILE, [row(check, HOSTILE)])
    assert "<img src=x" not in html
    assert HOSTILE in unescape(html)
    assert 'href="pages/%22%3E%3Cimg' in html


def test_an_index_is_known_by_its_content(check: SelfCheck, tmp_path: Path) -> None:
    path = write_index(tmp_path, "Cohort north", [row(check)])
    assert _is_index(path)
    path.write_text("<!DOCTYPE html><title>Another</title>", encoding="utf-8")
    assert not _is_index(path)
