"""The options by which a user decides whose scan a DICOM object states that it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    from nnunet_ext.dicom_objects.identity import Identity


def identity_of(out: Path, *, keep_identity: bool, identity_key: Path | None) -> "Identity":
    """Return the identity of the objects that a command writes.

    Args:
        out: Folder of the result.
        keep_identity: The option of that name.
        identity_key: Likewise.

    Raises:
        InputError: If both are given, the key is in the result or is none, or the extra ``dicom`` is not installed.
    """
    from nnunet_ext.dicom_objects.highdicom_extra import highdicom
    from nnunet_ext.dicom_objects.identity import Identity

    highdicom()
    if keep_identity and identity_key is not None:
        msg = "--keep-identity keeps identifiers and --identity-key is of pseudonyms; give one of them"
        raise InputError(msg)
    if keep_identity:
        return Identity.kept()
    return Identity.replaced() if identity_key is None else Identity.from_file(identity_key, outside=out)
