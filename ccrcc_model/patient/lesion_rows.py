"""Lesions and kidneys as the page lists them: what the mask shows, and what ``answer.json`` measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccrcc_model.patient.shown_prediction import spoken
from ccrcc_model.patient.shown_scan import ShownScan
from nnunet_ext.ground.labels import STRUCTURES


@dataclass(frozen=True, slots=True)
class LesionRow:
    """A row of the list.

    Args:
        name: Such as ``Tumour 1``.
        side: Of the patient; empty if it is not known.
        volume: With its unit.
        diameters: The three of them, with their unit.
        index: Place among the lesions that a click leads to; None for a structure as a whole.
    """

    name: str
    side: str
    volume: str
    diameters: str
    index: int | None


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One measurement, or why there is none."""

    name: str
    value: str
    points: str
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """The measurements of a lesion or a kidney."""

    name: str
    rows: tuple[MeasuredRow, ...]


def lesion_rows(shown: ShownScan, answer: Mapping[str, Any] | None) -> list[LesionRow]:
    """Return the lesions, tumours first, and below them what each structure fills in all.

    Both number their lesions alike, so that the page, the SEG and the report mean the same by ``Cyst 2``.
    """
    measured = {(one["label"], one["lesion"]): one for one in (answer or {}).get("lesions") or ()}
    rows = []
    for index, lesion in enumerate(shown.lesions):
        found = measured.get((lesion.label, lesion.number), {})
        side = str(found.get("side") or lesion.side)
        rows.append(
            LesionRow(
                f"{lesion.label.capitalize()} {lesion.number}",
                "" if side == "unknown" else side,
                _ml(lesion.volume_ml),
                _diameters(found.get("diameters_mm") or ()),
                index,
            )
        )
    totals = [(name, shown.volume_ml(label)) for name, label in STRUCTURES.items()]
    return rows + [LesionRow(f"{name.capitalize()}, in all", "", _ml(ml), "", None) for name, ml in totals if ml]


def measured_blocks(answer: Mapping[str, Any] | None) -> list[Block]:
    """Return the measurements of an answer, lesion by lesion and then kidney by kidney."""
    return list(_blocks(answer)) if answer else []


def _blocks(answer: Mapping[str, Any]) -> Iterator[Block]:
    for lesion in sorted(answer.get("lesions") or (), key=lambda one: int(one["lesion"])):
        if lesion.get("measurements"):
            yield Block(f"{lesion['label'].capitalize()} {lesion['lesion']}", _rows(lesion["measurements"]))
    for kidney in answer.get("kidneys") or ():
        volume = {"name": "volume", "value": kidney.get("volume_ml"), "unit": "ml"}
        yield Block(
            f"{str(kidney.get('side', '')).capitalize()} kidney".strip(), _rows([volume, *(kidney.get("measurements") or ())])
        )


def _rows(measurements: Sequence[Mapping[str, Any]]) -> tuple[MeasuredRow, ...]:
    return tuple(
        MeasuredRow(
            spoken(str(one["name"])).capitalize(),
            _value(one),
            "" if one.get("points") is None else f"{one['points']}",
            str(one.get("reason") or ""),
        )
        for one in measurements
    )


def _value(one: Mapping[str, Any]) -> str:
    value = one.get("value")
    if value is None:
        reason = str(one.get("reason") or "")
        return f"not assessable{': ' + reason if reason else ''}"
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{text} {one.get('unit') or ''}".strip()


def _ml(volume: float) -> str:
    return f"{volume:.0f} ml" if volume >= 100 else f"{volume:.1f} ml"


def _diameters(diameters_mm: Sequence[float]) -> str:
    return " × ".join(f"{mm:.0f}" for mm in diameters_mm) + " mm" if diameters_mm else ""
