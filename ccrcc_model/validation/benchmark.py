"""A locked model and the tumour-volume baseline on patients of other hospitals: nothing is fitted here.

The core knows predictions only, so that nothing can leak into a figure: `evaluate` one predictor, `compare` two on the same
patients, `assemble` the groups that a paper reports. `benchmark` adds the model that predicts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.bootstrap import REPLICATES, SEED, Bootstrap, bootstrap
from ccrcc_model.statistics.calibration import Calibration, CalibrationCurve, calibrate, calibration_curve
from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.curves import DecisionCurve, RocCurve, decision_curve, roc_curve
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Difference, Estimate, PrintRule
from ccrcc_model.statistics.mcnemar import CallComparison, compare_calls
from ccrcc_model.statistics.predictions import Predictions, one_class
from ccrcc_model.statistics.prevalence import check_prevalence
from ccrcc_model.statistics.uncertainty import Uncertainty, uncertainty
from ccrcc_model.validation.audit import AuditAnswer, audit_answers
from ccrcc_model.validation.coverage import Coverage, coverage
from ccrcc_model.validation.faults import fault
from ccrcc_model.validation.recalibration import Recalibrated, recalibrated
from ccrcc_model.validation.subgroups import SubgroupResult, levels, subgroup_results
from nnunet_ext.documents.foreign_json import parse_json
from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_text
from nnunet_ext.ground.progress import OnProgress, silent

if TYPE_CHECKING:  # at run time they are the caller's: a benchmark of predictions needs no LightGBM
    from ccrcc_model.models.model import Model
    from radiomics_cfg.table import FeatureTable

FILE = "benchmark.json"


class Scope(StrEnum):
    """Which patients a group holds, and how they were predicted."""

    INTERNAL = "internal"
    """The development patients, each predicted by models that never saw them (out-of-fold)."""
    EXTERNAL = "external"
    """One external cohort, predicted by the locked model."""
    POOLED = "pooled external"
    """All external cohorts together."""
    CENTRE = "centre"
    """One centre of an external cohort."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one predictor achieved in one group of patients.

    Args:
        n: Patients.
        events: Positive patients.
        threshold: Probability from which a patient is called positive; fixed before these patients were seen.
        counts: Patients by truth and call.
        auc: With DeLong's interval.
        calibration: Intercept, slope, Brier score, ICI.
        roc: None for one class.
        decision: None without patients.
        curve: Observed against predicted risk.
        bootstrap: Figures with intervals from resampled patients; None in a benchmark of before there were any.
    """

    n: int
    events: int
    threshold: float
    counts: Counts
    auc: Estimate
    calibration: Calibration
    roc: RocCurve | None
    decision: DecisionCurve | None
    curve: CalibrationCurve
    bootstrap: Bootstrap | None = None


@dataclass(frozen=True, eq=False)
class GroupResult:
    """The model and the tumour-volume baseline in one group of patients.

    Args:
        name: As tables print it.
        scope: Which patients it holds.
        model: What the model achieved.
        baseline: What tumour volume alone achieved.
        difference: AUC of the model less that of the baseline.
        calls: McNemar's test of the calls of model and baseline; None in a benchmark of before there was one.
        uncertainty: Of the model; None for the internal group, which the sets are calibrated on.
    """

    name: str
    scope: Scope
    model: Evaluation
    baseline: Evaluation
    difference: Difference
    calls: CallComparison | None = None
    uncertainty: Uncertainty | None = None


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """One target in every group of patients.

    Args:
        target: Name of the target, such as ``"grade"``.
        rule: When a patient is positive, such as ``"isup_grade >= 3"``.
        sentence: What positive means, for a reader.
        groups: Internal first, then each external cohort, the pooled external cohorts where there are several, then
            each centre of the external cohorts where there are several.
        model_id: SHA-256 of the locked model's manifest; None for predictions of another origin.
        audit: Whether any figure was reached on patients that the model had seen.
        subgroups: Of all external patients together, by sex, age and what else is known of them.
        recalibrated: Each external cohort, and their pool, after the model was recalibrated in the large on it: a separate
            result, fitted on the very patients that it is judged on.
        prevalence: Share of positive patients at which PPV, NPV and net benefit are wanted as well; None for none.
        print_rule: How printed shares lose their further digits.
        coverage: Of each cohort whose card was given, which patients could not be scored.
    """

    target: str
    rule: str
    sentence: str
    groups: tuple[GroupResult, ...]
    model_id: str | None = None
    audit: tuple[AuditAnswer, ...] = ()
    subgroups: tuple[SubgroupResult, ...] = ()
    recalibrated: tuple[Recalibrated, ...] = ()
    prevalence: float | None = None
    print_rule: PrintRule = "round"
    coverage: tuple[Coverage, ...] = ()

    def scope(self, *scopes: Scope) -> tuple[GroupResult, ...]:
        """Return the groups of these scopes, in order."""
        return tuple(group for group in self.groups if group.scope in scopes)

    @property
    def headline(self) -> GroupResult:
        """The group that answers whether the model works elsewhere: all external patients, or else the internal ones."""
        for scope in (Scope.POOLED, Scope.EXTERNAL, Scope.INTERNAL):
            if groups := self.scope(scope):
                return groups[0]
        msg = f"The benchmark of {self.target} holds no group of patients"
        raise InputError(msg)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            InputError: If the file is missing, is not a benchmark, or holds figures that none can have.
        """
        path = folder / FILE
        refuse_irregular(path, "benchmark")
        if not path.is_file():
            msg = f"No benchmark at {path}; make one with `ccrcc benchmark`"
            raise InputError(msg)
        try:
            content = path.read_bytes()
            parse_json(content)  # which refuses what pydantic reads: a key twice, NaN, a number that is too large
            result = TypeAdapter(cls).validate_json(content, strict=True)
            found = fault(result)
        except ValidationError as error:
            first = error.errors()[0]
            found = f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg']}"
        except (ValueError, OSError) as error:
            found = str(error)
        if found:
            msg = f"{path} is not a benchmark: {found}; make it again with `ccrcc benchmark`"
            raise InputError(msg)
        return result

    def write(self, folder: Path) -> None:
        """Write ``benchmark.json``, which `read` reads; the tables are `ccrcc_model.validation.tables.write_tables`'s."""
        write_text(folder / FILE, TypeAdapter(type(self)).dump_json(self, indent=1).decode() + "\n")


