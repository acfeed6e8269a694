"""All families fitted on one training part, and their stack: the ensemble, and what each family weighs in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from ccrcc_model.fitting.families.family import Family
from ccrcc_model.fitting.inner import InnerFold
from ccrcc_model.fitting.stack import SAME, fit_stack
from ccrcc_model.fitting.tune import Tuned
from ccrcc_model.models.likelihood import Floats
from ccrcc_model.models.member import FamilyName, Member, volume_member
from ccrcc_model.models.scorer import LIKELIHOODS, Scorer
from ccrcc_model.models.volume import fit_volume
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import Step, patient_hashes


@dataclass(frozen=True, eq=False)
class FittedFamily:
    """A family's members, and its scores of patients whom these had not seen.

    Args:
        name: Of the family.
        members: One of each inner fold, or one in all.
        held_out: Mean score of each patient of the training part, shape ``(n_patients,)``.
        dropped: Why it is left out; None if it is not.
    """

    name: FamilyName
    members: tuple[Member, ...]
    held_out: Floats
    dropped: str | None = None


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The stacked families.

    Args:
        model: Members and weights, not calibrated.
        held_out: Score of each patient by the stack, from scores of members that had not seen the patient.
        weights: Of each family, tumour volume last; 0 for one that is left out.
        dropped: Why a family is left out, by name.
        steps: Whom the members of each inner fold saw and scored for the stack, and whom the stack saw.
    """

    model: Scorer
    held_out: Floats
    weights: dict[FamilyName, float]
    dropped: dict[FamilyName, str]
    steps: tuple[Step, ...]


def fit_ensemble(
    cases: LabelledCases, folds: Sequence[InnerFold], whole: InnerFold, families: Sequence[Family], *, seed: int
) -> Ensemble:
    """Fit every family on the inner folds, and stack them.

    Args:
        cases: The training part.
        folds: Its inner folds, of all repeats.
        whole: The training part, prepared as a whole.
        families: With their hyperparameters.
        seed: Seed of the first member of each family; those of other folds count on from it.
    """
    fitted = [*(_fit_family(family, cases, folds, whole, seed=seed) for family in families), _fit_volume(cases, folds)]
    likelihood = LIKELIHOODS[whole.kind]
    scores = np.column_stack([one.held_out for one in fitted])
    stack = fit_stack(scores, cases.patient_y, likelihood)
    members, weights = list[Member](), list[float]()
    for one, weight in zip(fitted, stack.weights, strict=True):
        if one.members and weight > 0:
            members += one.members
            weights += [float(weight) / len(one.members)] * len(one.members)
    volume = volume_member(fit_volume(cases, likelihood), weight=float(stack.weights[-1]), level=stack.level)
    model = Scorer((*members, volume), likelihood, weights=(*weights, 1.0))
    return Ensemble(
        model,
        stack.score(scores),
        {one.name: float(weight) for one, weight in zip(fitted, stack.weights, strict=True)},
        {one.name: one.dropped for one in fitted if one.dropped is not None},
        _steps(cases, folds),
    )


def _fit_volume(cases: LabelledCases, folds: Sequence[InnerFold]) -> FittedFamily:
    held_out = [fit_volume(fold.train, fold.likelihood).log_odds(fold.test) for fold in folds]
    return _judged("volume", (), mean_of_patients(cases, folds, held_out))


def _fit_family(
    family: Family, cases: LabelledCases, folds: Sequence[InnerFold], whole: InnerFold, *, seed: int
) -> FittedFamily:
    try:
        if family.is_once:
            scores = [family.held_out(fold, seed=seed + place).score for place, fold in enumerate(folds)]
            members: tuple[Member, ...] = (family.fit(whole, seed=seed)[0].after(whole.projections),)
        else:
            fitted = [family.fit(fold, seed=seed + place)[0] for place, fold in enumerate(folds)]
            scores = [member.log_odds(fold.test) for member, fold in zip(fitted, folds, strict=True)]
            members = tuple(member.after(fold.projections) for member, fold in zip(fitted, folds, strict=True))
    except lgb.basic.LightGBMError as error:
        nothing = np.zeros(len(cases.patients))
        return FittedFamily(family.name, (), nothing, f"it could not be fitted ({' '.join(str(error).split()):.100})")
    return _judged(family.name, members, mean_of_patients(cases, folds, scores))


def _judged(name: FamilyName, members: tuple[Member, ...], held_out: Floats) -> FittedFamily:
    found_nothing = bool(held_out.std() <= SAME)
    return FittedFamily(name, members, held_out, "it scores all patients alike" if found_nothing else None)


def mean_of_patients(cases: LabelledCases, folds: Sequence[InnerFold], scores: Sequence[Floats]) -> Floats:
    """Return the mean over the repeats of each patient's score by the fold that tested the patient."""
    total, times = np.zeros((2, len(cases.patients)))
    for fold, score in zip(folds, scores, strict=True):
        place = np.searchsorted(cases.patients, fold.test.patients)
        total[place] += fold.likelihood.pooled(score, fold.test)
        times[place] += 1
    return np.asarray(total / times, dtype=np.float64)


def _steps(cases: LabelledCases, folds: Sequence[InnerFold]) -> tuple[Step, ...]:
    steps = []
    for place, fold in enumerate(folds):
        scored = patient_hashes(fold.test.patient_id)
        steps += [Step(f"inner {place}: {name}", seen, scored) for name, seen in fold.seen_before]
        steps.append(Step(f"inner {place}", patient_hashes(fold.train.patient_id), scored))
    return (*steps, Step("stack", patient_hashes(cases.patient_id)))


def families_to_json(ensemble: Ensemble, tuned: Tuned, movement: Mapping[FamilyName, float]) -> list[dict[str, Any]]:
    """Return what each family weighs and was tuned to, as a manifest holds it.

    Args:
        ensemble: The stacked families.
        tuned: Their hyperparameters.
        movement: What each family moves, see ``family_movement``.
    """
    everything = sum(movement.values()) or 1.0
    chosen = {family.name: family.to_json() for family in tuned.families}
    return [
        {
            "family": name,
            "weight": weight,
            "share": movement.get(name, 0.0) / everything,
            "members": sum(member.family == name for member, _ in ensemble.model.weighted_members),
            "hyperparameters": chosen.get(name, {}),
            "loss": tuned.losses.get(name),
            "trials": tuned.trials.get(name, 0),
            "dropped": ensemble.dropped.get(name),
        }
        for name, weight in ensemble.weights.items()
    ]
