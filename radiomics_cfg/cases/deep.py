"""Deep features of one case: the encoder of a trained network, pooled in the tumour and in a ring around it. Experimental.

They come from the network that segments, which learnt what a tumour looks like and never saw a grade. Columns are named
``<region>__<scale>__deep_stage<k>_<mean|std>_<channel>``; the scale is the network's spacing, such as ``net2mm``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.case import Case, Cohort, Labels, plain_labels
from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, load_model
from nnunet_ext.scans.geometry import Scan, read_scan
from nnunet_ext.segmentation import n_threads
from radiomics_cfg.cases.features import NO_ROWS, content_of, made_of
from radiomics_cfg.cases.measure import CaseRows
from radiomics_cfg.cases.recipe import Made
from radiomics_cfg.preset import Preset, RegionRules, Ring
from radiomics_cfg.process.one_thread import one_thread
from radiomics_cfg.regions.grid import Box, Grid, bounds, resample
from radiomics_cfg.regions.lesions import find_anatomy
from radiomics_cfg.regions.regions_of_interest import Mask, find_regions, mask_name

if TYPE_CHECKING:
    from nnunet_ext.inference.encoder_features import EncodedScan

VERSION = 1
"""Of the way from scan to values. Raised by whoever changes a value, so that kept results are not reused."""


@dataclass(frozen=True)
class DeepRecipe:
    """All that a case's deep features depend on apart from its image and mask.

    Args:
        labels: Value in the mask files for each structure.
        rules: The tumour and the ring, and what has a row.
        network: Whose encoder it is; one fold.
        files: SHA-256 of each of the network's files.
        version: Of the way from scan to values.
    """

    labels: Labels
    rules: RegionRules
    network: TrainedModel
    files: Mapping[str, str]
    version: int = VERSION

    stage = "deep"
    nothing = NO_ROWS

    @classmethod
    def of(cls, cohort: Cohort, preset: Preset, network: TrainedModel) -> Self:
        """Return the recipe for the rows of ``preset``'s tables.

        Raises:
            InputError: If the network's folder is not whole, or several folds are asked for.
        """
        if len(network.folds) != 1:
            folds = ", ".join(map(str, network.folds))
            msg = f"Deep features come from one fold, as two networks' channels have nothing in common; asked for {folds}"
            raise InputError(msg)
        network = replace(network, folder=network.folder.absolute())  # other machines work in another folder
        return cls(dict(cohort.labels), tumour_and_ring(preset.regions), network, network.identity()["sha256"])

    def about(self) -> dict[str, Any]:
        """Return how the values were made."""
        regions = self.rules.model_dump(mode="json", by_alias=True)
        return {"labels": plain_labels(self.labels), "regions": regions, "network": dict(self.files), "version": self.version}

    def file(self, folder: Path, image_sha256: str, mask_sha256: str) -> Path:
        """Return where the result of an image and a mask belongs: its name is a hash of all that it depends on."""
        return folder / f"{_digest([image_sha256, mask_sha256, self.about()])}.deep.npz"

    @property
    def versions(self) -> dict[str, str]:
        """Version of the way from scan to values, of the process that made the recipe."""
        return {"deep features": str(self.version)}

    def versions_here(self) -> dict[str, str]:
        """Return the same version of the present process."""
        return {"deep features": str(VERSION)}

    def columns(self) -> list[str]:
        """Return the names of the feature columns, in table order."""
        return deep_columns(self.rules, load_model(self.network))

    def get_ready(self) -> None:
        """Load the network."""
        load_model(self.network)

    def measure(self, case: Case) -> Made:
        """Measure a case. One thread: sums then have one order."""
        model = load_model(self.network)
        with one_thread(), n_threads(1):
            return made_of(measure_deep(read_scan(case, self.labels, mask_required=True), self.rules, model))

    def is_sound(self, values: npt.NDArray[np.float64], about: Mapping[str, Any]) -> bool:
        """Whether values are rows of this network's columns, each of a lesion; of a refused case none."""
        content = content_of(values, about)
        if content is None or content.refusal is not None:
            return content is not None
        return bool(values.shape[1] == len(self.columns()))

    @property
    def sha256(self) -> str:
        """Hash of all that makes values comparable: the regions, the network and this package's way, not a cohort's labels."""
        return _digest({key: value for key, value in self.about().items() if key != "labels"})


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def tumour_and_ring(rules: RegionRules) -> RegionRules:
    """Return the rules of the same rows with the tumour, and with all rings as one if there are any."""
    ring = (Ring(inner_mm=0, outer_mm=rules.reach_mm, sides=("whole",)),) if rules.rings else ()
    return RegionRules(
        lesions=rules.lesions,
        structures=("tumour",),
        rings=ring,
        tissue_hu=rules.tissue_hu,
        fat_hu=rules.fat_hu,
        minimum_voxels=rules.minimum_voxels,
    )


