from pathlib import Path

import pytest

from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.ground.case import Case, Role
from nnunet_ext.ground.errors import InputError

CARD = "name: riverside\nrole: development\ncases: cases.csv\n"
CASES = "case_id,patient_id,centre,image,mask\na1,p1,north,a1.nii.gz,m1.nii.gz\na2,p1,north,a2.nii.gz,\n"


def study(folder: Path, *, card: str = CARD, cases: str = CASES) -> Path:
    (folder / "card.yaml").write_text(card, encoding="utf-8")
    (folder / "cases.csv").write_text(cases, encoding="utf-8")
    return folder / "card.yaml"


def test_a_cohort_is_what_the_card_and_the_case_list_say(tmp_path: Path) -> None:
    cohort = load_cohort(study(tmp_path))
    assert (cohort.name, cohort.role, cohort.labels) == ("riverside", Role.DEVELOPMENT, {"kidney": 1, "tumour": 2, "cyst": 3})
    assert cohort.cases == (
        Case("a1", "p1", "north", tmp_path / "a1.nii.gz", tmp_path / "m1.nii.gz"),
        Case("a2", "p1", "north", tmp_path / "a2.nii.gz"),
    )


def test_paths_are_relative_to_the_data_root(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    card = study(tmp_path)
    (tmp_path / "cases.csv").rename(root / "cases.csv")
    assert load_cohort(card, root).cases[0].image == root / "a1.nii.gz"


def test_identifiers_keep_their_leading_zeros(tmp_path: Path) -> None:
    card = study(tmp_path, cases="case_id,patient_id,centre,image\n007,007,01,x.nii.gz\n")
    assert load_cohort(card).cases[0].patient_id == "007"


def test_the_card_may_give_the_centre_of_every_case(tmp_path: Path) -> None:
    card = study(tmp_path, card=CARD + "centre: south\n", cases="case_id,patient_id,image\na,p,x.nii.gz\n")
    assert load_cohort(card).cases[0].centre == "south"


def test_a_saved_cohort_is_read_back_as_it_was(tmp_path: Path) -> None:
    cohort = load_cohort(study(tmp_path))
    assert load_cohort(save_cohort(cohort, tmp_path)) == cohort


def test_a_cohort_saved_elsewhere_still_finds_its_files(tmp_path: Path) -> None:
    (tmp_path / "outcomes.csv").write_text("patient_id\n", encoding="utf-8")
    cohort = load_cohort(study(tmp_path, card=CARD + "outcomes: outcomes.csv\nlabels: {tumour: 7}\nlicence: CC0\n"))
    (tmp_path / "elsewhere").mkdir()
    assert load_cohort(save_cohort(cohort, tmp_path / "elsewhere")) == cohort


def test_a_structure_may_have_several_values_and_other_spellings(tmp_path: Path) -> None:
    cohort = load_cohort(study(tmp_path, card=CARD + "labels: {Kidney: [3, 2], tumor: 1}\n"))
    assert cohort.labels == {"kidney": (2, 3), "tumour": 1}
    assert load_cohort(save_cohort(cohort, tmp_path)) == cohort
    assert "tumour: 1\n" in (tmp_path / "card.yaml").read_text(encoding="utf-8")


def test_words_of_a_card_are_as_they_are_typed(tmp_path: Path) -> None:
    cases = "case_id,patient_id,image\na,p,x.nii.gz\n"
    cohort = load_cohort(study(tmp_path, card=CARD.replace("riverside", "no") + "centre: 007\nlicence:\n", cases=cases))
    assert (cohort.name, cohort.cases[0].centre, cohort.licence) == ("no", "007", None)
    assert load_cohort(save_cohort(cohort, tmp_path)) == cohort


@pytest.mark.parametrize(
    ("card", "line"),
    [
        (CARD + "role: external\n", "the key 'role' is there twice"),
        (CARD + "labels: {kidney: true, tumour: 2}\n", "1 to 255; kidney has 'true'"),
        (CARD + "labels: {kidney: 1.0}\n", "1 to 255; kidney has '1.0'"),
        (CARD + "labels: {kidney: 1, kidney: 2}\n", "the key 'kidney' is there twice"),
        (CARD + "labels: kidney\n", "a value for each structure"),
        (CARD + "labels:\n", "a value for each structure"),
        (CARD + "licence: " + "[" * 3000 + "]" * 3000, "nested deeper"),
        ("", "found nothing"),
        ("kidney\n", "found a word"),
        (CARD.replace("cases.csv", "z" * 300 + ".csv"), "case list .* cannot be read: file name too long"),
        (CARD.replace("cases.csv", "."), "case list .* is a folder"),
        (CARD + "colour: red\n", "unknown key 'colour'; known keys are name, role"),
        ("name: a\ncases: cases.csv\n", "key 'role' is missing"),
        (CARD.replace("development", "training"), "role: Input should be 'development' or 'external'"),
        (CARD + "labels: {lesion: 2}\n", "unknown structure 'lesion'; known ones are kidney, tumour, cyst"),
        (CARD + "labels: {kidney: 1, tumour: 1}\n", "two structures share a value"),
        (CARD.replace("riverside", "../up"), "letters, digits"),
        (CARD + "outcomes: none.csv\n", "outcomes names .*none.csv, which does not exist"),
        ("- a\n- b\n", "must hold keys and values"),
        ("name: [\n", "not readable YAML"),
    ],
)
def test_a_faulty_card_gets_one_plain_line(tmp_path: Path, card: str, line: str) -> None:
    with pytest.raises(InputError, match=line) as raised:
        load_cohort(study(tmp_path, card=card))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("cases", "line"),
    [
        ("case_id,patient_id,centre,image\n", "lists no case"),
        ("", "is empty"),
        ("case_id,patient_id,image\na,p,x\n", "lacks the column centre"),
        (CASES.replace("mask\n", "grade\n"), "unknown column grade"),
        (CASES.replace("a2,", "a1,"), "line 3: case a1 is listed twice"),
        (CASES.replace("a2,", ","), "line 3: case_id is empty"),
        (CASES.replace("a2,", "../a2,"), "line 3: case_id names files"),
        (CASES.replace("a2,p1,north", "a2,p1,south"), "patient p1 is listed under 2 centres"),
    ],
)
def test_a_faulty_case_list_gets_one_plain_line(tmp_path: Path, cases: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        load_cohort(study(tmp_path, cases=cases))


def test_a_missing_card_or_case_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No cohort card at"):
        load_cohort(tmp_path / "card.yaml")
    card = study(tmp_path)
    (tmp_path / "cases.csv").unlink()
    with pytest.raises(InputError, match="No case list at"):
        load_cohort(card)


def test_the_example_card_is_a_card() -> None:
    example = Path(__file__).parents[3] / "datasets" / "example.yaml"
    assert [case.patient_id for case in load_cohort(example).cases] == ["p001", "p001", "p002"]


def test_cells_are_read_without_what_nobody_sees(tmp_path: Path) -> None:
    cases = "\ufeffcase_id;patient_id;centre;image\r\na1 ; cafe\u0301\u200b;north\u00a0;a1.nii.gz\r\n"
    (case,) = load_cohort(study(tmp_path, cases=cases)).cases
    assert (case.id, case.patient_id, case.centre) == ("a1", "caf\u00e9", "north")


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("a1,p1,north,x\nA1,p2,north,x\n", "case_id: 'a1' and 'A1' differ in"),
        ("a1,p 1,north,x\na2,p1,north,x\n", "patient_id: 'p 1' and 'p1' differ in"),
        ("a1,p1,north,x\na2,p2,North,x\n", "centre: 'north' and 'North' differ in"),
        ("a1,p1,north,x,\n", "line 2: the row has 5 cells, the header 4"),
        ("\na1,p1,north,x\n\na2,,north,x\n", "line 5: patient_id is empty"),
        (f"{'a' * 201},p1,north,x\n", "at most 200 letters"),
        ("a1,'p\x07,north,x\n", "an id is one line"),
    ],
)
def test_ids_that_only_a_machine_tells_apart_are_refused(tmp_path: Path, rows: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        load_cohort(study(tmp_path, cases="case_id,patient_id,centre,image\n" + rows))
