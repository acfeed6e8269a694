"""The supplement's training method as an nnU-Net trainer, one for small tumours, and one that learns phantoms on a CPU.

Stock nnU-Net finds them: ``nnUNetv2_train 501 3d_fullres 0 -tr nnUNetTrainerCCRCC``.

Environment variables change a run without editing code. They are read when a training starts:

* ``CCRCC_EPOCHS``: number of epochs (1000 for ``nnUNetTrainerCCRCC``).
* ``CCRCC_ITERATIONS``: training iterations an epoch (250, as in nnU-Net). A fifth as many batches are validated.
* ``CCRCC_SEED``: seeds the run, which nnU-Net leaves unseeded. With ``nnUNet_n_proc_DA`` at 0 or 1, two runs with the same
  number of threads on one CPU end in the same weights.
* ``CCRCC_BF16``: 1 lets the network compute in bfloat16 on a CPU with instructions for it, where nnU-Net stays at float32. A
  GPU is in half precision anyway.
* ``CCRCC_WARM_START``: a checkpoint whose weights the network begins with, as far as they fit; see ``warm_start``.
"""

import os
import random
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.training.logging.nnunet_logger import LocalLogger
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.sliding_window import has_bfloat16
from nnunet_ext.warm_start import VARIABLE, warm_start

NOT_IN_THE_PAPER = (GaussianNoiseTransform, SimulateLowResolutionTransform)
"""Augmentations of stock nnU-Net that the supplement does not name."""


class nnUNetTrainerCCRCC(nnUNetTrainer):  # type: ignore[misc]
    """The supplement's method: 3-D U-Net from nnU-Net's plans, cross-entropy + Dice, 1000 epochs, best checkpoint kept.

    Augmentation is what the supplement names and nothing else: flips, rotation, grey-level changes (brightness, contrast,
    gamma both ways) and Gaussian blur. Everything not listed here is stock nnU-Net; predict with
    ``-chk checkpoint_best.pth``. Trained on regions instead of labels, nnU-Net's loss is binary cross-entropy + Dice.

    The constructor is left alone: nnU-Net reads its arguments by name and stores them in the checkpoint.
    """

    epochs = 1000
    iterations = 250
    seed: int | None = None
    epochs_begun = 0

    def initialize(self) -> None:
        """Set length and seed of the run before nnU-Net builds its network, optimizer and learning-rate schedule."""
        self.num_epochs = _count("CCRCC_EPOCHS", self.epochs)
        self.num_iterations_per_epoch = _count("CCRCC_ITERATIONS", self.iterations)
        self.num_val_iterations_per_epoch = max(1, self.num_iterations_per_epoch // 5)
        seed = _seed(self.seed)
        if seed is not None:
            self.seed = seed + 100_000 * self.local_rank  # with -num_gpus each process draws patches of its own
            random.seed(self.seed)
            np.random.seed(self.seed)  # noqa: NPY002 - nnU-Net's loader draws from NumPy's global generator
            torch.manual_seed(self.seed)
        self.print_to_log_file(f"CCRCC: {self.num_epochs} epochs of {self.num_iterations_per_epoch} iterations")
        super().initialize()
        if start := os.environ.get(VARIABLE, "").strip():
            self.print_to_log_file(warm_start(self.network, Path(start)))
        if self.device.type == "cpu":
            # oneDNN's 3-D convolutions take two thirds of the time in this layout.
            self.network.to(memory_format=torch.channels_last_3d)
        if _flag("CCRCC_BF16"):
            self._compute_in_bfloat16()

    def _compute_in_bfloat16(self) -> None:
        if self.device.type != "cpu" or not has_bfloat16():
            msg = "CCRCC_BF16=1 asks for a CPU with bfloat16 instructions (AVX-512 BF16 or AMX); unset it on this device"
            raise InputError(msg)
        forward = torch.autocast("cpu", dtype=torch.bfloat16)(self.network.forward)

        def in_float32(patch: torch.Tensor) -> Any:
            """Return the logits, of every resolution in training, as the loss wants them."""
            logits = forward(patch)
            return [one.float() for one in logits] if isinstance(logits, list | tuple) else logits.float()

        self.network.forward = in_float32

    def on_epoch_start(self) -> None:
        """Look at the clock."""
        super().on_epoch_start()
        self.epochs_begun += 1
        self.epoch_began = time.monotonic()

    def on_epoch_end(self) -> None:
        """State once how long the whole run will take; the first epoch is slower, as everything in it is new."""
        super().on_epoch_end()
        if self.epochs_begun == 2:
            n_left = self.num_epochs - self.current_epoch
            left = timedelta(seconds=round((time.monotonic() - self.epoch_began) * n_left))
            self.print_to_log_file(f"CCRCC: {left} (h:min:s) for the {n_left} epochs that are left, at this pace")

    def get_dataloaders(self) -> tuple[Any, Any]:
        """Return nnU-Net's loaders, whose workers are seeded if the run is."""
        loaders = super().get_dataloaders()
        for offset, loader in enumerate(loaders, start=1):
            if self.seed is not None and isinstance(loader, NonDetMultiThreadedAugmenter):
                loader.seeds = [self.seed + 1000 * offset + worker for worker in range(loader.num_processes)]
                loader.restart()
        return loaders  # type: ignore[no-any-return]

    @classmethod
    def get_training_transforms(cls, *args: Any, **kwargs: Any) -> BasicTransform:
        """Return stock nnU-Net's training transforms without those that the supplement does not name."""
        stock = nnUNetTrainer.get_training_transforms(*args, **kwargs)
        kept = [transform for transform in stock.transforms if not isinstance(_unwrapped(transform), NOT_IN_THE_PAPER)]
        for transform in map(_unwrapped, kept):
            if isinstance(transform, SpatialTransform):
                transform.p_scaling = 0.0
            if isinstance(transform, GaussianBlurTransform) and _seed(cls.seed) is not None:
                transform.benchmark = False  # else it chooses its algorithm by a stopwatch
        return ComposeTransforms(kept)


class nnUNetTrainerCCRCCSmallTumours(nnUNetTrainerCCRCC):
    """The supplement's method for tumours that are small beside the patch: more of them, and an optimizer that hears them.

    Two of three patches hold foreground, by chance; stock nnU-Net makes sure of it for one of three. AdamW takes the place of
    SGD: it scales each weight's step by its own gradients, so that what a few voxels ask for is not drowned by the kidney.
    """

    rate = 1e-3

    def initialize(self) -> None:
        """Ask for more foreground, and a rate that suits AdamW, before nnU-Net builds its loaders and optimizer."""
        self.oversample_foreground_percent = 0.67
        self.probabilistic_oversampling = True
        self.initial_lr = self.rate
        super().initialize()

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Return AdamW with nnU-Net's polynomial decay."""
        optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)


