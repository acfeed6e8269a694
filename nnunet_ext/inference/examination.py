"""What a network holds, whether it can be used, and what a scan will take here: measured on one window."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch

from nnunet_ext.inference.kidney_search import MARGIN_MM
from nnunet_ext.inference.sliding_window import Windows
from nnunet_ext.inference.structures import COARSE_STEP
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, load_model

SCAN_MM = (240.0, 350.0, 400.0)
"""Body in a scan of the abdomen (zyx) that times are estimated for: 300 slices of 0.8 mm."""

KIDNEY_MM = (120.0, 70.0, 70.0)
"""A kidney (zyx); each has a box of its own with the margin of the fine pass."""

_WARM_UPS, _REPEATS = 1, 2


@dataclass(frozen=True)
class Examination:
    """One network.

    Args:
        folder: Its name.
        configuration: Of the plans.
        trainer: That the checkpoint names.
        architecture: Class of the network.
        files: Checkpoints and descriptions that are used, with their SHA-256.
        classes: The network's own names.
        structures: What the classes are here, and those of each structure.
        parameters: Numbers in one network.
        patch: Voxels of a window (zyx).
        spacing_mm: Of the network's voxels (zyx).
        window_seconds: Of one window through one network on this device, measured.
        window_bytes: That this window took besides the network; None where it is not known.
        kidneys_seconds: Estimate for a scan of ``SCAN_MM`` that is searched coarsely and segmented around both kidneys.
        everywhere_seconds: Estimate for all of that scan.
        notes: Choices that were not the user's, a line each.
    """

    folder: str
    configuration: str
    trainer: str
    architecture: str
    files: dict[str, str]
    classes: dict[int, str]
    structures: dict[str, tuple[int, ...]]
    parameters: int
    patch: tuple[int, int, int]
    spacing_mm: tuple[float, ...]
    window_seconds: float
    window_bytes: int | None
    kidneys_seconds: float
    everywhere_seconds: float
    notes: tuple[str, ...]


def examine(model: TrainedModel) -> Examination:
    """Load a network, run one window through it, and return what it holds and what it takes.

    Raises:
        InputError: If it cannot be used, in the line that ``segment`` would end with.
    """
    loaded = load_model(model)
    network = loaded.networks[0]
    seconds, n_bytes = _one_window(loaded)
    spacing = tuple(float(mm) for mm in loaded.configuration.spacing)
    around, everywhere = _windows(loaded, spacing)
    fine = seconds * len(loaded.networks) * (2 ** len(loaded.mirror_axes))
    coarse = seconds * _count(loaded, SCAN_MM, spacing, COARSE_STEP)
    return Examination(
        folder=model.folder.name,
        configuration=loaded.training.configuration,
        trainer=loaded.training.trainer,
        architecture=type(network).__name__,
        files=model.hashes(),
        classes=dict(loaded.classes.names),
        structures=dict(loaded.classes.values),
        parameters=sum(one.numel() for one in network.parameters()),
        patch=loaded.patch,
        spacing_mm=spacing,
        window_seconds=seconds,
        window_bytes=n_bytes,
        kidneys_seconds=coarse + around * fine,
        everywhere_seconds=everywhere * fine,
        notes=loaded.notes,
    )


def _windows(loaded: LoadedModel, spacing: Sequence[float]) -> tuple[int, int]:
    box = [size + 2 * MARGIN_MM for size in KIDNEY_MM]
    return 2 * _count(loaded, box, spacing, loaded.step), _count(loaded, SCAN_MM, spacing, loaded.step)


def _count(loaded: LoadedModel, size_mm: Sequence[float], spacing: Sequence[float], step: float) -> int:
    shape = [ceil(mm / voxel) for mm, voxel in zip(size_mm, spacing, strict=True)]
    windows = Windows(loaded.patch, loaded.labels.num_segmentation_heads, loaded.device, step, loaded.mirror_axes)
    return windows.count(shape)


def _one_window(loaded: LoadedModel) -> tuple[float, int | None]:
    """Return the seconds of one window without mirroring, and on a GPU the memory that it took."""
    n_channels = 1 if loaded.first_stage is None else 1 + len(loaded.labels.foreground_labels)
    volume = torch.zeros((n_channels, *loaded.patch))
    windows = Windows(loaded.patch, loaded.labels.num_segmentation_heads, loaded.device, 1.0)
    on_gpu = loaded.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(loaded.device)
        before = torch.cuda.memory_allocated(loaded.device)
    times = []
    for _ in range(_WARM_UPS + _REPEATS):
        start = time.perf_counter()
        for planes in windows.predict(loaded.networks[:1], volume):
            planes.sum().item()
        times.append(time.perf_counter() - start)
    taken = torch.cuda.max_memory_allocated(loaded.device) - before if on_gpu else _rss_peak()
    return min(times[_WARM_UPS:]), taken


def _rss_peak() -> int | None:
    """Return the most memory that this process had, in bytes."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
