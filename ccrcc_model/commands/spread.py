"""``ccrcc spread``: from a locked model and the values that a stability run kept to how far each probability moves."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ccrcc_model.commands.console import finish, progress_bar
from ccrcc_model.commands.output_kinds import SPREAD
from ccrcc_model.commands.stability import StabilityOrder
from ccrcc_model.models.model import Model
from ccrcc_model.validation.mask_spread import MaskSpread, mask_spread
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import atomic_path
from nnunet_ext.ground.record import write_record
from radiomics_cfg.perturbation.perturbed_mask import usual_perturbations
from radiomics_cfg.preset import load_preset


@dataclass(frozen=True)
class SpreadOrder(StabilityOrder):
    """Which table of spreads is wanted: all is set as it was for ``ccrcc stability``, whose folder of cases is read."""

    kind = "spread"
    files = SPREAD

    def claim(self) -> None:
        """Check, before any work, that the result can be written and that nothing else is lost by it.

        Raises:
            InputError: If not, or if there is no folder of values.
        """
        self.files.claim(self.out, inputs=[self.card])
        if not self.folder.is_dir():
            msg = f"No folder of values at {self.folder}; `ccrcc stability` keeps them in FILE's name with .cases"
            raise InputError(msg)


def run_spread(model: Path, order: SpreadOrder) -> int:
    """Write the table, its summary, the quarantine and the record of the run, and say so.

    Args:
        model: Folder of a locked model.
        order: What was asked for.

    Returns:
        The exit status.
    """
    order.claim()
    locked, cohort = Model.load(model), order.cohort()
    with progress_bar(f"Reading {cohort.name}") as on_progress:
        found = mask_spread(
            locked,
            cohort,
            load_preset(order.preset),
            perturbations=usual_perturbations(order.seed),
            cases_dir=order.folder,
            backend=order.engine,
            mode=order.mode,
            on_progress=on_progress,
        )
    return _write(found, locked, model, order=order)


def _write(found: MaskSpread, locked: Model, model: Path, *, order: SpreadOrder) -> int:
    table, summary = found.table(), found.summary()
    for file, frame in ((order.out, table), (order.out.with_suffix(f".summary{order.out.suffix}"), summary)):
        _write_table(file, frame)
    quarantine = order.beside("quarantine.csv")
    write_quarantine(quarantine, found.refusals)
    write_record(
        order.beside("run.json"),
        "spread",
        order.settings() | {"model": str(model)},
        model_id=locked.id,
        masks=list(found.masks),
        result={"cases": len(table), "refused": len(found.refusals), "development": int(found.development.sum())},
    )
    spread = table["sd"].notna()
    unsteady = int((table["call_changed"] > 0).sum())
    line = f"Median SD {table['sd'].median():.3f}; a mask changes the call of {unsteady} of {int(spread.sum())} cases"
    note = f" ({int(found.development.sum())} of the development)" if found.development.any() else ""
    return finish(f"{line}{note}: {order.out}", found.refusals, quarantine)


def _write_table(file: Path, frame: pd.DataFrame) -> None:
    if file.suffix == ".csv":
        write_csv(file, frame)
        return
    with atomic_path(file) as temporary:
        frame.to_parquet(temporary, index=False)
