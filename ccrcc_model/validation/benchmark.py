"""Locked models and the tumour-volume baseline on patients of other hospitals: nothing is fitted here.

`benchmark` predicts, and hands the predictions to `ccrcc_model.validation.groups`, which knows nothing else.
"""

from collections.abc import Sequence
from dataclasses import replace

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.statistics.bootstrap import REPLICATES, SEED
from ccrcc_model.statistics.curves import check_range
from ccrcc_model.statistics.estimate import PrintRule
from ccrcc_model.statistics.evaluation import Pair
from ccrcc_model.statistics.graded_predictions import graded, yes_or_no
from ccrcc_model.statistics.prevalence import check_prevalence
from ccrcc_model.validation.audit import audit, audit_of_tables
from ccrcc_model.validation.coverage import Coverage, coverage
from ccrcc_model.validation.development import graded_internal_group, internal_group
from ccrcc_model.validation.graded_result import GradedGroup, GradedResult
from ccrcc_model.validation.groups import assemble
from ccrcc_model.validation.readers import compare_readers, readings
from ccrcc_model.validation.result import BenchmarkResult
from ccrcc_model.validation.subgroups import levels
from ccrcc_model.validation.unanswered import EVERYONE, intention_to_diagnose
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.progress import OnProgress, silent

AnyResult = BenchmarkResult | GradedResult
"""Of a binary and of a graded target; both answer to the same names."""


def benchmark(
    model: Model,
    studies: Study | Sequence[Study],
    *,
    predicted: Sequence[Pair] | None = None,
    readers: Sequence[str] = (),
    decision_range: tuple[float, float] | None = None,
    prevalence: float | None = None,
    print_rule: PrintRule = "round",
    replicates: int = REPLICATES,
    seed: int = SEED,
    on_progress: OnProgress = silent,
) -> AnyResult:
    """Score a locked model and its tumour-volume baseline on external cohorts; nothing is refitted.

    Args:
        model: Locked.
        studies: The external cohorts, one or several; those with a card are also scored in subgroups by contrast phase and
            acquisition, and their patients without features are counted.
        predicted: What `predict_studies` returned for this model and these studies, where it is at hand.
        readers: Columns of the outcomes that hold other judgements of the same outcome, such as the grade of a biopsy, to
            compare the model with; of a binary target.
        decision_range: Least and largest threshold of the decision curves, such as (0.1, 0.5): those at which somebody
            would act. Declare it before the curves are seen.
        prevalence: Share of positive patients at which PPV, NPV and net benefit are wanted as well; of a binary target.
        print_rule: How Table S2 prints the digits of a share.
        replicates: Resamples of the bootstrap; a graded target has a fixed number.
        seed: Of the bootstrap.
        on_progress: Called after each cohort.

    Returns:
        The stored out-of-fold predictions as the internal group, each cohort, and for a binary target the pooled cohorts and
        each centre. All of it is in memory; ``save`` writes it.

    Raises:
        InputError: If there is no cohort, two have one name, a table is not of its card's cohort, prevalence or decision range
            are no shares, a reader's column is missing, or a cohort cannot be predicted: see ``Model.predict``.

    Example:
        >>> import ccrcc_model as cc, radiomics_cfg as rad
        >>> ext = cc.Study(None, rad.FeatureTable.read("ext.parquet"), cc.read_outcomes("ext.csv"))
        >>> cc.benchmark(cc.load_model("models/grade"), [ext])
        Benchmark of grade (isup_grade >= 3) by model ...
        north: AUC 0... against 0... of tumour volume alone, difference ...
        150 patients, ... of them positive, 1 external cohort; cautions: ...
    """
    external = (studies,) if isinstance(studies, Study) else tuple(studies)
    check_studies(external)
    if prevalence is not None:
        check_prevalence(prevalence)
    if decision_range is not None:
        check_range(decision_range)
    if model.target.kind != "binary":
        if readers:
            msg = f"Readers are compared with models of yes or no; {model.target.name} is none"
            raise InputError(msg)
        return _graded(model, external)
    read = [readings(study.outcomes, readers, model.target, cohort=study.name) for study in external]
    pairs = predict_studies(model, external, on_progress=on_progress) if predicted is None else tuple(predicted)
    result = _binary(model, external, pairs, decision_range=decision_range, replicates=replicates, seed=seed)
    if readers:
        scored, threshold = [pair.model for pair in pairs], model.decision.threshold
        result = replace(result, readers=compare_readers(scored, read, threshold, everyone=EVERYONE, seed=seed))
    return replace(result, prevalence=prevalence, print_rule=print_rule)


