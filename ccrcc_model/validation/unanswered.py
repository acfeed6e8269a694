"""External patients without an answer: who could not be scored, and whom the model declines."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from ccrcc_model.statistics.calls import counts
from ccrcc_model.statistics.intention_to_diagnose import ThreeByTwo
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.coverage import Coverage

NOT_SCORED = "not scored"
"""No answer: no tumour found, refused or quarantined, and so without features."""
OR_DECLINED = "not scored or declined"
"""No answer: as above, or scored and declined, since the patient is unlike those of the development."""
EVERYONE = "All external cohorts"


@dataclass(frozen=True, slots=True)
class IntentionToDiagnose:
    """One cohort's table of positive, negative and no answer at the locked threshold.

    Args:
        group: Name of the cohort, or all external cohorts.
        without: Which patients count as without an answer.
        table: Patients by truth, and by a call or none.
        is_complete: Whether it is known who could not be scored: a cohort without a card lists nobody beyond its table.
    """

    group: str
    without: str
    table: ThreeByTwo
    is_complete: bool


def intention_to_diagnose(
    scored: Sequence[Predictions], coverage: Sequence[Coverage], threshold: float
) -> tuple[IntentionToDiagnose, ...]:
    """Return the tables of every external cohort, and of all of them where there are several.

    Args:
        scored: The model's predictions of each cohort.
        coverage: Who could not be scored, of each cohort with a card.
        threshold: The locked model's.
    """
    absent = {covered.cohort: covered for covered in coverage if covered.is_listed}
    found: list[IntentionToDiagnose] = []
    for without in (NOT_SCORED, OR_DECLINED):
        if without == OR_DECLINED and not any(one.abstained is not None and one.abstained.any() for one in scored):
            continue
        tables = [_table(one, absent.get(one.cohort), threshold, declines=without == OR_DECLINED) for one in scored]
        complete = [one.cohort in absent for one in scored]
        found += [
            IntentionToDiagnose(one.cohort, without, table, known)
            for one, table, known in zip(scored, tables, complete, strict=True)
        ]
        if len(scored) > 1:
            found.append(IntentionToDiagnose(EVERYONE, without, reduce(add, tables), all(complete)))
    return tuple(found)


def _table(scored: Predictions, covered: Coverage | None, threshold: float, *, declines: bool) -> ThreeByTwo:
    answered = scored.answered if declines else scored
    declined_events = int(scored.y_true.sum() - answered.y_true.sum())
    declined = len(scored) - len(answered)
    events = 0 if covered is None else covered.events_absent or 0
    patients = 0 if covered is None else covered.patients_absent
    return ThreeByTwo(
        counts(answered, threshold),
        positive_without=events + declined_events,
        negative_without=patients - events + declined - declined_events,
    )
