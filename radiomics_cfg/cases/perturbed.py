"""One case under its own mask and under perturbed ones: the values, and the small file that keeps them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.case import Case, Cohort, Labels
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.scans.geometry import Scan, read_scan
from radiomics_cfg.backends.backend import Backend, load_backend
from radiomics_cfg.cases.features import FeatureRecipe
from radiomics_cfg.cases.kept_values import read_values
from radiomics_cfg.cases.measure import as_measured, measure_case
from radiomics_cfg.cases.recipe import Made
from radiomics_cfg.cases.result_file import KeptRows, find_outcome, hashes
from radiomics_cfg.modes import ORIENTATIONS, Mode
from radiomics_cfg.perturbation import perturbed_mask as perturbation_module
from radiomics_cfg.perturbation.perturbed_mask import Perturbation, perturb
from radiomics_cfg.preset import Preset
from radiomics_cfg.process.heap import freed_memory_kept
from radiomics_cfg.process.one_thread import one_thread
from radiomics_cfg.regions.lesions import Anatomy, find_anatomy
from radiomics_cfg.regions.tumours import Tumours

ORIGINAL = "original"
"""Name of the mask that is not perturbed."""


@dataclass(frozen=True)
class MaskRecipe:
    """All that a case's values under all masks depend on, apart from its image and mask.

    Args:
        recipe: How each mask is measured.
        perturbations: The masks over and above the original one.
        mask_version: Of the way to perturb.
    """

    recipe: FeatureRecipe
    perturbations: tuple[Perturbation, ...]
    mask_version: int = field(default_factory=lambda: perturbation_module.VERSION)

    stage = "stability"
    nothing = Made(said={"lost": ()})

    @classmethod
    def of(cls, cohort: Cohort, preset: Preset, perturbations: Sequence[Perturbation], *, backend: str, mode: Mode) -> Self:
        """Return the recipe of this process, for one row per case: of two or more lesions the largest, or all together.

        Raises:
            InputError: If there is no perturbation, two have one name, or the mode or the backend is unknown.
        """
        names = [ORIGINAL, *(perturbation.name for perturbation in perturbations)]
        if len(names) < 2 or len(set(names)) < len(names):
            msg = f"Stability takes one perturbation or more, each once; found {', '.join(names[1:]) or 'none'}"
            raise InputError(msg)
        if preset.regions.lesions == "each":
            preset = replace(preset, regions=preset.regions.model_copy(update={"lesions": "index"}))
        return cls(FeatureRecipe.of(cohort, preset, backend=backend, mode=mode), tuple(perturbations))

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of all masks, the original one first."""
        return (ORIGINAL, *(perturbation.name for perturbation in self.perturbations))

    def file(self, folder: Path, image_sha256: str, mask_sha256: str) -> Path:
        """Return where the values of an image and a mask belong: its name is a hash of all that they depend on."""
        single = self.recipe.file(folder, image_sha256, mask_sha256)
        content = [single.stem, self.mask_version, *map(repr, self.perturbations)]
        return folder / f"{hashlib.sha256(json.dumps(content).encode()).hexdigest()}.masks.npz"

    @property
    def labels(self) -> Labels:
        """Value in the mask files for each structure."""
        return self.recipe.labels

    @property
    def versions(self) -> dict[str, str]:
        """Versions that the values depend on, of the process that made the recipe."""
        return {**self.recipe.versions, "masks": str(self.mask_version)}

    def versions_here(self) -> dict[str, str]:
        """Return the same versions of the present process."""
        return {**self.recipe.versions_here(), "masks": str(perturbation_module.VERSION)}

    def columns(self) -> list[str]:
        """Return the names of the feature columns, in table order."""
        return self.recipe.columns()

    def about(self) -> dict[str, Any]:
        """Return what a result file states about how it was made."""
        return {
            "masks": self.masks,
            "perturbations": list(map(repr, self.perturbations)),
            "preset": self.recipe.preset.name,
            "preset_sha256": self.recipe.preset.sha256,
            "backend": self.recipe.backend,
            "mode": self.recipe.mode,
            "orientation": ORIENTATIONS[self.recipe.mode],
            "versions": dict(self.recipe.versions),
        }

    def get_ready(self) -> None:
        """Load the backend."""
        self.recipe.get_ready()

    def measure(self, case: Case) -> Made:
        """Measure a case under all masks."""
        single = self.recipe
        with freed_memory_kept(), one_thread():
            scan = as_measured(read_scan(case, single.labels, mask_required=True), single.mode)
            engine = load_backend(single.backend)
            found = measure_masks(scan, single.preset, engine, perturbations=self.perturbations, mode=single.mode)
        return Made(found.values, {"lost": found.lost})

    def is_sound(self, values: npt.NDArray[np.float64], about: Mapping[str, Any]) -> bool:
        """Whether there is a row of this preset's columns for each mask; of a refused case none."""
        if about.get("refusal"):
            return True
        return values.shape == (len(self.masks), len(self.columns())) and _masks_of(values, about) is not None


