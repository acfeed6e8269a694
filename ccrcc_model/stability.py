"""``ccrcc stability``: from a card to a table of how stable each feature is, and beside it what was refused and set."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ccrcc_model.console import finish, progress_bar
from ccrcc_model.extraction import INTERRUPTED
from nnunet_ext.cards import load_cohort
from nnunet_ext.errors import InputError
from nnunet_ext.quarantine import write_quarantine
from nnunet_ext.record import write_record
from radiomics_cfg.backend import Mode
from radiomics_cfg.batch import DEFAULT_BACKEND
from radiomics_cfg.perturbation import usual_perturbations
from radiomics_cfg.preset import load_preset
from radiomics_cfg.stability import STABLE, Stability, stability


@dataclass(frozen=True)
class StabilityOrder:
    """Which stability table is wanted.

    Args:
        card: Of a cohort with masks.
        out: The table, ``.parquet`` or ``.csv``.
        preset: Name or folder.
        data_root: Folder that the card's paths are relative to.
        backend: What computes the features; the usual one by default.
        mode: How the images are filtered.
        cases: Folder of the result files; beside the table and named after it by default.
        seed: Of the random contours.
    """

    card: Path
    out: Path
    preset: str
    data_root: Path | None = None
    backend: str | None = None
    mode: Mode = "canonical"
    cases: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.out.suffix not in {".parquet", ".csv"}:
            msg = f"A stability table is a .parquet or a .csv file; asked for {self.out.name}"
            raise InputError(msg)

    @property
    def folder(self) -> Path:
        """Folder of the result files."""
        return self.cases or self.out.with_name(f"{self.out.stem}.cases")

    def beside(self, suffix: str) -> Path:
        """Return the file of this name beside the table."""
        return self.out.with_name(f"{self.out.stem}.{suffix}")


def run_stability(order: StabilityOrder, *, jobs: int = 1) -> int:
    """Measure a cohort under all masks, write the table, the quarantine and the record of the run, and say so.

    Returns:
        The exit status.
    """
    cohort = load_cohort(order.card, order.data_root)
    try:
        with progress_bar(f"Perturbing {cohort.name}") as on_progress:
            found = stability(
                cohort,
                load_preset(order.preset),
                perturbations=usual_perturbations(order.seed),
                cache_dir=order.folder,
                jobs=jobs,
                backend=order.backend or DEFAULT_BACKEND,
                mode=order.mode,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        sys.stderr.write("ccrcc: stopped; what is done is kept, so the same command goes on from there\n")
        return INTERRUPTED
    return _write(found, order, jobs=jobs)


def _write(found: Stability, order: StabilityOrder, *, jobs: int) -> int:
    found.write(order.out)
    quarantine = order.beside("quarantine.csv")
    write_quarantine(quarantine, found.refusals)
    stable, of_all = len(found.stable_features()), len(found.table)
    settings = {key: value if value is None else str(value) for key, value in asdict(order).items()}
    write_record(
        order.beside("run.json"),
        "stability",
        settings | {"jobs": jobs},
        stability=found.about,
        result={"features": of_all, "stable": stable, "cases": found.about["n_cases"], "refused": len(found.refusals)},
    )
    masks = f"{len(found.about['masks'])} masks of {found.about['n_cases']} cases"
    line = f"{stable} of {of_all} features stable over {masks} ({found.about['form']}, from {STABLE} up): {order.out}"
    return finish(line, found.refusals, quarantine)
