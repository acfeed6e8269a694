"""The small file that keeps what came of one case: its rows, or why it was refused."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from nnunet_ext.cohort.acquisition import slice_spacing_mm
from nnunet_ext.ground.case import Case, Cohort, Labels, Refusal, plain_labels
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import sha256
from nnunet_ext.scans.geometry import read_scan
from nnunet_ext.volumes.presence import check_file
from nnunet_ext.volumes.volume_file import volume_files
from radiomics_cfg.backends.backend import load_backend
from radiomics_cfg.cases.kept_values import (
    gaps_are_told,
    read_values,
    refusal_is_sound,
    rows_are_sound,
    spacing_is_sound,
    write_values,
)
from radiomics_cfg.cases.measure import CaseRows, as_measured, feature_columns, measure_case
from radiomics_cfg.modes import MODES, ORIENTATIONS, Mode
from radiomics_cfg.preset import Preset
from radiomics_cfg.process.heap import freed_memory_kept
from radiomics_cfg.process.one_thread import one_thread

VERSION = 4
"""Of the way from scan to values in this package. Raised by whoever changes a value, so that kept results are not reused."""

TROUBLE = frozenset({"failed", "io-error", "out-of-memory", "worker-lost"})
"""Codes of what may pass: such a case is tried again by the next run. All other refusals are decisions about its voxels."""


class CaseRecipe(Protocol):
    """All that what is kept of a case depends on, besides its image and mask."""

    @property
    def labels(self) -> Labels:
        """Value in the mask files for each structure."""

    def file(self, folder: Path, image_sha256: str, mask_sha256: str) -> Path:
        """Return where the result of an image and a mask belongs."""

    def about(self) -> dict[str, Any]:
        """Return what a result file says about how it was made."""


@dataclass(frozen=True)
class Recipe:
    """All that a case's values depend on besides its image and mask; where any of it differs, nothing kept is used again.

    Args:
        labels: Value in the mask files for each structure.
        preset: What is measured.
        backend: Name of what computes the features.
        mode: How the images were filtered.
        versions: Of the backend, of the libraries under it, and of this package's way from scan to values.
    """

    labels: Labels
    preset: Preset
    backend: str
    mode: Mode
    versions: Mapping[str, str]

    @classmethod
    def of(cls, cohort: Cohort, preset: Preset, *, backend: str, mode: Mode) -> Self:
        """Return the recipe of this process.

        Raises:
            InputError: If the mode is unknown, or the backend is unknown or not installed.
        """
        if mode not in MODES:
            msg = f"No extraction mode {mode!r}; known ones are {', '.join(MODES)}"
            raise InputError(msg)
        return cls(dict(cohort.labels), preset, backend, mode, cls.versions_of(backend))

    @staticmethod
    def versions_of(backend: str) -> dict[str, str]:
        """Return the versions that this process would measure with."""
        return {**load_backend(backend).versions, "extraction": str(VERSION)}

    def columns(self) -> list[str]:
        """Return the names of the feature columns, in table order."""
        return feature_columns(self.preset, load_backend(self.backend))

    def file(self, folder: Path, image_sha256: str, mask_sha256: str) -> Path:
        """Return where the result of an image and a mask belongs: its name is a hash of all that it depends on."""
        content = {
            "image": image_sha256,
            "mask": mask_sha256,
            "labels": plain_labels(self.labels),
            "preset": self.preset.sha256,
            "backend": self.backend,
            "mode": self.mode,
            "versions": dict(self.versions),
        }
        return folder / f"{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}.npz"

    def about(self) -> dict[str, Any]:
        """Return what a result file says about how it was made."""
        return {
            "labels": plain_labels(self.labels),
            "preset": self.preset.name,
            "preset_sha256": self.preset.sha256,
            "backend": self.backend,
            "mode": self.mode,
            "orientation": ORIENTATIONS[self.mode],
            "versions": dict(self.versions),
        }


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Where a case's rows are, and how many there are."""

    file: Path
    n_rows: int


Outcome = KeptRows | Refusal
"""What came of a case."""


CodeAndReason = tuple[str, str]


