"""One member of the ensemble: what is fitted inside a fold, and only there, on the features that the filter keeps.

A member starts from the score of tumour volume, to which the features that the filter kept add a little each
(``start``), and adds trees on the same features: what does the CT add to the tumour's size? This is boosting
with an offset (Boulesteix and Hothorn 2010, doi:10.1186/1471-2105-11-78). Where volume carries part of the answer, the trees
need not find it again among thousands of features; where it carries nothing, its slope is near 0.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from ccrcc_model.models.combat import ComBat
from ccrcc_model.models.components import Projections, needed, project, source_columns
from ccrcc_model.models.likelihood import Likelihood, Logistic
from ccrcc_model.models.start import LinearStart, fit_linear
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.models.weighted import weighted_median
from ccrcc_model.outcomes.cases import Cases, LabelledCases
from ccrcc_model.outcomes.seen import patient_hashes

TREES = 100
"""Trees of each member. The learning rate is tuned, and with few small trees the two trade off."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What tuning chooses.

    Args:
        n_features: Features that the filter keeps.
        learning_rate: Weight of each tree.
        num_leaves: Leaves of a tree; 2 is a stump.
        min_data_in_leaf: Cases that a leaf must hold.
        lambda_l2: Ridge on the leaf values.
        feature_fraction: Share of the features that each tree may use.
        bagging_fraction: Share of the cases that each tree sees.
        prior: Prior of the features' linear effects, see ``fit_linear``.
    """

    n_features: int = 30
    learning_rate: float = 0.05
    num_leaves: int = 4
    min_data_in_leaf: int = 6
    lambda_l2: float = 5.0
    feature_fraction: float = 0.3
    bagging_fraction: float = 0.7
    prior: float = 0.02

    def lightgbm(self, seed: int) -> dict[str, Any]:
        """Return LightGBM's parameters; the same ones give the same trees, on any number of cores.

        Splits are extremely randomised (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1): on some 80 patients the best
        threshold of a split is mostly noise.
        """
        tuned = asdict(self)
        del tuned["n_features"], tuned["prior"]
        return tuned | {
            "extra_trees": True,
            "bagging_freq": 1,
            "max_bin": 63,
            "min_data_in_bin": 1,
            "feature_pre_filter": False,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "verbosity": -1,
            "seed": seed,
        }


@dataclass(frozen=True)
class Member:
    """One fitted filter, the linear model on what it kept, and the trees on top of it.

    Args:
        start: The log odds that the trees add to, on the same features.
        typical: Median of each feature where none was missing, else NaN, shape ``(len(names),)``. LightGBM learns
            where a missing value goes only from missing values; where it met none it would take a missing one for 0.
        trees: What LightGBM fitted.
        seen: Hashes of the patients that all of it was fitted on.
        harmoniser: What the features go through first.
        projections: What makes features of a table's deep columns, if the filter kept any.
    """

    start: LinearStart
    typical: npt.NDArray[np.float64]
    trees: lgb.Booster
    seen: frozenset[str]
    harmoniser: ComBat | None = None
    projections: Projections = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Features that the filter kept, in the order of the trees' columns."""
        return self.start.names

    @property
    def inputs(self) -> tuple[str, ...]:
        """Features from which the log odds are computed: volume, and those that the filter kept."""
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

    def _prepared(self, cases: Cases) -> Cases:
        projected = project(cases, self.projections)
        return projected if self.harmoniser is None else self.harmoniser.apply(projected)

    def log_odds(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return the uncalibrated log odds, shape ``(n_cases,)``."""
        cases = self._prepared(cases)
        added = self.trees.predict(self._inputs(cases), raw_score=True, num_threads=1)
        return self.start.log_odds(cases) + np.asarray(added, dtype=np.float64)

    def contributions(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return what each of ``inputs`` adds to the log odds, shape ``(n_cases, len(inputs))``: linear part and TreeSHAP.

        References:
            Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9.
        """
        cases = self._prepared(cases)
        shap = self.trees.predict(self._inputs(cases), pred_contrib=True, num_threads=1)
        place = {name: column for column, name in enumerate(self.inputs)}
        result = np.zeros((len(cases), len(place)))
        result[:, place[self.start.volume.column]] = self.start.volume.contribution(cases)
        of_features = self.start.contributions(cases) + np.asarray(shap, dtype=np.float64)[:, :-1]
        result[:, [place[name] for name in self.names]] += of_features
        return result


def fit_member(
    cases: LabelledCases,
    volume: VolumeModel,
    chosen: Sequence[str],
    hyperparameters: Hyperparameters,
    *,
    seed: int,
    likelihood: type[Likelihood] = Logistic,
    balanced: bool = False,
    harmoniser: ComBat | None = None,
) -> tuple[Member, Likelihood]:
    """Fit on the first features of ``chosen``.

    Args:
        cases: To fit on, not harmonised.
        volume: Fitted on the same cases.
        chosen: Features, chosen on the same cases once harmonised.
        hyperparameters: How to fit.
        seed: Seed of the trees.
        likelihood: Likelihood of the outcome. Its derivatives drive the trees; a level that it holds stays that of the start.
        balanced: Let both classes weigh the same. The log odds are corrected for it, so that they are again those of the
            prevalence in ``cases`` (King and Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868, prior correction).
        harmoniser: Fitted on the same cases.

    Returns:
        The member, and the likelihood of its score.
    """
    names = tuple(chosen[: hyperparameters.n_features])
    harmoniser = harmoniser.only(names) if harmoniser is not None else None
    known = cases if harmoniser is None else harmoniser.apply(cases)
    stratum = cases.stratum
    share = float(np.average(stratum, weights=cases.weight))
    weight = cases.weight * np.where(stratum == 1, 0.5 / share, 0.5 / (1 - share)) if balanced else cases.weight
    start, fitted = fit_linear(known, volume, names, prior=hyperparameters.prior, weight=weight, likelihood=likelihood)
    objective, of_data = fitted.objective(cases.y, weight)
    parameters = hyperparameters.lightgbm(seed) | {"objective": objective}
    values = known.columns(names)
    data = lgb.Dataset(values, stratum, weight=of_data, init_score=start.log_odds(known), params=parameters)
    # Kept as it was trained: LightGBM's default is a detour over text that takes as long as the training does.
    trees = lgb.train(parameters, data, num_boost_round=TREES, keep_training_booster=True)
    if balanced:
        start = start.shifted(float(np.log(share / (1 - share))))
    seen = volume.seen | patient_hashes(cases.patient_id) | (harmoniser.seen if harmoniser is not None else frozenset())
    typical = np.where(np.isnan(values).any(axis=0), np.nan, weighted_median(values, cases.weight))
    return Member(start, typical, trees, seen, harmoniser), fitted
