"""One shard of a command: measure a share of the cohort and keep the results; the table is made once all shards are done."""

from typing import Any

from ccrcc_model.commands.console import finish, progress_bar
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.shard import Shard
from radiomics_cfg.runs.batch import CaseBatch


def refuse_jobs_beside_cluster(jobs: int, scheduler: str | None) -> None:
    """Refuse ``--jobs`` together with ``--scheduler``.

    Raises:
        InputError: If both are given.
    """
    if scheduler is not None and jobs > 1:
        msg = f"A Dask cluster has its own number of workers; leave out --jobs {jobs} if --scheduler is given"
        raise InputError(msg)


def run_shard(batch: CaseBatch[Any], shard: str, *, jobs: int, scheduler: str | None) -> int:
    """Measure one shard of a batch, and say how many of its cases are kept.

    Args:
        batch: The whole cohort.
        shard: Such as ``0/20``.
        jobs: Number of processes.
        scheduler: Address of a Dask cluster that does the work instead.

    Returns:
        The exit status.
    """
    part = batch.part(Shard.parse(shard))
    with progress_bar(f"Measuring {batch.cohort.name}, shard {shard}") as on_progress:
        outcomes = part.measure(part.find(), jobs=jobs, scheduler=scheduler, on_progress=on_progress)
    refusals = [outcome for outcome in outcomes.values() if isinstance(outcome, Refusal)]
    line = f"Shard {shard}: {len(outcomes) - len(refusals)} of {len(outcomes)} cases kept in {batch.folder}"
    return finish(f"{line}; when all shards are done, the same command without --shard makes the table", refusals)
