"""Mean attenuation of lesions and cortex, and what one contrast phase says of them."""

import numpy as np
import numpy.typing as npt

from nnunet_ext.dicom.phases import PHASES
from radiomics_cfg.measurements.measurement import Assessed
from radiomics_cfg.measurements.outline import Mask

AS_CORTEX_HU = 20.0
"""Smallest difference that counts as enhancement (Silverman et al. 2019, doi:10.1148/radiol.2019182646)."""

ONE_PHASE = "enhancement takes an unenhanced phase of the same patient beside this one"
NO_CORTEX = "there is no cortex that is 5 mm from every lesion"


def mean_hu(hu: npt.NDArray[np.generic], region: Mask) -> float | None:
    """Return the mean over a region, None if it is empty."""
    return float(hu[region].mean(dtype=np.float64)) if region.any() else None


def against_cortex(lesion_hu: float, cortex_hu: float | None, phase: str | None) -> dict[str, Assessed]:
    """Return the measurements that compare a lesion with the cortex.

    Args:
        lesion_hu: Mean of the lesion.
        cortex_hu: Mean of the cortex, None if there is none.
        phase: One of ``PHASES``; None if it is not known.
    """
    none = {"enhancement_hu": Assessed.not_assessable(ONE_PHASE)}
    if cortex_hu is None:
        absent = Assessed.not_assessable(NO_CORTEX)
        return none | {"cortex_difference_hu": absent, "attenuation_class": absent}
    difference = lesion_hu - cortex_hu
    return none | {"cortex_difference_hu": Assessed(difference), "attenuation_class": _class_of(difference, phase)}


def _class_of(difference_hu: float, phase: str | None) -> Assessed:
    if phase is None or phase not in PHASES:
        return Assessed.not_assessable("the contrast phase is not stated")
    if phase == "unenhanced":
        return Assessed.not_assessable("the phase is unenhanced")
    word = "below" if difference_hu <= -AS_CORTEX_HU else "above" if difference_hu >= AS_CORTEX_HU else "as"
    return Assessed(f"{word} cortex")