@dataclass(frozen=True)
class CaseContent:
    """What a result file holds.

    Args:
        image_sha256: Of the file, or of the files of the DICOM series, that were measured.
        mask_sha256: Of the mask file.
        rows: What the case adds to the table; no row if it was refused.
        refusal: Code and reason, if the case was refused.
        slice_spacing_mm: Of the image that was measured; None if it was refused, or measured before this was kept.
    """

    image_sha256: str
    mask_sha256: str
    rows: CaseRows
    refusal: CodeAndReason | None
    slice_spacing_mm: float | None = None


Made = tuple[CaseRows, CodeAndReason | None, float | None]
"""What measuring a case adds to its hashes."""

NO_ROWS = CaseRows(np.empty((0, 0)), (), ())
"""Of a case that was refused."""


def read_case_file(file: Path) -> CaseContent | None:
    """Return the content of a result file; None if there is none, or it is damaged and has to be made anew."""
    found = _read(file)
    return None if found is None else found[0]


def _read(file: Path) -> tuple[CaseContent, dict[str, Any]] | None:
    found = read_values(file)
    if found is None:
        return None
    values, about = found
    keys, missing, refusal = (about.get(name) for name in ("keys", "missing", "refusal"))
    hashes = [about.get("image_sha256"), about.get("mask_sha256")]
    spacing = about.get("slice_spacing_mm")
    sound = rows_are_sound(values, keys, missing) and refusal_is_sound(refusal) and spacing_is_sound(spacing)
    if not sound or not all(isinstance(one, str) for one in hashes) or bool(refusal) == bool(len(values)):
        return None
    rows = CaseRows(values, tuple(about["keys"]), tuple(about["missing"]))
    return CaseContent(about["image_sha256"], about["mask_sha256"], rows, tuple(refusal) if refusal else None, spacing), about


def _kept(file: Path, recipe: CaseRecipe, image_sha256: str, mask_sha256: str) -> CaseContent | None:
    """Return the content of the result file of an image and a mask; None if it is of others, whatever its name says."""
    found = _read(file)
    if found is None:
        return None
    content, about = found
    is_theirs = (content.image_sha256, content.mask_sha256) == (image_sha256, mask_sha256)
    made_so = all(about.get(name) == value for name, value in json.loads(json.dumps(recipe.about())).items())
    if not is_theirs or not made_so:
        return None
    if isinstance(recipe, Recipe) and content.refusal is None:
        return content if gaps_are_told(content.rows.values, content.rows.missing, _columns(recipe)) else None
    return content


def _columns(recipe: Recipe) -> list[str]:
    key = (recipe.preset.sha256, recipe.backend)
    if key not in _COLUMNS:
        _COLUMNS[key] = recipe.columns()
    return _COLUMNS[key]


_COLUMNS: dict[tuple[str, str], list[str]] = {}
"""By preset and backend, as naming thousands of columns for each case would take longer than reading its file."""


def _write_case_file(file: Path, content: CaseContent, recipe: CaseRecipe) -> None:
    about = {
        "image_sha256": content.image_sha256,
        "mask_sha256": content.mask_sha256,
        **recipe.about(),
        "keys": content.rows.keys,
        "missing": content.rows.missing,
        "refusal": content.refusal,
        "slice_spacing_mm": content.slice_spacing_mm,
    }
    try:
        write_values(file, content.rows.values, about)
    except OSError as error:
        msg = f"Cannot write a result to {file.parent}: {error.strerror or error}"
        raise InputError(msg) from error


def find_outcome(
    case: Case, recipe: Recipe, folder: Path, *, on_spoilt: Callable[[Path], None] = lambda _: None
) -> Outcome | None:
    """Return what is kept of a case, or its refusal if there are no files to measure; None if it has yet to be measured.

    Args:
        case: With a mask.
        recipe: How it is measured.
        folder: Keeps the results.
        on_spoilt: Told of a result file that is there and cannot be used.
    """
    try:
        image_sha256, mask_sha256 = _hashes(case, recipe)
    except CaseRefused as refused:
        return _refusal(case, (refused.code, refused.reason))
    file = recipe.file(folder, image_sha256, mask_sha256)
    content = _kept(file, recipe, image_sha256, mask_sha256)
    if content is None and os.path.lexists(file):
        on_spoilt(file)
    return None if content is None else _outcome(case, file, content)


