"""nnU-Net's sliding window, from the first plane to the last: finished planes are released before the next windows."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window

Networks = Sequence[torch.nn.Module]
"""One a fold; their logits are averaged."""


@dataclass(frozen=True)
class Windows:
    """How a volume is traversed.

    Args:
        patch: Voxels of a window (zyx).
        n_classes: Channels of the logits.
        device: Where the networks are.
        step: Distance of windows as a fraction of the patch.
        mirror_axes: Axes (0 to 2) to average mirrored copies over, in all combinations.
    """

    patch: tuple[int, int, int]
    n_classes: int
    device: torch.device
    step: float
    mirror_axes: tuple[int, ...] = ()

    def count(self, shape: Sequence[int]) -> int:
        """Return how many windows a volume of ``shape`` (zyx) takes."""
        padded = [max(n, side) for n, side in zip(shape, self.patch, strict=True)]
        return int(np.prod([len(starts) for starts in compute_steps_for_sliding_window(padded, self.patch, self.step)]))

    def predict(
        self, networks: Networks, volume: torch.Tensor, agreement: "FoldAgreement | None" = None
    ) -> Iterator[torch.Tensor]:
        """Yield logits of ``volume`` (1, z, y, x), some planes (classes, n, y, x) at a time, in order.

        Windows, their weights and the padding of a volume smaller than a window are nnU-Net's; sums are float32, its are half.
        """
        padded, inside = pad_nd_image(volume, self.patch, "constant", {"value": 0}, True, None)
        depth, height, width = self.patch
        z_starts, y_starts, x_starts = compute_steps_for_sliding_window(padded.shape[1:], self.patch, self.step)
        gaussian = compute_gaussian(self.patch, sigma_scale=1 / 8, value_scaling_factor=10, device=self.device).float()
        plane = padded.shape[2:]
        logits = torch.zeros((self.n_classes, depth, *plane), device=self.device)
        weights = torch.zeros((depth, *plane), device=self.device)
        wanted = inside[1]
        for row, z in enumerate(z_starts):
            for y, x in itertools.product(y_starts, x_starts):
                window = padded[None, :, z : z + depth, y : y + height, x : x + width].to(self.device)
                here = (slice(None), slice(y, y + height), slice(x, x + width))
                logits[(slice(None), *here)] += self._logits(networks, window, agreement) * gaussian
                weights[here] += gaussian
            n_done = (z_starts[row + 1] if row + 1 < len(z_starts) else z + depth) - z
            first, end = max(z, wanted.start) - z, min(z + n_done, wanted.stop) - z
            if first < end:
                yield (logits[:, first:end] / weights[first:end])[(slice(None), slice(None), *inside[2:])]
            logits, weights = (
                torch.cat((one[..., n_done:, :, :], torch.zeros_like(one[..., :n_done, :, :])), dim=-3)
                for one in (logits, weights)
            )

    @torch.inference_mode()
    def _logits(self, networks: Networks, window: torch.Tensor, agreement: "FoldAgreement | None") -> torch.Tensor:
        with _fast_arithmetic(self.device):
            each = [self._mirrored(network, window)[0].float() for network in networks]
        if agreement is not None:
            agreement.add(each)
        return torch.stack(each).mean(dim=0) if len(each) > 1 else each[0]

    def _mirrored(self, network: torch.nn.Module, window: torch.Tensor) -> torch.Tensor:
        predicted = network(window)
        axes = [axis + 2 for axis in self.mirror_axes]
        turns = [turn for n in range(1, len(axes) + 1) for turn in itertools.combinations(axes, n)]
        for turn in turns:
            predicted = predicted + torch.flip(network(torch.flip(window, turn)), turn)
        return predicted / (len(turns) + 1)  # type: ignore[no-any-return]


def classes_of(labels: Any, logits: torch.Tensor) -> torch.Tensor:
    """Return the class of every voxel, shape ``logits.shape[1:]``, where the logits are.

    Args:
        labels: nnU-Net's ``LabelManager``, whose own answer it is.
        logits: Shape (classes, z, y, x).
    """
    if labels.has_regions or logits.device.type == "cpu":
        return labels.convert_logits_to_segmentation(logits)  # type: ignore[no-any-return]
    return logits.argmax(dim=0)  # nnU-Net asks NumPy, which cannot read a GPU's memory


@dataclass
class FoldAgreement:
    """How far the networks of an ensemble agree: the mean Dice over pairs of them, per class.

    Counted in the middle half of each window (along each axis), which at a step of one half meet without a gap.

    Args:
        labels: nnU-Net's ``LabelManager``.
        classes: Classes of each structure.
    """

    labels: Any
    classes: Mapping[str, tuple[int, ...]]
    _both: dict[str, Any] = field(default_factory=dict)

    def add(self, logits: Sequence[torch.Tensor]) -> None:
        """Count one window's logits, one tensor (classes, z, y, x) per network."""
        middle = (slice(None), *(slice(n // 4, n - n // 4) for n in logits[0].shape[1:]))
        found = torch.stack([classes_of(self.labels, one[middle]) for one in logits])
        for name, values in self.classes.items():
            voxels = torch.isin(found, torch.tensor(values, device=found.device)).flatten(start_dim=1).float()
            self._both[name] = self._both.get(name, 0) + (voxels @ voxels.T).cpu().double().numpy()

    def dice(self) -> dict[str, float]:
        """Return the Dice of each structure; NaN with one network, or where none of them found any."""
        return {name: _mean_pairwise_dice(self._both.get(name)) for name in self.classes}


def _mean_pairwise_dice(both: Any) -> float:
    """Return the mean Dice of all pairs, from the voxels that two networks share (own voxels on the diagonal)."""
    if both is None or len(both) == 1:
        return float("nan")
    own = np.diag(both)
    pairs = [2 * both[i, j] / (own[i] + own[j]) for i, j in itertools.combinations(range(len(own)), 2) if own[i] + own[j]]
    return float(np.mean(pairs)) if pairs else float("nan")


def _fast_arithmetic(device: torch.device) -> AbstractContextManager[Any]:
    """Return half precision on a GPU, as nnU-Net does, and bfloat16 on a CPU that multiplies it; else float32."""
    if device.type == "cuda":
        return torch.autocast("cuda")
    if device.type == "cpu" and has_bfloat16():
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return nullcontext()


@cache
def has_bfloat16() -> bool:
    """Return whether the CPU has instructions for bfloat16 (AVX-512 BF16 or AMX); others emulate it slowly."""
    tests = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(test() for test in tests if test is not None)
