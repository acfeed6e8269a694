"""The library that writes DICOM objects, an optional extra."""

from importlib import import_module
from types import ModuleType

from nnunet_ext.ground.errors import InputError


def highdicom() -> ModuleType:
    """Return the library.

    Raises:
        InputError: If it is not installed.
    """
    try:
        return import_module("highdicom")
    except ImportError as error:
        msg = "DICOM objects are written by highdicom, which is not installed; pip install 'ccrcc-radiomics[dicom]'"
        raise InputError(msg) from error
