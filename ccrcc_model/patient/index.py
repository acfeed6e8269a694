"""The index over many patients: thumbnails, volumes, flags and answers, to be sorted, filtered and marked."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ccrcc_model.patient.page import Flag
from ccrcc_model.patient.templating import policy, source, templates
from ccrcc_model.report.run_parts import INDEX
from nnunet_ext.anatomy.self_check import SelfCheck
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.files import write_text
from nnunet_ext.ground.labels import STRUCTURES

SCRIPTS = ("index.js",)
STYLES = ("style.css", "index.css")


@dataclass(frozen=True)
class IndexRow:
    """A patient or a case.

    Args:
        case_id: Names the case.
        patient_id: Whose scan it is.
        centre: Where it was made.
        page: Address of its review page, relative to the index.
        mask_sha256: By which a mark is tied to the mask.
        thumbnail: JPEG.
        check: Volumes.
        flags: Why to look at it first.
        quality: What readers said, as a case list has it.
        results: Target and answer, where models were applied.
    """

    case_id: str
    patient_id: str
    centre: str
    page: str
    mask_sha256: str
    thumbnail: bytes
    check: SelfCheck
    flags: tuple[Flag, ...] = ()
    quality: str = ""
    results: tuple[tuple[str, str], ...] = ()


def write_index(folder: Path, heading: str, rows: Sequence[IndexRow], *, refusals: Sequence[Refusal] = ()) -> Path:
    """Write ``index.html``, and return its path.

    Args:
        folder: Of the index; the addresses of pages are relative to it.
        heading: Such as the cohort's name.
        rows: In the order of the case list.
        refusals: Cases without a page, and why.
    """
    path = folder / INDEX
    write_text(path, render_index(heading, rows, refusals=refusals))
    return path


def render_index(heading: str, rows: Sequence[IndexRow], *, refusals: Sequence[Refusal] = ()) -> str:
    """Return the index as HTML; see ``write_index``."""
    env = templates()
    style, script = source(env, STYLES), source(env, SCRIPTS)
    flags = sorted({flag.code for row in rows for flag in row.flags})
    return env.get_template("index.html.jinja").render(
        heading=heading,
        rows=[_shown(row) for row in rows],
        has_results=any(row.results for row in rows),
        masses=any(row.check.mass_ml > 0 for row in rows),
        has_centres=len({row.centre for row in rows}) > 1,
        flags=flags,
        flagged=sum(bool(row.flags) for row in rows),
        refusals=refusals,
        style=style,
        script=script,
        policy=policy(style, script),
        data=[_data(row) for row in rows],
    )


def _shown(row: IndexRow) -> dict[str, Any]:
    check = row.check
    return {"row": row, "address": quote(row.page), "check": check, "codes": " ".join(flag.code for flag in row.flags)}


def _data(row: IndexRow) -> dict[str, Any]:
    """Return what the script needs to know of a row."""
    held = [name for name in STRUCTURES if getattr(row.check, f"{name}_ml") > 0]
    thumbnail = base64.b64encode(row.thumbnail).decode("ascii")
    return {"case": row.case_id, "mask_sha256": row.mask_sha256, "structures": held, "thumbnail": thumbnail}
