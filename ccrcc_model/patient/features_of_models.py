"""The features that a set of models needs: one preset and mode, measured once per patient."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ccrcc_model.models.made_by import made_by
from ccrcc_model.models.model import Model
from nnunet_ext.ground.case import Cohort, Refusal
from nnunet_ext.ground.cores import n_cores
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.foreign_table import FOREIGN
from radiomics_cfg.modes import Mode
from radiomics_cfg.preset import Preset, as_preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND, Batch
from radiomics_cfg.runs.compaction import tabulate
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True)
class FeaturesOfModels:
    """What is measured of every patient.

    Args:
        preset: Of all models.
        mode: Likewise.
    """

    preset: Preset
    mode: Mode

    @classmethod
    def of(cls, models: Sequence[Model], preset: Preset | AnyPath | None = None) -> Self:
        """Return what the models need.

        Args:
            models: At least one.
            preset: Their preset, where its name is not that of a preset of this package.

        Raises:
            InputError: If there is no model, two answer the same question, they are of two presets, or their features cannot
                be measured here.
        """
        if not models:
            msg = "A prediction needs at least one model; none was given"
            raise InputError(msg)
        rules = [model.target.rule for model in models]
        if twice := next((rule for rule in rules if rules.count(rule) > 1), None):
            msg = f"Two models answer {twice}; give one of each target"
            raise InputError(msg)
        first, *others = [(model, model.manifest["preset"]) for model in models]
        for model, own in others:
            if any(own.get(key) != first[1].get(key) for key in ("preset_sha256", "mode", "deep_sha256")):
                names = f"{_named(first[1])} ({first[0].target.name}) and {_named(own)} ({model.target.name})"
                msg = f"The models are of two presets, {names}; predict with the models of each preset by themselves"
                raise InputError(msg)
        _refuse_unmeasurable(*first)
        found = as_preset(preset if preset is not None else first[1]["preset"])
        if found.sha256 != first[1]["preset_sha256"]:
            msg = (
                f"The models were fitted on the preset {_named(first[1])}; {found.name} here is {found.sha256[:8]}: give the "
                "folder of theirs with --preset"
            )
            raise InputError(msg)
        return cls(found, first[1]["mode"] or "canonical")

    def refuse_models(self, models: Sequence[Model], cohort: Cohort) -> None:
        """Refuse models that could not use what this process measures, such as values of another version.

        Raises:
            InputError: As ``Model.refuse_features``.
        """
        recipe = Batch.of(cohort, self.preset, Path(), mode=self.mode).recipe
        for model in models:
            model.refuse_features(made_by(recipe.about()), recipe.columns())

    def measure(self, cohort: Cohort, scan: Scan, work: Path) -> FeatureTable:
        """Measure the only case of a cohort.

        Args:
            cohort: Its case has a mask with a tumour.
            scan: The case as it was read.
            work: Folder of result files, as ``extract`` keeps them.

        Raises:
            CaseRefused: As ``extract`` refuses it.
        """
        batch = Batch.of(cohort, self.preset, work, backend=DEFAULT_BACKEND, mode=self.mode)
        batch = replace(batch, recipe=replace(batch.recipe, scan=scan))
        outcomes = batch.measure(batch.find(), jobs=n_cores())
        for outcome in outcomes.values():
            if isinstance(outcome, Refusal):
                raise CaseRefused(outcome.code, outcome.reason)
        return tabulate(batch, outcomes)[0]


def _refuse_unmeasurable(model: Model, own: dict[str, object]) -> None:
    """Refuse a model whose features come from elsewhere."""
    if own["preset"] in (FOREIGN, None):
        msg = f"The model of {model.target.name} was fitted on a table made elsewhere; its features cannot be measured here"
        raise InputError(msg)
    if "deep_sha256" in own:
        msg = (
            f"The model of {model.target.name} needs deep features, which are not measured here; "
            "make a table with `ccrcc deep` and use `ccrcc benchmark`"
        )
        raise InputError(msg)


def _named(own: dict[str, object]) -> str:
    return f"{own.get('preset')} ({str(own.get('preset_sha256'))[:8]}, {own.get('mode')})"
