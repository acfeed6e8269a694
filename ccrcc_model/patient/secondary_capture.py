"""A summary image as DICOM Secondary Capture, for archives whose viewers show neither segments nor structured reports."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from nnunet_ext.dicom_objects.equipment import equipment
from nnunet_ext.dicom_objects.highdicom_extra import highdicom
from nnunet_ext.dicom_objects.object_file import save_object
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.errors import InputError

SERIES_NUMBER = 903
"""Of a summary image: after those of a SEG and a report."""


def write_capture(path: Path, source: Source, rgb: npt.NDArray[np.uint8], *, names_patient: bool = False) -> Dataset:
    """Write a summary image.

    Args:
        path: Of the file.
        source: The CT series that it is of.
        rgb: Shape (rows, columns, 3).
        names_patient: Whether the picture itself shows who the patient is.

    Returns:
        The object.

    Raises:
        InputError: If the picture is none in colour, names a patient whose identity is replaced, or if the extra ``dicom`` is
            not installed.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        msg = f"A summary image has the shape (rows, columns, 3) and the type uint8; found {rgb.shape}, {rgb.dtype}"
        raise InputError(msg)
    if names_patient and not source.identity.keep:
        msg = "The summary image names the patient, whose identity is to be replaced; make it without the name"
        raise InputError(msg)
    of = (source.series_uid, sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest())
    made: Dataset = highdicom().sc.SCImage.from_ref_dataset(
        source.first,
        rgb,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=source.identity.new_uid("SC series", *of),
        series_number=SERIES_NUMBER,
        sop_instance_uid=source.identity.new_uid("SC", *of),
        instance_number=1,
        series_description="Summary of kidney measurements (research)",
        patient_orientation=("L", "P"),  # asked for by the library
        **equipment(),
    )
    made.PatientOrientation, made.BodyPartExamined = "", "ABDOMEN"  # a page has no orientation
    made.BurnedInAnnotation = "YES" if names_patient else "NO"
    save_object(path, made, source.identity)
    return made
