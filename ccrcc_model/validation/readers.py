"""The model beside readers of the same patients: a biopsy, a radiologist, whatever a column of the outcomes file says.

A reader gives the outcome's own value, such as a grade, which the target's rule turns into a yes or no. Model and reader are
compared on the patients whom both judged: sensitivity and specificity, paired. A reader's answer has one threshold, so there
is no curve and no AUC to compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.outcomes.table import MISSING
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.graded import bootstrap_estimate, weighted_kappa
from ccrcc_model.statistics.mcnemar import CallComparison, compare_calls
from ccrcc_model.statistics.paired_shares import paired_difference
from ccrcc_model.statistics.predictions import Predictions, joined
from nnunet_ext.ground.errors import InputError

READER_THRESHOLD = 0.5
"""Parts a reader's yes, 1, from a no, 0."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReaderResult:
    """The model beside one reader in one group of patients.

    Args:
        reader: Column of the outcomes file.
        group: Name of the cohort, or all external cohorts.
        missing: Scored patients whom the reader did not judge; they are in no figure here.
        model: Counts of the model at its locked threshold.
        counts: Counts of the reader, on the same patients.
        sensitivity_difference: Difference (model − reader), paired.
        specificity_difference: Difference (model − reader), paired.
        calls: McNemar's test of model against reader.
        kappa_model: Agreement of model and reader beyond chance.
        kappa_truth: Agreement of reader and outcome.
        kappa_of_model_and_truth: Agreement of model and outcome.
    """

    reader: str
    group: str
    missing: int
    model: Counts
    counts: Counts
    sensitivity_difference: Estimate
    specificity_difference: Estimate
    calls: CallComparison
    kappa_model: Estimate
    kappa_truth: Estimate
    kappa_of_model_and_truth: Estimate


@dataclass(frozen=True, slots=True)
class ReaderAgreement:
    """Two readers of the same patients.

    Args:
        first: Column of the outcomes file.
        second: Another one.
        group: Name of the cohort, or all external cohorts.
        n: Patients whom both judged.
        kappa: Agreement beyond chance.
    """

    first: str
    second: str
    group: str
    n: int
    kappa: Estimate


@dataclass(frozen=True, slots=True)
class Readers:
    """What the readers of a benchmark say."""

    results: tuple[ReaderResult, ...] = ()
    agreement: tuple[ReaderAgreement, ...] = ()


def readings(outcomes: pd.DataFrame, readers: Sequence[str], target: Target, *, cohort: str) -> pd.DataFrame:
    """Return 1 or 0 by each reader and NaN where there is none, one row per patient, indexed by ``patient_id``.

    Args:
        outcomes: As ``read_outcomes`` gives them.
        readers: Columns; the target's rule parts their values as it does those of the outcome.
        target: A yes or no.
        cohort: Named in errors.

    Raises:
        InputError: If a column is missing, is the outcome itself, is named twice, or holds a cell that is no number.
    """
    found = {}
    for reader in readers:
        if reader in {target.column, "patient_id"} or readers.count(reader) > 1:
            msg = f"A reader is a column beside the outcome {target.column}, named once; got {reader}"
            raise InputError(msg)
        if reader not in outcomes.columns:
            others = [str(name) for name in outcomes.columns if name not in {"patient_id", target.column}]
            msg = (
                f"The outcomes of {cohort} have no column {reader}; beside the outcome they have {', '.join(others) or 'none'}"
            )
            raise InputError(msg)
        text = outcomes[reader].astype("str").str.strip()
        is_missing = text.str.lower().isin(MISSING)
        values = pd.to_numeric(text.str.removesuffix("%").where(~is_missing), errors="coerce").to_numpy(dtype=np.float64)
        if wrong := int((~np.isfinite(values) & ~is_missing).sum()):
            first = text[~np.isfinite(values) & ~is_missing].iloc[0]
            msg = (
                f"The column {reader} of the outcomes of {cohort} holds {wrong} cells that are no number, first {first[:40]!r}"
            )
            raise InputError(msg)
        found[reader] = np.where(np.isnan(values), np.nan, target.positive(np.nan_to_num(values)))
    return pd.DataFrame(found, index=pd.Index(outcomes["patient_id"].astype("str"), name="patient_id"))


def compare_readers(
    scored: Sequence[Predictions], read: Sequence[pd.DataFrame], threshold: float, *, everyone: str, seed: int = 0
) -> Readers:
    """Compare the model with every reader in each cohort, and in all of them where there are several.

    Args:
        scored: The model's predictions of each cohort.
        read: ``readings`` of each cohort, with the same readers.
        threshold: The locked model's.
        everyone: Name of all cohorts together.
        seed: Of the bootstrap of the kappas.
    """
    groups = [(one, frame.reindex(one.patient_id)) for one, frame in zip(scored, read, strict=True)]
    if len(groups) > 1:
        groups.append((joined(scored, everyone), pd.concat([frame for _, frame in groups])))
    results, agreement = [], []
    for predictions, frame in groups:
        values = {str(name): frame[name].to_numpy(dtype=np.float64) for name in frame.columns}
        results += [_compare(predictions, name, read_as, threshold, seed) for name, read_as in values.items()]
        for (first, one), (second, other) in combinations(values.items(), 2):
            known = ~np.isnan(one) & ~np.isnan(other)
            kappa = _kappa(one[known], other[known], seed)
            agreement.append(ReaderAgreement(first, second, predictions.cohort, int(known.sum()), kappa))
    return Readers(tuple(results), tuple(agreement))


def _compare(predictions: Predictions, name: str, read: Values, threshold: float, seed: int) -> ReaderResult:
    known = ~np.isnan(read)
    judged = predictions.take(known)
    reader = Predictions(judged.cohort, judged.target, judged.patient_id, judged.centre, judged.y_true, read[known])
    truth, called = judged.y_true.astype(np.float64), (judged.y_prob >= threshold).astype(np.float64)
    right = called == truth, read[known] == truth
    differences = [_paired(right[0][truth == label], right[1][truth == label], of) for label, of in _CLASSES]
    return ReaderResult(
        name,
        predictions.cohort,
        missing=int((~known).sum()),
        model=counts(judged, threshold),
        counts=counts(reader, READER_THRESHOLD),
        sensitivity_difference=differences[0],
        specificity_difference=differences[1],
        calls=compare_calls(judged, reader, first_threshold=threshold, second_threshold=READER_THRESHOLD),
        kappa_model=_kappa(called, read[known], seed),
        kappa_truth=_kappa(read[known], truth, seed),
        kappa_of_model_and_truth=_kappa(called, truth, seed),
    )


_CLASSES = ((1, "positive patients"), (0, "negative patients"))


def _paired(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], of: str) -> Estimate:
    if not len(first):
        return Estimate(None, reason=f"no {of}")
    cells = (first & second, first & ~second, ~first & second, ~first & ~second)
    return paired_difference(*(int(cell.sum()) for cell in cells))


def _kappa(one: Values, other: Values, seed: int) -> Estimate:
    """Cohen's kappa of two yes or no, to which the weights of more grades make no difference."""
    if not len(one):
        return Estimate(None, reason="no patients")
    return bootstrap_estimate(weighted_kappa, one, other, seed=seed)
