from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from two_kidneys import stored, two_kidneys

from ccrcc_model.patient import cohort_pages
from ccrcc_model.patient.cohort_pages import look
from ccrcc_model.patient.reviews import Review, StructureReview
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.volumes.volume_file import volume_sha256


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Two scans, the second stored in another order and flagged by its case list."""
    cases = []
    for name, order in (("one", "LPS"), ("two", "SRP")):
        scan = stored(two_kidneys(), order)
        image, mask = tmp_path / f"{name}.nii.gz", tmp_path / f"{name}_mask.nii.gz"
        sitk.WriteImage(scan.image, str(image))
        sitk.WriteImage(scan.mask, str(mask))
        cases.append(Case(name, f"p-{name}", "north", image, mask, flags="folds-disagree" if name == "two" else ""))
    return Cohort("north", Role.EXTERNAL, tuple(cases))


def times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "pages").iterdir()}


def test_a_second_look_keeps_the_pages_and_a_changed_mask_is_looked_at_again(cohort: Cohort, tmp_path: Path) -> None:
    out = tmp_path / "look"
    looked = look(cohort, out)
    first = times(out)
    assert (len(first), looked.flagged, looked.refusals) == (2, 1, ())
    assert looked.index.read_text(encoding="utf-8").count("data-row=") == 2
    look(cohort, out)
    assert times(out) == first
    mask = cohort.cases[0].mask
    image = sitk.ReadImage(str(mask))
    image[45, 30, 22] = 3
    sitk.WriteImage(image, str(mask))
    look(cohort, out)
    again = times(out)
    assert again["one.html"] > first["one.html"]
    assert again["two.html"] == first["two.html"]


@pytest.mark.parametrize("damage", ["page", "record", "seal"])
def test_a_damaged_page_or_record_is_made_again(cohort: Cohort, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "look"
    look(cohort, out)
    page, record = out / "pages" / "one.html", out / "cases" / "one.json"
    whole = page.read_bytes()
    if damage == "page":
        page.write_bytes(whole[:1000])
    elif damage == "record":
        record.write_bytes(b"{")
    else:
        record.write_text(record.read_text(encoding="utf-8").replace('"n_kidneys": 2', '"n_kidneys": 9'), encoding="utf-8")
    look(cohort, out)
    assert page.read_bytes() == whole
    assert set(pd.read_csv(out / "self_check.csv")["n_kidneys"]) == {2}


def test_flags_of_the_case_list_and_of_the_mask_are_shown_with_what_they_mean(cohort: Cohort, tmp_path: Path) -> None:
    look(cohort, tmp_path / "look")
    page = (tmp_path / "look" / "pages" / "two.html").read_text(encoding="utf-8")
    assert "inspect the whole mask. <code>folds-disagree</code>" in page
    assert "p-two" in page


def test_one_bad_case_does_not_stop_the_others(cohort: Cohort, tmp_path: Path) -> None:
    bare = replace(cohort.cases[0], id="bare", mask=None)
    empty = replace(cohort.cases[0], id="empty", mask=tmp_path / "empty.nii.gz")
    scan = sitk.ReadImage(str(cohort.cases[0].image))
    nothing = sitk.GetImageFromArray(np.zeros(scan.GetSize()[::-1], np.uint8))
    nothing.CopyInformation(scan)
    sitk.WriteImage(nothing, str(empty.mask))
    looked = look(cohort.with_cases([bare, empty, cohort.cases[1]]), tmp_path / "look")
    assert [(one.case_id, one.code) for one in looked.refusals] == [("bare", "mask-absent"), ("empty", "mask-empty")]
    assert [case.id for case in looked.cohort.cases] == ["two"]
    assert list(pd.read_csv(tmp_path / "look" / "quarantine.csv")["case_id"]) == ["bare", "empty"]
    assert "the mask labels no voxel" in looked.index.read_text(encoding="utf-8")


def test_a_defect_in_one_scan_is_quarantined(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        msg = "ITK gave up"
        raise RuntimeError(msg)

    monkeypatch.setattr(cohort_pages, "show", fails)
    looked = look(cohort, tmp_path / "look")
    assert {(one.code, one.reason) for one in looked.refusals} == {("failed", "RuntimeError: ITK gave up")}


def test_readers_verdicts_become_the_quality_of_the_cases(cohort: Cohort, tmp_path: Path) -> None:
    sha = volume_sha256(cohort.cases[0].mask, "mask")
    wide = {"tumour": StructureReview(verdict="correct", comment="=too wide")}
    own = Review(case="one", mask_sha256=sha, reader="R", created="2026-11-30T10:00:00Z", structures=wide)
    stale = own.model_copy(update={"case": "two"})
    looked = look(cohort, tmp_path / "look", reviews=[own, stale])
    assert [case.quality for case in looked.cohort.cases] == ["needs-correction", ""]
    assert [one.code for one in looked.refusals] == ["review-mask"]
    assert 'data-state="correct"' in looked.index.read_text(encoding="utf-8")
    assert "'=too wide" in (tmp_path / "look" / "reviews.csv").read_text(encoding="utf-8")  # no formula to a spreadsheet


def test_jobs_below_one_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1"):
        look(cohort, tmp_path / "look", jobs=0)
