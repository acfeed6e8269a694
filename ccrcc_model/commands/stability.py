"""``ccrcc stability``."""

import typer

from ccrcc_model.commands.options import (
    BackendName,
    Card,
    CasesFolder,
    DataRoot,
    Jobs,
    ModeName,
    OutTable,
    PresetName,
    SchedulerAddress,
    Seed,
    ShardOption,
)


def stability(
    card: Card,
    out: OutTable,
    preset: PresetName = "multiscale",
    data_root: DataRoot = None,
    jobs: Jobs = 1,
    shard: ShardOption = None,
    scheduler: SchedulerAddress = None,
    backend: BackendName = None,
    mode: ModeName = "canonical",
    cases: CasesFolder = None,
    seed: Seed = 0,
) -> None:
    """Measure how stable each feature is if the contour changes.

    Each tumour is measured under ten masks; ICC(A,1) per feature.
    """
    from ccrcc_model.commands.console import note, progress_bar
    from ccrcc_model.commands.measured import MeasuredTable
    from ccrcc_model.commands.output_kinds import STABILITY
    from ccrcc_model.commands.shards import refuse_jobs_beside_cluster, run_shard
    from nnunet_ext.cohort.cards import load_cohort
    from radiomics_cfg.contour_stability import STABLE, mask_batch
    from radiomics_cfg.contour_stability import stability as measure_stability
    from radiomics_cfg.perturbation.icc import MINIMUM_CASES
    from radiomics_cfg.perturbation.perturbed_mask import usual_perturbations
    from radiomics_cfg.preset import load_preset
    from radiomics_cfg.runs.batch import DEFAULT_BACKEND

    refuse_jobs_beside_cluster(jobs, scheduler)
    files = MeasuredTable(out, cases)
    files.claim(STABILITY, inputs=[card])
    cohort, wanted, masks = load_cohort(card, data_root), load_preset(preset), usual_perturbations(seed)
    engine = backend or DEFAULT_BACKEND
    if len(cohort.cases) < MINIMUM_CASES:
        note(
            f"cohort {cohort.name} has {len(cohort.cases)} cases, and stability is judged from {MINIMUM_CASES} on: no feature "
            "will have a correlation, and the values serve `ccrcc spread` alone"
        )
    if shard is not None:
        batch = mask_batch(cohort, wanted, masks, files.folder, backend=engine, mode=mode)
        raise typer.Exit(run_shard(batch, shard, jobs=jobs, scheduler=scheduler))
    with progress_bar(f"Perturbing {cohort.name}") as on_progress:
        found = measure_stability(
            cohort,
            wanted,
            perturbations=masks,
            cache_dir=files.folder,
            jobs=jobs,
            scheduler=scheduler,
            backend=engine,
            mode=mode,
            on_progress=on_progress,
        )
    found.write(out)
    stable, of_all, about = len(found.stable_features()), len(found.table), found.about
    measured = f"{len(about['masks'])} masks of {about['n_cases']} cases"
    line = f"{stable} of {of_all} features stable over {measured} ({about['form']}, from {STABLE} up)"
    result = {"features": of_all, "stable": stable, "cases": about["n_cases"], "refused": len(found.refusals)}
    raise typer.Exit(files.finish(line, found.refusals, "stability", stability=about, result=result))
