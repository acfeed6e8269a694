"""From a cohort with masks to its feature table, one small result file per case on the way."""

from nnunet_ext.ground.case import Cohort, Refusal
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.modes import Mode
from radiomics_cfg.preset import Preset, as_preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND, Batch, cache_folder
from radiomics_cfg.runs.compaction import tabulate
from radiomics_cfg.table import FeatureTable


def extract(
    cohort: Cohort,
    preset: Preset | AnyPath,
    *,
    cache_dir: AnyPath | None = None,
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
        preset: What to measure; its name or folder will do.
        cache_dir: Folder for one result file per case; a temporary one by default.
        jobs: Number of processes, each with one thread; a script that asks for several needs
            ``if __name__ == "__main__"``.
        scheduler: Address of a Dask cluster that does the work instead, on the same file system.
        backend: Name of what computes the features.
        mode: Whether regions share the filtered images of a scale, or have crops of their own as PyRadiomics cuts them.
        on_progress: Called at once with the number of cases that were kept, then after each case.

    Returns:
        The table, with the rows of each case that was not refused in the order of the cohort, and the refusals: the gate's
        codes, ``tumour-absent``, ``too-thin``; and those that the next run tries again: ``failed`` where a library gave up on
        a case, ``out-of-memory``, ``io-error``, and ``worker-lost`` where the process died.

    Raises:
        InputError: If every case is refused, ``jobs`` is below 1, the backend is unknown or not installed, or the cluster
            cannot be used.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> table, refused = extract(load_cohort("dev/card.yaml"), "small")
        >>> table
        FeatureTable of dev: 3 rows, 76 features
        3 cases of 3 patients from 1 centre
        preset small (...), mode canonical
    """
    with cache_folder(cache_dir, scheduler=scheduler) as folder:
        batch = Batch.of(cohort, as_preset(preset), folder, backend=backend, mode=mode)
        outcomes = batch.measure(batch.find(), jobs=jobs, scheduler=scheduler, on_progress=on_progress)
        return tabulate(batch, outcomes)
