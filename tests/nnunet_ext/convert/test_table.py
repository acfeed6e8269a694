from pathlib import Path

import pandas as pd
import pytest

from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.convert.table import import_table, parse_labels
from nnunet_ext.ground.case import Case, Role
from nnunet_ext.ground.errors import InputError

LABELS = {"kidney": 4, "tumour": 7}


def write(folder: Path, text: str) -> Path:
    for name in ("a.nii.gz", "b.nrrd", "a_mask.nii.gz"):
        (folder / name).touch()
    (folder / "list.csv").write_text(text, encoding="utf-8")
    return folder / "list.csv"


def test_a_csv_becomes_a_cohort_that_a_card_brings_back(tmp_path: Path) -> None:
    text = "case_id,image,mask,patient_id,isup_grade,age\na,a.nii.gz,a_mask.nii.gz,p,3,60\nb,b.nrrd,,p,3,60\nc,c.nii,,q,1,50\n"
    out = tmp_path / "out"
    source = write(tmp_path, text)
    cohort, refusals = import_table(source, out, name="south", role=Role.EXTERNAL, labels=LABELS, centre="south")
    assert cohort.cases == (
        Case("a", "p", "south", tmp_path / "a.nii.gz", tmp_path / "a_mask.nii.gz"),
        Case("b", "p", "south", tmp_path / "b.nrrd"),
    )
    assert [(one.case_id, one.code) for one in refusals] == [("c", "image-missing")]
    again = load_cohort(save_cohort(cohort, out))
    assert (again.cases, again.labels, again.role) == (cohort.cases, LABELS, Role.EXTERNAL)
    assert pd.read_csv(again.outcomes).to_dict("records") == [{"patient_id": "p", "isup_grade": 3, "age": 60}]


def test_a_list_of_scans_alone_has_no_outcomes_and_a_patient_a_case(tmp_path: Path) -> None:
    source = write(tmp_path, "case_id,image,centre\na,a.nii.gz,north\n")
    cohort, _ = import_table(source, tmp_path, name="n", role=Role.DEVELOPMENT, labels=LABELS)
    assert cohort.cases == (Case("a", "a", "north", tmp_path / "a.nii.gz"),)
    assert cohort.outcomes is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("case_id,image\na,a.nii.gz\n", "lacks the column centre.*--centre"),
        ("image,centre\na.nii.gz,x\n", "lacks the column case_id"),
        ("case_id,image,centre\nz,z.nii,x\n", "No image of .* exists"),
        ("case_id,image,centre,patient_id,age\na,a.nii.gz,x,p,1\nb,b.nrrd,x,p,2\n", "contradicts itself about patient p"),
        ("case_id,image,centre\na,a.nii.gz,x\na,b.nrrd,x\n", "case a is listed twice"),
        ("case_id,image,centre,patient_id\na,a.nii.gz,x,p\nb,b.nrrd,y,p\n", "patient p is listed under 2 centres"),
        ("case_id,image,centre\na/b,a.nii.gz,x\n", "case_id names files"),
        ("", "is empty"),
    ],
)
def test_a_csv_that_makes_no_cohort_gives_one_line(text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=line):
        import_table(write(tmp_path, text), tmp_path / "out", name="n", role=Role.DEVELOPMENT, labels=LABELS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        ({"liver": 5}, "unknown structure 'liver'"),
        ({"kidney": 256}, "are 1 to 255"),
        ({"kidney": 1, "tumour": 1}, "share a value"),
    ],
)
def test_labels_that_no_card_may_hold_are_refused_before_anything_is_written(
    labels: dict[str, int], line: str, tmp_path: Path
) -> None:
    source = write(tmp_path, "case_id,image,centre\na,a.nii.gz,north\n")
    with pytest.raises(InputError, match=line):
        import_table(source, tmp_path / "out", name="n", role=Role.DEVELOPMENT, labels=labels)
    assert not (tmp_path / "out").exists()


def test_a_centre_that_the_list_would_overrule_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, "case_id,image,centre\na,a.nii.gz,north\n")
    with pytest.raises(InputError, match="--centre south would be ignored"):
        import_table(source, tmp_path / "out", name="n", role=Role.DEVELOPMENT, labels=LABELS, centre="south")


def test_labels_are_structures_with_a_number() -> None:
    assert parse_labels(["kidney=1", "tumour=12"]) == {"kidney": 1, "tumour": 12}
    for text in ("tumour", "tumour=", "tumour=two", "tumour=-1", "tumour=²"):
        with pytest.raises(InputError, match="such as tumour=2"):
            parse_labels([text])
