"""Plain gradient boosting: no offset, tumour volume is a feature like the others."""

from dataclasses import dataclass
from typing import Self

import optuna

from ccrcc_model.fitting.families.family import Family
from ccrcc_model.fitting.families.trees import boost, features_with_volume, level_of, tree_member
from ccrcc_model.fitting.inner import MAX_FEATURES, InnerFold
from ccrcc_model.models.likelihood import Likelihood
from ccrcc_model.models.member import Member

TREES = 100
"""Trees of each member; the learning rate is tuned."""


@dataclass(frozen=True, slots=True)
class Boosting(Family):
    """Gradient-boosted trees (Ke et al. 2017, https://papers.nips.cc/paper/6907).

    Args:
        n_features: Features that the filter keeps.
        learning_rate: Weight of each tree.
        num_leaves: Leaves of a tree.
        min_data_in_leaf: Cases that a leaf must hold.
        lambda_l2: Ridge on the leaf values.
        feature_fraction: Share of the features that each tree may use.
        bagging_fraction: Share of the cases that each tree sees.
    """

    name = "boosting"

    n_features: int = MAX_FEATURES
    learning_rate: float = 0.05
    num_leaves: int = 6
    min_data_in_leaf: int = 10
    lambda_l2: float = 1.0
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.8

    @classmethod
    def suggest(cls, trial: optuna.Trial, *, n_cases: int) -> Self:
        """Draw hyperparameters."""
        named = cls.parameter
        return cls(
            n_features=trial.suggest_int(named("n_features"), 10, MAX_FEATURES, log=True),
            learning_rate=trial.suggest_float(named("learning_rate"), 0.01, 0.15, log=True),
            num_leaves=trial.suggest_int(named("num_leaves"), 2, 12),
            min_data_in_leaf=trial.suggest_int(named("min_data_in_leaf"), 4, max(12, n_cases // 8), log=True),
            lambda_l2=trial.suggest_float(named("lambda_l2"), 0.1, 50.0, log=True),
            feature_fraction=trial.suggest_float(named("feature_fraction"), 0.1, 0.9),
            bagging_fraction=trial.suggest_float(named("bagging_fraction"), 0.5, 0.95),
        )

    def fit(self, part: InnerFold, *, seed: int) -> tuple[Member, Likelihood]:
        """Fit the trees on top of the level."""
        names = features_with_volume(part, self.n_features)
        start, likelihood, weight, correction = level_of(part, names)
        parameters = self.to_json() | {"seed": seed}
        del parameters["n_features"]
        trees = boost(part.known, start, likelihood, weight=weight, parameters=parameters, rounds=TREES)
        return tree_member(self.name, part, start.shifted(correction), trees), likelihood
