"""Tumour volume alone: the baseline with which every model is compared, and from which every model starts.

Its direction is fixed beforehand: a larger tumour is never less likely to be positive. A slope that was free to change its
sign would let the baseline rank patients the wrong way in the folds where volume carries little, and lose by its own fit.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ccrcc_model.models.likelihood import Likelihood, Logistic
from ccrcc_model.models.weighted import weighted_mean
from ccrcc_model.outcomes.cases import Cases, LabelledCases
from ccrcc_model.outcomes.seen import patient_hashes
from nnunet_ext.ground.errors import InputError

_VOLUME = (r"tumour__.+__original_shape_MeshVolume", r"tumour__.+__original_shape_VoxelVolume")
"""The tumour's volume in a feature table, the preferred form first."""

LEAST_SLOPE = 0.01
"""Least slope where volume is fitted, in log odds (or units of the score) for each standard deviation of its logarithm. Just
above 0, so that the order of patients by the baseline is that of tumour volume itself even where volume carries nothing."""


def volume_column(names: Sequence[str]) -> str:
    """Return the feature that is the tumour's volume in mm³.

    Raises:
        InputError: If there is none.
    """
    for pattern in _VOLUME:
        for name in names:
            if re.fullmatch(pattern, name):
                return name
    msg = (
        f"FC009: none of the {len(names)} features is the tumour's volume (tumour__<scale>__original_shape_MeshVolume or "
        "VoxelVolume), which every model is compared with; extract shape features of the region tumour"
    )
    raise InputError(msg)


@dataclass(frozen=True, slots=True)
class VolumeModel:
    """A line through the logarithm of the tumour's volume.

    Args:
        column: Feature that holds the volume in mm³.
        mean_log: Mean of the logarithms fitted on; stands in for a missing volume.
        sd_log: Their standard deviation.
        slope: Score (log odds, for a yes or no) for each standard deviation; at least ``LEAST_SLOPE`` if fitted alone.
        intercept: Score at the mean; 0 where the likelihood holds the level.
        seen: Hashes of the patients fitted on.
    """

    column: str
    mean_log: float
    sd_log: float
    slope: float
    intercept: float
    seen: frozenset[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column of a feature table that predicting needs."""
        return (self.column,)

    def log_odds(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return the uncalibrated log odds, shape ``(n_cases,)``."""
        return self.intercept + self.contribution(cases)

    def contribution(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return what the volume adds to the log odds of a mean one, shape ``(n_cases,)``."""
        return self.slope * self.standard(cases)

    def standard(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return the logarithm of the volume in standard deviations from the mean, shape ``(n_cases,)``."""
        return np.nan_to_num((_log_volume(cases, self.column) - self.mean_log) / self.sd_log, nan=0.0)


def scale_volume(cases: LabelledCases) -> VolumeModel:
    """Return a volume model that knows the scale of volume in these cases, and no effect of it yet."""
    column = volume_column(cases.names)
    logarithm = _log_volume(cases, column)
    known = ~np.isnan(logarithm)
    mean, spread = _mean_and_spread(logarithm[known], cases.weight[known]) if known.any() else (0.0, 0.0)
    sd = spread if spread > 1e-9 else 1.0
    return VolumeModel(column, mean, sd, 0.0, 0.0, patient_hashes(cases.patient_id))


def _mean_and_spread(values: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation, every patient counting once."""
    mean = weighted_mean(values[:, None], weight)
    return float(mean[0]), float(np.sqrt(weighted_mean((values[:, None] - mean) ** 2, weight))[0])


def fit_volume(cases: LabelledCases, likelihood: type[Likelihood] = Logistic) -> VolumeModel:
    """Fit the volume model: a light ridge keeps it finite where volume separates the classes, its slope keeps its sign."""
    scale = scale_volume(cases)
    fitted = likelihood.fit(scale.standard(cases)[:, None], cases.y, weight=cases.weight, least=LEAST_SLOPE)
    return replace(scale, slope=float(fitted.coefficients[0]), intercept=fitted.intercept)


def _log_volume(cases: Cases, column: str) -> npt.NDArray[np.float64]:
    volume = cases.columns([column])[:, 0]
    return np.log(np.where(volume > 0, volume, np.nan))
