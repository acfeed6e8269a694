"""``ccrcc deep``."""

from pathlib import Path
from typing import Annotated

import typer

from ccrcc_model.commands.options import (
    Card,
    CasesFolder,
    DataRoot,
    Device,
    Jobs,
    Network,
    OutTable,
    SchedulerAddress,
    ShardOption,
    TrustCheckpoint,
)
from nnunet_ext.ground.errors import InputError


def deep(
    card: Card,
    table: Annotated[Path, typer.Option(help="Feature table of the cohort, .parquet.")],
    model: Network,
    out: OutTable,
    preset: Annotated[
        str | None, typer.Option(help="Preset that the table was extracted with; the one it names by default.")
    ] = None,
    data_root: DataRoot = None,
    fold: Annotated[str, typer.Option(help="Fold whose network is used: 0 to 4, or all.")] = "0",
    device: Device = "cpu",
    trust_checkpoint: TrustCheckpoint = False,
    jobs: Jobs = 1,
    shard: ShardOption = None,
    scheduler: SchedulerAddress = None,
    cases: CasesFolder = None,
) -> None:
    """Join deep features to a feature table (experimental).

    The encoder of the network that segments, pooled in the tumour and a ring around it. A model fitted on the joined table
    takes their principal components. Each case's result is kept in a file, so the same command goes on where it stopped.
    """
    from ccrcc_model.commands.console import progress_bar
    from ccrcc_model.commands.measured import MeasuredTable
    from ccrcc_model.commands.output_kinds import JOINED
    from ccrcc_model.commands.shards import refuse_jobs_beside_cluster, run_shard
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.ground.files import sha256
    from nnunet_ext.inference.trained_model import TrainedModel, fold_numbers
    from radiomics_cfg.deep import add_deep_features, deep_batch
    from radiomics_cfg.preset import load_preset
    from radiomics_cfg.runs.compaction import write_table
    from radiomics_cfg.table import FeatureTable

    refuse_jobs_beside_cluster(jobs, scheduler)
    network = TrainedModel(model, fold_numbers([fold]), device=device, trusted=trust_checkpoint)
    files = MeasuredTable(out, cases)
    if out.resolve() == table.resolve():
        msg = f"The joined table would replace the one that it is made from, {table.name}; name another file"
        raise InputError(msg)
    files.claim(JOINED, inputs=[card, table])
    features, cohort = FeatureTable.read(table), load_cohort(card, data_root)
    described = load_preset(preset or str(features.provenance.get("preset")))
    if shard is not None:
        batch = deep_batch(features, cohort, described, network, files.folder)
        raise typer.Exit(run_shard(batch, shard, jobs=jobs, scheduler=scheduler))
    with progress_bar(f"Encoding {cohort.name}") as on_progress:
        joined, refusals = add_deep_features(
            features,
            cohort,
            described,
            network,
            cache_dir=files.folder,
            jobs=jobs,
            scheduler=scheduler,
            on_progress=on_progress,
        )
    write_table(joined, out)
    added, n_cases = len(joined.feature_names) - len(features.feature_names), features.rows["case_id"].nunique()
    status = files.finish(
        f"{added} deep features (experimental) added to {len(features.feature_names)} others of {n_cases} cases",
        refusals,
        "deep",
        experimental=True,
        deep=joined.provenance["deep"],
        result={"rows": len(joined.rows), "deep_features": added, "cases": n_cases, "refused": len(refusals)},
        table_sha256=sha256(out),
    )
    raise typer.Exit(status)
