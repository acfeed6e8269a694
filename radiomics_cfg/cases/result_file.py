"""The small file that keeps what came of one case, whatever was made of it: its rows, or why it was refused."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_ext.ground.case import Case, Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.scans.geometry import read_scan
from nnunet_ext.volumes.presence import check_file
from nnunet_ext.volumes.volume_file import volume_sha256
from radiomics_cfg.cases.kept_values import read_values, refusal_is_sound, write_values
from radiomics_cfg.cases.recipe import CodeAndReason, Made, Recipe

TROUBLE = frozenset({"failed", "io-error", "out-of-memory", "worker-lost"})
"""Codes of what may pass: such a case is tried again by the next run. All other refusals are decisions about its voxels."""


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Place and number of the rows of a case."""

    file: Path
    n_rows: int


Outcome = KeptRows | Refusal
"""Outcome of a case."""


@dataclass(frozen=True)
class CaseWork:
    """What a worker process does with the cases of a batch.

    Args:
        recipe: How a case is measured.
        folder: Keeps the results.
    """

    recipe: Recipe
    folder: Path

    def get_ready(self) -> None:
        """Load what the first case would wait for."""
        self.recipe.get_ready()

    def measure(self, case: Case) -> Outcome:
        """Measure and keep a case."""
        return measure_and_keep(case, self.recipe, self.folder)

    def lost(self, case: Case, reason: str) -> Outcome:
        """Keep that a case's process is gone."""
        return keep_trouble(case, self.recipe, self.folder, code="worker-lost", reason=reason)


def find_outcome(
    case: Case, recipe: Recipe, folder: Path, *, on_spoilt: Callable[[Path], None] = lambda _: None
) -> Outcome | None:
    """Return what is kept of a case, or its refusal if there are no files to measure; None if it has yet to be measured.

    Args:
        case: With a mask.
        recipe: How it is measured.
        folder: Keeps the results.
        on_spoilt: Called with a result file that is there and cannot be used.
    """
    try:
        image_sha256, mask_sha256 = hashes(case, recipe)
    except CaseRefused as refused:
        return Refusal(case.id, recipe.stage, refused.code, refused.reason)
    file = recipe.file(folder, image_sha256, mask_sha256)
    found = _kept(case, recipe, file, image_sha256=image_sha256, mask_sha256=mask_sha256)
    if found is None and os.path.lexists(file):
        on_spoilt(file)
    return found


def is_open(outcome: Outcome | None) -> bool:
    """Whether a case has yet to be measured, or was stopped by what may pass."""
    return outcome is None or (isinstance(outcome, Refusal) and outcome.code in TROUBLE)


def measure_and_keep(case: Case, recipe: Recipe, folder: Path) -> Outcome:
    """Measure a case and keep what came of it in ``folder``, unless it is there.

    Raises:
        InputError: If the result cannot be written.
    """
    return _find_or_keep(case, recipe, folder, lambda: _made(case, recipe))


def keep_trouble(case: Case, recipe: Recipe, folder: Path, *, code: str, reason: str) -> Outcome:
    """Record that something other than its voxels stopped a case, unless its result had been kept before that."""
    return _find_or_keep(case, recipe, folder, lambda: replace(recipe.nothing, refusal=(code, reason)))


def hashes(case: Case, recipe: Recipe) -> tuple[str, str]:
    """Return the hashes of a case's image and mask.

    Raises:
        CaseRefused: If one of them is missing or cannot be read.
    """
    check_file(case.image, "image", folders=True)
    if case.mask is None:
        read_scan(case, recipe.labels, mask_required=True)  # which knows the code
        return "", ""
    return volume_sha256(case.image, "image"), volume_sha256(case.mask, "mask")


def code_and_reason(error: Exception) -> CodeAndReason:
    """Return what stopped a case, and keep what may pass apart from what the gate decided about its voxels."""
    reason = error.reason if isinstance(error, CaseRefused) else " ".join(f"{type(error).__name__}: {error}".split())
    cause = error.__cause__ or error
    if isinstance(cause, MemoryError) or "allocate memory" in str(cause):  # the words of ITK, which has no type for it
        return "out-of-memory", reason
    if isinstance(cause, OSError) and cause.errno is not None:  # without a number it is the content: gzip's errors have none
        return "io-error", reason
    return error.code if isinstance(error, CaseRefused) else "failed", reason


def _find_or_keep(case: Case, recipe: Recipe, folder: Path, make: Callable[[], Made]) -> Outcome:
    """Return the kept result of a case; without one, or if its error may be temporary, keep what ``make`` returns."""
    try:
        image_sha256, mask_sha256 = hashes(case, recipe)
    except CaseRefused as refused:
        return Refusal(case.id, recipe.stage, refused.code, refused.reason)
    file = recipe.file(folder, image_sha256, mask_sha256)
    found = _kept(case, recipe, file, image_sha256=image_sha256, mask_sha256=mask_sha256)
    if found is not None and not is_open(found):
        return found
    made = make()
    about = {"image_sha256": image_sha256, "mask_sha256": mask_sha256, **recipe.about(), **made.said, "refusal": made.refusal}
    try:
        write_values(file, made.values, about)
    except OSError as error:
        msg = f"Cannot write a result to {file.parent}: {error.strerror or error}"
        raise InputError(msg) from error
    return _outcome(case, recipe, file, n_rows=len(made.values), refusal=made.refusal)


def _made(case: Case, recipe: Recipe) -> Made:
    """Measure a case, or return with a code and a line why that was not possible."""
    try:
        return recipe.measure(case)
    except Exception as error:  # one case must not end a batch of thousands, whatever a library makes of its voxels
        if isinstance(error, InputError) and not isinstance(error, CaseRefused):
            raise
        return replace(recipe.nothing, refusal=code_and_reason(error))


def _kept(case: Case, recipe: Recipe, file: Path, *, image_sha256: str, mask_sha256: str) -> Outcome | None:
    """Return what the result file of an image and a mask holds; None if it is of others, whatever its name."""
    found = read_values(file)
    if found is None:
        return None
    values, about = found
    refusal = about.get("refusal")
    if not refusal_is_sound(refusal) or bool(refusal) == bool(len(values)):
        return None
    files = {"image_sha256": image_sha256, "mask_sha256": mask_sha256, "file": file.name}
    is_theirs = all(about.get(name) in (None, value) for name, value in files.items())
    made_so = all(about.get(name) == value for name, value in json.loads(json.dumps(recipe.about())).items())
    if not is_theirs or not made_so or not recipe.is_sound(values, about):
        return None
    return _outcome(case, recipe, file, n_rows=len(values), refusal=tuple(refusal) if refusal else None)


def _outcome(case: Case, recipe: Recipe, file: Path, *, n_rows: int, refusal: CodeAndReason | None) -> Outcome:
    return KeptRows(file, n_rows) if refusal is None else Refusal(case.id, recipe.stage, *refusal)
