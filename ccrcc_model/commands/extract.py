"""``ccrcc extract``."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccrcc_model.commands.options import (
    BackendName,
    CasesFolder,
    DataRoot,
    Jobs,
    ModeName,
    OutTable,
    PresetName,
    SchedulerAddress,
    ShardOption,
)
from ccrcc_model.commands.record import given_options, typed_options
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    from ccrcc_model.commands.measured import MeasuredTable
    from radiomics_cfg.cases.result_file import Outcome
    from radiomics_cfg.modes import Mode
    from radiomics_cfg.runs.batch import Batch, Plan


def extract(
    card: Annotated[
        Path, typer.Argument(help="Cohort card (YAML), or a list of regions (CSV: Image, Mask, Label).", show_default=False)
    ],
    out: OutTable,
    preset: PresetName = "multiscale",
    data_root: DataRoot = None,
    jobs: Jobs = 1,
    shard: ShardOption = None,
    scheduler: SchedulerAddress = None,
    backend: BackendName = None,
    mode: ModeName = "canonical",
    cases: CasesFolder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what is done and what is left; measure nothing.")] = False,
    params: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of a list of regions: PyRadiomics' parameter file; else its defaults.")
    ] = None,
) -> None:
    """Compute the feature table of a cohort with masks, or of a list of regions as `pyradiomics` takes it.

    Each case's result is kept in a file, so the same command goes on where it stopped. Regions of a list may be of any organ;
    the mode is then pyradiomics, unless --mode is given. docs/how-to/from-pyradiomics.md shows it.
    """
    from ccrcc_model.commands.console import finish, progress_bar, say
    from ccrcc_model.commands.measured import MeasuredTable
    from ccrcc_model.commands.output_kinds import EXTRACTED
    from ccrcc_model.commands.shards import refuse_jobs_beside_cluster
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.ground.outputs import TABLE_BYTES, try_folder
    from nnunet_ext.ground.shard import Shard
    from radiomics_cfg.preset import load_preset
    from radiomics_cfg.runs.batch import DEFAULT_BACKEND, Batch
    from radiomics_cfg.runs.compaction import tabulate

    if card.suffix.lower() == ".csv":
        raise typer.Exit(_of_list(card, MeasuredTable(out, cases), params, mode=mode, jobs=jobs))
    if params is not None:
        msg = (
            f"--params is for a list of regions (CSV); {card.name} is a card, whose features a preset describes: use --preset"
        )
        raise InputError(msg)
    refuse_jobs_beside_cluster(jobs, scheduler)
    share = Shard.parse(shard) if shard is not None else None
    files = MeasuredTable(out, cases)
    files.claim(EXTRACTED, inputs=[card])
    batch = Batch.of(
        load_cohort(card, data_root), load_preset(preset), files.folder, backend=backend or DEFAULT_BACKEND, mode=mode
    )
    part = batch.part(share) if share else batch
    title = f"{batch.cohort.name}, shard {shard}" if share else batch.cohort.name
    found, plan = _look_up(part, title)
    if dry_run:
        say(f"{title}: {_as_line(plan, files, with_table=share is None)}")
        return
    try_folder(files.folder, option="--cases", least_bytes=TABLE_BYTES + plan.case_file_bytes)
    with progress_bar(f"Extracting {title}") as on_progress:
        outcomes = part.measure(found, jobs=jobs, scheduler=scheduler, on_progress=on_progress)
    if share is None:
        raise typer.Exit(files.write_features(*tabulate(batch, outcomes), "extract"))
    refusals = [outcome for outcome in outcomes.values() if isinstance(outcome, Refusal)]
    line = f"Shard {shard}: {len(outcomes) - len(refusals)} of {len(outcomes)} cases kept in {files.folder}"
    raise typer.Exit(finish(f"{line}; when all shards are done: {_compact_command()}", refusals))


def _of_list(path: Path, files: "MeasuredTable", params: Path | None, *, mode: "Mode", jobs: int) -> int:
    """Measure a list of regions; return the exit status."""
    from ccrcc_model.commands.console import progress_bar, say
    from ccrcc_model.commands.output_kinds import LISTED
    from nnunet_ext.documents.csv_table import write_csv
    from radiomics_cfg.listed_regions import measure_listed_regions, read_listed_regions

    of_cohorts = {"preset", "data_root", "shard", "scheduler", "backend", "dry_run"}
    if asked := sorted(name.replace("_", "-") for name in of_cohorts & typed_options()):
        msg = (
            f"--{asked[0]} is for a cohort; {path.name} is a list of regions, which takes --params, --mode, --jobs and --cases"
        )
        raise InputError(msg)
    files.claim(LISTED, inputs=[path, *([params] if params else [])])
    regions = read_listed_regions(path)
    mode = mode if "mode" in typed_options() else "pyradiomics"
    say("A list of regions may be of any organ: the checks of kidneys and tumours do not apply")
    with progress_bar(f"Extracting {path.name}") as on_progress:
        table, refusals = measure_listed_regions(regions, params, files.folder, mode=mode, jobs=jobs, on_progress=on_progress)
    write_csv(files.out, table)
    return files.finish(f"{len(table) - len(refusals)} of {len(table)} regions", refusals, "extract", mode=mode)


def _look_up(part: "Batch", title: str) -> "tuple[Mapping[str, Outcome], Plan]":
    """Return the kept results of each case, and the cases that remain."""
    from ccrcc_model.commands.console import progress_bar, say

    n_spoilt = 0

    def count(_: object) -> None:
        nonlocal n_spoilt
        n_spoilt += 1

    with progress_bar(f"Looking up {title}") as on_progress:
        found = part.find(on_progress, on_spoilt=count)
    if n_spoilt:
        say(f"{title}: {n_spoilt} kept results are damaged, or not of these files; their cases are measured again")
    return found, part.plan(found)


def _as_line(plan: "Plan", files: "MeasuredTable", *, with_table: bool) -> str:
    done = f"{plan.n_kept + plan.n_refused} cases are done, {plan.n_refused} of them refused; {plan.n_todo} are to do"
    table = f", then a table of {_megabytes(plan.table_bytes)}" if with_table else ""
    return f"{done}; would write about {_megabytes(plan.case_file_bytes)} to {files.folder}{table}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _compact_command() -> str:
    """Return the command that makes the table of what all shards have kept, by the options of this one."""
    asked = given_options()
    words = ["ccrcc", "compact", str(asked["card"]), "--preset", asked["preset"], "--out", str(asked["out"])]
    for name in ("data_root", "backend", "cases"):
        words += [f"--{name.replace('_', '-')}", str(asked[name])] if asked[name] is not None else []
    words += ["--mode", asked["mode"]] if asked["mode"] != "canonical" else []
    return shlex.join(words)
