"""One member of the ensemble: a linear score, and trees that add to it, fitted on patients of one training part and no others.

Every family of models is kept in this one form (see ``ccrcc_model.fitting.families``): an offset with boosted trees has both
parts, a ridge has no trees, a forest has a linear score without effects. So all are read, checked and explained alike.
"""

from dataclasses import dataclass, replace
from typing import Literal

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from ccrcc_model.models.combat import ComBat
from ccrcc_model.models.components import Projections, needed, project, source_columns
from ccrcc_model.models.start import LinearStart
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.cases import Cases

FamilyName = Literal["volume", "offset", "forest", "boosting", "ridge"]
"""Families of models; ``volume`` is tumour volume alone."""


@dataclass(frozen=True)
class Member:
    """One fitted linear score, and the trees on top of it.

    Args:
        family: What it is a member of.
        start: The log odds that the trees add to, on the same features.
        typical: Median of each feature where none was missing, else NaN, shape ``(len(names),)``. LightGBM learns
            where a missing value goes only from missing values; where it met none it would take a missing one for 0.
        trees: What LightGBM fitted, if anything.
        seen: Hashes of the patients that all of it was fitted on.
        harmoniser: What the features go through first.
        projections: What makes features of a table's deep columns, if the filter kept any.
    """

    family: FamilyName
    start: LinearStart
    typical: npt.NDArray[np.float64]
    trees: lgb.Booster | None
    seen: frozenset[str]
    harmoniser: ComBat | None = None
    projections: Projections = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Features that the member has, in the order of the trees' columns."""
        return self.start.names

    @property
    def inputs(self) -> tuple[str, ...]:
        """Features from which the log odds are computed: volume, and those that the member has."""
        return tuple(dict.fromkeys((self.start.volume.column, *self.names)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of a feature table that predicting needs."""
        return source_columns(self.projections, self.inputs)

    def after(self, projections: Projections) -> "Member":
        """Return this member, which was fitted on projected cases, for cases that are not projected yet."""
        seen = self.seen.union(*(one.seen for one in projections))
        return replace(self, seen=seen, projections=needed(projections, self.names))

    def _inputs(self, cases: Cases) -> npt.NDArray[np.float64]:
        values = cases.columns(self.names)
        return np.where(np.isnan(values), self.typical, values)

    def _added(self, trees: lgb.Booster, cases: Cases, **wanted: bool) -> npt.NDArray[np.float64]:
        """Return what the trees add to prepared cases; raw scores and Shapley values of a forest LightGBM adds up too."""
        added = np.asarray(trees.predict(self._inputs(cases), num_threads=1, **wanted), dtype=np.float64)
        return added / trees.num_trees() if self.family == "forest" else added

    def _prepared(self, cases: Cases) -> Cases:
        projected = project(cases, self.projections)
        return projected if self.harmoniser is None else self.harmoniser.apply(projected)

    def log_odds(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return the uncalibrated log odds, shape ``(n_cases,)``."""
        cases = self._prepared(cases)
        score = self.start.log_odds(cases)
        if self.trees is None:
            return score
        return score + self._added(self.trees, cases, raw_score=True)

    def contributions(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return what each of ``inputs`` adds to the log odds, shape ``(n_cases, len(inputs))``: linear part and TreeSHAP.

        References:
            Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9.
        """
        cases = self._prepared(cases)
        place = {name: column for column, name in enumerate(self.inputs)}
        result = np.zeros((len(cases), len(place)))
        result[:, place[self.start.volume.column]] = self.start.volume.contribution(cases)
        of_features = self.start.contributions(cases)
        if self.trees is not None:
            of_features = of_features + self._added(self.trees, cases, pred_contrib=True)[:, :-1]
        result[:, [place[name] for name in self.names]] += of_features
        return result


def volume_member(volume: VolumeModel, *, weight: float, level: float) -> Member:
    """Return tumour volume as a member of its own, which also holds the level of the ensemble.

    Args:
        volume: Fitted on the training part.
        weight: Its weight in the ensemble.
        level: Log odds that are added to everyone's.
    """
    scaled = replace(volume, slope=weight * volume.slope, intercept=weight * volume.intercept + level)
    none = np.zeros(0)
    return Member("volume", LinearStart(scaled, (), none, none, none), none, None, volume.seen)
