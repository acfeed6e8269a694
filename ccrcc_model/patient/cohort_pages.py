"""A look at a cohort: a review page of every case with a mask, and the index over them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import SimpleITK as sitk

from ccrcc_model.patient.index import IndexRow, write_index
from ccrcc_model.patient.page import About, Flag, write_page
from ccrcc_model.patient.page_record import PageRecord
from ccrcc_model.patient.reviews import STAGE, Review, Reviewed, match_reviews
from ccrcc_model.patient.shown_scan import show
from ccrcc_model.patient.thumbnail import thumbnail
from nnunet_ext.anatomy.self_check import self_check, write_self_checks
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.case import Case, Cohort, Labels, Refusal, plain_labels
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.ground.record import DISTRIBUTION, versions
from nnunet_ext.ground.refusals import FLAGS
from nnunet_ext.scans.geometry import read_scan
from nnunet_ext.volumes.volume_file import volume_sha256
from radiomics_cfg.cases.result_file import code_and_reason

PAGES, CASES = "pages", "cases"
"""Folders of the pages, and of what each was made of."""

VERSION = 1
"""Raised when pages of an earlier version are to be made again."""


@dataclass(frozen=True)
class LookedAt:
    """What came of a look at a cohort.

    Args:
        index: Path of the index.
        cohort: The cases that have a page, with the quality that readers stated.
        flagged: Number of these whose mask raised a flag.
        refusals: Cases without a page, and reviews that are of no mask here.
    """

    index: Path
    cohort: Cohort
    flagged: int
    refusals: tuple[Refusal, ...]


def look(
    cohort: Cohort, folder: AnyPath, *, reviews: Sequence[Review] = (), jobs: int = 1, on_progress: OnProgress = silent
) -> LookedAt:
    """Write a review page of every case with a mask, and the index over all.

    Pages that were made of the same image and mask before are kept.

    Args:
        cohort: Its cases need a mask; any other is refused.
        folder: Gets ``index.html``, ``pages``, ``self_check.csv``, ``quarantine.csv`` and, in ``cases``, what each page was
            made of; with ``reviews`` also ``reviews.csv``.
        reviews: What readers exported, as ``read_reviews`` returns it.
        jobs: Processes.
        on_progress: Called with the cases done and the cases in all.

    Raises:
        InputError: If ``jobs`` is less than 1.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> look(load_cohort("dev/card.yaml"), "look").index.name
        'index.html'
    """
    if jobs < 1:
        msg = f"jobs must be at least 1; found {jobs}"
        raise InputError(msg)
    out = Path(folder)
    made: dict[str, IndexRow] = {}
    refusals: list[Refusal] = []
    on_progress(0, len(cohort.cases))
    for done, (case_id, found) in enumerate(_all_pages(cohort, out, jobs), start=1):
        if isinstance(found, Refusal):
            refusals.append(found)
        else:
            made[case_id] = found
        on_progress(done, len(cohort.cases))
    order = {case.id: place for place, case in enumerate(cohort.cases)}
    refusals.sort(key=lambda refusal: order[refusal.case_id])
    reviewed = match_reviews(reviews, {case_id: row.mask_sha256 for case_id, row in made.items()})
    cases = [replace(case, quality=reviewed.quality.get(case.id, case.quality)) for case in cohort.cases if case.id in made]
    rows = [replace(made[case.id], quality=case.quality) for case in cases]
    index = _write_summary(out, cohort, rows, refusals=refusals, reviewed=reviewed if reviews else None)
    flagged = sum(bool(row.flags) for row in rows)
    return LookedAt(index, cohort.with_cases(cases), flagged, (*refusals, *reviewed.refusals))


def _write_summary(
    out: Path, cohort: Cohort, rows: Sequence[IndexRow], *, refusals: Sequence[Refusal], reviewed: Reviewed | None
) -> Path:
    """Write what is of all cases; return the path of the index."""
    write_self_checks(out / "self_check.csv", [row.check for row in rows])
    write_quarantine(out / "quarantine.csv", [*refusals, *(reviewed.refusals if reviewed else ())])
    if reviewed is not None:
        write_csv(out / "reviews.csv", reviewed.rows)
    return write_index(out, f"Cohort {cohort.name}", rows, refusals=refusals)


def _all_pages(cohort: Cohort, out: Path, jobs: int) -> Iterator[tuple[str, IndexRow | Refusal]]:
    """Yield each case's id with its row, or why it has no page, as soon as it is done."""
    (out / PAGES).mkdir(parents=True, exist_ok=True)
    calls = (joblib.delayed(_case_page)(case, cohort.labels, out) for case in cohort.cases)
    yield from joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(calls)


def _case_page(case: Case, labels: Labels, out: Path) -> tuple[str, IndexRow | Refusal]:
    try:
        return case.id, _kept_or_made(case, labels, out)
    except (CaseRefused, MemoryError, RuntimeError, ArithmeticError) as error:
        return case.id, Refusal(case.id, STAGE, *code_and_reason(error))


def _kept_or_made(case: Case, labels: Labels, out: Path) -> IndexRow:
    if case.mask is None:
        raise CaseRefused("mask-absent", "the case list names no mask, and this stage needs one")
    made_of = {
        "image_sha256": volume_sha256(case.image, "image"),
        "mask_sha256": volume_sha256(case.mask, "mask"),
        "labels": plain_labels(labels),
        "flags": case.flags,
        "page": VERSION,
        "software": versions().get(DISTRIBUTION, ""),
    }
    page, record = out / PAGES / f"{case.id}.html", out / CASES / f"{case.id}.json"
    made = PageRecord.kept(record, made_of=made_of, folder=page.parent)
    if made is None:
        made = _made(case, labels, page, made_of)
        made.write(record, made_of=made_of, files={page.name: page})
    mask_sha256, flags = str(made_of["mask_sha256"]), _flags(made.check.flags)
    address = f"{PAGES}/{page.name}"
    return IndexRow(case.id, case.patient_id, case.centre, address, mask_sha256, made.thumbnail, made.check, flags)


def _made(case: Case, labels: Labels, page: Path, made_of: dict[str, Any]) -> PageRecord:
    """Write the page of a case."""
    scan = read_scan(case, labels, mask_required=True)
    mask = sitk.GetArrayViewFromImage(scan.mask)
    x, y, z = scan.image.GetSpacing()
    check = self_check(case.id, mask, mask, spacing_mm=(z, y, x), hu=sitk.GetArrayViewFromImage(scan.image))
    check = replace(check, flags=" ".join(dict.fromkeys((*case.flags.split(), *check.flags.split()))))
    shown = show(scan)
    facts = (
        ("Patient", case.patient_id),
        ("Centre", case.centre),
        ("Image", f"SHA-256 {made_of['image_sha256']}"),
        ("Mask", f"SHA-256 {made_of['mask_sha256']}"),
        *(("Note", note) for note in scan.notes),
        ("Software", f"{DISTRIBUTION} {made_of['software']}"),
    )
    about = About(case.id, str(made_of["mask_sha256"]), flags=_flags(check.flags), facts=facts, index="../index.html")
    write_page(page, shown, about)
    return PageRecord(check, thumbnail(shown))


def _flags(codes: str) -> tuple[Flag, ...]:
    """Return flags with what they mean; a code that is not known stands for itself."""
    return tuple(
        Flag(code, "caution", f"{reason.found[:1].upper()}{reason.found[1:]}: {reason.remedy}.")
        if (reason := FLAGS.reasons.get(code))
        else Flag(code, "caution", "A flag of the case list.")
        for code in codes.split()
    )
