"""Which patients of a cohort a benchmark could not score: those whom the card lists and the feature table lacks."""

from dataclasses import dataclass

import pandas as pd

from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import Target


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a cohort has a probability; of a cohort without a card, of its table.

    Args:
        cohort: Name.
        cases: Cases that the card lists.
        cases_absent: Number of these without a row in the feature table.
        cases_unlisted: Cases of the feature table that the card does not list.
        patients: Patients whom the card lists, with a known outcome.
        patients_absent: Number of these without a row in the feature table: they were refused or never extracted.
        events_absent: Positive ones among the absent patients; None for a graded outcome.
        without_outcome: Listed patients whose outcome is not known, and who are in no figure.
        is_listed: Whether a card lists the cohort; else nobody is known to be absent.
    """

    cohort: str
    cases: int
    cases_absent: int
    cases_unlisted: int
    patients: int
    patients_absent: int
    events_absent: int | None
    without_outcome: int = 0
    is_listed: bool = True


def coverage(study: Study, target: Target) -> Coverage:
    """Compare a cohort's card with its feature table; without a card the cohort is what the table holds.

    Args:
        study: Card, features and outcomes.
        target: What is predicted.
    """
    card, rows, outcomes = study.card, study.table.rows, study.outcomes
    measured = dict(zip(rows["case_id"].astype("str"), rows["patient_id"].astype("str"), strict=True))
    listed = measured if card is None else {case.id: case.patient_id for case in card.cases}
    values = outcomes.set_index("patient_id")[target.column] if target.column in outcomes.columns else pd.Series(dtype=float)
    known = values.dropna()
    patients = known[known.index.isin(set(listed.values()))]
    absent = patients[~patients.index.isin({patient for case, patient in listed.items() if case in measured})]
    return Coverage(
        study.name,
        cases=len(listed),
        cases_absent=len(set(listed) - set(measured)),
        cases_unlisted=len(set(measured) - set(listed)),
        patients=len(patients),
        patients_absent=len(absent),
        events_absent=int(target.positive(absent.to_numpy(dtype=float)).sum()) if target.kind == "binary" else None,
        without_outcome=len(set(listed.values()) - set(known.index)),
        is_listed=card is not None,
    )