@dataclass(frozen=True)
class Pair:
    """The model's and the baseline's predictions of the same patients, in the same order."""

    model: Predictions
    baseline: Predictions


def benchmark(
    model: "Model",
    cohorts: Sequence[tuple["FeatureTable", pd.DataFrame]],
    *,
    cards: Sequence[Cohort] = (),
    predicted: Sequence[Pair] | None = None,
    prevalence: float | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
    on_progress: OnProgress = silent,
) -> BenchmarkResult:
    """Score a locked model and its tumour-volume baseline on external cohorts; nothing is refitted.

    Args:
        model: From ``Model.load`` or ``fit``.
        cohorts: Feature table and outcomes (as ``read_outcomes`` gives them) of each external cohort.
        cards: The cohorts in the same order, for subgroups by contrast phase and acquisition; may be left out.
        predicted: What `predict_cohorts` gave for these cohorts, where it is at hand.
        prevalence: Share of positive patients at which PPV, NPV and net benefit are wanted as well.
        replicates: Resamples of the bootstrap.
        seed: Of the bootstrap.
        on_progress: Called after each cohort.

    Returns:
        The stored out-of-fold predictions as the internal group, each cohort, the pooled cohorts, and each centre.

    Raises:
        InputError: If there is no cohort, two have one name, a table is not of its card's cohort, the prevalence is no share,
            or a cohort cannot be predicted: see ``Model.predict``.
    """
    if prevalence is not None:
        check_prevalence(prevalence)
    if cards:
        check_tables(cards, [table for table, _ in cohorts])
    if not cohorts:
        msg = "A benchmark needs at least one external cohort; none was given"
        raise InputError(msg)
    external = predict_cohorts(model, cohorts, on_progress=on_progress) if predicted is None else predicted
    known_cards: Sequence[Cohort | None] = cards or [None] * len(cohorts)
    of_patients = [levels(*cohort, card) for cohort, card in zip(cohorts, known_cards, strict=True)]
    names = [pair.model.cohort for pair in external]
    if repeated := {name for name in names if names.count(name) > 1}:
        msg = f"Two external cohorts are named {min(repeated)}; give each its own name in its card"
        raise InputError(msg)
    result = assemble(
        Pair(model.out_of_fold, model.baseline_out_of_fold),
        external,
        target=model.target,
        threshold=model.decision.threshold,
        baseline_threshold=model.baseline_decision.threshold,
        of_patients=of_patients,
        replicates=replicates,
        seed=seed,
    )
    return replace(
        result,
        model_id=model.id,
        audit=audit_answers(model, [pair.model for pair in external], [table for table, _ in cohorts]),
        prevalence=prevalence,
        coverage=tuple(coverage(card, *cohort, model.target) for card, cohort in zip(cards, cohorts, strict=False)),
    )


def predict_cohorts(
    model: "Model", cohorts: Sequence[tuple["FeatureTable", pd.DataFrame]], *, on_progress: OnProgress = silent
) -> tuple[Pair, ...]:
    """Predict every patient of external cohorts with a locked model and its tumour-volume baseline.

    Args:
        model: From ``Model.load`` or ``fit``.
        cohorts: Feature table and outcomes of each.
        on_progress: Called after each cohort.

    Raises:
        InputError: If a cohort cannot be predicted: see ``Model.predict``.
    """
    pairs = []
    for done, cohort in enumerate(cohorts, start=1):
        pairs.append(Pair(model.predict(*cohort), model.predict_baseline(*cohort)))
        on_progress(done, len(cohorts))
    return tuple(pairs)


def check_tables(cards: Sequence[Cohort], tables: Sequence["FeatureTable"]) -> None:
    """Check that each table is of its card's cohort: two that are swapped could give figures, and wrong ones.

    Raises:
        InputError: If one is of another.
    """
    for card, table in zip(cards, tables, strict=True):
        if others := sorted(set(table.rows["cohort"]) - {card.name}):
            msg = (
                f"The card of {card.name} was given a table of {', '.join(others)}; give cohorts and tables in the same "
                "order, or extract the table with this card"
            )
            raise InputError(msg)