@dataclass(frozen=True)
class MaskValues:
    """The values of one case under each mask.

    Args:
        values: Shape ``(n_masks, n_columns)``, NaN where missing; the original mask first, columns as in a feature table.
        lost: For each mask why it has no values at all; empty where it has some.
    """

    values: npt.NDArray[np.float64]
    lost: tuple[str, ...]


def measure_masks(
    scan: Scan, preset: Preset, engine: Backend, *, perturbations: Sequence[Perturbation], mode: Mode = "canonical"
) -> MaskValues:
    """Measure a case under its own mask and under each perturbation of it.

    A perturbed mask has no values where its lesion cannot be measured, or where it has made another lesion the largest.

    Args:
        scan: Image and mask.
        preset: What is measured; one row per case.
        engine: Computes the features.
        perturbations: Of the mask.
        mode: How the images are filtered.

    Raises:
        CaseRefused: If the original mask cannot be measured: ``tumour-absent``, or ``too-thin``.
    """
    scan = as_measured(scan, mode)  # also what a perturbation decides by the order of voxels does not follow how it is stored
    original = measure_case(scan, preset, engine, mode=mode).values[0]
    anatomy, tumours = find_anatomy(scan), Tumours.of(scan)
    only_largest = preset.regions.lesions == "index" and len(anatomy.lesions) > 1
    rows, lost = [original], [""]
    for perturbation in perturbations:
        row, reason = np.full_like(original, np.nan), ""
        try:
            perturbed = perturb(tumours, perturbation)
            if only_largest and not _has_same_largest(anatomy, perturbed):
                reason = "another lesion is the largest under this mask"
            else:
                row = measure_case(perturbed, preset, engine, mode=mode).values[0]
        except CaseRefused as refused:
            reason = f"{refused.code}: {refused.reason}"
        rows.append(row)
        lost.append(reason)
    return MaskValues(np.array(rows), tuple(lost))


def _has_same_largest(anatomy: Anatomy, perturbed: Scan) -> bool:
    """Tell whether the largest lesion of a perturbed mask lies on the largest of the original one."""
    shared = np.bincount(anatomy.numbers[find_anatomy(perturbed).numbers == 1], minlength=2)
    return bool(shared[1:].argmax() == 0 and shared[1] > 0)


def find_masks(case: Case, recipe: MaskRecipe, folder: Path) -> MaskValues | None:
    """Return what ``folder`` keeps of a case; None if nothing is kept with these files, masks, preset and versions.

    Raises:
        CaseRefused: If a file of the case is missing or cannot be read.
    """
    hashes(case, recipe)
    found = find_outcome(case, recipe, folder)
    return read_masks(found.file) if isinstance(found, KeptRows) else None


def read_masks(file: Path) -> MaskValues | None:
    """Return the values in a file; None if there is none, or it is damaged and has to be made anew."""
    found = read_values(file)
    return None if found is None else _masks_of(*found)


def _masks_of(values: npt.NDArray[np.float64], about: Mapping[str, Any]) -> MaskValues | None:
    lost = about.get("lost")
    if not isinstance(lost, list) or len(lost) != len(values) or not all(isinstance(one, str) for one in lost):
        return None
    empty = [bool(np.isnan(row).all()) for row in values]
    if lost[:1] == [""] and all(is_empty or not reason for is_empty, reason in zip(empty, lost, strict=True)):
        return MaskValues(values, tuple(lost))
    return None
