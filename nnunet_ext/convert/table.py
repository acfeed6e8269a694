"""NIfTI or NRRD files that a CSV lists, with whatever else it says about the patients, as a cohort."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from nnunet_ext.cards import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, check_labels, check_rows, file_name, read_rows
from nnunet_ext.case import Case, Cohort, Refusal, Role
from nnunet_ext.errors import InputError
from nnunet_ext.files import atomic_path


def import_table(
    source: Path,
    out: Path,
    *,
    name: str,
    role: Role,
    labels: Mapping[str, int],
    centre: str | None = None,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Make a cohort of a CSV. Scans and masks stay where they are.

    Args:
        source: CSV with a row a scan: ``case_id`` and ``image``, and if there are any ``patient_id`` (the case's by default),
            ``centre``, ``mask``, ``phase``. Paths are relative to its folder. All other columns tell of the patient.
        out: Gets ``outcomes.csv``, with these, a row a patient.
        name: Of the cohort.
        role: Of the cohort.
        labels: Value in the mask files for each structure.
        centre: Of every case, for a list without that column.

    Returns:
        The cases whose image is there, with their masks where there are any; and the others.

    Raises:
        InputError: If the name or the labels are none for a card, the CSV is unreadable or no list of cases
            (``check_rows``), one patient's rows contradict each other, or no case is left.
    """
    file_name(name)
    check_labels(dict(labels))
    frame = _read(source, centre)
    cases: list[Case] = []
    refusals: list[Refusal] = []
    for row in frame.to_dict("records"):
        files = {key: source.parent / str(row[key]) for key in ("image", "mask") if row.get(key)}
        missing = next((key for key, file in files.items() if not file.exists()), None)
        if missing:
            reason = f"no {missing} at {row[missing]}, seen from {source.parent}"
            refusals.append(Refusal(str(row["case_id"]), "import", f"{missing}-missing", reason))
            continue
        case_id, patient_id, place = (str(row[key]) for key in ("case_id", "patient_id", "centre"))
        cases.append(Case(case_id, patient_id, place, files["image"], files.get("mask"), row.get("phase") or None))
    if not cases:
        msg = f"No image of {source} is there; the first is looked for at {source.parent / frame['image'].iloc[0]}"
        raise InputError(msg)
    told = [column for column in frame.columns if column not in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)]
    cohort = Cohort(name=name, role=role, cases=tuple(cases), labels=dict(labels))
    if not told:
        return cohort, tuple(refusals)
    imported = {case.patient_id for case in cases}
    outcomes = frame.loc[frame["patient_id"].isin(imported), ["patient_id", *told]].drop_duplicates()
    twice = outcomes["patient_id"].duplicated()
    if twice.any():
        patient = outcomes.loc[twice, "patient_id"].iloc[0]
        msg = f"{source} says two things of patient {patient}; give each of its rows the same {', '.join(told)}"
        raise InputError(msg)
    with atomic_path(out / "outcomes.csv") as temporary:
        outcomes.to_csv(temporary, index=False)
    return replace(cohort, outcomes=out / "outcomes.csv"), tuple(refusals)


def parse_labels(texts: list[str]) -> dict[str, int]:
    """Return the value of each structure that texts such as ``tumour=2`` name.

    Raises:
        InputError: If one of them has another form.
    """
    labels = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not value.isascii() or not value.isdigit():
            msg = f"A label is a structure and its value in the mask files, such as tumour=2; found {text!r}"
            raise InputError(msg)
        labels[name] = int(value)
    return labels


def _read(source: Path, centre: str | None) -> pd.DataFrame:
    frame = read_rows(source, if_missing="give a CSV with the columns case_id and image")
    if "centre" not in frame:
        if centre is None:
            found = ", ".join(map(str, frame.columns))
            msg = f"{source} lacks the column centre; found {found}; name the hospital with --centre"
            raise InputError(msg)
        frame["centre"] = centre
    elif centre is not None:
        msg = f"{source} has a column centre, and --centre {centre} would be ignored; leave the one or the other out"
        raise InputError(msg)
    if "patient_id" not in frame and "case_id" in frame:
        frame["patient_id"] = frame["case_id"]
    check_rows(frame, source)
    return frame
