"""The data sets of the KiTS challenges (2019, 2021, 2023) as a cohort: scans stay in place, outcomes are from the records."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nnunet_ext.cohort.cards import file_name
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.documents.regular_file import read_small
from nnunet_ext.ground.case import Case, Cohort, Refusal, Role
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.volumes.presence import is_there

RECORDS = ("kits23.json", "kits.json")
"""Names of the file of clinical records; 2019 and 2021 share the second."""

MASKS = ("segmentation.nii.gz", "aggregated_MAJ_seg.nii.gz")
"""Names of a case's mask; the second is 2021's majority vote of its readers."""

IMAGE = "imaging.nii.gz"

COVARIATES = {
    "age": "age_at_nephrectomy",
    "sex": "gender",
    "bmi": "bmi",
    "radiographic_size_cm": "radiographic_size",
    "pathologic_size_cm": "pathologic_size",
    "t_stage": "pathology_t_stage",
    "necrosis": "tumor_necrosis",
    "histologic_subtype": "tumor_histologic_subtype",
}
"""Columns of the outcomes in addition to ``isup_grade``, and their names in the records."""

CENTRE = "kits"
"""The records name no hospital."""


def import_kits(
    source: Path, out: Path, *, name: str, role: Role, subtypes: Sequence[str] = ("clear_cell_rcc",)
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Make a cohort of a KiTS folder. Scans and masks stay where they are.

    Args:
        source: Folder with ``case_<number>`` folders and the file of clinical records (``RECORDS``).
        out: Folder for ``outcomes.csv``.
        name: Of the cohort.
        role: Of the cohort.
        subtypes: Histologic subtypes to import, as named in the records, with or without ``_rcc``; empty for all.

    Returns:
        The cases that have an image, with their masks where there are any; and those that have none.

    Raises:
        InputError: If the name is not valid for a card, there are no records, they are damaged, no record has one of the
            subtypes, or no case is left.

    References:
        Heller et al. 2021, doi:10.1016/j.media.2020.101821; Heller et al. 2023, arXiv:2307.01984.
    """
    file_name(name)
    records = _of_subtypes(_read_records(source), subtypes)
    cases: list[Case] = []
    refusals: list[Refusal] = []
    for record in records:
        try:
            cases.append(_case(source, str(record["case_id"])))
        except CaseRefused as refused:
            refusals.append(Refusal(str(record["case_id"]), "import", refused.code, refused.reason))
    if not cases:
        wanted = f" of subtype {', '.join(subtypes)}" if subtypes else ""
        msg = f"No case{wanted} with its {IMAGE} in {source}: {len(records)} records match, but none has its image there"
        raise InputError(msg)
    outcomes = out / "outcomes.csv"
    imported = {case.id for case in cases}
    frame = pd.DataFrame([_outcome(record) for record in records if record["case_id"] in imported])
    write_csv(outcomes, frame)
    licence = "CC BY-NC-SA 4.0"
    return Cohort(name=name, role=role, cases=tuple(cases), outcomes=outcomes, licence=licence), tuple(refusals)


def _of_subtypes(records: list[dict[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Return the records of some subtypes; a name is found with and without ``_rcc``, as challenges differ."""
    if not wanted:
        return records
    key = COVARIATES["histologic_subtype"]
    counts = Counter(str(record.get(key)) for record in records)
    meant = {known for one in wanted for known in counts if known.removesuffix("_rcc") == one.strip().removesuffix("_rcc")}
    for one in wanted:
        if not any(known.removesuffix("_rcc") == one.strip().removesuffix("_rcc") for known in counts):
            there = ", ".join(f"{known} ({n})" for known, n in counts.most_common())
            msg = f"No case of subtype {one} in the records, which hold {there or 'none'}; name one of these, or all"
            raise InputError(msg)
    return [record for record in records if str(record.get(key)) in meant]


def _read_records(source: Path) -> list[dict[str, Any]]:
    file = next((source / known for known in RECORDS if (source / known).exists()), None)
    if file is None:
        msg = f"No clinical records in {source}; KiTS keeps them in {' or '.join(RECORDS)} next to the case folders"
        raise InputError(msg)
    try:
        records = json.loads(read_small(file, "file of records", if_missing="KiTS ships it"), object_pairs_hook=_once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        msg = f"{file} is damaged: {' '.join(str(error).split())[:200]}"
        raise InputError(msg) from error
    if not isinstance(records, list) or not all(
        isinstance(one, dict) and isinstance(one.get("case_id"), str) for one in records
    ):
        msg = f"{file} is not a list of records with a case_id"
        raise InputError(msg)
    for record in records:
        try:
            file_name(record["case_id"])
            _check_cells(record)
        except InputError as error:
            msg = f"{file} holds the case_id {error}"
            raise InputError(msg) from error
    repeated = [name for name, n in Counter(record["case_id"] for record in records).items() if n > 1]
    if repeated:
        msg = f"{file} holds {repeated[0]} twice"
        raise InputError(msg)
    return records


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that occurs twice, of which ``json`` would use the last."""
    repeated = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]
    if repeated:
        msg = f"the key {repeated[0]!r} occurs twice in one record"
        raise ValueError(msg)
    return dict(pairs)


def _check_cells(record: dict[str, Any]) -> None:
    for key in ("tumor_isup_grade", *COVARIATES.values()):
        if isinstance(record.get(key), list | dict):
            msg = f"{record['case_id']}, whose {key} is not a single value"
            raise InputError(msg)


def _case(source: Path, case_id: str) -> Case:
    folder = source / case_id
    if not is_there(folder / IMAGE):
        raise CaseRefused("image-missing", f"no {IMAGE} in {folder.name}; the data set's own script downloads the images")
    mask = next((folder / known for known in MASKS if is_there(folder / known)), None)
    return Case(case_id, case_id, CENTRE, folder / IMAGE, mask)


def _outcome(record: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a patient; an age that is only known to be 90 or more is 90."""
    found = {column: record.get(key) for column, key in COVARIATES.items()}
    if isinstance(found["age"], str):
        found["age"] = found["age"].strip().lstrip(">= ")
    return {"patient_id": record["case_id"], "isup_grade": record.get("tumor_isup_grade"), **found}
