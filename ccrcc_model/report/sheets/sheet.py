"""A guideline filled from a run folder, and its files."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from ccrcc_model.report.environment import environment
from ccrcc_model.report.run_parts import RunParts
from ccrcc_model.report.sheets.evidence import Evidence, Pointer
from ccrcc_model.report.sheets.guideline import Guideline, Item, load_guidelines
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.files import write_text

PAGE = "sheets.html"
FOLDER = "sheets"


class Status(StrEnum):
    """What a sheet says of an item."""

    FILLED = "filled"
    """The run folder holds the evidence that the row points at."""
    AUTHOR = "author to complete"
    NOT_APPLICABLE = "not applicable"
    """By the evidence that the row points at."""


@dataclass(frozen=True, slots=True)
class Row:
    """An item with its status and what it rests on."""

    item: Item
    status: Status
    pointers: tuple[Pointer, ...] = ()

    @property
    def note(self) -> str:
        """Why the item does not apply, or what the author still has to say of it."""
        if self.status is Status.NOT_APPLICABLE:
            return self.item.not_applicable
        return self.item.remains if self.status is Status.FILLED else ""

    @property
    def by_file(self) -> tuple[tuple[str, tuple[Pointer, ...]], ...]:
        """Pointers by their file, in the order of the files' first ones."""
        files = dict.fromkeys(pointer.file for pointer in self.pointers)
        return tuple((file, tuple(pointer for pointer in self.pointers if pointer.file == file)) for file in files)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A guideline with a row for each item, by the guideline's sections."""

    guideline: Guideline
    sections: dict[str, tuple[Row, ...]]

    def __iter__(self) -> Iterator[Row]:
        return (row for rows in self.sections.values() for row in rows)

    def count(self, status: Status) -> int:
        """Return how many rows have this status."""
        return sum(row.status is status for row in self)

    def table(self) -> pd.DataFrame:
        """One row an item: number, section, topic, weight where there is one, status, evidence, note, and the source's DOI."""
        rows = [
            {
                "item": row.item.number,
                "section": section,
                "topic": row.item.topic,
                "weight": row.item.weight,
                "status": row.status.value,
                "evidence": "; ".join(map(str, row.pointers)),
                "note": row.note,
                "source": f"doi:{self.guideline.doi}",
            }
            for section, rows in self.sections.items()
            for row in rows
        ]
        return pd.DataFrame(rows).dropna(axis="columns", how="all")


def fill(guideline: Guideline, evidence: Evidence) -> Sheet:
    """Fill a guideline: an item whose evidence is not all there is left to the author.

    Raises:
        InputError: If a file of the run folder is not what its name says.
    """
    sections = {name: tuple(_row(item, evidence) for item in items) for name, items in guideline.sections.items()}
    return Sheet(guideline, sections)


def write_sheets(parts: RunParts, *, title: str, synthetic: bool) -> tuple[Sheet, ...]:
    """Write ``sheets/<guideline>.csv`` and ``sheets.html``, and return the sheets.

    Args:
        parts: Of the run, with the report's figures and tables written.
        title: Of the run.
        synthetic: Whether its patients are phantoms.

    Raises:
        InputError: If a file of the run folder is not what its name says.
    """
    evidence = Evidence(parts)
    sheets = tuple(fill(guideline, evidence) for guideline in load_guidelines())
    for sheet in sheets:
        write_csv(parts.report / FOLDER / f"{sheet.guideline.name}.csv", sheet.table())
    page = (
        environment().get_template("sheets.html.jinja").render(title=title, synthetic=synthetic, sheets=sheets, Status=Status)
    )
    write_text(parts.report / PAGE, page)
    return sheets


def _row(item: Item, evidence: Evidence) -> Row:
    found = [evidence.find(topic) for topic in item.evidence]
    if not found or not all(found):
        return Row(item, Status.AUTHOR)
    pointers = tuple(dict.fromkeys(pointer for pointers in found for pointer in pointers))
    return Row(item, Status.NOT_APPLICABLE if item.not_applicable else Status.FILLED, pointers)
