"""``ccrcc extract`` and ``ccrcc compact``: from a card to a table, and beside it what was refused and what had been set."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccrcc_model.commands.console import finish, progress_bar, say
from ccrcc_model.commands.order import Order
from ccrcc_model.commands.output_kinds import EXTRACTED
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import sha256
from nnunet_ext.ground.outputs import TABLE_BYTES, try_folder
from nnunet_ext.ground.record import write_record
from nnunet_ext.ground.shard import Shard
from radiomics_cfg.preset import load_preset
from radiomics_cfg.runs.batch import Batch, Plan
from radiomics_cfg.runs.compaction import compact, tabulate, write_table
from radiomics_cfg.table import FeatureTable

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of the signal."""


@dataclass(frozen=True)
class TableOrder(Order):
    """Which feature table is wanted."""

    kind = "feature"
    files = EXTRACTED

    def batch(self) -> Batch:
        """Return the cohort with what measures it."""
        return Batch.of(self.cohort(), load_preset(self.preset), self.folder, backend=self.engine, mode=self.mode)

    def write(self, table: FeatureTable, refusals: Sequence[Refusal], command: str, **settings: Any) -> int:
        """Write the table, the quarantine and the record of the run, say so, and return the exit status."""
        write_table(table, self.out)
        quarantine = self.beside("quarantine.csv")
        write_quarantine(quarantine, refusals)
        n_cases, n_features = table.rows["case_id"].nunique(), len(table.feature_names)
        write_record(
            self.beside("run.json"),
            command,
            self.settings() | settings,
            extraction={key: value for key, value in table.provenance.items() if key != "cases"},
            result={"rows": len(table.rows), "features": n_features, "cases": n_cases, "refused": len(refusals)},
            table_sha256=sha256(self.out),
        )
        line = f"{len(table.rows)} rows x {n_features} features of {n_cases} cases: {self.out}"
        return finish(line, refusals, quarantine)


def run_extraction(
    order: TableOrder, *, jobs: int = 1, scheduler: str | None = None, shard: str | None = None, dry_run: bool = False
) -> int:
    """Measure what has yet to be measured, and write the table unless this is only a shard's part of it.

    Returns:
        The exit status.
    """
    if scheduler is not None and jobs > 1:
        msg = f"A Dask cluster has its own number of workers; leave --jobs {jobs} out beside --scheduler"
        raise InputError(msg)
    share = Shard.parse(shard) if shard is not None else None
    order.claim()
    batch = order.batch()
    part = batch.part(share) if share else batch
    title = f"{batch.cohort.name}, shard {shard}" if share else batch.cohort.name
    spoilt: list[Path] = []
    with progress_bar(f"Looking up {title}") as on_progress:
        found = part.find(on_progress, on_spoilt=spoilt.append)
    if spoilt:
        say(f"{title}: {len(spoilt)} kept results are damaged, or not of these files; their cases are measured again")
    plan = part.plan(found)
    if dry_run:
        say(f"{title}: {_as_line(plan, order, with_table=share is None)}")
        return 0
    try_folder(order.folder, option="--cases", least_bytes=TABLE_BYTES + plan.case_file_bytes)
    try:
        with progress_bar(f"Extracting {title}") as on_progress:
            outcomes = part.measure(found, jobs=jobs, scheduler=scheduler, on_progress=on_progress)
    except KeyboardInterrupt:
        sys.stderr.write("ccrcc: stopped; what is done is kept, so the same command goes on from there\n")
        return INTERRUPTED
    if share is None:
        return order.write(*tabulate(batch, outcomes), "extract", jobs=jobs, scheduler=scheduler)
    refusals = [outcome for outcome in outcomes.values() if isinstance(outcome, Refusal)]
    line = f"Shard {shard}: {len(outcomes) - len(refusals)} of {len(outcomes)} cases kept in {order.folder}"
    return finish(f"{line}; when all shards are done: {_compact_command(order)}", refusals)


def run_compaction(order: TableOrder, *, partial: bool = False) -> int:
    """Write the table from result files alone, and return the exit status."""
    order.claim()
    cohort = order.cohort()
    with progress_bar(f"Looking up {cohort.name}") as on_progress:
        table, refusals = compact(
            cohort,
            load_preset(order.preset),
            cache_dir=order.folder,
            backend=order.engine,
            mode=order.mode,
            partial=partial,
            on_progress=on_progress,
        )
    return order.write(table, refusals, "compact", partial=partial)


def _as_line(plan: Plan, order: TableOrder, *, with_table: bool) -> str:
    done = f"{plan.n_kept + plan.n_refused} cases are done, {plan.n_refused} of them refused; {plan.n_todo} are to do"
    table = f", then a table of {_megabytes(plan.table_bytes)}" if with_table else ""
    return f"{done}; would write about {_megabytes(plan.case_file_bytes)} to {order.folder}{table}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _compact_command(order: TableOrder) -> str:
    """Return the command that makes the table of what all shards have kept."""
    words = ["ccrcc", "compact", str(order.card), "--preset", order.preset, "--out", str(order.out)]
    for option, value in (("--data-root", order.data_root), ("--backend", order.backend), ("--cases", order.cases)):
        words += [option, str(value)] if value is not None else []
    words += ["--mode", order.mode] if order.mode != "canonical" else []
    return shlex.join(words)
