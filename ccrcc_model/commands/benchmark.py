"""``ccrcc benchmark``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ccrcc_model.commands.options import CentreColumn, LockedModel, OutFolder, PatientColumn, Seed, VolumeColumn
from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    from ccrcc_model.commands.own_table import OwnColumns
    from ccrcc_model.models.model import Model
    from ccrcc_model.outcomes.study import Study
    from ccrcc_model.statistics.evaluation import Contrast, Pair


def benchmark(
    model: LockedModel,
    table: Annotated[list[Path], typer.Option(help="Feature table of a cohort; one for each card, in the same order.")],
    out: OutFolder,
    cohort: Annotated[list[Path] | None, typer.Option(help="Card of a cohort with outcomes; repeat for several.")] = None,
    outcomes: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Outcomes of a cohort without a card, one for each table, in the same order."),
    ] = None,
    print_rule: Annotated[
        Literal["round", "cut"], typer.Option(help="How Table S2 prints values and bounds; the published one cut them.")
    ] = "round",
    reader: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the outcomes with another judgement, such as biopsy_isup_grade; repeat for several.",
        ),
    ] = None,
    decision_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Thresholds of the decision curves at which one would act, such as 0.1 0.5."),
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option(help="Share of positives, such as 0.3, at which PPV, NPV and net benefit are also given.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 2000,
    seed: Seed = 0,
    share: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for a result file of each cohort, without patients, to send.")
    ] = None,
    smallest_cell: Annotated[
        int, typer.Option(min=5, help="Counts below this are withheld from result files; 0 is given.")
    ] = 5,
    patient: PatientColumn = None,
    volume: VolumeColumn = None,
    centre: CentreColumn = None,
) -> None:
    """Score a locked model on external cohorts.

    Nothing is refitted; recalibration in the large is a separate table. docs/how-to/benchmark.md describes each table.
    """
    from ccrcc_model.commands.console import say
    from ccrcc_model.commands.output_kinds import BENCHMARK
    from ccrcc_model.commands.own_table import OwnColumns
    from ccrcc_model.models.model import Model
    from ccrcc_model.multicentre.small_cells import SMALLEST_CELL
    from ccrcc_model.statistics.bootstrap import REPLICATES, SEED
    from ccrcc_model.statistics.curves import check_range
    from ccrcc_model.statistics.prevalence import check_prevalence
    from ccrcc_model.validation.benchmark import benchmark as score
    from ccrcc_model.validation.benchmark import check_studies, predict_studies
    from ccrcc_model.validation.predictions_file import PREDICTIONS, write_predictions

    if smallest_cell != SMALLEST_CELL and share is None:
        msg = "--smallest-cell is of the result files that --share writes; give --share DIR, or leave it out"
        raise InputError(msg)
    columns, known_by = OwnColumns(patient, volume, centre), _known_by(cohort or [], outcomes or [], table)
    BENCHMARK.claim(out, inputs=[*known_by, *table])
    if prevalence is not None:
        check_prevalence(prevalence)
    if decision_range is not None:
        check_range(decision_range)
    _claim_share(share)
    locked = Model.load(model)
    studies = [_study(known, path, columns, is_card=bool(cohort)) for known, path in zip(known_by, table, strict=True)]
    check_studies(studies)
    is_binary = locked.target.kind == "binary"
    if not is_binary:
        given = {"share": share is not None, "prevalence": prevalence is not None, "replicates": replicates != REPLICATES}
        given |= {"reader": bool(reader), "decision-range": decision_range is not None}
        _refuse_for_graded({**given, "seed": seed != SEED, "print-rule": print_rule != "round"})
    pairs = predict_studies(locked, studies) if is_binary else ()
    result = score(
        locked,
        studies,
        predicted=pairs,
        readers=tuple(reader or ()),
        decision_range=decision_range,
        prevalence=prevalence,
        print_rule=print_rule,
        replicates=replicates,
        seed=seed,
    )
    result.save(out)
    write_predictions(out / PREDICTIONS, locked, studies, pairs)
    lines = [*result.lines, *(_share(locked, pairs, share, smallest_cell) if share is not None else ())]
    BENCHMARK.mark(out, model_id=locked.id, target=result.target, cohorts=[study.name for study in studies])
    for line in (*lines, *map(_in_words, result.contrasts)):
        say(line)
    say(f"Benchmark of {result.target} on {len(studies)} cohorts: {out}; `ccrcc report` describes it with its model")


def _in_words(contrast: "Contrast") -> str:
    """Return what was found in a group of patients."""
    from ccrcc_model.statistics.estimate import format_difference, format_number

    found, positive = contrast.found, f", {contrast.events} of them positive" if contrast.events is not None else ""
    return (
        f"{contrast.name}: {contrast.figure} {found.model}, tumour volume alone {format_number(found.baseline.value)}, "
        f"difference {format_difference(found.difference)}; {contrast.n} patients{positive}"
    )


def _known_by(cards: list[Path], outcomes: list[Path], tables: list[Path]) -> list[Path]:
    """Return the files that the outcomes of each table come from: cards, or else files of outcomes.

    Raises:
        InputError: If both were given, or not one for each table.
    """
    if cards and outcomes:
        msg = "--cohort names the outcomes in its card; give --outcomes for cohorts without a card only"
        raise InputError(msg)
    option, found = ("--outcomes", outcomes) if outcomes else ("--cohort", cards)
    if len(found) != len(tables):
        msg = f"Give one --table for each {option}; got {len(found)} of {option} and {len(tables)} tables"
        raise InputError(msg)
    return found


def _study(known: Path, table: Path, columns: "OwnColumns", *, is_card: bool) -> "Study":
    """Read the features and outcomes of one external cohort."""
    from ccrcc_model.outcomes.study import Study
    from ccrcc_model.outcomes.table import read_outcomes
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.ground.case import Role

    card = load_cohort(known) if is_card else None
    features = columns.read(table, cohort=card.name if card else None, role=Role.EXTERNAL)
    return Study(card, features) if card else Study(None, features, read_outcomes(known))


def _claim_share(share: Path | None) -> None:
    """Check, before anything is read, that result files can be written.

    Raises:
        InputError: If not.
    """
    from ccrcc_model.commands.outputs import refuse_sealed
    from nnunet_ext.ground.outputs import try_folder

    if share is not None:
        try_folder(share, option="--share")
        refuse_sealed(share)


def _refuse_for_graded(given: dict[str, bool]) -> None:
    """Refuse options that only models of yes or no have.

    Raises:
        InputError: If one was given.
    """
    if ignored := next((option for option, is_given in given.items() if is_given), None):
        msg = f"--{ignored} is for models of yes or no; a graded model's figures stand in graded_figures.csv"
        raise InputError(msg)


def _share(locked: "Model", pairs: "Sequence[Pair]", folder: Path, smallest_cell: int) -> list[str]:
    """Write the result file of each cohort; return a line of each."""
    from ccrcc_model.multicentre.result_file import refuse_foreign_result, share_of_model

    lines = []
    for pair in pairs:
        site = share_of_model(locked, pair.model, pair.baseline, smallest=smallest_cell)
        path = folder / f"{site.cohort}.{site.target}.json"
        refuse_foreign_result(path)
        site.write(path)
        lines.append(f"Result file to send: {path}, SHA-256 {site.sha256}")
    return lines
