"""Several targets from one feature table: which ones, in which folders, and whether each can be fitted before any is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ccrcc_model.fitting.folds import possible_folds
from ccrcc_model.fitting.nested import MIN_FOLDS
from ccrcc_model.models.folder import MANIFEST
from ccrcc_model.outcomes.graded import GRADED, GradedTarget, label_graded
from ccrcc_model.outcomes.target import GRADE, LabelledCases, Target, find_target, ki67, label
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

AnyTarget = Target | GradedTarget


def find_targets(names: Sequence[str], *, ki67_cut: float = 15.0) -> tuple[AnyTarget, ...]:
    """Return the targets of these names, in order.

    Raises:
        InputError: If one is unknown or named twice.
    """
    known = (GRADE.name, ki67().name, *GRADED)
    for name in names:
        if name not in known:
            msg = f"Unknown target {name!r}; known ones are {', '.join(known)}"
            raise InputError(msg)
        if names.count(name) > 1:
            msg = f"Target {name} is asked for {names.count(name)} times; name each once"
            raise InputError(msg)
    return tuple(GRADED[name] if name in GRADED else find_target(name, ki67_cut=ki67_cut) for name in names)


def model_folders(targets: Sequence[AnyTarget], out_dir: Path) -> list[Path]:
    """Return the folder of each target's model: ``out_dir`` itself for one, a folder in it named after each for several.

    Raises:
        InputError: If ``out_dir`` is a model of its own, which folders in it would spoil.
    """
    if len(targets) == 1:
        return [out_dir]
    if (out_dir / MANIFEST).exists():
        msg = f"{out_dir} holds a model; several targets need a folder for one folder each, so choose another"
        raise InputError(msg)
    return [out_dir / target.name for target in targets]


def check_targets(
    table: FeatureTable, outcomes: pd.DataFrame, targets: Sequence[AnyTarget], *, folds: int = MIN_FOLDS
) -> list[str]:
    """Check that every target has patients enough, so that a long fit of the first does not end in a refusal of the next.

    Args:
        table: Features.
        outcomes: As ``read_outcomes`` gives them.
        targets: What is fitted.
        folds: Outer folds that are asked for.

    Returns:
        A line for each target whose patients allow fewer.

    Raises:
        InputError: As ``label``, ``label_graded`` and ``possible_folds``.
    """
    lines = []
    for target in targets:
        if isinstance(target, GradedTarget):
            cases: LabelledCases = label_graded(table, outcomes, target)
        else:
            cases = label(table, outcomes, target)
            possible_folds(cases, folds=MIN_FOLDS, at_least=MIN_FOLDS)
        if (possible := possible_folds(cases, folds=folds, at_least=1)) < folds:
            lines.append(
                f"{target.name} is judged by {possible} outer folds, not {folds}: each tests two patients of either class"
            )
    return lines


def refuse_for_graded(targets: Sequence[AnyTarget], asked: Mapping[str, bool]) -> None:
    """Refuse options that only models of yes or no have.

    Args:
        targets: What is fitted.
        asked: Whether each option, named as the command line has it, was given.

    Raises:
        InputError: If one was given for a graded target.
    """
    graded = [target.name for target in targets if isinstance(target, GradedTarget)]
    given = [option for option, is_given in asked.items() if is_given]
    if graded and given:
        msg = f"{given[0]} is for {GRADE.name} and {ki67().name} only, not for {graded[0]}; fit that one without it"
        raise InputError(msg)
