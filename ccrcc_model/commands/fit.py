"""``ccrcc fit``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ccrcc_model.commands.options import CentreColumn, Jobs, OutFolder, PatientColumn, Seed, VolumeColumn
from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    from ccrcc_model.models.model import Model
    from ccrcc_model.outcomes.target import Target


def fit(
    table: Annotated[Path, typer.Argument(help="Feature table of a development cohort: of `ccrcc extract`, or your own.")],
    outcomes: Annotated[Path, typer.Option(help="CSV with patient_id, isup_grade, ki67_percent.")],
    target: Annotated[
        list[str],
        typer.Option(help="grade, ki67 (high or low), isup (grades 1 to 4), ki67-percent; repeat for one folder each in DIR."),
    ],
    out: OutFolder,
    ki67_cut: Annotated[float, typer.Option(help="Ki67 percentage from which the index counts as high.")] = 15.0,
    trials: Annotated[int, typer.Option(min=1, help="Optuna trials in each training part.")] = 25,
    folds: Annotated[
        str, typer.Option(metavar="N|centre", help="Outer folds, 3 or more, or `centre`: leave out one centre at a time.")
    ] = "5",
    repeats: Annotated[int, typer.Option(min=1, help="Times that the outer folds are drawn anew.")] = 2,
    seed: Seed = 1,
    controls: Annotated[
        bool, typer.Option("--controls", help="Also fit on shuffled labels, and on the centre alone, as negative controls.")
    ] = False,
    sensitivity: Annotated[
        float | None, typer.Option(help="Minimum sensitivity of the threshold, such as 0.9; Youden's threshold by default.")
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Weigh both classes alike; probabilities are corrected for it.")
    ] = False,
    harmonise: Annotated[
        Literal["none", "combat", "combat-transductive"],
        typer.Option(help="Remove differences between centres from the features, inside each fold."),
    ] = "none",
    clinical: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Covariate to compare with, such as age; repeat for several.")
    ] = None,
    primary: Annotated[
        str,
        typer.Option(help="Name the primary comparison by its beginning; the others are adjusted by Holm's method."),
    ] = "tumour volume",
    ablation: Annotated[bool, typer.Option("--ablation", help="Also fit on fewer regions, filters and scales.")] = False,
    stability: Annotated[
        Path | None, typer.Option(metavar="FILE", help=".values.parquet of `ccrcc stability`: unstable features are left out.")
    ] = None,
    studies: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Journal file, or database URL, that keeps Optuna's trials.")
    ] = None,
    patient: PatientColumn = None,
    volume: VolumeColumn = None,
    centre: CentreColumn = None,
    jobs: Jobs = 1,
) -> None:
    """Fit and lock models of grade and Ki67.

    Patient-grouped nested cross-validation; tumour volume alone is the baseline.
    """
    from ccrcc_model.commands.console import note, progress_bar, say
    from ccrcc_model.commands.own_table import OwnColumns
    from ccrcc_model.fitting.covariates import clinical_covariates
    from ccrcc_model.fitting.fit import fit as fit_model
    from ccrcc_model.fitting.settings import Settings, outer_folds
    from ccrcc_model.fitting.studies import try_studies
    from ccrcc_model.fitting.targets import check_targets, model_folders
    from ccrcc_model.outcomes.study import Study
    from ccrcc_model.outcomes.table import read_outcomes
    from nnunet_ext.ground.outputs import try_folder
    from radiomics_cfg.contour_stability import PerturbedValues

    targets = _find(target, ki67_cut)
    split = outer_folds(folds)
    settings = Settings(split, repeats, trials, seed, harmonise=harmonise, balanced=balanced, sensitivity=sensitivity)
    columns = OwnColumns(patient, volume, centre)
    try_folder(out)
    if studies is not None:
        try_studies(studies)
    folders = model_folders(targets, out)
    study = Study(None, columns.read(table), read_outcomes(outcomes))
    for line in check_targets(study, targets, settings):
        note(line)
    for each in targets:
        if clinical:
            clinical_covariates(study.outcomes, clinical, target_column=each.column)
    perturbed = PerturbedValues.read(stability) if stability is not None else None
    for each, folder in zip(targets, folders, strict=True):
        with progress_bar(f"Fitting {each.name}") as on_progress:
            model = fit_model(
                study,
                each,
                settings=settings,
                out=folder,
                perturbed=perturbed,
                clinical=tuple(clinical or ()),
                ablation=ablation,
                controls=controls,
                primary=primary,
                studies=studies,
                jobs=jobs,
                on_progress=on_progress,
            )
        say(f"{model.headline}: {folder}")
        for line in _beside(model):
            say(line)


def _find(names: list[str], ki67_cut: float) -> "tuple[Target, ...]":
    """Return the targets of these names.

    Raises:
        InputError: If one is unknown, or a cut is given that none of them takes.
    """
    from ccrcc_model.fitting.targets import find_targets
    from ccrcc_model.outcomes.target import KI67_CUT, ki67

    targets = find_targets(names, ki67_cut=ki67_cut)
    if ki67_cut != KI67_CUT and not any(target.name == ki67().name for target in targets):
        msg = f"--ki67-cut is of the target {ki67().name}, which is not asked for; add the target, or leave it out"
        raise InputError(msg)
    return targets


def _beside(model: "Model") -> list[str]:
    """Return what stands beside a model: its comparators, its controls, and what a reader should know."""
    from ccrcc_model.fitting.comparators import comparator_line
    from ccrcc_model.fitting.comparisons import comparison_lines
    from ccrcc_model.fitting.controls import control_lines
    from ccrcc_model.fitting.ordering import measure_of

    about = model.manifest
    rivals = [comparator_line(each) for each in about.get("comparators", ())]
    controls = control_lines(about.get("controls"), measure=measure_of(model.target))
    compared = comparison_lines(about["comparisons"])
    return [*rivals, *compared, *controls, *about.get("cautions", ())]
