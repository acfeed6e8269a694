"""``ccrcc stability``: from a card to a table of how stable each feature is, and beside it what was refused and set."""

import sys
from dataclasses import dataclass

from ccrcc_model.commands.console import finish, note, progress_bar
from ccrcc_model.commands.extract import INTERRUPTED
from ccrcc_model.commands.order import Order
from ccrcc_model.commands.output_kinds import STABILITY
from ccrcc_model.commands.shards import refuse_jobs_beside_cluster, run_shard
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.record import write_record
from radiomics_cfg.contour_stability import STABLE, Stability, mask_batch, stability
from radiomics_cfg.perturbation.icc import MINIMUM_CASES
from radiomics_cfg.perturbation.perturbed_mask import usual_perturbations
from radiomics_cfg.preset import load_preset


@dataclass(frozen=True)
class StabilityOrder(Order):
    """Which stability table is wanted.

    Args:
        seed: Of the random contours.
    """

    kind = "stability"
    files = STABILITY

    seed: int = 0


def run_stability(order: StabilityOrder, *, jobs: int = 1, scheduler: str | None = None, shard: str | None = None) -> int:
    """Measure a cohort under all masks, and write the table unless this is only a shard's part of it.

    Returns:
        The exit status.
    """
    refuse_jobs_beside_cluster(jobs, scheduler)
    order.claim()
    cohort, preset, masks = order.cohort(), load_preset(order.preset), usual_perturbations(order.seed)
    if len(cohort.cases) < MINIMUM_CASES:
        note(
            f"cohort {cohort.name} has {len(cohort.cases)} cases, and stability is judged from {MINIMUM_CASES} on: no feature "
            "will have a correlation, and the values serve `ccrcc spread` alone"
        )
    try:
        if shard is not None:
            batch = mask_batch(cohort, preset, masks, order.folder, backend=order.engine, mode=order.mode)
            return run_shard(batch, shard, jobs=jobs, scheduler=scheduler)
        with progress_bar(f"Perturbing {cohort.name}") as on_progress:
            found = stability(
                cohort,
                preset,
                perturbations=masks,
                cache_dir=order.folder,
                jobs=jobs,
                scheduler=scheduler,
                backend=order.engine,
                mode=order.mode,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        sys.stderr.write("ccrcc: stopped; what is done is kept, so the same command goes on from there\n")
        return INTERRUPTED
    return _write(found, order, jobs=jobs, scheduler=scheduler)


def _write(found: Stability, order: StabilityOrder, *, jobs: int, scheduler: str | None) -> int:
    found.write(order.out)
    quarantine = order.beside("quarantine.csv")
    write_quarantine(quarantine, found.refusals)
    stable, of_all = len(found.stable_features()), len(found.table)
    write_record(
        order.beside("run.json"),
        "stability",
        order.settings() | {"jobs": jobs, "scheduler": scheduler},
        stability=found.about,
        result={"features": of_all, "stable": stable, "cases": found.about["n_cases"], "refused": len(found.refusals)},
    )
    masks = f"{len(found.about['masks'])} masks of {found.about['n_cases']} cases"
    line = f"{stable} of {of_all} features stable over {masks} ({found.about['form']}, from {STABLE} up): {order.out}"
    return finish(line, found.refusals, quarantine)
