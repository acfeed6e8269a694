"""A guideline filled in from a run folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from ccrcc_model.report.sheets.evidence import Evidence, Pointer
from ccrcc_model.report.sheets.guideline import Guideline, Item


class Status(StrEnum):
    """Status of an item in a sheet."""

    FILLED = "filled"
    """The run folder holds the evidence that the row cites."""
    AUTHOR = "author to complete"
    NOT_APPLICABLE = "not applicable"
    """According to the evidence that the row cites."""


@dataclass(frozen=True, slots=True)
class Row:
    """An item with its status and its evidence."""

    item: Item
    status: Status
    pointers: tuple[Pointer, ...] = ()

    @property
    def note(self) -> str:
        """Why the item does not apply, or what the author still has to report."""
        if self.status is Status.NOT_APPLICABLE:
            return self.item.not_applicable
        return self.item.remains if self.status is Status.FILLED else ""

    @property
    def by_file(self) -> tuple[tuple[str, tuple[Pointer, ...]], ...]:
        """Pointers grouped by file, in the order in which the files first occur."""
        files = dict.fromkeys(pointer.file for pointer in self.pointers)
        return tuple((file, tuple(pointer for pointer in self.pointers if pointer.file == file)) for file in files)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A guideline with one row per item, by section."""

    guideline: Guideline
    sections: dict[str, tuple[Row, ...]]

    def __iter__(self) -> Iterator[Row]:
        return (row for rows in self.sections.values() for row in rows)

    def count(self, status: Status) -> int:
        """Return how many rows have this status."""
        return sum(row.status is status for row in self)

    def table(self) -> pd.DataFrame:
        """Return one row per item: number, section, topic, weight if any, status, evidence, note, and DOI of the source."""
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
    """Fill in a guideline; an item whose evidence is incomplete is left to the author.

    Raises:
        InputError: If a file of the run folder is not what its name indicates.
    """
    sections = {name: tuple(_row(item, evidence) for item in items) for name, items in guideline.sections.items()}
    return Sheet(guideline, sections)


def _row(item: Item, evidence: Evidence) -> Row:
    found = [evidence.find(topic) for topic in item.evidence]
    if not found or not all(found):
        return Row(item, Status.AUTHOR)
    pointers = tuple(dict.fromkeys(pointer for pointers in found for pointer in pointers))
    return Row(item, Status.NOT_APPLICABLE if item.not_applicable else Status.FILLED, pointers)
