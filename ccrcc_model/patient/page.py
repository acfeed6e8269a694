"""The review page of one patient: one file that opens anywhere, asks for nothing, and shows what may be wrong first."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ccrcc_model.patient.grey_codes import KNOTS, as_text, deflate_mask
from ccrcc_model.patient.lesion_rows import lesion_rows, measured_blocks
from ccrcc_model.patient.shown_prediction import ShownPrediction, shown_prediction, spoken
from ccrcc_model.patient.shown_scan import OBLIQUE_DEGREES, ShownScan
from ccrcc_model.patient.templating import policy, source, templates
from nnunet_ext.ground.files import write_text
from nnunet_ext.ground.labels import ON_CT, STRUCTURES

RINGS = "#9ad1ff"
"""Of every ring: they are nested, so their order tells them apart."""

WINDOWS = (
    {"name": "Soft tissue", "level": 80, "width": 400},
    {"name": "Kidney", "level": 120, "width": 250},
    {"name": "Fat", "level": -50, "width": 300},
    {"name": "Bone", "level": 400, "width": 1600},
    {"name": "Lung", "level": -500, "width": 1500},
)
"""Level and width in HU. The first is that of all pictures of this project."""

SCRIPTS = ("volume.js", "views.js", "controls.js", "review.js", "three.js")
STYLES = ("style.css", "page.css")
NIIVUE = Path(__file__).parent / "vendor" / "niivue-0.69.0.umd.js.gz"
"""NiiVue as its package has it, which draws the 3-D tab; its licence lies beside it."""

LARGEST_PAGE = 15_000_000
"""Bytes that a page may have."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A remark that is read before any result.

    Args:
        code: Of the check.
        severity: ``note``, ``caution`` or ``refusal``.
        text: In plain words.
    """

    code: str
    severity: str
    text: str


@dataclass(frozen=True)
class About:
    """What a page is of.

    Args:
        case_id: Heads the page and names the reader's review.
        mask_sha256: By which a review is tied to the mask that was looked at.
        kicker: The line above the heading.
        flags: Most severe first.
        facts: Name and value of what was used: hashes, networks, presets, versions.
        index: Address of the index, relative to the page, if there is one.
    """

    case_id: str
    mask_sha256: str
    kicker: str = "Review of the contours"
    flags: tuple[Flag, ...] = ()
    facts: tuple[tuple[str, str], ...] = field(default=())
    index: str = ""


def write_page(path: Path, shown: ShownScan, about: About, answer: Mapping[str, Any] | None = None) -> None:
    """Write the review page of one patient.

    Args:
        path: Of the page.
        shown: Images, contours and regions.
        about: What it is of.
        answer: Content of ``answer.json``, if models were applied.
    """
    write_text(path, render_page(shown, about, answer))


def about_answer(answer: Mapping[str, Any], *, index: str = "") -> About:
    """Return what the page of an answer is of.

    Args:
        answer: Content of ``answer.json``.
        index: Address of the index, relative to the page.
    """
    order = ("refusal", "caution", "note")
    flags = [Flag(str(one["code"]), str(one["severity"]), str(one["text"])) for one in answer.get("flags") or ()]
    flags.sort(key=lambda flag: order.index(flag.severity) if flag.severity in order else len(order))
    source, mask = answer["source"], answer["mask"]
    network, preset = answer.get("network") or {}, answer.get("preset") or {}
    facts = {
        "Image": f"{source.get('kind', '')}, SHA-256 {source['image_sha256']}",
        "Mask": f"{mask.get('origin', '')}, SHA-256 {mask['sha256']}",
        "Network": f"{network['name']}, SHA-256 {network.get('sha256', '')}" if network else "",
        "Preset": ", ".join(str(preset[key]) for key in ("preset", "mode", "preset_sha256") if key in preset),
        **{f"Model, {one['target']}": f"{one.get('model_id', '')}" for one in answer.get("predictions") or ()},
        "Made": str(answer.get("created", "")),
        "Software": ", ".join(f"{name} {version}" for name, version in (answer.get("software") or {}).items()),
    }
    stated = tuple((name, value) for name, value in facts.items() if value)
    return About(str(answer["patient"]), str(mask["sha256"]), "One patient", tuple(flags), stated, index)


def render_page(shown: ShownScan, about: About, answer: Mapping[str, Any] | None = None) -> str:
    """Return the page as HTML; see ``write_page``."""
    env = templates()
    style, script = source(env, STYLES), source(env, SCRIPTS)
    packed = NIIVUE.read_bytes()
    structures = _structures(shown)
    rings = [
        {"name": name, "title": spoken(name).capitalize(), "colour": RINGS, "dash": True}
        for name in shown.regions
        if _is_ring(name)
    ]
    places = {name: f"region-{number}" for number, name in enumerate(shown.regions)}
    rows = lesion_rows(shown, answer)
    predictions = _predictions(answer)
    return env.get_template("page.html.jinja").render(
        about=about,
        answered=answer,
        flags=about.flags,
        predictions=predictions,
        facts=about.facts,
        index=about.index,
        structures=structures,
        rings=rings,
        windows=WINDOWS,
        lesions=rows,
        has_diameters=any(row.diameters for row in rows),
        measured=measured_blocks(answer),
        shown_at=_shown_at(shown),
        style=style,
        script=script,
        policy=policy(style, script, gzip.decompress(packed).decode()),
        niivue=Markup(as_text(packed)),  # noqa: S704 - Base64
        image=Markup(as_text(shown.image)),  # noqa: S704 - Base64
        labels=Markup(as_text(deflate_mask(shown.labels))),  # noqa: S704 - Base64
        region_texts=[(places[name], as_text(deflate_mask(mask))) for name, mask in shown.regions.items()],
        data=_data(shown, about, structures=structures, rings=rings, places=places),
    )


def _predictions(answer: Mapping[str, Any] | None) -> list[ShownPrediction]:
    return [shown_prediction(one) for one in (answer or {}).get("predictions") or ()]


def _structures(shown: ShownScan) -> list[dict[str, Any]]:
    """Return the structures that the mask holds, in the order of their labels."""
    return [
        {"name": name, "value": int(label), "colour": ON_CT[name]}
        for name, label in STRUCTURES.items()
        if (shown.labels == label).any()
    ]


def _is_ring(name: str) -> bool:
    return name.startswith("shell_") and name.endswith("mm")


def _shown_at(shown: ShownScan) -> str:
    """Return what a reader should know of the images."""
    lines = []
    if max(shown.merged) > 1:
        size = " × ".join(f"{mm * n:.2g}" for mm, n in zip(shown.spacing_mm, shown.merged, strict=True))
        lines.append(f"The images are averaged to voxels of {size} mm; the contours are not.")
    if shown.oblique_degrees > OBLIQUE_DEGREES:
        lines.append(
            f"The scan is oblique by {shown.oblique_degrees:.0f}°, so the views are only nearly axial, coronal and sagittal."
        )
    return " ".join(lines)


def _data(
    shown: ShownScan,
    about: About,
    *,
    structures: Sequence[Mapping[str, Any]],
    rings: Sequence[Mapping[str, Any]],
    places: Mapping[str, str],
) -> dict[str, Any]:
    """Return what the script needs to know."""
    x, y, _ = shown.size
    start = shown.lesions[0].at if shown.lesions else (x // 2, y // 2, shown.slice_of_interest)
    return {
        "case": about.case_id,
        "mask_sha256": about.mask_sha256,
        "size": shown.size,
        "spacing": shown.spacing_mm,
        "merged": shown.merged,
        "first": shown.first,
        "start": start,
        "knots": KNOTS,
        "windows": WINDOWS,
        "structures": structures,
        "rings": rings,
        "regions": places,
        "lesions": [{"at": lesion.at} for lesion in shown.lesions],
    }
