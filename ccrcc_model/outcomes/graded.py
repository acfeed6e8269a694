"""Graded outcomes: all four ISUP grades in their order, and Ki67 as the percentage that it is."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.fitting.folds import MIN_PER_FOLD
from ccrcc_model.fitting.nested import MIN_FOLDS
from ccrcc_model.models.likelihood import Link, OrdinalLink, PercentLink
from ccrcc_model.outcomes.target import GRADE, LabelledCases, Target, label
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

Kind = Literal["ordinal", "regression"]

LINKS: Mapping[Kind, type[Link]] = {"ordinal": OrdinalLink, "regression": PercentLink}


@dataclass(frozen=True, slots=True)
class GradedTarget:
    """How much, rather than yes or no.

    Args:
        name: Names the target in commands, tables and files.
        column: Column of the outcomes file.
        kind: ``"ordinal"`` for ordered grades, ``"regression"`` for a percentage.
        sentence: What is predicted, for a reader.
        levels: All grades there are, in rising order; none for a percentage.
        cut: Folds are stratified by lying at or above it; None for the patients' middle.
    """

    name: str
    column: str
    kind: Kind
    sentence: str
    levels: tuple[float, ...] = ()
    cut: float | None = None


ISUP = GradedTarget("isup", "isup_grade", "ordinal", "WHO/ISUP grade, 1 to 4", (1.0, 2.0, 3.0, 4.0), GRADE.cut)
KI67_PERCENT = GradedTarget("ki67-percent", "ki67_percent", "regression", "Ki67 in percent")
GRADED = {target.name: target for target in (ISUP, KI67_PERCENT)}


@dataclass(frozen=True, eq=False)
class GradedCases(LabelledCases):
    """Cases with their features and a graded outcome; their label ``y`` only balances the folds.

    Args:
        outcome: Shape ``(n_cases,)``, the same for all cases of a patient.
    """

    outcome: npt.NDArray[np.float64]

    @property
    def patient_outcome(self) -> npt.NDArray[np.float64]:
        """Outcome of each of ``patients``, shape ``(n_patients,)``."""
        _, first = np.unique(self.patient_id, return_index=True)
        return self.outcome[first]


def label_graded(
    table: FeatureTable, outcomes: pd.DataFrame, target: GradedTarget, *, allow_one_value: bool = False
) -> GradedCases:
    """Join features and outcomes by patient; a case whose outcome is missing for this target is left out.

    Args:
        table: Features.
        outcomes: As ``read_outcomes`` gives them.
        target: What is asked.
        allow_one_value: Whether patients will do who are all alike or too few to split, as they do for scoring.

    Raises:
        InputError: As ``label``, or if the patients are alike, or too few lie on one side of the cut for three folds.
    """
    question = Target(target.name, target.column, target.cut or 0.0, target.sentence)
    cases = label(table, outcomes, question, allow_one_class=True)
    known = {field.name: getattr(cases, field.name) for field in fields(cases)}
    outcome = outcomes.set_index("patient_id")[target.column].reindex(cases.patient_id).to_numpy(dtype=np.float64)
    graded = GradedCases(**known, outcome=outcome)
    values = np.unique(outcome)
    if allow_one_value:
        return graded
    if len(values) == 1:
        of_all = f"all {len(cases)} cases with a value have {target.column} {values[0]:g}"
        msg = f"Target {target.name} needs patients who differ; {of_all}"
        raise InputError(msg)
    cut = _middle(graded.patient_outcome) if target.cut is None else target.cut
    split = GradedCases(**known | {"y": (outcome >= cut).astype(np.int_)}, outcome=outcome)
    _refuse_too_few(split, target, cut)
    return split


def _middle(outcome: npt.NDArray[np.float64]) -> float:
    """Return the value from which up the share of patients is closest to one half."""
    values = np.unique(outcome)[1:]
    share = np.mean(outcome[:, None] >= values, axis=0)
    return float(values[np.abs(share - 0.5).argmin()])


def _refuse_too_few(cases: GradedCases, target: GradedTarget, cut: float) -> None:
    below, above = np.bincount(cases.patient_y, minlength=2)
    needed = MIN_FOLDS * MIN_PER_FOLD
    if min(below, above) < needed:
        msg = (
            f"Target {target.name} needs at least {needed} patients on each side of {target.column} {cut:g} ({MIN_FOLDS} "
            f"folds with {MIN_PER_FOLD} each); there are {below} below it and {above} from it up"
        )
        raise InputError(msg)
