"""From a cohort with masks to its feature table, one small result file a case on the way."""

from pathlib import Path

from nnunet_ext.ground.case import Cohort, Refusal
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.modes import Mode
from radiomics_cfg.preset import Preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND, Batch
from radiomics_cfg.runs.compaction import tabulate
from radiomics_cfg.table import FeatureTable


def extract(
    cohort: Cohort,
    preset: Preset,
    *,
    cache_dir: Path,
    jobs: int = 1,
    scheduler: str | None = None,
    backend: str = DEFAULT_BACKEND,
    mode: Mode = "canonical",
    on_progress: OnProgress = silent,
) -> tuple[FeatureTable, tuple[Refusal, ...]]:
    """Extract the features of every case that has a tumour in its mask.

    What came of each case is kept in ``cache_dir`` under a hash of its files, the preset and all versions, so a run that was
    cut off goes on where it stopped. The table depends neither on how many processes there were nor on what was kept.

    Args:
        cohort: Cases with masks.
        preset: What to measure.
        cache_dir: Folder for one result file a case.
        jobs: Number of processes, each with one thread; a script that asks for several needs
            ``if __name__ == "__main__"``.
        scheduler: Address of a Dask cluster that does the work instead, on the same file system.
        backend: Name of what computes the features.
        mode: Whether regions share the filtered images of a scale, or have crops of their own as PyRadiomics cuts them.
        on_progress: Told at once how many cases were kept, then after each case.

    Returns:
        The table, with the rows of each case that was not refused in the order of the cohort, and the refusals: the gate's
        codes, ``tumour-absent``, ``too-thin``; and those that the next run tries again: ``failed`` where a library gave up on
        a case, ``out-of-memory``, ``io-error``, and ``worker-lost`` where the process died.

    Raises:
        InputError: If every case is refused, ``jobs`` is below 1, the backend is unknown or not installed, or the cluster
            cannot be used.
    """
    batch = Batch.of(cohort, preset, cache_dir, backend=backend, mode=mode)
    outcomes = batch.measure(batch.find(), jobs=jobs, scheduler=scheduler, on_progress=on_progress)
    return tabulate(batch, outcomes)