class nnUNetTrainerCCRCCShort(nnUNetTrainerCCRCCSmallTumours):
    """Sibling for demonstrations: learns synthetic phantoms on two CPU cores in some minutes. Not for patients.

    Its rate is five times as high, for 300 iterations of a small network. Seeded. Neither validation nor prediction mirrors
    the scan, and the validation of whole scans after the training is left out: score the masks of another cohort instead.
    """

    epochs = 12
    iterations = 25
    rate = 5e-3
    seed = 2024

    def initialize(self) -> None:
        """Choose what suits a short run."""
        super().initialize()
        self.num_val_iterations_per_epoch = 4
        self.logger.local_logger = _PlainLogger()

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802
        """Train on mirrored patches, as the paper's trainer does, yet predict once instead of eight times."""
        geometry = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        self.inference_allowed_mirroring_axes = None
        return geometry  # type: ignore[no-any-return]

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:  # noqa: ARG002
        """Skip the prediction of the fold's whole scans."""
        self.print_to_log_file("Whole scans are not validated in a short run.")


class _PlainLogger(LocalLogger):  # type: ignore[misc]
    """nnU-Net's log without a picture after every epoch, which would cost as much as several iterations."""

    def plot_progress_png(self, output_folder: str) -> None:
        """Draw nothing."""


def _unwrapped(transform: BasicTransform) -> BasicTransform:
    """Return what a ``RandomTransform`` applies, or the transform itself."""
    return getattr(transform, "transform", transform)


def _count(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        msg = f"{variable} must be a whole number of at least 1; found {text!r}"
        raise InputError(msg)
    return int(text)


def _flag(variable: str) -> bool:
    text = os.environ.get(variable, "").strip()
    if text not in ("", "0", "1"):
        msg = f"{variable} must be 0 or 1; found {text!r}"
        raise InputError(msg)
    return text == "1"


def _seed(default: int | None) -> int | None:
    """Return the seed that the environment names, else the trainer's own."""
    return _count("CCRCC_SEED", 1) if os.environ.get("CCRCC_SEED", "").strip() else default
