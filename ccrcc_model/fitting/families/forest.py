"""A random forest, or extremely randomised trees, of the features that the filter kept and tumour volume.

The trees are fitted to the working response of the likelihood at the level, with its weights: one step of Newton's method.
For a yes or no, a leaf then holds a linear function of its share of positives, so that the forest orders patients as the mean
share over the trees does, and Shapley values of log odds are exact and add up with those of the other families.
"""

from dataclasses import dataclass
from typing import Self

import lightgbm as lgb
import optuna

from ccrcc_model.fitting.families.family import Family
from ccrcc_model.fitting.families.trees import FIXED, features_with_volume, level_of, tree_member
from ccrcc_model.fitting.inner import MAX_FEATURES, InnerFold
from ccrcc_model.models.likelihood import Likelihood
from ccrcc_model.models.member import Member

TREES = 100
"""Trees of each member, of which there are ten."""
MAX_LEAVES = 31


@dataclass(frozen=True, slots=True)
class Forest(Family):
    """Averaged trees (Breiman 2001, doi:10.1023/A:1010933404324; Geurts et al. 2006, doi:10.1007/s10994-006-6226-1).

    Args:
        n_features: Features that the filter keeps.
        min_data_in_leaf: Cases that a leaf must hold.
        feature_fraction_bynode: Share of the features that each split may use.
        bagging_fraction: Share of the cases that each tree sees.
        extra_trees: Whether thresholds are drawn at random.
    """

    name = "forest"

    n_features: int = MAX_FEATURES
    min_data_in_leaf: int = 3
    feature_fraction_bynode: float = 0.15
    bagging_fraction: float = 0.632
    extra_trees: bool = False

    @classmethod
    def suggest(cls, trial: optuna.Trial, *, n_cases: int) -> Self:
        """Draw hyperparameters."""
        named = cls.parameter
        return cls(
            n_features=trial.suggest_int(named("n_features"), 20, MAX_FEATURES, log=True),
            min_data_in_leaf=trial.suggest_int(named("min_data_in_leaf"), 2, max(8, n_cases // 20), log=True),
            feature_fraction_bynode=trial.suggest_float(named("feature_fraction_bynode"), 0.05, 0.6, log=True),
            bagging_fraction=trial.suggest_float(named("bagging_fraction"), 0.5, 0.9),
            extra_trees=trial.suggest_categorical(named("extra_trees"), [False, True]),
        )

    def fit(self, part: InnerFold, *, seed: int) -> tuple[Member, Likelihood]:
        """Fit the trees to the working response at the level."""
        names = features_with_volume(part, self.n_features)
        start, likelihood, weight, correction = level_of(part, names)
        known = part.known
        gradient, hessian = likelihood.derivatives(start.log_odds(known), known.y)
        settings = {**FIXED, **self.to_json(), "boosting": "rf", "objective": "regression"}
        settings |= {"num_leaves": MAX_LEAVES, "seed": seed}
        del settings["n_features"]
        data = lgb.Dataset(known.columns(names), -gradient / hessian, weight=weight * hessian, params=settings)
        trees = lgb.train(settings, data, num_boost_round=TREES, keep_training_booster=True)
        return tree_member(self.name, part, start.shifted(correction), trees), likelihood
