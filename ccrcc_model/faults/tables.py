"""Cards, lists and workbooks that say one thing and would be believed to say another."""

import json
import os
import re
from pathlib import Path

import pandas as pd

from ccrcc_model.faults.fault import Ran, ccrcc, expect, fault
from ccrcc_model.faults.scans import small_scan, write_card, write_scan
from nnunet_ext.cohort.acquisition import PARAMETERS
from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.documents.csv_table import read_csv, write_csv

CARD = "name: small\nrole: development\ncases: cases.csv\n"
WITH_OUTCOMES = f"{CARD}outcomes: outcomes.csv\n"


def _check(folder: Path, outcomes: str | bytes) -> Ran:
    write_scan(folder)
    content = outcomes if isinstance(outcomes, bytes) else outcomes.encode()
    (folder / "outcomes.csv").write_bytes(content)
    return ccrcc("check", write_card(folder, text=WITH_OUTCOMES))


def _refused(ran: Ran, words: str) -> str:
    held = ran.status == 2 and re.search(words, ran.said) is not None
    return expect(held, f"status {ran.status}, {'by' if held else 'not by'} its name")


@fault("cells are read under another column")
def outcomes_row_longer(folder: Path) -> str:
    """One row has a comma too many in the middle: refused with its line."""
    return _refused(_check(folder, "patient_id,age,isup_grade\np,61,3\nq,5,8,2\n"), "line 3: the row has 4 cells")


@fault("cells are read under another column")
def outcomes_row_shorter(folder: Path) -> str:
    """The file was cut in its last row: refused with its line."""
    return _refused(_check(folder, "patient_id,age,isup_grade\np,61,3\nq,5"), "line 3: the row has 2 cells")


@fault("a name given twice: one wins silently")
def outcomes_column_twice(folder: Path) -> str:
    """The grade is there as of biopsy and as of surgery, under one name: refused by the name."""
    return _refused(_check(folder, "patient_id,isup_grade,isup_grade\np,2,4\n"), "column isup_grade twice")


@fault("a name given twice: one wins silently")
def outcomes_column_almost_twice(folder: Path) -> str:
    """Two columns differ in case and a blank only: refused by both names."""
    return _refused(_check(folder, "patient_id,isup_grade,ISUP_grade \np,2,4\n"), "differ in")


@fault("a valid spelling of a table is not known")
def outcomes_with_semicolons(folder: Path) -> str:
    """What a European spreadsheet writes: a byte order mark, semicolons, carriage returns. Read as any other."""
    ran = _check(folder, "\ufeffpatient_id;isup_grade;ki67_percent\r\np;3;15.5\r\n")
    return expect(ran.status == 0, f"status {ran.status}")


@fault("a number with a decimal comma is missing or another number")
def outcomes_with_decimal_commas(folder: Path) -> str:
    """Ki67 of 15,5 in a table with semicolons: refused, with what to write."""
    return _refused(_check(folder, "patient_id;ki67_percent\np;15,5\n"), "decimal point, not a comma")


@fault("text in another encoding is read as other letters")
def outcomes_in_utf_16(folder: Path) -> str:
    """A spreadsheet's 'Unicode text': refused by its encoding."""
    return _refused(_check(folder, "patient_id\tisup_grade\np\t3\n".encode("utf-16")), "UTF-16")


@fault("a value in another unit is believed")
def outcomes_ki67_as_fractions(folder: Path) -> str:
    """Every Ki67 is a share of 1: refused, because all would be below any cut."""
    return _refused(_check(folder, "patient_id,ki67_percent\np,0.35\nq,0.08\n"), "may be fractions")


@fault("ids that a spreadsheet changed match nobody, or somebody else")
def outcomes_without_leading_zeros(folder: Path) -> str:
    """The case list has 0042, the outcomes 42.0: refused, with the reason."""
    write_scan(folder)
    (folder / "outcomes.csv").write_text("patient_id,isup_grade\n42.0,3\n", encoding="utf-8")
    card = write_card(folder, "a,0042,north,a.nii.gz,a_mask.nii.gz\n", text=WITH_OUTCOMES)
    return _refused(ccrcc("check", card), "leading zeros")


