"""``ccrcc fit``: from a table, outcomes and targets to locked models, and what to say of each."""

from dataclasses import dataclass
from pathlib import Path

from ccrcc_model.commands.console import note, progress_bar, say
from ccrcc_model.fitting.comparators import comparator_line
from ccrcc_model.fitting.controls import control_lines
from ccrcc_model.fitting.covariates import clinical_covariates
from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.ordering import measure_of
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.fitting.studies import try_studies
from ccrcc_model.fitting.targets import check_targets, find_targets, model_folders
from ccrcc_model.models.combat import Harmonisation
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.table import read_outcomes
from ccrcc_model.outcomes.target import KI67_CUT, Target, ki67
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.outputs import try_folder
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

    @property
    def settings(self) -> Settings:
        """How each model is fitted.

        Raises:
            InputError: If no fit takes a setting.
        """
        return Settings(
            self.folds,
            self.repeats,
            self.trials,
            self.seed,
            harmonise=self.harmonise,
            balanced=self.balanced,
            sensitivity=self.sensitivity,
        )

    def find(self) -> tuple[Target, ...]:
        """Return the targets.

        Raises:
            InputError: If one is unknown, or a setting makes no sense for one.
        """
        targets = find_targets(self.targets, ki67_cut=self.ki67_cut)
        for target in targets:
            self.settings.refuse_for(target)
        if self.ki67_cut != KI67_CUT and not any(target.name == ki67().name for target in targets):
            msg = f"--ki67-cut is of the target {ki67().name}, which is not asked for; add the target, or leave it out"
            raise InputError(msg)
        return targets

    def check(self) -> None:
        """Refuse, before anything is read, places that take no result.

        Raises:
            InputError: If there is one.
        """
        try_folder(self.out)
        if self.studies is not None:
            try_studies(self.studies)


def run_fit(order: FitOrder, *, jobs: int) -> None:
    """Check everything, then fit target by target, and say of each model what it beats and what stands beside it."""
    targets = order.find()
    order.check()
    folders = model_folders(targets, order.out)
    study = Study(None, FeatureTable.read(order.table), read_outcomes(order.outcomes))
    for line in check_targets(study, targets, order.settings):
        note(line)
    for target in targets:
        if order.clinical:
            clinical_covariates(study.outcomes, order.clinical, target_column=target.column)
    perturbed = PerturbedValues.read(order.stability) if order.stability is not None else None
    for target, folder in zip(targets, folders, strict=True):
        with progress_bar(f"Fitting {target.name}") as on_progress:
            model = fit(
                study,
                target,
                settings=order.settings,
                out=folder,
                perturbed=perturbed,
                clinical=order.clinical,
                ablation=order.ablation,
                controls=order.controls,
                studies=order.studies,
                jobs=jobs,
                on_progress=on_progress,
            )
        say(f"{model.headline}: {folder}")
        for line in lines_beside(model):
            say(line)


def lines_beside(model: Model) -> list[str]:
    """Return what stands beside a model: its rivals, its negative controls, and what a reader should know."""
    manifest = model.manifest
    rivals = [comparator_line(each) for each in manifest.get("comparators", ())]
    controls = control_lines(manifest.get("controls"), measure=measure_of(model.target))
    return [*rivals, *controls, *manifest.get("cautions", ())]
