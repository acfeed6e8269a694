"""NIfTI or NRRD files listed in a CSV file, with further columns about the patients, as a cohort."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from nnunet_ext.cohort.card_labels import check_labels, parse_labels
from nnunet_ext.cohort.cards import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, check_rows, file_name, read_rows
from nnunet_ext.convert.organ_masks import write_organ_mask
from nnunet_ext.documents.csv_table import visible, write_csv
from nnunet_ext.ground.case import Case, Cohort, Labels, Refusal, Role
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import STRUCTURES
from nnunet_ext.volumes.presence import is_there

__all__ = ["import_table", "parse_labels"]

MASKS = "masks"
"""Folder of the masks that had to be written."""


def import_table(
    source: Path,
    out: Path,
    *,
    name: str,
    role: Role,
    labels: Labels,
    centre: str | None = None,
    leave_others: bool = False,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Make a cohort of a CSV. Scans and masks stay where they are.

    A mask may be a folder with a file for each structure, as TotalSegmentator writes them: the kidneys and their lesions are
    found by name and joined. Such masks, and those of which other organs are left out, are written into ``out/masks``.

    Args:
        source: CSV with one row per scan: ``case_id`` and ``image``, optionally ``patient_id`` (the case by default),
            ``centre``, ``mask``, ``phase``. Paths are relative to its folder. All other columns describe the patient.
        out: Folder for ``outcomes.csv`` with these columns, one row per patient.
        name: Of the cohort.
        role: Of the cohort.
        labels: Values in the mask files for each structure.
        centre: Centre of every case, for a list without that column.
        leave_others: Whether masks hold values of other organs, which become background.

    Returns:
        The cases whose image is there, with their masks where there are any; and the others.

    Raises:
        InputError: If the name or the labels are not valid for a card, the CSV is unreadable or not a list of cases
            (``check_rows``), one patient's rows contradict each other, or no case is left.
    """
    file_name(name)
    known: Labels = check_labels(labels)
    frame = _read(source, centre)
    cases: list[Case] = []
    refusals: list[Refusal] = []
    for row in frame.to_dict("records"):
        files = {key: source.parent / str(row[key]) for key in ("image", "mask") if row.get(key)}
        missing = next((key for key, file in files.items() if not is_there(file)), None)
        if missing:
            reason = f"no {missing} at {row[missing]}, seen from {source.parent}"
            refusals.append(Refusal(str(row["case_id"]), "import", f"{missing}-missing", reason))
            continue
        case_id, patient_id, place = (str(row[key]) for key in ("case_id", "patient_id", "centre"))
        cases.append(Case(case_id, patient_id, place, files["image"], files.get("mask"), row.get("phase") or None))
    if leave_others or any(case.mask is not None and case.mask.is_dir() for case in cases):
        cases, known, refused = _with_own_masks(cases, known, out / MASKS)
        refusals += refused
    if not cases:
        msg = f"No image of {source} exists; the first should be at {source.parent / frame['image'].iloc[0]}"
        raise InputError(msg)
    stated = [column for column in frame.columns if column not in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)]
    cohort = Cohort(name=name, role=role, cases=tuple(cases), labels=known)
    if not stated:
        return cohort, tuple(refusals)
    imported = {case.patient_id for case in cases}
    outcomes = frame.loc[frame["patient_id"].isin(imported), ["patient_id", *stated]].drop_duplicates()
    twice = outcomes["patient_id"].duplicated()
    if twice.any():
        patient = outcomes.loc[twice, "patient_id"].iloc[0]
        msg = f"{source} contradicts itself about patient {patient}; give each of its rows the same {', '.join(stated)}"
        raise InputError(msg)
    write_csv(out / "outcomes.csv", outcomes)
    return replace(cohort, outcomes=out / "outcomes.csv"), tuple(refusals)


def _with_own_masks(cases: list[Case], labels: Labels, folder: Path) -> tuple[list[Case], Labels, list[Refusal]]:
    """Write the masks of our structures alone; return the cases with them, what they hold, and the cases without."""
    own: list[Case] = []
    refusals: list[Refusal] = []
    held: set[str] = set()
    for case in cases:
        if case.mask is None:
            own.append(case)
            continue
        mask = folder / f"{case.id}.nii.gz"
        try:
            held |= write_organ_mask(case.mask, mask, labels)
            own.append(case.with_mask(mask))
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "import", refused.code, refused.reason))
        except InputError as error:
            refusals.append(Refusal(case.id, "import", "no-structure", str(error)))
    if not own:
        msg = f"No mask of the list can be used; the first was refused as {refusals[0].reason}"
        raise InputError(msg)
    if "mass" in held and held & {"tumour"}:
        msg = "Some masks have masses, and others tumours; import them as two cohorts"
        raise InputError(msg)
    held -= {"cyst"} if "mass" in held else set()  # which a folder with masses joined
    return own, {name: int(value) for name, value in STRUCTURES.items() if name in held}, refusals


def _read(source: Path, centre: str | None) -> pd.DataFrame:
    frame = read_rows(source, if_missing="give a CSV with the columns case_id and image")
    if "centre" not in frame:
        if centre is None:
            found = ", ".join(map(str, frame.columns))
            msg = f"{source} lacks the column centre; found {found}; name the hospital with --centre"
            raise InputError(msg)
        frame["centre"] = visible(centre)
        frame["centre"] = centre
    elif centre is not None:
        msg = f"{source} has a column centre, so --centre {centre} would be ignored; use only one of them"
        raise InputError(msg)
    if "patient_id" not in frame and "case_id" in frame:
        frame["patient_id"] = frame["case_id"]
    check_rows(frame, source)
    return frame
