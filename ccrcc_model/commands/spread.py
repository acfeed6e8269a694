"""``ccrcc spread``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccrcc_model.commands.options import BackendName, DataRoot, LockedModel, ModeName, OutTable, PresetName, Seed
from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def spread(
    model: LockedModel,
    cohort: Annotated[Path, typer.Option(help="Card that `ccrcc stability` was given.")],
    cases: Annotated[Path, typer.Option(metavar="DIR", help="Folder of values that `ccrcc stability` kept.")],
    out: OutTable,
    preset: PresetName = "multiscale",
    data_root: DataRoot = None,
    backend: BackendName = None,
    mode: ModeName = "canonical",
    seed: Seed = 0,
) -> None:
    """Measure how far each probability moves if the contour changes.

    From the values that `ccrcc stability` kept; no scan is measured again.
    """
    from ccrcc_model.commands.console import progress_bar
    from ccrcc_model.commands.measured import MeasuredTable
    from ccrcc_model.commands.output_kinds import SPREAD
    from ccrcc_model.models.model import Model
    from ccrcc_model.validation.mask_spread import spread as spread_of_masks
    from nnunet_ext.cohort.cards import load_cohort
    from radiomics_cfg.perturbation.perturbed_mask import usual_perturbations
    from radiomics_cfg.runs.batch import DEFAULT_BACKEND

    SPREAD.claim(out, inputs=[cohort])
    if not cases.is_dir():
        msg = f"No folder of values at {cases}; `ccrcc stability` keeps them in FILE's name with .cases"
        raise InputError(msg)
    locked, listed = Model.load(model), load_cohort(cohort, data_root)
    with progress_bar(f"Reading {listed.name}") as on_progress:
        found = spread_of_masks(
            locked,
            listed,
            preset,
            perturbations=usual_perturbations(seed),
            cases_dir=cases,
            backend=backend or DEFAULT_BACKEND,
            mode=mode,
            on_progress=on_progress,
        )
    table, developed = found.table(), int(found.development.sum())
    _write(out, table)
    _write(out.with_suffix(f".summary{out.suffix}"), found.summary())
    measured, unsteady = int(table["sd"].notna().sum()), int((table["call_changed"] > 0).sum())
    line = f"Median SD {table['sd'].median():.3f}; a mask changes the call of {unsteady} of {measured} cases"
    line += f" ({developed} of the development)" if developed else ""
    result = {"cases": len(table), "refused": len(found.refusals), "development": developed}
    facts = {"model_id": locked.id, "masks": list(found.masks), "result": result}
    raise typer.Exit(MeasuredTable(out, cases).finish(line, found.refusals, "spread", **facts))


def _write(file: Path, frame: "pd.DataFrame") -> None:
    from nnunet_ext.documents.csv_table import write_csv
    from nnunet_ext.ground.files import atomic_path

    if file.suffix == ".csv":
        write_csv(file, frame)
        return
    with atomic_path(file) as temporary:
        frame.to_parquet(temporary, index=False)
