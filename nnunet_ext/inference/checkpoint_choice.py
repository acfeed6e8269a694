"""Which checkpoint of each fold is used: the one that the user names, else the best, else the last."""

from collections.abc import Sequence
from pathlib import Path

from nnunet_ext.ground.errors import InputError

BEST, FINAL = "checkpoint_best.pth", "checkpoint_final.pth"
"""nnU-Net keeps both; ``nnUNetv2_export_model_to_zip`` exports the last alone."""


def choose_checkpoint(folder: Path, folds: Sequence[int | str], name: str | None) -> str:
    """Return the name of the file in the folder of every fold.

    Args:
        folder: The model folder.
        folds: That are used.
        name: The user's choice, if any; ``final`` stands for ``checkpoint_final.pth``.

    Raises:
        InputError: If the name is none of a file.
    """
    if name is not None:
        full = name if name.endswith(".pth") else f"checkpoint_{name}.pth"
        if Path(full).name != full:
            msg = f"--checkpoint names a file in the folder of each fold, such as {FINAL}; found {name!r}"
            raise InputError(msg)
        return full
    has_best = all((folder / f"fold_{fold}" / BEST).is_file() for fold in folds)
    has_final = all((folder / f"fold_{fold}" / FINAL).is_file() for fold in folds)
    return FINAL if has_final and not has_best else BEST