@fault("two spellings of one id are two ids")
def id_in_two_forms_of_unicode(folder: Path) -> str:
    """One id composed and decomposed, with a zero-width space: read as one patient."""
    write_scan(folder)
    (folder / "outcomes.csv").write_text("patient_id,isup_grade\nne\u0301e\u200b ,3\n", encoding="utf-8")
    card = write_card(folder, "a,n\u00e9e,north,a.nii.gz,a_mask.nii.gz\n", text=WITH_OUTCOMES)
    ran = ccrcc("check", card)
    return expect(ran.status == 0, f"status {ran.status}")


@fault("two spellings of one id are two ids")
def case_ids_that_differ_in_case(folder: Path) -> str:
    """Two case ids name one file on some systems: refused."""
    write_scan(folder)
    rows = "scan,p,north,a.nii.gz,a_mask.nii.gz\nSCAN,q,north,a.nii.gz,a_mask.nii.gz\n"
    return _refused(ccrcc("check", write_card(folder, rows)), "'scan' and 'SCAN' differ in")


@fault("a name given twice: one wins silently")
def card_with_two_case_lists(folder: Path) -> str:
    """`cases` stands twice in a card: refused with its line."""
    return _refused(ccrcc("check", write_card(folder, text=f"{CARD}cases: other.csv\n")), "'cases' is there twice, line 4")


@fault("a word or truth value is taken for a number")
def card_label_yes(folder: Path) -> str:
    """`tumour: yes` is true, and true is 1: refused."""
    return _refused(ccrcc("check", write_card(folder, text=f"{CARD}labels: {{kidney: 2, tumour: yes}}\n")), "tumour has 'yes'")


@fault("a number is read in another notation")
def card_centre_with_zeros(folder: Path) -> str:
    """A centre called 010 is 8 to YAML: kept as typed."""
    write_scan(folder)
    header, rows = "case_id,patient_id,image,mask\n", "a,p,a.nii.gz,a_mask.nii.gz\n"
    (case,) = load_cohort(write_card(folder, rows, header=header, text=f"{CARD}centre: 010\n")).cases
    return expect(case.centre == "010", f"the centre is {case.centre}")


