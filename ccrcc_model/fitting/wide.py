"""All usable features of a training part, standardised for a linear model, and the inner products of its patients."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ccrcc_model.fitting.filter import usable_features
from ccrcc_model.models.combat import ComBat
from ccrcc_model.models.likelihood import Floats
from ccrcc_model.models.start import standard
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.models.weighted import weighted_mean, weighted_median
from ccrcc_model.outcomes.cases import Cases, LabelledCases


@dataclass(frozen=True, eq=False)
class WideDesign:
    """Distances from the median as ``arcsinh`` counts them, centred and scaled to a standard deviation of 1.

    Args:
        names: Features that are known often enough and vary.
        centre: Their medians, shape ``(n_features,)``.
        spread: Median absolute distances from these; the root mean squared one where most values are equal.
        mean: Mean of the counted distances.
        scale: Their standard deviation.
        values: Standardised training cases, shape ``(n_cases, n_features)``.
    """

    names: tuple[str, ...]
    centre: Floats
    spread: Floats
    mean: Floats
    scale: Floats
    values: Floats

    @classmethod
    def of(cls, cases: LabelledCases) -> Self:
        """Fit on the cases of a training part; every patient counts once."""
        usable = np.flatnonzero(usable_features(cases.features, cases.weight))
        values = cases.features[:, usable]
        centre = weighted_median(values, cases.weight)
        distance = np.abs(values - centre)
        typical = weighted_median(distance, cases.weight)
        spread = np.where(typical > 0, typical, np.sqrt(weighted_mean(distance**2, cases.weight)))
        counted = standard(values, centre, spread, tails="arcsinh")
        mean = np.average(counted, axis=0, weights=cases.weight)
        scale = np.sqrt(np.average((counted - mean) ** 2, axis=0, weights=cases.weight))
        names = tuple(cases.names[column] for column in usable)
        return cls(names, centre, spread, mean, scale, (counted - mean) / scale)

    def standardised(self, cases: Cases) -> Floats:
        """Return other cases as the training cases are in ``values``."""
        counted = standard(cases.columns(self.names), self.centre, self.spread, tails="arcsinh")
        return np.asarray((counted - self.mean) / self.scale, dtype=np.float64)

    def level(self, volume: VolumeModel, weights: Floats) -> VolumeModel:
        """Return a volume model whose intercept makes up for the mean of features that count with these weights."""
        return replace(volume, intercept=volume.intercept - float(self.mean @ weights))


@dataclass(frozen=True, eq=False)
class WidePart:
    """What a ridge on all features needs of an inner split.

    Args:
        n_features: Number of features.
        gram: Inner products of the training cases, shape ``(n_train_cases, n_train_cases)``.
        cross: Those of test and training cases, shape ``(n_test_cases, n_train_cases)``.
        harmoniser: What the features go through first.
        design: The features themselves, where a model is fitted that others will use.
    """

    n_features: int
    gram: Floats
    cross: Floats
    harmoniser: ComBat | None = None
    design: WideDesign | None = None

    @classmethod
    def of(cls, train: LabelledCases, test: Cases, *, harmoniser: ComBat | None = None, keep_design: bool = False) -> Self:
        """Fit the design on a training part.

        Args:
            train: Harmonised.
            test: Harmonised.
            harmoniser: What harmonised them.
            keep_design: Keep the features too.
        """
        design = WideDesign.of(train)
        cross = design.standardised(test) @ design.values.T
        kept = harmoniser.only(design.names) if harmoniser is not None else None
        return cls(len(design.names), design.values @ design.values.T, cross, kept, design if keep_design else None)
