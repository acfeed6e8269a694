"""Flags of one scan and its mask: what a reader should know before any number."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ccrcc_model.patient.answer import Flag
from nnunet_ext.anatomy.self_check import self_check
from nnunet_ext.ground.labels import Label, is_lesion
from nnunet_ext.ground.refusals import FLAGS
from nnunet_ext.scans.geometry import Scan

NO_TUMOUR = "tumour-absent"
"""Code of the flag of a mask without a tumour: nothing can be predicted."""

MASSES = "lesions-are-masses"
"""Code of the flag of a mask that does not distinguish tumours from cysts."""

NOT_DISTINGUISHED = "the mask outlines renal masses: whether a mass is a tumour or a cyst is not known"


def scan_flags(scan: Scan, *, phase: str | None, of_network: Sequence[str] | None) -> tuple[Flag, ...]:
    """Return the flags of a scan, the most severe first.

    Args:
        scan: Image and mask; the mask may be empty.
        phase: Contrast phase, if it is known.
        of_network: Flags that ``segment`` raised; None for a mask that was given, which is checked here.
    """
    labels = sitk.GetArrayViewFromImage(scan.mask)
    flags = []
    if not is_lesion(labels).any():
        text = "the mask shows no tumour, so there is nothing to predict from"
        flags.append(Flag(code=NO_TUMOUR, severity="refusal", text=text))
    if (labels == Label.MASS).any():
        flags.append(Flag(code=MASSES, severity="caution", text=NOT_DISTINGUISHED))
    raised = _flags_of(scan) if of_network is None else of_network
    flags += [_as_flag(code) for code in raised if code != "no-tumour"]
    if phase is None:
        text = "the contrast phase is not known; attenuation is not classified"
        flags.append(Flag(code="phase-unknown", severity="note", text=text))
    flags += [Flag(code="scan-note", severity="note", text=note) for note in scan.notes]
    return tuple(flags)


def _flags_of(scan: Scan) -> list[str]:
    """Return the flags of a mask that was given."""
    labels = np.asarray(sitk.GetArrayViewFromImage(scan.mask))
    x, y, z = scan.image.GetSpacing()
    hu = sitk.GetArrayViewFromImage(scan.image)
    return self_check("", labels, labels, spacing_mm=(z, y, x), hu=hu).flags.split()


def _as_flag(code: str) -> Flag:
    reason = FLAGS.reasons[code]
    return Flag(code=code, severity="caution", text=f"{reason.found}: {reason.remedy}")
