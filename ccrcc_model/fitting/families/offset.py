"""Boosting with an offset: what does the CT add to the tumour's size?

A member starts from the score of tumour volume, to which the features that the filter kept add a little each
(``ccrcc_model.models.start``), and adds trees on the same features (Boulesteix and Hothorn 2010,
doi:10.1186/1471-2105-11-78). Where volume carries part of the answer, the trees need not find it again among thousands of
features; where it carries nothing, its slope is near 0.
"""

from dataclasses import dataclass
from typing import Self

import optuna

from ccrcc_model.fitting.families.family import Family, class_weight
from ccrcc_model.fitting.families.trees import boost, tree_member
from ccrcc_model.fitting.inner import InnerFold
from ccrcc_model.models.likelihood import Likelihood
from ccrcc_model.models.member import Member
from ccrcc_model.models.start import fit_linear

MAX_FEATURES = 60
"""Most features that a trial may ask for; on some 80 patients more add noise to a linear start."""
TREES = 100
"""Trees of each member. The learning rate is tuned, and with few small trees the two trade off."""


@dataclass(frozen=True, slots=True)
class Offset(Family):
    """A linear model of volume and features, and boosted trees.

    Splits are extremely randomised (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1): on some 80 patients the best
    threshold of a split is mostly noise.

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

    name = "offset"

    n_features: int = 30
    learning_rate: float = 0.05
    num_leaves: int = 4
    min_data_in_leaf: int = 6
    lambda_l2: float = 5.0
    feature_fraction: float = 0.3
    bagging_fraction: float = 0.7
    prior: float = 0.02

    @classmethod
    def suggest(cls, trial: optuna.Trial, *, n_cases: int) -> Self:
        """Draw hyperparameters."""
        named = cls.parameter
        return cls(
            n_features=trial.suggest_int(named("n_features"), 10, MAX_FEATURES, log=True),
            learning_rate=trial.suggest_float(named("learning_rate"), 0.01, 0.15, log=True),
            num_leaves=trial.suggest_int(named("num_leaves"), 2, 8),
            min_data_in_leaf=trial.suggest_int(named("min_data_in_leaf"), 4, max(12, n_cases // 8), log=True),
            lambda_l2=trial.suggest_float(named("lambda_l2"), 0.5, 50.0, log=True),
            feature_fraction=trial.suggest_float(named("feature_fraction"), 0.1, 0.6),
            bagging_fraction=trial.suggest_float(named("bagging_fraction"), 0.5, 0.9),
            prior=trial.suggest_float(named("prior"), 0.003, 0.3, log=True),
        )

    def fit(self, part: InnerFold, *, seed: int) -> tuple[Member, Likelihood]:
        """Fit the linear score, then the trees."""
        names, known = part.chosen[: self.n_features], part.known
        weight, correction = class_weight(part.train, balanced=part.balanced)
        start, likelihood = fit_linear(known, part.start, names, prior=self.prior, weight=weight, likelihood=part.likelihood)
        parameters = self.to_json() | {"extra_trees": True, "seed": seed}
        del parameters["n_features"], parameters["prior"]
        trees = boost(known, start, likelihood, weight=weight, parameters=parameters, rounds=TREES)
        return tree_member(self.name, part, start.shifted(correction), trees), likelihood
