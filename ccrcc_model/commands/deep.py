"""``ccrcc deep``: from a card and its feature table to one with deep features, and beside it what was refused and set."""

import sys
from dataclasses import dataclass
from pathlib import Path

from ccrcc_model.commands.console import finish, progress_bar
from ccrcc_model.commands.extract import INTERRUPTED
from ccrcc_model.commands.output_kinds import JOINED
from ccrcc_model.commands.shards import refuse_jobs_beside_cluster, run_shard
from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import sha256
from nnunet_ext.ground.outputs import TABLE_BYTES, try_folder
from nnunet_ext.ground.record import write_record
from nnunet_ext.inference.trained_model import TrainedModel
from radiomics_cfg.deep import add_deep_features, deep_batch
from radiomics_cfg.preset import load_preset
from radiomics_cfg.runs.compaction import write_table
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True)
class DeepOrder:
    """Which joined table is wanted. Experimental.

    Args:
        card: Of a cohort with masks.
        table: Its feature table.
        out: The joined table, ``.parquet`` or ``.csv``.
        network: One fold of a trained model.
        preset: Name or folder of what the table was extracted with; the preset that the table names by default.
        data_root: Folder that the card's paths are relative to.
        cases: Folder of the result files; beside the joined table and named after it by default.
    """

    card: Path
    table: Path
    out: Path
    network: TrainedModel
    preset: str | None = None
    data_root: Path | None = None
    cases: Path | None = None

    def __post_init__(self) -> None:
        if self.out.suffix not in {".parquet", ".csv"}:
            msg = f"A feature table is a .parquet or a .csv file; asked for {self.out.name}"
            raise InputError(msg)
        if self.out.resolve() == self.table.resolve():
            msg = f"The joined table would replace the one that it is made from, {self.table.name}; name another file"
            raise InputError(msg)

    def beside(self, suffix: str) -> Path:
        """Return the file of this name beside the joined table."""
        return self.out.with_name(f"{self.out.stem}.{suffix}")

    def settings(self) -> dict[str, str | None]:
        """Return what was asked for, as ``run.json`` keeps it."""
        paths = {"card": self.card, "table": self.table, "out": self.out, "data_root": self.data_root, "cases": self.cases}
        asked = {**paths, "preset": self.preset, "model": self.network.folder, "fold": self.network.folds[0]}
        return {key: value if value is None else str(value) for key, value in asked.items()}


def run_deep(order: DeepOrder, *, jobs: int = 1, scheduler: str | None = None, shard: str | None = None) -> int:
    """Measure what has yet to be measured, and write the joined table unless this is only a shard's part of it.

    Returns:
        The exit status.
    """
    refuse_jobs_beside_cluster(jobs, scheduler)
    JOINED.claim(order.out, inputs=[order.card, order.table])
    folder = order.cases or order.beside("cases")
    try_folder(folder, option="--cases", least_bytes=TABLE_BYTES)
    table, cohort = FeatureTable.read(order.table), load_cohort(order.card, order.data_root)
    preset = load_preset(order.preset or str(table.provenance.get("preset")))
    try:
        if shard is not None:
            return run_shard(deep_batch(table, cohort, preset, order.network, folder), shard, jobs=jobs, scheduler=scheduler)
        with progress_bar(f"Encoding {cohort.name}") as on_progress:
            joined, refusals = add_deep_features(
                table,
                cohort,
                preset,
                order.network,
                cache_dir=folder,
                jobs=jobs,
                scheduler=scheduler,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        sys.stderr.write("ccrcc: stopped; what is done is kept, so the same command goes on from there\n")
        return INTERRUPTED
    write_table(joined, order.out)
    quarantine = order.beside("quarantine.csv")
    write_quarantine(quarantine, refusals)
    added, n_cases = len(joined.feature_names) - len(table.feature_names), table.rows["case_id"].nunique()
    write_record(
        order.beside("run.json"),
        "deep",
        order.settings() | {"jobs": jobs, "scheduler": scheduler},
        experimental=True,
        deep=joined.provenance["deep"],
        result={"rows": len(joined.rows), "deep_features": added, "cases": n_cases, "refused": len(refusals)},
        table_sha256=sha256(order.out),
    )
    line = f"{added} deep features (experimental) beside {len(table.feature_names)} others of {n_cases} cases: {order.out}"
    return finish(line, refusals, quarantine)
