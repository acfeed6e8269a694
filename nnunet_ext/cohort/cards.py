"""Cohort cards: the YAML file, the case list, and what they may contain."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from nnunet_ext.cohort.card_labels import check_labels
from nnunet_ext.cohort.ids import LONGEST_ID, refuse_alike
from nnunet_ext.documents.csv_table import cleaned, line_of, read_csv, visible, write_csv
from nnunet_ext.documents.yaml_file import read_yaml
from nnunet_ext.ground.case import Case, Cohort, Role, plain_labels
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath, write_text

CARD = "card.yaml"
"""Name of a card that is written here."""

REQUIRED_COLUMNS = ("case_id", "patient_id", "centre", "image")
OPTIONAL_COLUMNS = ("mask", "phase", "flags", "quality")

QUALITIES = ("accepted", "needs-correction")
"""What a case list may say of the contours after a reader looked at them; an empty cell says that nobody did."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names that are valid file names on every system, and cannot point outside their folder."""


class CohortCard(BaseModel):
    """Content of a cohort card; any other key is refused.

    Paths are relative to the data root, which is the card's own folder unless the user specifies another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    role: Role
    labels: dict[str, int | tuple[int, ...]] = {"kidney": 1, "tumour": 2, "cyst": 3}
    cases: Path
    outcomes: Path | None = None
    acquisition: Path | None = None
    centre: str | None = None
    """Centre of every case, for a case list without that column."""
    licence: str | None = None

    @field_validator("name")
    @classmethod
    def _name_is_a_file_name(cls, name: str) -> str:
        return file_name(name)

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_ours(cls, labels: object) -> dict[str, int | tuple[int, ...]]:
        if not isinstance(labels, dict):
            msg = f"a value for each structure, such as {{kidney: 1, tumour: 2}}; found {labels!r}"
            raise InputError(msg)
        return check_labels(labels)


def file_name(name: str) -> str:
    """Return a name of a cohort or a case, which is also used in file names.

    Raises:
        InputError: If it is not a valid file name on every system, or would point outside its folder.
    """
    if not _SAFE_NAME.fullmatch(name) or len(name) > LONGEST_ID:
        msg = f"{name[:40]!r} must be letters, digits, '.', '_' and '-' only, at most {LONGEST_ID}"
        raise InputError(msg)
    return name


def load_cohort(card: AnyPath, data_root: AnyPath | None = None) -> Cohort:
    """Read a cohort card and its case list. Scans are not opened; ``read_scan`` does that.

    Args:
        card: YAML file with the keys of ``CohortCard``.
        data_root: Folder to which the paths of card and case list are relative; the card's own folder by default.

    Raises:
        InputError: If a file is missing, the card has an unknown key, or the case list is empty, lacks a column, repeats a
            case or gives one patient to two centres.

    Example:
        >>> load_cohort("dev/card.yaml").name
        'dev'
    """
    card = Path(card)
    root = Path(data_root) if data_root is not None else card.parent
    content = _read_card(card)
    cases_file = root / content.cases
    frame = _read_case_list(cases_file, content.centre)
    return Cohort(
        name=content.name,
        role=content.role,
        cases=tuple(_case(row, root) for row in frame.to_dict("records")),
        labels=content.labels,
        outcomes=_existing(root, content.outcomes, card, "outcomes"),
        acquisition=_existing(root, content.acquisition, card, "acquisition"),
        licence=content.licence,
    )


def _read_card(card: Path) -> CohortCard:
    missing = "give the path of a YAML file such as datasets/example.yaml"
    content = read_yaml(card, "cohort card", if_missing=missing, as_typed=True)
    if not isinstance(content, dict):
        found = "nothing" if content is None else "a list" if isinstance(content, list) else "a word"
        msg = f"{card} must hold keys and values such as `name: my_cohort`; found {found}"
        raise InputError(msg)
    try:
        return CohortCard(**content)
    except ValidationError as error:
        msg = f"{card}: {_first_fault(error)}; known keys are {', '.join(CohortCard.model_fields)}"
        raise InputError(msg) from error
    except TypeError as error:
        msg = f"{card}: every key must be text; known keys are {', '.join(CohortCard.model_fields)}"
        raise InputError(msg) from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key {where!r}"
    if fault["type"] == "missing":
        return f"key {where!r} is missing"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"


def _existing(root: Path, relative: Path | None, card: Path, key: str) -> Path | None:
    if relative is None:
        return None
    path = root / relative
    try:
        there = path.exists()  # whoever reads it says what is wrong with it
    except OSError:
        there = True
    if not there:
        msg = f"{card}: {key} names {path}, which does not exist"
        raise InputError(msg)
    return path


def read_rows(path: Path, *, if_missing: str) -> pd.DataFrame:
    """Read a list of cases as text; empty cells stay empty, blanks around cells and zero-width characters are removed.

    Args:
        path: The file.
        if_missing: What to do if it is not there, for the message.

    Raises:
        InputError: If it is not there or unreadable.
    """
    return cleaned(read_csv(path, "case list", if_missing=if_missing))


def _read_case_list(path: Path, centre: str | None) -> pd.DataFrame:
    frame = read_rows(path, if_missing="the card's key `cases` names it, relative to the data root")
    if centre is not None:
        if "centre" in frame.columns:
            msg = f"{path} has a column centre and the card a key centre ({centre!r}); keep one of them"
            raise InputError(msg)
        frame["centre"] = visible(centre)
    known = [*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]
    check_rows(frame, path)
    unknown = [str(column) for column in frame.columns if column not in known]
    if unknown:
        msg = f"{path} has the unknown column {unknown[0]}; known ones are {', '.join(known)}"
        raise InputError(msg)
    _check_qualities(frame, path)
    return frame


def _check_qualities(frame: pd.DataFrame, path: Path) -> None:
    if "quality" not in frame.columns:
        return
    unknown = ~frame["quality"].isin(["", *QUALITIES])
    if unknown.any():
        msg = (
            f"{path}, line {line_of(frame, unknown)}: the column quality holds {' or '.join(QUALITIES)}, or nothing; "
            f"found {frame['quality'][unknown].iloc[0]!r}"
        )
        raise InputError(msg)


def check_rows(frame: pd.DataFrame, path: Path) -> None:
    """Check the columns that every list of cases has; a list may have others.

    Raises:
        InputError: If one is missing or has an empty cell, a case is listed twice or is not a valid file name, two ids look
            the same, or a patient is listed under two centres.
    """
    for column in REQUIRED_COLUMNS:
        if column not in frame.columns:
            msg = f"{path} lacks the column {column}; found {', '.join(map(str, frame.columns))}"
            raise InputError(msg)
    if frame.empty:
        msg = f"{path} lists no case"
        raise InputError(msg)
    for column in REQUIRED_COLUMNS:
        empty = frame[column] == ""
        if empty.any():
            msg = f"{path}, line {line_of(frame, empty)}: {column} is empty"
            raise InputError(msg)
    repeated = frame["case_id"].duplicated()
    if repeated.any():
        msg = f"{path}, line {line_of(frame, repeated)}: case {frame['case_id'][repeated].iloc[0]} is listed twice"
        raise InputError(msg)
    unsafe = frame["case_id"].map(lambda name: _SAFE_NAME.fullmatch(name) is None)
    if unsafe.any():
        msg = (
            f"{path}, line {line_of(frame, unsafe)}: case_id names files, so it may hold letters, digits, "
            f"'.', '_' and '-' only; found {frame['case_id'][unsafe].iloc[0]!r}"
        )
        raise InputError(msg)
    for column in ("case_id", "patient_id", "centre"):
        refuse_alike(frame[column], f"{path}: {column}", fold=column != "patient_id")
    centres = frame.groupby("patient_id")["centre"].nunique()
    if (centres > 1).any():
        msg = f"{path}: patient {centres.idxmax()} is listed under {centres.max()} centres; one patient belongs to one centre"
        raise InputError(msg)


def _case(row: dict[Any, Any], root: Path) -> Case:
    return Case(
        id=row["case_id"],
        patient_id=row["patient_id"],
        centre=row["centre"],
        image=root / row["image"],
        mask=root / row["mask"] if row.get("mask") else None,
        phase=row.get("phase") or None,
        flags=row.get("flags", ""),
        quality=row.get("quality", ""),
    )


def save_cohort(cohort: Cohort, folder: AnyPath) -> Path:
    """Write ``card.yaml`` and ``cases.csv`` so that ``load_cohort`` returns ``cohort`` again.

    Args:
        cohort: The cohort; paths inside ``folder`` are written relative to it, others absolute.
        folder: The data root of the card.

    Returns:
        The card's path.

    Example:
        >>> half = load_cohort("dev/card.yaml").with_cases(load_cohort("dev/card.yaml").cases[:1])
        >>> len(load_cohort(save_cohort(half, "half")).cases)
        1
    """
    folder = Path(folder)

    def portable(file: Path | None) -> str:
        if file is None:
            return ""
        return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file.resolve())

    frame = pd.DataFrame(
        {
            "case_id": [case.id for case in cohort.cases],
            "patient_id": [case.patient_id for case in cohort.cases],
            "centre": [case.centre for case in cohort.cases],
            "image": [portable(case.image) for case in cohort.cases],
            "mask": [portable(case.mask) for case in cohort.cases],
            "phase": [case.phase or "" for case in cohort.cases],
        }
    )
    if any(case.flags for case in cohort.cases):
        frame["flags"] = [case.flags for case in cohort.cases]
    if any(case.quality for case in cohort.cases):
        frame["quality"] = [case.quality for case in cohort.cases]
    write_csv(folder / "cases.csv", frame)
    content = {
        "name": cohort.name,
        "role": cohort.role.value,
        "licence": cohort.licence,
        "labels": plain_labels(cohort.labels),
        "cases": "cases.csv",
        "outcomes": portable(cohort.outcomes),
        "acquisition": portable(cohort.acquisition),
    }
    card = folder / CARD
    write_text(card, yaml.safe_dump({key: value for key, value in content.items() if value}, sort_keys=False))
    return card
