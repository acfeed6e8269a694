"""The features of one case, as ``extract`` measures and keeps them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nnunet_ext.cohort.acquisition import slice_spacing_mm
from nnunet_ext.ground.case import Case, Cohort, Labels, plain_labels
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import lesion_name
from nnunet_ext.scans.geometry import Scan, read_scan
from radiomics_cfg.backends.backend import load_backend
from radiomics_cfg.cases.kept_values import gaps_are_told, read_values, refusal_is_sound, rows_are_sound, spacing_is_sound
from radiomics_cfg.cases.measure import CaseRows, as_measured, feature_columns, measure_case
from radiomics_cfg.cases.recipe import CodeAndReason, Made
from radiomics_cfg.modes import MODES, ORIENTATIONS, Mode
from radiomics_cfg.preset import Preset
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.process.heap import freed_memory_kept
from radiomics_cfg.process.one_thread import one_thread

VERSION = 4
"""Of the way from scan to values in this package. Raised by whoever changes a value, so that kept results are not reused."""


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


def made_of(rows: CaseRows, *, slice_spacing_mm: float | None = None) -> Made:
    """Return rows as a result file keeps them."""
    said = {"keys": rows.keys, "missing": rows.missing, "refusal": None, "slice_spacing_mm": slice_spacing_mm}
    return Made(rows.values, said)


NO_ROWS = made_of(CaseRows(np.empty((0, 0)), (), ()))
"""Of a case that was refused."""


def read_case_file(file: Path) -> CaseContent | None:
    """Return the content of a result file; None if there is none, or it is damaged and has to be made anew."""
    found = read_values(file)
    return None if found is None else content_of(*found)


def content_of(values: npt.NDArray[np.float64], about: Mapping[str, Any]) -> CaseContent | None:
    """Return values and description as content; None if they do not fit each other."""
    keys, missing, refusal = (about.get(name) for name in ("keys", "missing", "refusal"))
    image_sha256, mask_sha256 = about.get("image_sha256"), about.get("mask_sha256")
    spacing = about.get("slice_spacing_mm")
    if not isinstance(image_sha256, str) or not isinstance(mask_sha256, str):
        return None
    sound = rows_are_sound(values, keys, missing) and refusal_is_sound(refusal) and spacing_is_sound(spacing)
    if not sound or bool(refusal) == bool(len(values)):
        return None
    rows = CaseRows(values, tuple(about["keys"]), tuple(about["missing"]))
    return CaseContent(image_sha256, mask_sha256, rows, tuple(refusal) if refusal else None, spacing)


@dataclass(frozen=True)
class FeatureRecipe:
    """All that a case's features depend on apart from its image and mask; where any of it differs, nothing kept is used again.

    Args:
        labels: Value in the mask files for each structure.
        preset: What is measured.
        backend: Name of what computes the features.
        mode: How the images were filtered.
        versions: Versions of the backend, of the libraries under it, and of this package's way from scan to values.
        crew: Threads for each case; values do not depend on them.
        scan: The only case as it was read before; each case is read from its files by default.
    """

    labels: Labels
    preset: Preset
    backend: str
    mode: Mode
    versions: Mapping[str, str]
    crew: Crew = ALONE
    scan: Scan | None = field(default=None, compare=False, repr=False)

    stage = "extract"
    nothing = NO_ROWS

    @classmethod
    def of(cls, cohort: Cohort, preset: Preset, *, backend: str, mode: Mode) -> Self:
        """Return the recipe of this process.

        Raises:
            InputError: If the mode is unknown, or the backend is unknown or not installed.
        """
        if mode not in MODES:
            msg = f"No extraction mode {mode!r}; known ones are {', '.join(MODES)}"
            raise InputError(msg)
        named = preset.of_lesions(lesion_name(cohort.labels))
        return cls(dict(cohort.labels), named, backend, mode, _versions_of(backend))

    @property
    def lesions(self) -> str:
        """What the lesions of the masks are: ``tumour`` or ``mass``."""
        return lesion_name(self.labels)

    def versions_here(self) -> dict[str, str]:
        """Return the versions that this process would measure with."""
        return _versions_of(self.backend)

    def columns(self) -> list[str]:
        """Return the names of the feature columns, in table order."""
        key = (self.preset.sha256, self.backend, self.lesions)
        if key not in _COLUMNS:
            _COLUMNS[key] = feature_columns(self.preset, load_backend(self.backend))
        return _COLUMNS[key]

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
        """Return what a result file states about how it was made."""
        return {
            "labels": plain_labels(self.labels),
            "preset": self.preset.name,
            "preset_sha256": self.preset.sha256,
            "backend": self.backend,
            "mode": self.mode,
            "orientation": ORIENTATIONS[self.mode],
            "versions": dict(self.versions),
            **({"lesions": self.lesions} if self.lesions == "mass" else {}),
        }

    def get_ready(self) -> None:
        """Load the backend."""
        load_backend(self.backend)

    def measure(self, case: Case) -> Made:
        """Measure a case."""
        with freed_memory_kept(), one_thread():
            read = read_scan(case, self.labels, mask_required=True) if self.scan is None else self.scan
            scan = as_measured(read, self.mode)
            del read  # a turned scan is in memory once
            rows = measure_case(scan, self.preset, load_backend(self.backend), mode=self.mode, crew=self.crew)
            return made_of(rows, slice_spacing_mm=slice_spacing_mm(scan.image))

    def is_sound(self, values: npt.NDArray[np.float64], about: Mapping[str, Any]) -> bool:
        """Whether values are rows of this preset's columns, each of a lesion, with reasons for what is missing."""
        content = content_of(values, about)
        if content is None or content.refusal is not None:
            return content is not None
        return gaps_are_told(values, content.rows.missing, self.columns())


def _versions_of(backend: str) -> dict[str, str]:
    return {**load_backend(backend).versions, "extraction": str(VERSION)}


_COLUMNS: dict[tuple[str, str, str], list[str]] = {}
"""By preset, backend and kind of lesion, as naming thousands of columns for each case takes longer than reading its file."""
