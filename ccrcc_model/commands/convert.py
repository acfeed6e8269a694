"""``ccrcc convert``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ccrcc_model.commands.options import Card, DataRoot, Seed
from nnunet_ext.ground.errors import InputError


def convert(
    card: Card,
    dataset_id: Annotated[int, typer.Option("--dataset-id", "-d", min=1, max=999, help="nnU-Net's number of the data set.")],
    data_root: DataRoot = None,
    cyst: Annotated[bool, typer.Option(help="Keep cysts as a third label, instead of as kidney.")] = False,
    regions: Annotated[
        bool, typer.Option("--regions", help="Learn regions that hold each other, as KiTS scores them, instead of labels.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Write a cohort as nnU-Net raw data set, with its folds.

    Folds keep a patient's scans together and spread every centre.
    """
    from ccrcc_model.commands.console import finish, progress_bar
    from ccrcc_model.commands.outputs import RECORD
    from ccrcc_model.commands.record import record_run
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.convert.nnunet import convert as to_nnunet

    raw, preprocessed = (_nnunet_folder(variable) for variable in ("nnUNet_raw", "nnUNet_preprocessed"))
    cohort = load_cohort(card, data_root)
    structures = ("kidney", "tumour", "cyst") if cyst else ("kidney", "tumour")
    with progress_bar(f"Converting {cohort.name}") as on_progress:
        dataset, refusals = to_nnunet(
            cohort,
            dataset_id,
            raw_dir=raw,
            preprocessed_dir=preprocessed,
            structures=structures,
            regions=regions,
            seed=seed,
            on_progress=on_progress,
        )
    record_run(dataset.folder / RECORD, "convert", cases=dataset.n_cases, refused=len(refusals))
    next_step = f"next: nnUNetv2_plan_and_preprocess -d {dataset.id}"
    raise typer.Exit(finish(f"{dataset.n_cases} cases in {dataset.folder}; {next_step}", refusals))


def _nnunet_folder(variable: str) -> Path:
    from nnunet_ext.ground.outputs import try_folder

    value = os.environ.get(variable)
    if not value:
        msg = f"nnU-Net's variable {variable} is not set; export nnUNet_raw, nnUNet_preprocessed and nnUNet_results as it asks"
        raise InputError(msg)
    try_folder(Path(value), option=variable)
    return Path(value)
