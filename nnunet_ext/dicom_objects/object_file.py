"""Files of DICOM objects: whole or absent, and marked where identities were replaced."""

from pathlib import Path

from pydicom.dataset import Dataset

from nnunet_ext.dicom.headers import Header, read_header
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.ground.files import atomic_path


def holds_object(path: Path, instance: str) -> bool:
    """Return whether a file is the object of that identifier."""
    header = read_header(path) if path.is_file() else None
    return isinstance(header, Header) and header.instance == instance


def save_object(path: Path, made: Dataset, identity: Identity) -> None:
    """Write an object, which states whether its identity was replaced."""
    identity.mark(made)
    with atomic_path(path) as temporary:
        made.save_as(temporary, enforce_file_format=True)
