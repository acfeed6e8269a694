"""What the families with trees share: LightGBM's parameters, and fitting trees on top of a linear score."""

from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np

from ccrcc_model.fitting.families.family import class_weight
from ccrcc_model.fitting.inner import InnerFold
from ccrcc_model.models.likelihood import Floats, Likelihood
from ccrcc_model.models.member import FamilyName, Member
from ccrcc_model.models.start import LinearStart, fit_level
from ccrcc_model.models.weighted import weighted_median
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import patient_hashes

FIXED: Mapping[str, Any] = {
    "bagging_freq": 1,
    "max_bin": 63,
    "min_data_in_bin": 1,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Parameters of every family: the same ones give the same trees, on any number of cores."""


def features_with_volume(part: InnerFold, n_features: int) -> tuple[str, ...]:
    """Return the first features that the filter kept, and tumour volume where it is not among them and varies."""
    names = part.chosen[:n_features]
    volume = part.train.columns([part.start.column])[:, 0]
    known = volume[~np.isnan(volume)]
    varies = len(known) > 0 and known.min() < known.max()
    return (part.start.column, *names) if varies and part.start.column not in names else names


def level_of(part: InnerFold, names: tuple[str, ...]) -> tuple[LinearStart, Likelihood, Floats, float]:
    """Return a linear score without effects and its likelihood, the weight of each case, and the prior correction."""
    weight, correction = class_weight(part.train, balanced=part.balanced)
    start, likelihood = fit_level(part.train, part.start, names, weight=weight, likelihood=part.likelihood)
    return start, likelihood, weight, correction


def boost(
    known: LabelledCases,
    start: LinearStart,
    likelihood: Likelihood,
    *,
    weight: Floats,
    parameters: Mapping[str, Any],
    rounds: int,
) -> lgb.Booster:
    """Fit boosted trees that start from a linear score.

    Args:
        known: Harmonised cases.
        start: The score.
        likelihood: Its likelihood, whose derivatives drive the trees; a level that it holds stays that of the start.
        weight: Weight of each case, shape ``(n_cases,)``.
        parameters: LightGBM's.
        rounds: Trees.
    """
    objective, of_data = likelihood.objective(known.y, weight)
    settings = {**FIXED, **parameters, "objective": objective}
    values = known.columns(start.names)
    data = lgb.Dataset(values, known.stratum, weight=of_data, init_score=start.log_odds(known), params=settings)
    # Kept as it was trained: LightGBM's default is a detour over text that takes as long as the training does.
    return lgb.train(settings, data, num_boost_round=rounds, keep_training_booster=True)


def tree_member(family: FamilyName, part: InnerFold, start: LinearStart, trees: lgb.Booster) -> Member:
    """Return start and trees as a member of a family, fitted on the training part."""
    harmoniser = part.harmoniser.only(start.names) if part.harmoniser is not None else None
    seen = part.start.seen | patient_hashes(part.train.patient_id) | part.stability_seen
    seen |= harmoniser.seen if harmoniser is not None else frozenset()
    values = part.known.columns(start.names)
    typical = np.where(np.isnan(values).any(axis=0), np.nan, weighted_median(values, part.train.weight))
    return Member(family, start, typical, trees, seen, harmoniser)