def deep_columns(rules: RegionRules, model: LoadedModel) -> list[str]:
    """Return the names of the feature columns, in table order.

    Raises:
        InputError: If the network has no encoder that is known here.
    """
    from nnunet_ext.inference.encoder_features import Encoder  # noqa: PLC0415 - needs PyTorch, an optional extra

    channels, scale = Encoder.of(model).channels, network_scale(model)
    return [
        f"{region}__{scale}__deep_stage{stage}_{figure}_{channel}"
        for region in rules.names
        for stage, n in enumerate(channels)
        for figure in ("mean", "std")
        for channel in range(n)
    ]


def network_scale(model: LoadedModel) -> str:
    """Return the name of the network's spacing as a scale: ``net2mm``, or all three (in the plans' order) if they differ."""
    spacing = [f"{mm:.3g}".replace(".", "p") for mm in model.configuration.spacing]
    return f"net{'x'.join(spacing if len(set(spacing)) > 1 else spacing[:1])}mm"


def measure_deep(scan: Scan, rules: RegionRules, model: LoadedModel) -> CaseRows:
    """Pool the encoder in the tumour and the ring of every lesion of a case.

    The scan is turned as the network was trained. A lesion's windows lie around it and the ring, so its values do not depend
    on the other lesions, but for what of the ring these take.

    Args:
        scan: Image and mask, through the gate.
        rules: As ``tumour_and_ring`` gives them.
        model: Of one fold.

    Returns:
        Rows with the columns of ``deep_columns``; a region with fewer network voxels than ``rules.minimum_voxels`` has none.

    Raises:
        CaseRefused: ``tumour-absent``.
    """
    from nnunet_ext.inference.encoder_features import EncodedScan  # noqa: PLC0415 - needs PyTorch, an optional extra

    if model.turns_scans:
        scan = Scan(sitk.DICOMOrient(scan.image, "RAS"), sitk.DICOMOrient(scan.mask, "RAS"))
    anatomy, grid = find_anatomy(scan), Grid.of(scan.image, None)
    box = grid.box_of(anatomy.box, rules.reach_mm)
    inner = box.within(grid.size)
    hu = sitk.GetArrayFromImage(resample(scan.image, grid, inner))
    regions = find_regions(rules, anatomy, hu, grid=grid, box=box)
    encoded, scale = EncodedScan.of(model, scan.image), network_scale(model)
    lesions = anatomy.rows(rules.lesions)
    values: list[npt.NDArray[np.float64]] = []
    missing: list[dict[str, str]] = []
    for lesion in lesions:
        there = bounds(anatomy.voxels(lesion), offset=anatomy.box)
        around = grid.box_of(there, rules.reach_mm).within(grid.size)
        own = {name: regions[mask_name(name, lesion)].mask[around.slices_in(inner)] for name in rules.names}
        found, lacking = _pool_lesion(encoded, own, around, rules.minimum_voxels)
        values.append(np.concatenate([found[name] for name in rules.names]))
        missing.append({f"{name}__{scale}": reason for name, reason in lacking.items()})
    keys: tuple[dict[str, str | int], ...] = tuple({"lesion": lesion.number, "side": lesion.side} for lesion in lesions)
    return CaseRows(np.array(values), keys, tuple(missing))


def _pool_lesion(
    encoded: "EncodedScan", masks: Mapping[str, Mask], around: Box, minimum_voxels: int
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, str]]:
    """Return the values of each region of one lesion in the order of the columns, and why some are missing."""
    from nnunet_ext.inference.network_grid import Box as ScanBox  # noqa: PLC0415 - needs PyTorch, an optional extra

    n_voxels = {name: int(np.count_nonzero(mask)) * encoded.voxels_for_one for name, mask in masks.items()}
    lacking = {
        name: f"{n:.0f} voxels; at least {minimum_voxels} are needed" for name, n in n_voxels.items() if n < minimum_voxels
    }
    usable = {name: mask for name, mask in masks.items() if name not in lacking}
    pooled = encoded.pool(usable, ScanBox(around.lower[::-1], around.upper[::-1])) if usable else {}
    found = {name: np.full(2 * sum(encoded.encoder.channels), np.nan) for name in masks}
    for name, stages in pooled.items():
        found[name] = np.concatenate([part for one in stages for part in (one.mean, one.std)])
    return found, lacking
