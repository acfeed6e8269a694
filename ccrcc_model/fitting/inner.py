"""The inner folds of a training part: what is fitted in each before any model."""

from dataclasses import dataclass

import numpy as np

from ccrcc_model.fitting.filter import choose_features
from ccrcc_model.fitting.folds import patient_folds
from ccrcc_model.fitting.wide import WidePart
from ccrcc_model.models.combat import ComBat, Harmonisation, fit_combat
from ccrcc_model.models.components import DEEP, Projections, fit_projections, project
from ccrcc_model.models.likelihood import Likelihood
from ccrcc_model.models.scorer import LIKELIHOODS
from ccrcc_model.models.volume import VolumeModel, scale_volume
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.target import Kind
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.contour_stability import PerturbedValues

MAX_FEATURES = 250
"""Most features that the filter keeps. On planted tables forests and plain boosting gain from more than 60, which they choose
among themselves; a start that adds up all of them does not."""


@dataclass(frozen=True)
class InnerFold:
    """One inner split with what was fitted on its training part: scale of volume, harmonisation, features by association.

    Deep features, if there were any, are projected already, in both parts as the training part has it. ``known`` is the
    training part harmonised. ``stability_seen`` has the hashes of the patients whose perturbed masks the stability filter
    looked at.
    """

    train: LabelledCases
    test: LabelledCases
    known: LabelledCases
    start: VolumeModel
    chosen: tuple[str, ...]
    wide: WidePart
    kind: Kind = "binary"
    harmoniser: ComBat | None = None
    balanced: bool = False
    projections: Projections = ()
    stability_seen: frozenset[str] = frozenset()

    @property
    def likelihood(self) -> type[Likelihood]:
        """Likelihood of the outcome."""
        return LIKELIHOODS[self.kind]

    @property
    def seen_before(self) -> list[tuple[str, frozenset[str]]]:
        """Name and patients of each step that was fitted before the models."""
        fitted = [("deep components", one.seen) for one in self.projections]
        if self.harmoniser is not None:
            fitted.append(("harmonisation", self.harmoniser.seen))
        return fitted + ([("stability filter", self.stability_seen)] if self.stability_seen else [])


@dataclass(frozen=True)
class Preparation:
    """How a training part is prepared.

    Args:
        kind: Kind of the target.
        harmonise: Whether features other than tumour volume go through ComBat.
        balanced: Whether both classes weigh the same in fitting.
        perturbed: Where given, only features that are stable under these masks in the training part may be chosen.
    """

    kind: Kind = "binary"
    harmonise: Harmonisation = "none"
    balanced: bool = False
    perturbed: PerturbedValues | None = None

    def of(self, train: LabelledCases, test: LabelledCases, *, keep_design: bool = False) -> InnerFold:
        """Project deep features, harmonise and choose features on the training part.

        Args:
            train: Cases of both strata.
            test: Cases of other patients, or none.
            keep_design: Keep the design of all features, for a model that others will use.

        Raises:
            InputError: If no feature is usable.
        """
        projections = fit_projections(train)
        train, test = project(train, projections), project(test, projections)
        start = scale_volume(train)
        judged_by = self.perturbed.of(train.patients) if self.perturbed is not None else None
        names = _stable_names(train, judged_by)
        harmoniser = None
        if self.harmonise != "none":
            others = [name for name in names if name != start.column]
            harmoniser = fit_combat(train, others, transductive=self.harmonise == "combat-transductive")
        known, tested = (part if harmoniser is None else harmoniser.apply(part) for part in (train, test))
        usable = known if names == known.names else known.only(names)
        chosen = choose_features(usable, most=MAX_FEATURES, kind=self.kind)
        wide = WidePart.of(usable, tested, harmoniser=harmoniser, keep_design=keep_design)
        needed = tuple(dict.fromkeys((start.column, *chosen)))
        return InnerFold(
            train.only(needed),
            test.only(needed),
            known.only(needed),
            start,
            chosen,
            wide,
            self.kind,
            harmoniser.only(chosen) if harmoniser is not None else None,
            self.balanced,
            projections,
            patient_hashes(judged_by.patient_id) if judged_by is not None else frozenset(),
        )


def inner_folds(
    cases: LabelledCases, *, folds: int, repeats: int, seed: int, preparation: Preparation = Preparation()
) -> list[InnerFold]:
    """Split ``cases`` by patient, and prepare each training part.

    Args:
        cases: Cases of both strata.
        folds: Number of folds in each repeat.
        repeats: Number of shufflings.
        seed: Seed of the shufflings.
        preparation: How.

    Raises:
        InputError: If the rarer class has too few patients to split, or no feature is usable.
    """
    splits = patient_folds(cases, folds=folds, repeats=repeats, seed=seed)
    return [preparation.of(cases.take(split.train), cases.take(split.test)) for split in splits]


def whole_part(cases: LabelledCases, preparation: Preparation = Preparation()) -> InnerFold:
    """Prepare all of ``cases`` as one training part, without a test part.

    Raises:
        InputError: If no feature is usable.
    """
    return preparation.of(cases, cases.take(np.zeros(0, dtype=np.intp)), keep_design=True)


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