@fault("a file that unfolds without end takes the memory or the parser's stack")
def card_of_doubling_aliases(folder: Path) -> str:
    """Thirty aliases that each hold the last one twice: refused."""
    lines = "".join(f"  - &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    return _refused(ccrcc("check", write_card(folder, text=f"{CARD}licence:\n  - &a0 [x, x]\n{lines}")), "keys and values")


@fault("a pipe is waited for")
def case_list_is_a_pipe(folder: Path) -> str:
    """The case list is a pipe that nobody writes to: refused without waiting."""
    card = write_card(folder)
    (folder / "cases.csv").unlink()
    os.mkfifo(folder / "cases.csv")
    return _refused(ccrcc("check", card), "a pipe or a device")


@fault("of several values of a structure only the last is read")
def structure_in_two_values(folder: Path) -> str:
    """The kidneys are drawn as 1 and 4, and the list is imported with both: every voxel is kidney."""
    import SimpleITK as sitk  # noqa: PLC0415 - only this fault writes a mask of its own

    from ccrcc_model.faults.scans import as_image  # noqa: PLC0415
    from nnunet_ext.scans.geometry import read_scan  # noqa: PLC0415

    write_scan(folder)
    truth = small_scan()[1]
    parts = truth.copy()
    parts[..., parts.shape[2] // 2 :][truth[..., parts.shape[2] // 2 :] == 1] = 4
    sitk.WriteImage(as_image(parts), str(folder / "a_mask.nii.gz"))
    write_card(folder)
    labels = [word for text in ("kidney=1", "kidney=4", "tumor=2") for word in ("--label", text)]
    ran = ccrcc("import", "table", folder / "cases.csv", "--out", folder / "out", *labels)
    cohort = load_cohort(folder / "out" / "card.yaml")
    mask = read_scan(cohort.cases[0], cohort.labels).mask
    held = mask is not None and bool((sitk.GetArrayFromImage(mask) == truth).all())
    return expect(ran.status == 0 and held, f"status {ran.status}, labels {dict(cohort.labels)}")


@fault("a cell of a result is a formula to a spreadsheet")
def quarantine_with_a_formula(folder: Path) -> str:
    """The centre and the note of a patient start as formulae do: what `import table` writes starts with an apostrophe."""
    write_scan(folder)
    header, rows = "case_id,patient_id,centre,image,mask,note\n", "a,p,@north,a.nii.gz,a_mask.nii.gz,=1+1\n"
    write_card(folder, rows, header=header)
    ran = ccrcc("import", "table", folder / "cases.csv", "--out", folder / "out")
    written = (folder / "out" / "cases.csv").read_text(encoding="utf-8") + (folder / "out" / "outcomes.csv").read_text("utf-8")
    back = load_cohort(folder / "out" / "card.yaml").cases[0].centre
    held = ran.status == 0 and ",'@north," in written and ",'=1+1" in written and back == "@north"
    return expect(held, f"status {ran.status}, read back as {back}")


@fault("a cell of a result is a formula to a spreadsheet")
def text_that_was_guarded_before(folder: Path) -> str:
    """Texts that hold the apostrophe already, blanks, quotes and new lines: read back letter by letter."""
    frame = pd.DataFrame({"note": ["'=1", "''+x", " =1", "\t=1", "a\r\n=b", "-5", "-5 apples", '"=1"']}, dtype="str")
    write_csv(folder / "notes.csv", frame)
    back = read_csv(folder / "notes.csv")["note"].tolist()
    return expect(back == frame["note"].tolist(), f"read back {back}")


@fault("a workbook shows something else than what is read")
def workbook_with_a_formula(folder: Path) -> str:
    """A grade is a formula that nobody computed: refused with its cell."""
    import openpyxl  # noqa: PLC0415 - half a second that only workbooks need

    book = openpyxl.Workbook()
    book.active.append(["patient_id", "isup_grade"])
    book.active.append(["p", "=1+1"])
    book.save(folder / "outcomes.xlsx")
    write_scan(folder)
    card = write_card(folder, text=f"{CARD}outcomes: outcomes.xlsx\n")
    return _refused(ccrcc("check", card), "cell B2 holds a formula")


@fault("a workbook shows something else than what is read")
def workbook_with_two_sheets(folder: Path) -> str:
    """A second sheet holds later grades: refused with the sheets' names."""
    import openpyxl  # noqa: PLC0415

    book = openpyxl.Workbook()
    for sheet, grade in ((book.active, 2), (book.create_sheet("revised"), 4)):
        sheet.append(["patient_id", "isup_grade"])
        sheet.append(["p", grade])
    book.save(folder / "outcomes.xlsx")
    write_scan(folder)
    card = write_card(folder, text=f"{CARD}outcomes: outcomes.xlsx\n")
    return _refused(ccrcc("check", card), "'Sheet', 'revised'")


@fault("a faulty file is only met by a later stage")
def acquisition_with_units(folder: Path) -> str:
    """A slice thickness of '5 mm' in the acquisition file: refused by `ccrcc check` with its line."""
    write_scan(folder)
    header = ",".join(["case_id", *PARAMETERS])
    (folder / "acquisition.csv").write_text(f"{header}\na,120,,512,512,5 mm,,\n", encoding="utf-8")
    ran = ccrcc("check", write_card(folder, text=f"{CARD}acquisition: acquisition.csv\n"))
    return _refused(ran, "line 2: slice_thickness_mm must be a number")


@fault("a name that matches nothing is answered without the names that exist")
def kits_subtype_unknown(folder: Path) -> str:
    """A subtype that no record has: refused with those that they have, and how many."""
    records = [
        {"case_id": f"case_{n:05d}", "tumor_histologic_subtype": kind} for n, kind in enumerate(["chromophobe_rcc"] * 2)
    ]
    (folder / "kits.json").write_text(json.dumps(records), encoding="utf-8")
    ran = ccrcc("import", "kits", folder, "--out", folder / "out", "--subtype", "oncocytoma")
    return _refused(ran, r"chromophobe_rcc \(2\)")
