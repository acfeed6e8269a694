"""Several targets from one feature table: which ones, in which folders, and whether each can be fitted before any is."""

from collections.abc import Sequence
from pathlib import Path

from ccrcc_model.fitting.checks import refuse_too_few
from ccrcc_model.fitting.folds import centre_folds, possible_folds
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.folder import MANIFEST
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import KI67_CUT, Target, find_target
from nnunet_ext.ground.errors import InputError


def find_targets(names: Sequence[str], *, ki67_cut: float = KI67_CUT) -> tuple[Target, ...]:
    """Return the targets of these names, in order.

    Raises:
        InputError: If one is unknown or named twice.
    """
    targets = tuple(find_target(name, ki67_cut=ki67_cut) for name in names)
    for name in names:
        if names.count(name) > 1:
            msg = f"Target {name} is asked for {names.count(name)} times; name each once"
            raise InputError(msg)
    return targets


def model_folders(targets: Sequence[Target], out_dir: Path) -> list[Path]:
    """Return the folder of each target's model: ``out_dir`` itself for one, a folder in it named after each for several.

    Raises:
        InputError: If ``out_dir`` is a model of its own, which folders in it would spoil.
    """
    if len(targets) == 1:
        return [out_dir]
    if (out_dir / MANIFEST).exists():
        msg = f"{out_dir} holds a model; several targets need a folder that holds one folder for each; choose another"
        raise InputError(msg)
    return [out_dir / target.name for target in targets]


def check_targets(study: Study, targets: Sequence[Target], settings: Settings) -> list[str]:
    """Check that every target can be fitted, so that a long fit of the first does not end in a refusal of the next.

    Args:
        study: Features and outcomes.
        targets: What is fitted.
        settings: Settings of all fits.

    Returns:
        A line for each target whose patients allow fewer outer folds than are asked for.

    Raises:
        InputError: As ``Settings.refuse_for``, ``label``, ``refuse_too_few`` and ``centre_folds``.
    """
    for target in targets:
        settings.refuse_for(target)
    lines = []
    for target in targets:
        cases = label(study.table, study.outcomes, target)
        refuse_too_few(cases, target)
        if settings.folds == "centre":
            centre_folds(cases)
        elif (possible := possible_folds(cases, folds=settings.folds, at_least=1)) < settings.folds:
            judged = f"{target.name} is judged by {possible} outer folds, not {settings.folds}"
            lines.append(f"{judged}: each tests two patients of either class")
    return lines