def is_open(outcome: Outcome | None) -> bool:
    """Tell whether a case has yet to be measured, or was stopped by what may pass."""
    return outcome is None or (isinstance(outcome, Refusal) and outcome.code in TROUBLE)


def measure_and_keep(case: Case, recipe: Recipe, folder: Path) -> Outcome:
    """Measure a case and keep what came of it in ``folder``, unless it is there.

    Raises:
        InputError: If the result cannot be written.
    """
    return find_or_keep(case, recipe, folder, lambda: _measure(case, recipe))


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
        """Load the backend."""
        load_backend(self.recipe.backend)

    def measure(self, case: Case) -> Outcome:
        """Measure and keep a case."""
        return measure_and_keep(case, self.recipe, self.folder)

    def lost(self, case: Case, reason: str) -> Outcome:
        """Keep that a case's process is gone."""
        return keep_trouble(case, self.recipe, self.folder, code="worker-lost", reason=reason)


def keep_trouble(case: Case, recipe: Recipe, folder: Path, *, code: str, reason: str) -> Outcome:
    """Keep that something other than its voxels stopped a case, unless its result had been kept before that."""
    return find_or_keep(case, recipe, folder, lambda: (NO_ROWS, (code, reason), None))


def find_or_keep(case: Case, recipe: CaseRecipe, folder: Path, make: Callable[[], Made]) -> Outcome:
    """Return what is kept of a case; if there is nothing, or what stopped it may have passed, keep what ``make`` returns.

    Raises:
        InputError: If the result cannot be written.
    """
    try:
        image_sha256, mask_sha256 = _hashes(case, recipe)
    except CaseRefused as refused:
        return _refusal(case, (refused.code, refused.reason))
    file = recipe.file(folder, image_sha256, mask_sha256)
    content = _kept(file, recipe, image_sha256, mask_sha256)
    if content is None or is_open(_outcome(case, file, content)):
        content = CaseContent(image_sha256, mask_sha256, *make())
        _write_case_file(file, content, recipe)
    return _outcome(case, file, content)


def _hashes(case: Case, recipe: CaseRecipe) -> tuple[str, str]:
    """Return the hashes of a case's image and mask.

    Raises:
        CaseRefused: If one of them is missing or cannot be read.
    """
    check_file(case.image, "image", folders=True)
    if case.mask is None:
        read_scan(case, recipe.labels, mask_required=True)  # which knows the code
        return "", ""
    check_file(case.mask, "mask", folders=True)
    try:
        return sha256(*volume_files(case.image)), sha256(*volume_files(case.mask))
    except OSError as error:
        raise CaseRefused("io-error", f"a file could not be read: {error.strerror or type(error).__name__}") from error


def _measure(case: Case, recipe: Recipe) -> Made:
    """Measure a case, or tell with a code and a line why that was not possible."""
    try:
        with freed_memory_kept(), one_thread():
            scan = as_measured(read_scan(case, recipe.labels, mask_required=True), recipe.mode)
            rows = measure_case(scan, recipe.preset, load_backend(recipe.backend), mode=recipe.mode)
            return rows, None, slice_spacing_mm(scan.image)
    except Exception as error:  # one case must not end a batch of thousands, whatever a library makes of its voxels
        if isinstance(error, InputError) and not isinstance(error, CaseRefused):
            raise
        return NO_ROWS, code_and_reason(error), None


def code_and_reason(error: Exception) -> CodeAndReason:
    """Tell what stopped a case, and keep what may pass apart from what the gate decided about its voxels."""
    reason = error.reason if isinstance(error, CaseRefused) else " ".join(f"{type(error).__name__}: {error}".split())
    cause = error.__cause__ or error
    if isinstance(cause, MemoryError) or "allocate memory" in str(cause):  # the words of ITK, which has no type for it
        return "out-of-memory", reason
    if isinstance(cause, OSError) and cause.errno is not None:  # without a number it is the content: gzip's errors have none
        return "io-error", reason
    return error.code if isinstance(error, CaseRefused) else "failed", reason


def _outcome(case: Case, file: Path, content: CaseContent) -> Outcome:
    return KeptRows(file, len(content.rows.values)) if content.refusal is None else _refusal(case, content.refusal)


def _refusal(case: Case, why: CodeAndReason) -> Refusal:
    code, reason = why
    return Refusal(case.id, "extract", code, reason)
