"""Which series of a study becomes its volume, and what became of the others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import SimpleITK as sitk

from nnunet_ext.dicom.phases import PHASES
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.voxels import read_volume
from nnunet_ext.ground.errors import CaseRefused

Row = dict[str, object]

_ORDER = (*PHASES[:-1], None, PHASES[-1])
"""Phases in order of preference: an unknown phase before an unenhanced one."""


@dataclass
class Choice:
    """The series of a study; those that are volumes are in the order in which they are tried.

    Args:
        usable: The volumes, the best one first.
        rows: For each series ``case_id, series, modality, files, slices, step_mm, length_mm, phase, verdict, why``.
    """

    usable: tuple[Series, ...]
    rows: list[Row]
    _row_of: dict[int, Row]

    @contextmanager
    def trying(self, series: Series) -> Iterator[None]:
        """Note why a series is refused, if it is in the block."""
        try:
            yield
        except CaseRefused as refused:
            row = self._row_of[id(series)]
            row["verdict"], row["why"] = refused.code, _joined(refused.reason, str(row["why"]))
            raise

    def first_readable(self) -> tuple[Series, sitk.Image]:
        """Return the best series whose voxels can be read, and the volume.

        Raises:
            CaseRefused: ``no-series`` if none is a volume, and what ``read_volume`` says of the best one if none can be read.
        """
        refusals: list[CaseRefused] = []
        for one in self.usable:
            try:
                with self.trying(one):
                    return one, read_volume(one)
            except CaseRefused as refused:
                refusals.append(refused)
        if refusals:
            raise refusals[0]
        codes = ", ".join(str(row["verdict"]) for row in self.rows)
        raise CaseRefused("no-series", f"none of the study's {len(self.rows)} series is a volume: {codes}")

    def refuse_all(self, refused: CaseRefused) -> NoReturn:
        """Refuse the study, and with it every series that could have been its volume."""
        for one in self.usable:
            row = self._row_of[id(one)]
            row["verdict"], row["why"] = refused.code, refused.reason
        raise refused

    def take(self, series: Series) -> None:
        """Note that the volume of a series is the study's."""
        self._row_of[id(series)]["verdict"] = "chosen"


def choose(series: Sequence[Series], referred: frozenset[str], *, case_id: str, note: str = "") -> Choice:
    """Put the volumes of a study in order.

    One to which a mask refers comes first; then originals before derived series, by phase, by extent, by thin slices.

    Args:
        series: Of one study.
        referred: Identifiers of series that a mask refers to.
        case_id: Of the study.
        note: A remark on each of them in addition to its own reason.
    """
    rows: list[Row] = []
    row_of: dict[int, Row] = {}
    usable: list[tuple[tuple[object, ...], Series]] = []
    for number, one in enumerate((part for whole in series for part in whole.volumes()), start=1):
        row: Row = {"case_id": case_id, "series": number, "modality": one.first.modality, "files": len(one.headers)}
        row |= {"slices": "", "step_mm": "", "length_mm": "", "phase": one.phase or "", "verdict": "not chosen", "why": note}
        try:
            row |= {"slices": len(one.slices), "step_mm": round(one.step_mm, 3), "length_mm": round(one.length_mm, 1)}
            row["why"] = _joined(_reason(one, referred), note)
            usable.append(((*_preference(one, referred), number), one))
        except CaseRefused as refused:
            row |= {"verdict": refused.code, "why": _joined(refused.reason, note)}
        rows.append(row)
        row_of[id(one)] = row
    ordered = tuple(one for _, one in sorted(usable, key=lambda pair: pair[0]))
    return Choice(ordered, rows, row_of)


def _preference(one: Series, referred: frozenset[str]) -> tuple[object, ...]:
    return (
        one.first.series not in referred,
        one.is_derived,
        _ORDER.index(one.phase),
        -round(one.length_mm),
        round(one.step_mm, 3),
    )


def _reason(one: Series, referred: frozenset[str]) -> str:
    mask = "with a mask, " if one.first.series in referred else ""
    reason = f"{mask}phase {one.phase or 'unknown'}, {one.length_mm:.0f} mm long, slices of {one.step_mm:g} mm"
    derived = "derived from another series, so only used if no original is a volume" if one.is_derived else ""
    copies = f"{one.copies} files are copies of others" if one.copies else ""
    return _joined(reason, one.part, derived, copies)


def _joined(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)
