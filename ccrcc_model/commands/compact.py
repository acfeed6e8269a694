"""``ccrcc compact``."""

from typing import Annotated

import typer

from ccrcc_model.commands.options import BackendName, Card, CasesFolder, DataRoot, ModeName, OutTable, PresetName


def compact(
    card: Card,
    out: OutTable,
    preset: PresetName = "multiscale",
    data_root: DataRoot = None,
    backend: BackendName = None,
    mode: ModeName = "canonical",
    cases: CasesFolder = None,
    partial: Annotated[bool, typer.Option("--partial", help="Make the table even if cases have no result.")] = False,
) -> None:
    """Make the feature table from the result files of any runs.

    Nothing is measured: this is the last step of an extraction by shards.
    """
    from ccrcc_model.commands.console import progress_bar
    from ccrcc_model.commands.measured import MeasuredTable
    from ccrcc_model.commands.output_kinds import EXTRACTED
    from nnunet_ext.cohort.cards import load_cohort
    from radiomics_cfg.preset import load_preset
    from radiomics_cfg.runs.batch import DEFAULT_BACKEND
    from radiomics_cfg.runs.compaction import compact as compact_cases

    files = MeasuredTable(out, cases)
    files.claim(EXTRACTED, inputs=[card])
    cohort = load_cohort(card, data_root)
    with progress_bar(f"Looking up {cohort.name}") as on_progress:
        table, refusals = compact_cases(
            cohort,
            load_preset(preset),
            cache_dir=files.folder,
            backend=backend or DEFAULT_BACKEND,
            mode=mode,
            partial=partial,
            on_progress=on_progress,
        )
    raise typer.Exit(files.write_features(table, refusals, "compact"))
