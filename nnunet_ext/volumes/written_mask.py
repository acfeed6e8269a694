"""A mask that a command wrote and finds again: still the one it wrote, cut short, or edited by somebody."""

from pathlib import Path

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.volume_file import read_volume


def is_whole_nifti(mask: Path) -> bool:
    """Tell whether a file is a whole NIfTI volume."""
    try:
        read_volume(mask, "mask")
    except CaseRefused:
        return False
    return True


def changed_mask(mask: Path, done: str) -> str:
    """Return why a mask of other content is not replaced; ``done`` is what is to be done again, such as ``segmented``."""
    return (
        f"{mask.name} is not the mask that was written there: it was edited or replaced; to use it, copy it to another folder "
        f"and name it in a case list; to have the scan {done} again, remove it"
    )
