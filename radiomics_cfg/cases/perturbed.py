"""One case under its own mask and under perturbed ones: the values, and the small file that keeps them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.scans.geometry import Scan, read_scan
from nnunet_ext.volumes.volume_file import volume_sha256
from radiomics_cfg.backends.backend import Backend, load_backend
from radiomics_cfg.cases.kept_values import read_values, write_values
from radiomics_cfg.cases.measure import as_measured, measure_case
from radiomics_cfg.cases.result_file import Recipe, code_and_reason
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
    """All that a case's values under all masks depend on, besides its image and mask.

    Args:
        recipe: How each mask is measured.
        perturbations: The masks over and above the original one.
    """

    recipe: Recipe
    perturbations: tuple[Perturbation, ...]

    @classmethod
    def of(cls, cohort: Cohort, preset: Preset, perturbations: Sequence[Perturbation], *, backend: str, mode: Mode) -> Self:
        """Return the recipe of this process, for one row a case: of two or more lesions the largest, or all together.

        Raises:
            InputError: If there is no perturbation, two have one name, or the mode or the backend is unknown.
        """
        names = [ORIGINAL, *(perturbation.name for perturbation in perturbations)]
        if len(names) < 2 or len(set(names)) < len(names):
            msg = f"Stability takes one perturbation or more, each once; found {', '.join(names[1:]) or 'none'}"
            raise InputError(msg)
        if preset.regions.lesions == "each":
            preset = replace(preset, regions=preset.regions.model_copy(update={"lesions": "index"}))
        return cls(Recipe.of(cohort, preset, backend=backend, mode=mode), tuple(perturbations))

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of all masks, the original one first."""
        return (ORIGINAL, *(perturbation.name for perturbation in self.perturbations))

    def file(self, folder: Path, image_sha256: str, mask_sha256: str) -> Path:
        """Return where the values of an image and a mask belong: its name is a hash of all that they depend on."""
        single = self.recipe.file(folder, image_sha256, mask_sha256)
        content = [single.stem, perturbation_module.VERSION, *map(repr, self.perturbations)]
        return folder / f"{hashlib.sha256(json.dumps(content).encode()).hexdigest()}.masks.npz"


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
        preset: What is measured; a row a case.
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


@dataclass(frozen=True)
class MaskWork:
    """What a worker process does with the cases of a stability study.

    Args:
        recipe: How a case is measured.
        folder: Keeps the values.
    """

    recipe: MaskRecipe
    folder: Path

    def get_ready(self) -> None:
        """Load the backend."""
        load_backend(self.recipe.recipe.backend)

    def measure(self, case: Case) -> Path | Refusal:
        """Measure and keep a case."""
        return measure_and_keep_masks(case, self.recipe, self.folder)

    def lost(self, case: Case, reason: str) -> Path | Refusal:
        """Refuse a case whose process is gone; the next run tries it again."""
        return Refusal(case.id, "stability", "worker-lost", reason)


def measure_and_keep_masks(case: Case, recipe: MaskRecipe, folder: Path) -> Path | Refusal:
    """Measure a case under all masks and keep the values in ``folder``, unless they are there.

    Returns:
        The file, or why the case could not be measured; the next run tries that again.

    Raises:
        InputError: If the values cannot be written.
    """
    try:
        file = _file(case, recipe, folder)
        if _kept(file, recipe) is None:
            with freed_memory_kept(), one_thread():
                found = _measure(case, recipe)
            _write(file, found, recipe)
    except Exception as error:  # one case must not end a run, whatever a library makes of its voxels
        if isinstance(error, InputError) and not isinstance(error, CaseRefused):
            raise
        return Refusal(case.id, "stability", *code_and_reason(error))
    return file


def find_masks(case: Case, recipe: MaskRecipe, folder: Path) -> MaskValues | None:
    """Return what ``folder`` keeps of a case; None if nothing is kept with these files, masks, preset and versions.

    Raises:
        CaseRefused: If a file of the case is missing or cannot be read.
    """
    return _kept(_file(case, recipe, folder), recipe)


def read_masks(file: Path) -> MaskValues | None:
    """Return the values in a file; None if there is none, or it is damaged and has to be made anew."""
    found = _read(file)
    return None if found is None else found[0]


def _read(file: Path) -> tuple[MaskValues, dict[str, Any]] | None:
    found = read_values(file)
    if found is None:
        return None
    values, about = found
    lost = about.get("lost")
    if not isinstance(lost, list) or len(lost) != len(values) or not all(isinstance(one, str) for one in lost):
        return None
    empty = [bool(np.isnan(row).all()) for row in values]
    if lost[:1] == [""] and all(is_empty or not reason for is_empty, reason in zip(empty, lost, strict=True)):
        return MaskValues(values, tuple(lost)), about
    return None


def _kept(file: Path, recipe: MaskRecipe) -> MaskValues | None:
    """Return the values in a file if they were measured so, under these names, whatever the file's name says."""
    found = _read(file)
    if found is None:
        return None
    values, about = found
    made_so = all(about.get(name) == value for name, value in json.loads(json.dumps(_about(recipe))).items())
    made_of = about.get("file") in (None, file.name)
    return values if made_so and made_of and len(values.values) == len(recipe.masks) else None


def _measure(case: Case, recipe: MaskRecipe) -> MaskValues:
    single = recipe.recipe
    scan = as_measured(read_scan(case, single.labels, mask_required=True), single.mode)
    engine = load_backend(single.backend)
    return measure_masks(scan, single.preset, engine, perturbations=recipe.perturbations, mode=single.mode)


def _file(case: Case, recipe: MaskRecipe, folder: Path) -> Path:
    if case.mask is None:
        read_scan(case, recipe.recipe.labels, mask_required=True)  # which knows the code
    return recipe.file(folder, volume_sha256(case.image, "image"), volume_sha256(case.mask, "mask") if case.mask else "")


def _about(recipe: MaskRecipe) -> dict[str, Any]:
    return {
        "masks": recipe.masks,
        "perturbations": list(map(repr, recipe.perturbations)),
        "preset": recipe.recipe.preset.name,
        "preset_sha256": recipe.recipe.preset.sha256,
        "backend": recipe.recipe.backend,
        "mode": recipe.recipe.mode,
        "orientation": ORIENTATIONS[recipe.recipe.mode],
        "versions": dict(recipe.recipe.versions),
    }


def _write(file: Path, found: MaskValues, recipe: MaskRecipe) -> None:
    try:
        write_values(file, found.values, {**_about(recipe), "lost": found.lost, "file": file.name})
    except OSError as error:
        msg = f"Cannot write a result to {file.parent}: {error.strerror or error}"
        raise InputError(msg) from error
