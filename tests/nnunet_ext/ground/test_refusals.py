"""Every code that is raised is explained, and the page says what the codes say."""

import re
from pathlib import Path

import pytest

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.refusals import REASONS, page

ROOT = Path(__file__).parents[3]
RAISED = re.compile(r"""(?:CaseRefused\(|Refusal\([^()"]*?, "\w+", )\s*"([a-z0-9-]+)\"""")


def test_the_page_of_refusals_is_the_codes_printed() -> None:
    stored = (ROOT / "docs" / "reference" / "refusals.md").read_text(encoding="utf-8")
    assert stored == page(), "python -m nnunet_ext.ground.refusals > docs/reference/refusals.md"


def test_every_code_in_the_source_is_explained() -> None:
    raised = {
        code
        for package in ("nnunet_ext", "radiomics_cfg", "ccrcc_model")
        for file in (ROOT / package).rglob("*.py")
        for code in RAISED.findall(file.read_text(encoding="utf-8"))
    }
    assert len(raised) > 40
    assert raised <= set(REASONS)


def test_a_code_that_no_page_explains_cannot_be_raised() -> None:
    with pytest.raises(LookupError, match="no-such-code"):
        CaseRefused("no-such-code", "…")
