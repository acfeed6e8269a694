"""The network's class of every voxel of a scan: a coarse pass finds the kidneys, and a fine pass segments them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
import torch

from nnunet_ext.anatomy.rules import plausible_anatomy
from nnunet_ext.inference.kidney_search import body_box, boxes_of_given_kidneys, boxes_of_kidneys, reaches_a_face
from nnunet_ext.inference.network_grid import Box, NetworkGrid
from nnunet_ext.inference.sliding_window import FoldAgreement, Windows, classes_of
from nnunet_ext.inference.trained_model import LoadedModel

COARSE_STEP = 1.0
"""Of the windows that search for the kidneys: none overlaps another."""

LEAST_GAIN = 4
"""A scan that is not worth so many searches is segmented everywhere at once."""


@dataclass(frozen=True)
class Found:
    """The prediction of the networks for a scan.

    Args:
        mask: ``Label`` values, shape zyx.
        searched: Where the fine pass ran: around the ``"kidneys"`` only, over the whole ``"body"`` or the whole ``"scan"``.
        fold_dice: Mean Dice between pairs of folds for each structure; NaN with one fold.
    """

    mask: npt.NDArray[np.uint8]
    searched: str
    fold_dice: dict[str, float]


def find_structures(
    model: LoadedModel, image: sitk.Image, *, whole_scan: bool, kidneys: npt.NDArray[np.bool_] | None = None
) -> Found:
    """Predict one scan.

    Args:
        model: Networks, and what they were trained on.
        image: CT in HU, turned as the networks want it.
        whole_scan: Run the fine pass everywhere, without a search.
        kidneys: Where the kidneys are, if that is known, shape zyx of the scan: the fine pass runs around them, without a
            search, and what the networks take for kidney elsewhere is not looked at.
    """
    pass_over = _Pass.over(model, image)
    if kidneys is not None:
        return pass_over.look(pass_over.boxes_around(kidneys), "kidneys")
    if whole_scan or not pass_over.is_worth_a_search():
        return pass_over.look([Box.whole(pass_over.grid.shape)], "scan")
    body = pass_over.body()
    boxes = pass_over.search(body)
    if boxes is not None and not pass_over.may_go_on(found := pass_over.look(boxes, "kidneys"), boxes):
        return found
    return pass_over.look([body], "body")


@dataclass(frozen=True)
class _Pass:
    """One scan before the networks: ``scan`` as the plans turn and crop it, ``volume`` as the networks see it.

    The second stage of a cascade also sees ``before``: the classes of the first, on the network's grid.
    """

    model: LoadedModel
    grid: NetworkGrid
    scan: npt.NDArray[Any]
    spacing_mm: tuple[float, ...]
    volume: torch.Tensor
    before: npt.NDArray[np.uint8] | None = None

    @classmethod
    def over(cls, model: LoadedModel, image: sitk.Image) -> "_Pass":
        hu = sitk.GetArrayViewFromImage(image)
        x, y, z = image.GetSpacing()
        grid = NetworkGrid.of(hu, (z, y, x), model.plans, model.configuration)
        volume = grid.to_network(hu, model.preprocessor, model.plans, model.configuration)
        scan = hu.transpose(grid.transpose)[grid.cropped.slices]
        spacing_mm = tuple((z, y, x)[axis] for axis in grid.transpose)
        if model.first_stage is None:
            return cls(model, grid, scan, spacing_mm, volume)
        first = cls.over(model.first_stage, image)
        seen = first.grid.to_mask(first.classes([first.body()])).transpose(grid.transpose)[grid.cropped.slices]
        resampled = model.configuration.resampling_fn_seg(seen[None], grid.shape, spacing_mm, grid.spacing_mm)[0]
        return cls(model, grid, scan, spacing_mm, volume, np.asarray(resampled, np.uint8))

    def is_worth_a_search(self) -> bool:
        """Return whether a search costs at most a quarter of what it may save; otherwise the whole scan is segmented."""
        networks = len(self.model.networks)
        everywhere = self._windows(self.model.step).count(self.grid.shape) * networks
        return everywhere >= LEAST_GAIN * self._windows(COARSE_STEP).count(self.grid.shape)

    def body(self) -> Box:
        """Return the box of the patient in the network's volume, at least a window large."""
        body = body_box(self.scan, self.spacing_mm)
        edges = []
        for axis, n in enumerate(self.grid.shape):
            ratio = n / self.scan.shape[axis]
            start, end = floor(body.start[axis] * ratio), min(n, ceil(body.end[axis] * ratio))
            start = max(0, min(start, n - self.model.patch[axis]))
            edges.append((start, min(n, max(end, start + self.model.patch[axis]))))
        (z, z_end), (y, y_end), (x, x_end) = edges
        return Box((z, y, x), (z_end, y_end, x_end))

    def boxes_around(self, kidneys: npt.NDArray[np.bool_]) -> tuple[Box, ...]:
        """Return the boxes in the network's volume around kidneys on the scan's grid (zyx)."""
        inside = kidneys.transpose(self.grid.transpose)[self.grid.cropped.slices]
        pairs = zip(self.grid.shape, inside.shape, strict=True)
        nearest = [np.minimum((np.arange(n) + 0.5) * scan / n, scan - 1).astype(int) for n, scan in pairs]
        return boxes_of_given_kidneys(inside[np.ix_(*nearest)], self.grid.spacing_mm, self.model.patch)

    def search(self, body: Box) -> tuple[Box, ...] | None:
        """Return where one network, in windows side by side, finds the kidneys; None if it is unsure."""
        found = np.zeros(self.grid.shape, np.uint8)
        inside, z = found[body.slices], 0
        for planes in self._windows(COARSE_STEP).predict(self.model.networks[:1], self._part(body)):
            inside[z : z + planes.shape[1]] = self.model.classes.canonical()[self._classes(planes)]
            z += planes.shape[1]
        boxes = boxes_of_kidneys(found, self.grid.spacing_mm, self.model.patch)
        windows = self._windows(self.model.step)
        if boxes is None or sum(windows.count(box.shape) for box in boxes) * 2 > windows.count(body.shape):
            return None  # it would save less than half, and may be for nothing
        return boxes

    def look(self, boxes: Sequence[Box], searched: str) -> Found:
        """Run the fine pass in some boxes."""
        agreement = FoldAgreement(self.model.labels, self.model.classes.values)
        mask = self.model.classes.canonical()[self.classes(boxes, agreement)]
        return Found(self.grid.to_mask(mask), searched, agreement.dice())

    def classes(self, boxes: Sequence[Box], agreement: FoldAgreement | None = None) -> npt.NDArray[np.uint8]:
        """Return the network's class of every voxel of the cropped scan, background outside the boxes."""
        windows = self._windows(self.model.step)
        mask = np.zeros(self.scan.shape, np.uint8)
        for box in boxes:
            planes = windows.predict(self.model.networks, self._part(box), agreement)
            for where, logits in self.grid.to_scan(planes, box):
                mask[where.slices] = self._classes(logits)
        return mask

    def may_go_on(self, found: Found, boxes: Sequence[Box]) -> bool:
        """Return whether something plausible is so near to the face of a box that it may continue beyond it."""
        mask = found.mask.transpose(self.grid.transpose)[self.grid.cropped.slices]
        seen = [self.grid.scan_box(box) for box in boxes]

        def at_a_face(labels: npt.NDArray[np.uint8]) -> bool:
            return any(reaches_a_face(labels[one.slices], self.spacing_mm, one, labels.shape) for one in seen)

        z, y, x = self.spacing_mm
        return at_a_face(mask) and at_a_face(plausible_anatomy(mask, spacing_mm=(z, y, x)))

    def _windows(self, step: float) -> Windows:
        model = self.model
        return Windows(model.patch, model.labels.num_segmentation_heads, model.device, step, model.mirror_axes)

    def _part(self, box: Box) -> torch.Tensor:
        """Return what the networks see of a box, shape (channels, z, y, x)."""
        part = self.volume[(slice(None), *box.slices)]
        if self.before is None:
            return part
        classes = torch.from_numpy(self.before[box.slices])
        return torch.cat((part, torch.stack([classes == value for value in self.model.labels.foreground_labels])))

    def _classes(self, logits: torch.Tensor) -> npt.NDArray[np.uint8]:
        return np.asarray(classes_of(self.model.labels, logits).cpu(), np.uint8)