def evaluate(predictions: Predictions, threshold: float, *, replicates: int = REPLICATES, seed: int = SEED) -> Evaluation:
    """Return every figure of ``predictions`` at a threshold that was fixed before.

    Figures that cannot be estimated, as in a group of one class, say so instead of raising.
    """
    resampled = bootstrap(predictions, threshold, replicates=replicates, seed=seed)
    return Evaluation(
        n=len(predictions),
        events=int(predictions.y_true.sum()),
        threshold=threshold,
        counts=counts(predictions, threshold),
        auc=auc(predictions),
        calibration=replace(calibrate(predictions), ici=resampled.ici),
        roc=roc_curve(predictions),
        decision=decision_curve(predictions),
        curve=calibration_curve(predictions),
        bootstrap=resampled,
    )


def compare(predictions: Predictions, baseline: Predictions) -> Difference:
    """Return the AUC of ``predictions`` less that of ``baseline`` on the same patients, with DeLong's paired interval.

    Raises:
        InputError: If the two do not hold the same patients in the same order.
    """
    return auc_difference(predictions, baseline)


def assemble(
    internal: Pair,
    external: Sequence[Pair],
    *,
    target: Target,
    threshold: float,
    baseline_threshold: float,
    of_patients: Sequence[pd.DataFrame] = (),
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> BenchmarkResult:
    """Evaluate model and baseline in every group of patients that a paper reports.

    Args:
        internal: Out-of-fold predictions of the development patients.
        external: Predictions of each external cohort by the locked model.
        target: What is predicted.
        threshold: The locked model's.
        baseline_threshold: The locked baseline's.
        of_patients: Subgroups of the patients of each external cohort, as ``subgroups.levels`` gives them.
        replicates: Resamples of the bootstrap.
        seed: Of the bootstrap.
    """
    sets = None if one_class(internal.model) else ConformalSets.of(internal.model)

    def group(pair: Pair, name: str, scope: Scope) -> GroupResult:
        return GroupResult(
            name,
            scope,
            evaluate(pair.model, threshold, replicates=replicates, seed=seed),
            evaluate(pair.baseline, baseline_threshold, replicates=replicates, seed=seed),
            compare(pair.model, pair.baseline),
            compare_calls(pair.model, pair.baseline, first_threshold=threshold, second_threshold=baseline_threshold),
            uncertainty(pair.model, sets) if sets is not None and scope is not Scope.INTERNAL else None,
        )

    groups = [group(internal, internal.model.cohort, Scope.INTERNAL)]
    groups += [group(pair, pair.model.cohort, Scope.EXTERNAL) for pair in external]
    wholes = [*external, _pool(external)] if len(external) > 1 else list(external)
    groups += [group(pair, pair.model.cohort, Scope.POOLED) for pair in wholes[len(external) :]]
    centres = [(name, pair) for whole in external for name, pair in _by_centre(whole)]
    if len(centres) > len(external):
        groups += [group(pair, name, Scope.CENTRE) for name, pair in centres]
    return BenchmarkResult(
        target.name,
        target.rule,
        target.sentence,
        tuple(groups),
        subgroups=_subgroups(wholes[-1], external, of_patients, threshold) if of_patients else (),
        recalibrated=tuple(
            recalibrated(pair.model, threshold, group=pair.model.cohort, replicates=replicates, seed=seed) for pair in wholes
        ),
    )


def _subgroups(
    every: Pair, external: Sequence[Pair], of_patients: Sequence[pd.DataFrame], threshold: float
) -> tuple[SubgroupResult, ...]:
    """Score the subgroups of all external patients, whose predictions are in the order of their cohorts."""
    known = [one.loc[list(pair.model.patient_id)] for pair, one in zip(external, of_patients, strict=True)]
    return subgroup_results(every.model, every.baseline, pd.concat(known), threshold=threshold)


def _pool(pairs: Sequence[Pair]) -> Pair:
    def join(parts: list[Predictions]) -> Predictions:
        # Two hospitals may both have a patient "1".
        ids = np.concatenate([np.char.add(f"{part.cohort}/", part.patient_id.astype(np.str_)) for part in parts])
        abstained = [part.abstained for part in parts if part.abstained is not None]
        return Predictions(
            "All external cohorts",
            parts[0].target,
            ids,
            np.concatenate([part.centre for part in parts]),
            np.concatenate([part.y_true for part in parts]),
            np.concatenate([part.y_prob for part in parts]),
            np.concatenate(abstained) if len(abstained) == len(parts) else None,
        )

    return Pair(join([pair.model for pair in pairs]), join([pair.baseline for pair in pairs]))


def _by_centre(pair: Pair) -> Iterator[tuple[str, Pair]]:
    for centre in np.unique(pair.model.centre):
        chosen = pair.model.centre == centre
        yield f"{pair.model.cohort}: {centre}", Pair(pair.model.take(chosen), pair.baseline.take(chosen))
