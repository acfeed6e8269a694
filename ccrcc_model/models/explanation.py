"""What contributes to a model: by feature, region, scale, image filter and family, and whether the outer folds agree.

The figures are contributions to the log odds: TreeSHAP of the trees, linear terms of the start (``Member.contributions``).
They describe the model, and neither its performance nor the causes of a grade.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.models.member import FamilyName
from ccrcc_model.models.scorer import Scorer
from ccrcc_model.outcomes.cases import Cases
from radiomics_cfg.feature_name import FeatureName

PARTS = ("region", "scale", "image", "family")
"""Ways to group features, as ``FeatureName`` has them."""

TOP = 10
"""Features of each fold that are compared."""

AGREE = 0.4
"""Stability of the top features below which the folds are said to disagree; from 0.4 to 0.75 agreement is intermediate to good
(Nogueira et al. 2018, after Fleiss)."""


@dataclass(frozen=True, slots=True)
class Importance:
    """How much a feature contributes to the model.

    Args:
        feature: Its name in the feature table.
        log_odds: Mean absolute contribution to the log odds over the development patients and the members.
        share: The same as a share of all features'.
        members: Members that have the feature, of all.
    """

    feature: str
    log_odds: float
    share: float
    members: int


@dataclass(frozen=True, slots=True)
class GroupShare:
    """Share of a group of features in the contributions to a model.

    Args:
        by: One of ``PARTS``.
        group: Such as ``"tumour"`` or ``"glcm"``.
        share: Share of the mean absolute contributions of all features, in the final model.
        lowest: Smallest share over the outer folds' models.
        highest: Largest.
    """

    by: str
    group: str
    share: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Explanation:
    """Groups of features, and how far the outer folds agree.

    Args:
        groups: Groups of each way to group, the largest share first.
        stability: Agreement on the ten features that contribute most to each fold's model: 1 if all folds have the same ten, 0
            if they agree as by chance; None with one fold.
        n_folds: Outer folds, over all repeats.

    References:
        Nogueira, Sechidis and Brown 2018, https://jmlr.org/papers/v18/17-514.html.
    """

    groups: tuple[GroupShare, ...]
    stability: float | None
    n_folds: int

    @property
    def verdict(self) -> str:
        """Whether the outer folds agree on the leading features, in words."""
        if self.stability is None:
            return "not judged: there is one fold"
        word = "agree" if self.stability >= AGREE else "do not agree"
        return f"the {self.n_folds} outer folds {word} on their {TOP} leading features (stability {self.stability:.2f})"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self) | {"verdict": self.verdict}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the explanation that ``to_json`` described."""
        return cls(tuple(GroupShare(**one) for one in content["groups"]), content["stability"], content["n_folds"])


def mean_movement(cases: Cases, model: Scorer) -> dict[str, float]:
    """Return the mean absolute contribution of each feature to the log odds, over cases, added up over the weighted members.

    A feature that a member does not use contributes 0.
    """
    total: dict[str, float] = {}
    for member, weight in model.weighted_members:
        moved = np.average(np.abs(member.contributions(cases)), axis=0, weights=cases.weight)
        for name, amount in zip(member.inputs, moved, strict=True):
            total[name] = total.get(name, 0.0) + weight * float(amount)
    return total


def family_movement(cases: Cases, model: Scorer) -> dict[FamilyName, float]:
    """Return the mean absolute deviation of each family's weighted score from its mean: what each family moves."""
    score: dict[FamilyName, npt.NDArray[np.float64]] = {}
    for member, weight in model.weighted_members:
        score[member.family] = score.get(member.family, np.zeros(len(cases))) + weight * member.log_odds(cases)
    moved = {family: one - np.average(one, weights=cases.weight) for family, one in score.items()}
    return {family: float(np.average(np.abs(one), weights=cases.weight)) for family, one in moved.items()}


def explain(final: Mapping[str, float], folds: Sequence[Mapping[str, float]], *, n_features: int) -> Explanation:
    """Group the contributions to the final model, and compare the outer folds' models.

    Args:
        final: ``mean_movement`` of the final model.
        folds: The same of each outer fold's model, on the patients it was fitted on.
        n_features: Number of features from which was chosen.
    """
    groups = []
    for by in PARTS:
        shares, of_folds = _shares(final, by), [_shares(one, by) for one in folds]
        for group in sorted(shares, key=lambda name: (-shares[name], name)):
            each = [one.get(group, 0.0) for one in of_folds] or [shares[group]]
            groups.append(GroupShare(by, group, shares[group], min(each), max(each)))
    return Explanation(tuple(groups), top_stability(folds, n_features=n_features), len(folds))


def top_stability(folds: Sequence[Mapping[str, float]], *, n_features: int) -> float | None:
    """Return how far the ten leading features of several models agree, corrected for chance (Nogueira et al. 2018).

    Args:
        folds: ``mean_movement`` of each model.
        n_features: Number of features from which was chosen.
    """
    if len(folds) < 2 or n_features <= 1:
        return None
    tops = [set(sorted(one, key=lambda name: (-one[name], name))[:TOP]) for one in folds]
    # Exact sums: those of floats would depend on the order of a set, which is another in every process.
    share = {name: sum(name in top for top in tops) / len(tops) for name in sorted(set().union(*tops))}
    m = len(tops)
    variance = m / (m - 1) * fsum(one * (1 - one) for one in share.values()) / n_features
    mean = fsum(share.values()) / n_features
    by_chance = mean * (1 - mean)
    return float(1 - variance / by_chance) if by_chance > 0 else None


def contributions(cases: Cases, model: Scorer) -> pd.DataFrame:
    """Return what each feature adds to each patient's log odds, over the weighted members, mean over the patient's cases.

    Returns:
        One row per patient and one column per feature, the feature with the largest mean contribution first.
    """
    columns = list(dict.fromkeys(name for member, _ in model.weighted_members for name in member.inputs))
    place = {name: column for column, name in enumerate(columns)}
    total = np.zeros((len(cases), len(columns)))
    for member, weight in model.weighted_members:
        total[:, [place[name] for name in member.inputs]] += weight * member.contributions(cases)
    frame = pd.DataFrame(cases.per_patient(total), index=pd.Index(cases.patients, name="patient_id"), columns=columns)
    return frame[frame.abs().mean().sort_values(ascending=False, kind="stable").index]


def grouped(contribution: pd.DataFrame) -> pd.DataFrame:
    """Add contributions up within each region, scale, image filter and family; columns such as ``region: tumour``."""
    parts = {name: FeatureName.of(str(name)) for name in contribution.columns}
    columns: dict[str, pd.Series] = {}
    for by in PARTS:
        chosen: dict[str, list[str]] = {}
        for name, part in parts.items():
            chosen.setdefault(getattr(part, by), []).append(name)
        columns |= {f"{by}: {group}": contribution[names].sum(axis=1) for group, names in sorted(chosen.items())}
    return pd.DataFrame(columns)


def _shares(movement: Mapping[str, float], by: str) -> dict[str, float]:
    total = sum(movement.values()) or 1.0
    shares: dict[str, float] = {}
    for name, amount in movement.items():
        group = getattr(FeatureName.of(name), by)
        shares[group] = shares.get(group, 0.0) + amount / total
    return shares
