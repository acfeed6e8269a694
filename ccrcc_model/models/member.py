"""What is fitted inside a fold and only there: the feature filter, and one member of the ensemble on what it keeps.

A member starts from the log odds of tumour volume, to which the features that the filter kept add a little each
(``start``), and adds trees on the same features: what does the CT tell beyond the tumour's size? This is boosting
with an offset (Boulesteix and Hothorn 2010, doi:10.1186/1471-2105-11-78). Where volume carries part of the answer, the trees
need not find it again among thousands of features; where it carries nothing, its slope is near 0.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ccrcc_model.models.combat import ComBat
from ccrcc_model.models.components import Projections, needed, project, source_columns
from ccrcc_model.models.start import LinearStart, fit_linear
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.target import Cases, LabelledCases
from nnunet_ext.ground.errors import InputError

MAX_MISSING = 0.25
"""Share of missing values above which a feature is dropped."""
MAX_TIED = 0.95
"""Share of equal values above which a feature counts as constant: caret's ``nearZeroVar`` draws the same line."""
MAX_CORRELATION = 0.9
"""Absolute Spearman correlation from which two features count as one, the usual choice in radiomics."""
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
        prior: Of the features' linear effects, see ``fit_linear``.
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
            "objective": "binary",
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


def rank_matrix(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the ranks of every column, centred and scaled to length 1, so that products are Spearman correlations.

    Args:
        features: Shape ``(n_cases, n_features)``; a missing value takes the mean rank, and so adds nothing.

    Returns:
        Shape ``(n_cases, n_features)``; columns without spread are 0.
    """
    missing = np.isnan(features)
    ranks = rankdata(np.where(missing, np.inf, features), axis=0)
    ranks[missing] = 0
    ranks -= ranks.sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    ranks[missing] = 0
    length = np.linalg.norm(ranks, axis=0)
    return np.asarray(ranks / np.where(length > 0, length, np.inf), dtype=np.float64)


def usable_features(features: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which features are known often enough and vary, shape ``(n_features,)``.

    Values that differ by rounding only, as in the wavelet bands of a flat region, do not vary.
    """
    n_cases, n_features = features.shape
    usable = np.zeros(n_features, dtype=bool)
    ordered = np.sort(features, axis=0)  # missing values come last
    n_known = n_cases - np.isnan(features).sum(axis=0)
    for n in np.unique(n_known[n_known >= max(2, (1 - MAX_MISSING) * n_cases)]):
        columns = np.flatnonzero(n_known == n)
        known = ordered[:n, columns]
        low, high = known[0], known[-1]
        ties = int(MAX_TIED * n)
        constant = (known[ties:] == known[: n - ties]).any(axis=0)
        usable[columns] = ~constant & (high - low > 1e-10 * np.maximum(np.abs(low), np.abs(high)))
    return usable


def rank_features(features: npt.NDArray[np.float64], y: npt.NDArray[Any], *, most: int) -> npt.NDArray[np.intp]:
    """Choose features one by one: each time the one most associated with the label among those not yet represented.

    A chosen feature represents all whose absolute Spearman correlation with it is 0.9 or more, and they are dropped. The
    association is the absolute rank correlation with the label, which orders features as the distance of their AUC from
    0.5 does where no value is missing or tied. The first ``k`` of a longer choice are the choice of ``k``.

    Args:
        features: Shape ``(n_cases, n_features)``.
        y: Shape ``(n_cases,)``, both classes.
        most: Features to choose at most.

    Returns:
        Columns in the order of choice, shape ``(n_chosen,)``.
    """
    columns = np.flatnonzero(usable_features(features))
    ranks = rank_matrix(features[:, columns])
    outcome = y - y.mean()
    association = np.abs(outcome @ ranks)
    chosen: list[int] = []
    while len(chosen) < min(most, len(columns)):
        best = int(association.argmax())
        if association[best] < 0:
            break
        chosen.append(best)
        association[np.abs(ranks[:, best] @ ranks) >= MAX_CORRELATION] = -1
        association[best] = -1
    return columns[chosen]


class FeatureFilter(SelectorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Keep the features that are known, vary, are no copies of one another, and are most associated with the label.

    A scikit-learn transformer, so that it is fitted on the training part of a fold like any other.

    Args:
        n_features: Features to keep at most.

    Attributes:
        ranked_: Columns kept, the most associated with the label first.
    """

    def __init__(self, n_features: int = 30) -> None:
        self.n_features = n_features

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Choose the features of ``X``, shape ``(n_cases, n_features)``, for ``y``, 0 or 1, shape ``(n_cases,)``."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64, ensure_min_samples=2, y_numeric=True)  # noqa: N806
        self.ranked_ = rank_features(X, y, most=self.n_features)
        return self

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self)
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.ranked_] = True
        return mask

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags


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
        """What the log odds are made of: volume, and the features that the filter kept."""
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


def choose_features(cases: LabelledCases, *, most: int) -> tuple[str, ...]:
    """Fit the filter on ``cases`` and return the names that it keeps, the most associated first.

    Raises:
        InputError: If it keeps none.
    """
    fitted = FeatureFilter(most).fit(cases.features, cases.y)
    if len(fitted.ranked_) == 0:
        msg = f"None of the {len(cases.names)} features varies and is known in {1 - MAX_MISSING:.0%} of {len(cases)} cases"
        raise InputError(msg)
    return tuple(cases.names[column] for column in fitted.ranked_)


def fit_member(
    cases: LabelledCases,
    volume: VolumeModel,
    chosen: Sequence[str],
    hyperparameters: Hyperparameters,
    *,
    seed: int,
    balanced: bool = False,
    harmoniser: ComBat | None = None,
) -> Member:
    """Fit on the first features of ``chosen``.

    Args:
        cases: To fit on, not harmonised.
        volume: Fitted on the same cases.
        chosen: Features, chosen on the same cases once harmonised.
        hyperparameters: How to fit.
        seed: Of the trees.
        balanced: Let both classes weigh the same. The log odds are corrected for it, so that they are again those of the
            prevalence in ``cases`` (King and Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868, prior correction).
        harmoniser: Fitted on the same cases.
    """
    names = tuple(chosen[: hyperparameters.n_features])
    harmoniser = harmoniser.only(names) if harmoniser is not None else None
    known = cases if harmoniser is None else harmoniser.apply(cases)
    share = float(np.average(cases.y, weights=cases.weight))
    weight = cases.weight * np.where(cases.y == 1, 0.5 / share, 0.5 / (1 - share)) if balanced else cases.weight
    start = fit_linear(known, volume, names, prior=hyperparameters.prior, weight=weight)
    parameters = hyperparameters.lightgbm(seed)
    values = known.columns(names)
    data = lgb.Dataset(values, cases.y, weight=weight, init_score=start.log_odds(known), params=parameters)
    # Kept as it was trained: LightGBM's default is a detour over text that takes as long as the training does.
    trees = lgb.train(parameters, data, num_boost_round=TREES, keep_training_booster=True)
    if balanced:
        start = start.shifted(float(np.log(share / (1 - share))))
    seen = volume.seen | patient_hashes(cases.patient_id) | (harmoniser.seen if harmoniser is not None else frozenset())
    return Member(start, np.median(values, axis=0), trees, seen, harmoniser)
