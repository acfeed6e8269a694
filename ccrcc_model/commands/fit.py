"""``ccrcc fit``: from a table, outcomes and targets to locked models, and what to say of each."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ccrcc_model.commands.console import note, progress_bar, say
from ccrcc_model.fitting.comparators import clinical_covariates, comparator_line
from ccrcc_model.fitting.controls import control_lines
from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.graded_fit import fit_graded
from ccrcc_model.fitting.nested import Settings
from ccrcc_model.fitting.studies import try_studies
from ccrcc_model.fitting.targets import AnyTarget, check_targets, find_targets, model_folders, refuse_for_graded
from ccrcc_model.models.combat import Harmonisation
from ccrcc_model.outcomes.graded import GradedTarget
from ccrcc_model.outcomes.target import KI67_CUT, ki67, read_outcomes
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.outputs import try_folder
from nnunet_ext.ground.progress import OnProgress
from radiomics_cfg.contour_stability import PerturbedValues
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True, kw_only=True)
class FitOrder:
    """Which models are wanted: ``fit`` says what each setting is."""

    table: Path
    outcomes: Path
    targets: tuple[str, ...]
    out: Path
    ki67_cut: float
    trials: int
    folds: int
    repeats: int
    seed: int
    controls: bool
    sensitivity: float | None
    balanced: bool
    harmonise: Harmonisation
    clinical: tuple[str, ...]
    ablation: bool
    stability: Path | None
    studies: str | None

    def find(self) -> tuple[AnyTarget, ...]:
        """Return the targets.

        Raises:
            InputError: If one is unknown, or a graded one is asked for with what only models of yes or no have.
        """
        targets = find_targets(self.targets, ki67_cut=self.ki67_cut)
        given = {
            "--harmonise": self.harmonise != "none",
            "--balanced": self.balanced,
            "--sensitivity": self.sensitivity is not None,
            "--stability": self.stability is not None,
            "--clinical": bool(self.clinical),
            "--ablation": self.ablation,
        }
        refuse_for_graded(targets, given)
        if self.ki67_cut != KI67_CUT and not any(target.name == ki67().name for target in targets):
            msg = f"--ki67-cut is of the target {ki67().name}, which is not asked for; add the target, or leave it out"
            raise InputError(msg)
        return targets

    def check(self) -> None:
        """Refuse, before anything is read, settings that no fit takes, and places that take no result.

        Raises:
            InputError: If there is one.
        """
        Settings(self.folds, self.repeats, self.trials, self.seed, harmonise=self.harmonise, sensitivity=self.sensitivity)
        try_folder(self.out)
        if self.studies is not None:
            try_studies(self.studies)


def run_fit(order: FitOrder, *, jobs: int) -> None:
    """Check everything, then fit target by target, and say of each model what it beats and what stands beside it."""
    targets = order.find()
    order.check()
    folders = model_folders(targets, order.out)
    table, outcomes = FeatureTable.read(order.table), read_outcomes(order.outcomes)
    for line in check_targets(table, outcomes, targets, folds=order.folds):
        note(line)
    for target in targets:
        if order.clinical and not isinstance(target, GradedTarget):
            clinical_covariates(outcomes, order.clinical, target_column=target.column)
    perturbed = PerturbedValues.read(order.stability) if order.stability is not None else None
    for target, folder in zip(targets, folders, strict=True):
        with progress_bar(f"Fitting {target.name}") as on_progress:
            headline, *beside = _lines(order, target, folder, (table, outcomes), perturbed, jobs=jobs, on_progress=on_progress)
        say(f"{headline}: {folder}")
        for line in beside:
            say(line)


def _lines(
    order: FitOrder,
    target: AnyTarget,
    folder: Path,
    data: tuple[FeatureTable, pd.DataFrame],
    perturbed: PerturbedValues | None,
    *,
    jobs: int,
    on_progress: OnProgress,
) -> list[str]:
    """Fit one model; return its headline, and the lines that follow it."""
    if isinstance(target, GradedTarget):
        graded = fit_graded(
            *data,
            target,
            out_dir=folder,
            folds=order.folds,
            repeats=order.repeats,
            trials=order.trials,
            seed=order.seed,
            controls=order.controls,
            studies=order.studies,
            jobs=jobs,
            on_progress=on_progress,
        )
        return [graded.headline]
    model = fit(
        *data,
        target,
        out_dir=folder,
        folds=order.folds,
        repeats=order.repeats,
        trials=order.trials,
        seed=order.seed,
        harmonise=order.harmonise,
        balanced=order.balanced,
        sensitivity=order.sensitivity,
        perturbed=perturbed,
        clinical=order.clinical,
        ablation=order.ablation,
        controls=order.controls,
        studies=order.studies,
        jobs=jobs,
        on_progress=on_progress,
    )
    rivals = [comparator_line(each) for each in model.manifest["comparators"]]
    return [model.headline, *rivals, *control_lines(model.manifest.get("controls")), *model.manifest["cautions"]]