def predict_studies(model: Model, studies: Sequence[Study], *, on_progress: OnProgress = silent) -> tuple[Pair, ...]:
    """Predict every patient of external cohorts with a locked model and its tumour-volume baseline.

    Args:
        model: Of a binary target.
        studies: The external cohorts.
        on_progress: Called after each cohort.

    Raises:
        InputError: If a cohort cannot be predicted: see ``Model.predict``.
    """
    pairs = []
    for done, study in enumerate(studies, start=1):
        pairs.append(Pair(yes_or_no(model.predict(study)), yes_or_no(model.predict_baseline(study))))
        on_progress(done, len(studies))
    return tuple(pairs)


def check_studies(studies: Sequence[Study]) -> None:
    """Check that there are cohorts, each with the table of its own card: swapped tables could give figures, and wrong ones.

    Raises:
        InputError: If there is none, or a table is of another cohort.
    """
    if not studies:
        msg = "A benchmark needs at least one external cohort; none was given"
        raise InputError(msg)
    for study in studies:
        if study.card is None:
            continue
        if others := sorted(set(study.table.rows["cohort"]) - {study.card.name}):
            msg = (
                f"The card of {study.card.name} was given a table of {', '.join(others)}; give cohorts and tables in the same "
                "order, or extract the table with this card"
            )
            raise InputError(msg)


def _binary(
    model: Model,
    studies: Sequence[Study],
    external: Sequence[Pair],
    *,
    decision_range: tuple[float, float] | None,
    replicates: int,
    seed: int,
) -> BenchmarkResult:
    _refuse_one_name_twice([pair.model.cohort for pair in external])
    result = assemble(
        Pair(yes_or_no(model.out_of_fold), yes_or_no(model.baseline_out_of_fold)),
        external,
        target=model.target,
        threshold=model.decision.threshold,
        baseline_threshold=model.baseline_decision.threshold,
        of_patients=[levels(study.table, study.outcomes, study.card) for study in studies],
        decision_range=decision_range,
        replicates=replicates,
        seed=seed,
    )
    tables = [study.table for study in studies]
    scored = [pair.model for pair in external]
    covered = _coverage(model, studies)
    return replace(
        result,
        groups=(internal_group(model), *result.groups[1:]),
        model_id=model.id,
        audit=audit(model, scored, tables),
        coverage=covered,
        intention_to_diagnose=intention_to_diagnose(scored, covered, model.decision.threshold),
    )


def _graded(model: Model, studies: Sequence[Study]) -> GradedResult:
    external = [(graded(model.predict(study)), graded(model.predict_baseline(study))) for study in studies]
    _refuse_one_name_twice([of_model.cohort for of_model, _ in external])
    return GradedResult(
        model.id,
        model.target.name,
        (graded_internal_group(model), *(GradedGroup.of(*pair) for pair in external)),
        audit=audit_of_tables(model, [study.table for study in studies]),
        coverage=_coverage(model, studies),
    )


def _coverage(model: Model, studies: Sequence[Study]) -> tuple[Coverage, ...]:
    return tuple(coverage(study, model.target) for study in studies)


def _refuse_one_name_twice(names: Sequence[str]) -> None:
    if repeated := {name for name in names if names.count(name) > 1}:
        msg = f"Two external cohorts are named {min(repeated)}; give each its own name in its card"
        raise InputError(msg)
