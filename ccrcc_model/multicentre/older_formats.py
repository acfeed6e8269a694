"""Result files of older layouts, brought to the one of this version."""

from copy import deepcopy
from dataclasses import asdict
from typing import Any

from ccrcc_model.multicentre.predictor_result import rounded
from ccrcc_model.statistics.estimate import Estimate, logit_interval
from ccrcc_model.statistics.meta_analysis import standard_error
from ccrcc_model.validation.curve_tables import PREDICTORS


def from_format_1(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file of format 1 in that of format 2: intervals of AUCs are on the logit scale there.

    Both say the same standard error; an AUC of 0 or 1, or one without an interval, is left as it is.
    """
    newer = deepcopy(content)
    for name in PREDICTORS:
        area = newer[name]["auc"]
        estimate = Estimate(**area)
        error = standard_error(estimate)
        if error is not None and estimate.value is not None and 0 < estimate.value < 1:
            newer[name]["auc"] = asdict(rounded(logit_interval(estimate.value, error**2)))
    return {**newer, "format": 2}
