"""Which patients of a cohort a benchmark could not score: those whom the card lists and the feature table lacks."""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from ccrcc_model.outcomes.target import Target
from nnunet_ext.ground.case import Cohort
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a cohort has a probability.

    Args:
        cohort: Name.
        cases: Cases that the card lists.
        cases_absent: Number of these without a row in the feature table.
        cases_unlisted: Cases of the feature table that the card does not list.
        patients: Patients whom the card lists, with a known outcome.
        patients_absent: Number of these without a row in the feature table: they were refused or never extracted.
        events_absent: Positive ones among the absent patients; None for a graded outcome.
    """

    cohort: str
    cases: int
    cases_absent: int
    cases_unlisted: int
    patients: int
    patients_absent: int
    events_absent: int | None


def coverage(card: Cohort, table: FeatureTable, outcomes: pd.DataFrame, target: Target) -> Coverage:
    """Compare a cohort's card with its feature table.

    Args:
        card: Card of the cohort.
        table: Feature table of the cohort.
        outcomes: As ``read_outcomes`` gives them.
        target: What is predicted.
    """
    listed, measured = {case.id for case in card.cases}, set(table.rows["case_id"].astype("str"))
    values = outcomes.set_index("patient_id")[target.column] if target.column in outcomes.columns else pd.Series(dtype=float)
    known = values.dropna()
    patients = known[known.index.isin({case.patient_id for case in card.cases})]
    absent = patients[~patients.index.isin(_patients(card, measured))]
    return Coverage(
        card.name,
        cases=len(listed),
        cases_absent=len(listed - measured),
        cases_unlisted=len(measured - listed),
        patients=len(patients),
        patients_absent=len(absent),
        events_absent=int(target.positive(absent.to_numpy(dtype=float)).sum()) if target.kind == "binary" else None,
    )


def _patients(card: Cohort, measured: Collection[str]) -> set[str]:
    return {case.patient_id for case in card.cases if case.id in measured}
