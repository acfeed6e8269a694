"""The inner folds of a training part: what is fitted in each before any member, and the member that each fits."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ccrcc_model.fitting.filter import choose_features
from ccrcc_model.fitting.folds import patient_folds
from ccrcc_model.models.combat import ComBat, Harmonisation, fit_combat
from ccrcc_model.models.components import DEEP, Projections, fit_projections, project
from ccrcc_model.models.likelihood import Likelihood
from ccrcc_model.models.member import Hyperparameters, Member, fit_member
from ccrcc_model.models.scorer import LIKELIHOODS
from ccrcc_model.models.volume import VolumeModel, scale_volume
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.target import Kind
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.contour_stability import PerturbedValues

MAX_FEATURES = 60
"""Most features that a trial may ask for; on some 80 patients more add noise."""


@dataclass(frozen=True)
class InnerFold:
    """One inner split with what was fitted on its training part: scale of volume, harmonisation, features by association.

    Deep features, if there were any, are projected already, in both parts as the training part has it. ``stability_seen``
    has the hashes of the patients whose perturbed masks the stability filter looked at.
    """

    train: LabelledCases
    test: LabelledCases
    start: VolumeModel
    chosen: tuple[str, ...]
    kind: Kind = "binary"
    harmoniser: ComBat | None = None
    balanced: bool = False
    projections: Projections = ()
    stability_seen: frozenset[str] = frozenset()

    def fit(self, hyperparameters: Hyperparameters, *, seed: int) -> tuple[Member, Likelihood]:
        """Fit a member on the training part; it scores the test part, and cases of a table ``after(self.projections)``."""
        member, fitted = fit_member(
            self.train,
            self.start,
            self.chosen,
            hyperparameters,
            seed=seed,
            likelihood=LIKELIHOODS[self.kind],
            balanced=self.balanced,
            harmoniser=self.harmoniser,
        )
        return replace(member, seen=member.seen | self.stability_seen), fitted

    @property
    def seen_before(self) -> list[tuple[str, frozenset[str]]]:
        """Name and patients of each step that was fitted before the members."""
        fitted = [("deep components", one.seen) for one in self.projections]
        if self.harmoniser is not None:
            fitted.append(("harmonisation", self.harmoniser.seen))
        return fitted + ([("stability filter", self.stability_seen)] if self.stability_seen else [])

    def losses(self, hyperparameters: Hyperparameters, *, seed: int) -> npt.NDArray[np.float64]:
        """Fit a member and return the loss of each test case, shape ``(n_test_cases,)``."""
        member, fitted = self.fit(hyperparameters, seed=seed)
        return fitted.losses(member.log_odds(self.test), self.test.y)


def inner_folds(
    cases: LabelledCases,
    *,
    folds: int,
    repeats: int,
    seed: int,
    kind: Kind = "binary",
    harmonise: Harmonisation = "none",
    balanced: bool = False,
    perturbed: PerturbedValues | None = None,
) -> list[InnerFold]:
    """Split ``cases`` by patient; project deep features, harmonise and choose features in each training part.

    Args:
        cases: Cases of both strata.
        folds: Number of folds in each repeat.
        repeats: Number of shufflings.
        seed: Seed of the shufflings.
        kind: Kind of the target.
        harmonise: Whether features other than tumour volume go through ComBat.
        balanced: Whether both classes weigh the same in fitting.
        perturbed: Where given, only features that are stable under these masks in the training part may be chosen.

    Raises:
        InputError: If the rarer class has too few patients to split, or no feature is usable.
    """
    result = []
    for split in patient_folds(cases, folds=folds, repeats=repeats, seed=seed):
        train, test = cases.take(split.train), cases.take(split.test)
        projections = fit_projections(train)
        train, test = project(train, projections), project(test, projections)
        start = scale_volume(train)
        judged_by = perturbed.of(train.patients) if perturbed is not None else None
        names = _stable_names(train, judged_by)
        harmoniser = None
        if harmonise != "none":
            others = [name for name in names if name != start.column]
            harmoniser = fit_combat(train, others, transductive=harmonise == "combat-transductive")
        judged = train if harmoniser is None else harmoniser.apply(train)
        chosen = choose_features(judged if names == judged.names else judged.only(names), most=MAX_FEATURES, kind=kind)
        needed = tuple(dict.fromkeys((start.column, *chosen)))
        kept = harmoniser.only(chosen) if harmoniser is not None else None
        seen = patient_hashes(judged_by.patient_id) if judged_by is not None else frozenset()
        parts = train.only(needed), test.only(needed)
        result.append(InnerFold(*parts, start, chosen, kind, kept, balanced, projections, stability_seen=seen))
    return result


def _stable_names(train: LabelledCases, perturbed: PerturbedValues | None) -> tuple[str, ...]:
    """Return the features that are stable under the perturbed masks of the training part.

    Raises:
        InputError: If none is.
    """
    if perturbed is None:
        return train.names
    stable = set(perturbed.stable())
    names = tuple(name for name in train.names if name in stable or DEEP in name)
    if not names:
        msg = f"None of the {len(train.names)} features is stable under the perturbed masks; are they of another preset?"
        raise InputError(msg)
    return names
