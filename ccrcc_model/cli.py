"""The ``ccrcc`` command: each subcommand reads files, calls one public function, writes files.

Stage modules are imported inside the commands, so that ``ccrcc --help`` does not wait for them.
"""

import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from ccrcc_model.commands.ending import (
    USER_MISTAKE,
    Commands,
    Stopped,
    flush_output,
    heeded_signals,
    open_closed_streams,
    refuse_empty,
    stopped_line,
    storage_line,
)
from nnunet_ext.ground.case import Cohort, Refusal, Role
from nnunet_ext.ground.errors import InputError

DEMO_SEED = 88
"""Of seeds 1 to 199 the one whose cohorts are closest to the synthetic population in prevalence and in the AUC of tumour size.

Only the drawn truth was looked at, never a scan or a model: in so small a sample, size alone is often far off its true AUC.
"""

app = typer.Typer(
    name="ccrcc",
    cls=Commands,
    help="From a contrast CT of the kidney to WHO/ISUP grade and Ki67: masks, radiomics, models, external benchmarks.",
    epilog="Research software, not a medical device. nnU-Net's own nnUNetv2_* commands find our trainers by themselves.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

imports = typer.Typer(
    cls=Commands, help="Make a cohort of a data set in another layout.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(imports, name="import")

Card = Annotated[Path, typer.Argument(help="Cohort card (YAML).", show_default=False)]
DataRoot = Annotated[
    Path | None, typer.Option(help="Folder that the card's paths are relative to; the card's own by default.")
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the result.")]
OutFile = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File for the result.", show_default=False)]
OutTable = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help=".parquet, or .csv.", show_default=False)]
PresetName = Annotated[str, typer.Option(help="Name of a preset (multiscale, quick), or a folder of your own.")]
BackendName = Annotated[str | None, typer.Option(help="What computes the features; the usual one by default.")]
ModeName = Annotated[
    Literal["canonical", "pyradiomics"],
    typer.Option(help="Filter a scan once for all regions, or crop to each as PyRadiomics."),
]
CasesFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of the result files; FILE's name with .cases by default.")
]
CohortRole = Annotated[Literal["development", "external"], typer.Option(help="What the cohort may be used for.")]
CohortName = Annotated[str, typer.Option(help="Name of the cohort.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Worker processes, one core each.")]
ShardOption = Annotated[
    str | None, typer.Option(metavar="i/N", help="Only every N-th case from the i-th on, i from 0: one job of an array.")
]
PrintedEstimate = Annotated[str | None, typer.Option(help="As printed, such as 0.81(0.64-0.93).")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


def main() -> None:
    """Run the command line; a user's mistake, a full disk or a signal ends it with one line and a status of its own.

    Libraries' warnings are for developers: they are shown only where ``PYTHONWARNINGS`` or ``-W`` asks for them.
    """
    open_closed_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"  # for worker processes
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ± gets a ?, not a traceback
    try:
        with heeded_signals():
            _run()
    finally:
        if fault := flush_output():
            _end(fault, USER_MISTAKE)


def _run() -> None:
    """Run the command, and end with one line what its user or its machine can mend."""
    try:
        refuse_empty(sys.argv[1:])
        app()
    except InputError as error:
        _end(str(error), USER_MISTAKE)
    except OSError as error:
        line = storage_line(error)
        if line is None:
            raise
        _end(line, USER_MISTAKE)
    except (KeyboardInterrupt, Stopped) as error:
        stopped = error if isinstance(error, Stopped) else Stopped(signal.SIGINT)
        _end(stopped_line(stopped, sys.argv[1:]), stopped.status)


def _end(line: str, status: int) -> NoReturn:
    with suppress(OSError):  # where standard error cannot be written either, the status says it alone
        sys.stderr.write(f"ccrcc: {line}\n")
    sys.exit(status)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from nnunet_ext.ground.record import DISTRIBUTION

        typer.echo(f"{DISTRIBUTION} {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Take the options that come before a command."""


@app.command()
def demo(out: OutFolder = Path("runs/demo"), seed: Seed = DEMO_SEED, jobs: Jobs = 2) -> None:
    """Run the whole pipeline on synthetic scans, report included."""
    from ccrcc_model.commands.console import StageProgress, say
    from ccrcc_model.commands.demo import EXPECTED_S, run_demo

    for line in run_demo(out, seed=seed, jobs=jobs, progress=StageProgress(EXPECTED_S)):
        say(line)


@app.command()
def phantom(
    out: OutFolder,
    seed: Seed = 1,
    patients: Annotated[int, typer.Option(min=1, help="Patients in each cohort.")] = 20,
    grid: Annotated[Literal["demo", "full"], typer.Option(help="3 mm voxels, or 512 x 512 and 1 mm slices.")] = "demo",
    jobs: Jobs = 1,
) -> None:
    """Write a synthetic multicentre study with known truth.

    One development cohort of four centres, two external cohorts of one centre each.
    """
    from ccrcc_model.commands.console import progress_bar, say
    from ccrcc_model.commands.demo import study_plan
    from ccrcc_model.commands.output_kinds import PHANTOM
    from nnunet_ext.phantom import DEMO_GRID, FULL_GRID, write_study

    PHANTOM.claim(out)
    plan = study_plan(development=patients, external=patients)
    with progress_bar("Writing phantoms") as on_progress:
        cards = write_study(
            out, plan, FULL_GRID if grid == "full" else DEMO_GRID, seed=seed, jobs=jobs, on_progress=on_progress
        )
    say(f"Cohort cards: {', '.join(str(card) for card in cards)}")


@app.command()
def check(
    card: Card,
    data_root: DataRoot = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="CSV for the refused cases.")] = None,
) -> None:
    """Read every scan of a cohort: what passes, what does not, why."""
    from ccrcc_model.commands.console import finish, progress_bar, say
    from ccrcc_model.commands.output_kinds import REFUSALS
    from ccrcc_model.commands.outputs import refuse_quarantine
    from ccrcc_model.outcomes.table import check_outcomes
    from nnunet_ext.cohort.acquisition import check_acquisition
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.documents.quarantine import write_quarantine
    from nnunet_ext.scans.geometry import check_cohort

    if out is not None:
        REFUSALS.claim(out, inputs=[card])
        refuse_quarantine(out, REFUSALS.commands)
    cohort = load_cohort(card, data_root)
    check_outcomes(cohort)
    notes: list[str] = []
    if strangers := check_acquisition(cohort):
        say(f"The acquisition file holds {strangers} cases that the case list does not; they are left out")
    with progress_bar(f"Checking {cohort.name}") as on_progress:
        passed, refusals = check_cohort(cohort, on_progress=on_progress, on_note=notes.append)
    if out is not None:
        write_quarantine(out, refusals)
    for note in notes:
        say(note)
    counted = f", {len(notes)} note{'s' * (len(notes) > 1)}" if notes else ""
    raise typer.Exit(finish(f"{cohort.name}: {len(passed.cases)} of {len(cohort.cases)} cases pass{counted}", refusals, out))


@app.command()
def thicken(
    card: Card,
    slice_mm: Annotated[
        float, typer.Option("--slice-mm", help="Thickness and distance of the new slices.", show_default=False)
    ],
    out: OutFolder,
    data_root: DataRoot = None,
) -> None:
    """Write a cohort as if its slices were thicker.

    Scans and masks are averaged along the patient, to see how much an answer hangs on the slice thickness.
    """
    from ccrcc_model.commands.console import finish, progress_bar
    from ccrcc_model.commands.output_kinds import THICKENED
    from nnunet_ext.cohort.cards import load_cohort, save_cohort
    from nnunet_ext.documents.quarantine import write_quarantine
    from nnunet_ext.thick_slices import thicken as make_thicker

    THICKENED.claim(out, inputs=[card])
    cohort = load_cohort(card, data_root)
    with progress_bar(f"Thickening {cohort.name}") as on_progress:
        thick, refusals = make_thicker(cohort, slice_mm, out, on_progress=on_progress)
    write_quarantine(out / "quarantine.csv", refusals)
    text = f"{len(thick.cases)} of {len(cohort.cases)} scans in slices of {slice_mm:g} mm; card: {save_cohort(thick, out)}"
    raise typer.Exit(finish(text, refusals))


@imports.command()
def kits(
    source: Annotated[Path, typer.Argument(help="Folder with case_00000 and so on, and kits.json or kits23.json.")],
    out: OutFolder,
    role: CohortRole = "development",
    name: CohortName = "kits",
    subtype: Annotated[
        list[str] | None, typer.Option(help="Histologic subtype to take, clear_cell_rcc by default; or all.")
    ] = None,
) -> None:
    """KiTS19, KiTS21 or KiTS23; the scans stay where they are."""
    from ccrcc_model.commands.output_kinds import IMPORTED
    from nnunet_ext.convert.kits import import_kits

    IMPORTED["kits"].claim(out)
    wanted = subtype or ["clear_cell_rcc"]
    if "all" in wanted and len(wanted) > 1:
        msg = f"--subtype all stands for every subtype; it was given beside {', '.join(set(wanted) - {'all'}) or 'itself'}"
        raise InputError(msg)
    subtypes = () if "all" in wanted else tuple(wanted)
    with IMPORTED["kits"].marked(out):
        cohort, refusals = import_kits(source, out, name=name, role=Role(role), subtypes=subtypes)
    raise typer.Exit(_finish_import("kits", cohort, refusals, out, "cases"))


@imports.command()
def table(
    source: Annotated[Path, typer.Argument(help="CSV with case_id, image and, if known, patient_id, centre, mask, phase.")],
    out: OutFolder,
    role: CohortRole = "development",
    name: CohortName = "table",
    centre: Annotated[str | None, typer.Option(help="Hospital of every scan, for a CSV without that column.")] = None,
    label: Annotated[
        list[str],
        typer.Option(metavar="STRUCTURE=VALUE", help="Value of kidney, tumour or cyst in the masks; may be repeated."),
    ] = ["kidney=1", "tumour=2", "cyst=3"],  # noqa: B006
) -> None:
    """NIfTI or NRRD files that a CSV lists; they stay where they are.

    Other columns of the CSV, such as isup_grade and ki67_percent, become the patients' outcomes.
    """
    from ccrcc_model.commands.output_kinds import IMPORTED
    from nnunet_ext.convert.table import import_table, parse_labels

    IMPORTED["table"].claim(out, inputs=[source])
    labels = parse_labels(label)
    with IMPORTED["table"].marked(out):
        cohort, refusals = import_table(source, out, name=name, role=Role(role), labels=labels, centre=centre)
    raise typer.Exit(_finish_import("table", cohort, refusals, out, "cases"))


@imports.command()
def dicom(
    source: Annotated[Path, typer.Argument(help="Folder or zip file of DICOM studies.")],
    out: OutFolder,
    centre: Annotated[str, typer.Option(help="Hospital that the scans come from.")],
    role: CohortRole = "development",
    name: CohortName = "dicom",
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of patient IDs and their numbers, outside DIR.")
    ] = None,
    structures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="YAML or CSV with the names of regions: kidney, tumour, cyst, or none to leave one."
        ),
    ] = None,
    join_masks: Annotated[
        bool, typer.Option("--join-masks", help="Join mask files of one scan that hold the same structure.")
    ] = False,
) -> None:
    """DICOM studies, with masks from RTSTRUCT or SEG.

    Patients get numbers, and no identifier is kept but in the key. DIR/series.csv says which series and masks were chosen,
    and why; DIR/masks.csv, what each region of a mask was taken as.
    """
    from ccrcc_model.commands.console import progress_bar
    from ccrcc_model.commands.output_kinds import IMPORTED
    from nnunet_ext.convert.dicom import import_dicom
    from nnunet_ext.dicom_masks.structures_file import read_structures
    from nnunet_ext.ground.outputs import try_file

    IMPORTED["dicom"].claim(out)
    if key is not None:
        try_file(key, option="--key")
    said: list[str] = []
    names = {} if structures is None else read_structures(structures)
    try:
        with IMPORTED["dicom"].marked(out), progress_bar("Importing studies") as on_progress:
            cohort, refusals = import_dicom(
                source,
                out,
                name=name,
                role=Role(role),
                centre=centre,
                key=key,
                structures=names,
                join_masks=join_masks,
                on_progress=on_progress,
                on_note=said.append,
            )
    finally:
        for line in said:
            typer.echo(line, err=True)
    raise typer.Exit(_finish_import("dicom", cohort, refusals, out, "studies"))


def _finish_import(source: str, cohort: Cohort, refusals: Sequence[Refusal], out: Path, what: str) -> int:
    """Write an imported cohort's card and its quarantine, say so, and return the exit status."""
    from ccrcc_model.commands.console import finish
    from ccrcc_model.commands.output_kinds import IMPORTED
    from nnunet_ext.cohort.cards import save_cohort
    from nnunet_ext.documents.quarantine import write_quarantine

    IMPORTED[source].mark(out, name=cohort.name, role=cohort.role.value)
    write_quarantine(out / "quarantine.csv", refusals)
    card = save_cohort(cohort, out)
    n_all, masks = len(cohort.cases) + len(refusals), sum(case.mask is not None for case in cohort.cases)
    text = f"{len(cohort.cases)} of {n_all} {what} imported, {masks} with a mask; card: {card}; next: ccrcc check {card}"
    return finish(text, refusals)


@app.command()
def convert(
    card: Card,
    dataset_id: Annotated[int, typer.Option("--dataset-id", "-d", min=1, max=999, help="nnU-Net's number of the data set.")],
    data_root: DataRoot = None,
    cyst: Annotated[bool, typer.Option(help="Keep cysts as a third label, instead of as kidney.")] = False,
    regions: Annotated[
        bool, typer.Option("--regions", help="Learn regions that hold each other, as KiTS scores them, instead of labels.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Write a cohort as nnU-Net raw data set, with its folds.

    Folds keep a patient's scans together and spread every centre.
    """
    from ccrcc_model.commands.console import finish, progress_bar
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.convert.nnunet import convert as to_nnunet
    from nnunet_ext.ground.outputs import try_folder

    raw, preprocessed = (_nnunet_folder(variable) for variable in ("nnUNet_raw", "nnUNet_preprocessed"))
    try_folder(raw, option="nnUNet_raw")
    try_folder(preprocessed, option="nnUNet_preprocessed")
    cohort = load_cohort(card, data_root)
    structures = ("kidney", "tumour", "cyst") if cyst else ("kidney", "tumour")
    with progress_bar(f"Converting {cohort.name}") as on_progress:
        dataset, refusals = to_nnunet(
            cohort,
            dataset_id,
            raw_dir=raw,
            preprocessed_dir=preprocessed,
            structures=structures,
            regions=regions,
            seed=seed,
            on_progress=on_progress,
        )
    next_step = f"next: nnUNetv2_plan_and_preprocess -d {dataset.id}"
    raise typer.Exit(finish(f"{dataset.n_cases} cases in {dataset.folder}; {next_step}", refusals))


def _nnunet_folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        msg = f"nnU-Net's variable {variable} is not set; export nnUNet_raw, nnUNet_preprocessed and nnUNet_results as it asks"
        raise InputError(msg)
    return Path(value)


@app.command()
def segment(
    scans: Annotated[Path, typer.Argument(help="Cohort card, one NIfTI file, or a folder with one DICOM series.")],
    out: OutFolder,
    model: Annotated[Path, typer.Option(help="Trained nnU-Net folder.")],
    data_root: DataRoot = None,
    fold: Annotated[list[str], typer.Option(help="Fold to use, 0 to 4 or all; repeat to average several.")] = ["0"],  # noqa: B006
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    mirroring: Annotated[bool, typer.Option(help="Average over mirrored copies: slower, a little better.")] = False,
    whole_scan: Annotated[
        bool, typer.Option("--whole-scan", help="Look closely everywhere, not around the kidneys only.")
    ] = False,
    trust_checkpoint: Annotated[bool, typer.Option(help="Load one that holds more than weights: it runs code.")] = False,
    jobs: Jobs = 1,
    shard: ShardOption = None,
) -> None:
    """Write the masks of a cohort or of one scan.

    Also what the masks say of themselves: `self_check.csv`.

    A coarse pass finds the kidneys; the fine pass runs there, or all over the body where the coarse pass is unsure.
    """
    from ccrcc_model.commands.console import finish, note, progress_bar
    from ccrcc_model.commands.output_kinds import SEGMENTED
    from nnunet_ext.cohort.cards import load_cohort, save_cohort
    from nnunet_ext.documents.quarantine import write_quarantine
    from nnunet_ext.ground.shard import Shard
    from nnunet_ext.segmentation import SELF_CHECKS, single_scan
    from nnunet_ext.segmentation import segment as segment_cohort

    SEGMENTED.claim(out, inputs=[scans])
    if out.exists() and scans.exists() and out.samefile(scans):
        msg = f"{scans} is the folder of the scan, and masks in it would become part of the series; choose another with --out"
        raise InputError(msg)
    is_card = scans.suffix in {".yaml", ".yml"}
    if data_root is not None and not is_card:
        msg = f"--data-root is for the paths of a cohort card, and {scans.name} is a scan; leave it out"
        raise InputError(msg)
    cohort = load_cohort(scans, data_root) if is_card else single_scan(scans)
    if shard is not None:
        cohort = Shard.parse(shard).of(cohort)
    with progress_bar(f"Segmenting {cohort.name}") as on_progress:
        segmented, refusals = segment_cohort(
            cohort,
            model,
            out,
            folds=fold,
            device=device,
            mirroring=mirroring,
            whole_scan=whole_scan,
            trusted=trust_checkpoint,
            jobs=jobs,
            on_progress=on_progress,
            on_note=note,
        )
    if shard is not None:
        line = f"Shard {shard}: {len(segmented.cases)} of {len(cohort.cases)} masks are in {out}"
        raise typer.Exit(finish(f"{line}; when all shards are done, run the same without --shard for the card", refusals))
    write_quarantine(out / "quarantine.csv", refusals)
    card = save_cohort(segmented, out)
    flagged = sum(bool(case.flags) for case in segmented.cases)
    advice = f", {flagged} to look at first ({out / SELF_CHECKS})" if flagged else ""
    raise typer.Exit(finish(f"{len(segmented.cases)} of {len(cohort.cases)} scans segmented{advice}; card: {card}", refusals))


@app.command()
def overlap(
    card: Card,
    predicted: Annotated[Path, typer.Option(help="Card that `ccrcc segment` wrote.")],
    out: OutFile,
    data_root: DataRoot = None,
) -> None:
    """Compare predicted with reference masks.

    Writes Dice, surface Dice, HD95 and volumes to FILE, a row a case and structure; lesions found and made up to FILE's name
    with .lesions, a row a case; and the supplement's Fig. S1 beside them.
    """
    from ccrcc_model.commands.console import finish, progress_bar, say
    from ccrcc_model.commands.output_kinds import OVERLAP
    from ccrcc_model.plots import save_dice
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.documents.csv_table import write_csv
    from nnunet_ext.mask_overlap import overlap as compare_masks
    from nnunet_ext.mask_overlap import summarise, summarise_detection

    OVERLAP.claim(out, inputs=[card, predicted])
    with progress_bar("Comparing masks") as on_progress:
        cohorts = load_cohort(card, data_root), load_cohort(predicted)
        table, lesions, refusals = compare_masks(*cohorts, on_progress=on_progress)
    for path, frame in ((out, table), (out.with_suffix(f".lesions{out.suffix}"), lesions)):
        write_csv(path, frame)
    save_dice(table, out.with_name(f"{out.stem}_figure_s1"))
    averages = summarise(table).drop(columns=["relative_volume_error_mean", "relative_volume_error_sd"])
    for summary in (averages, summarise_detection(lesions)):
        say(summary.to_string(index=False, float_format="{:.3f}".format))
    raise typer.Exit(finish(f"Dice of {table['case_id'].nunique()} cases: {out}", refusals))


@app.command()
def extract(
    card: Card,
    out: OutTable,
    preset: PresetName = "multiscale",
    data_root: DataRoot = None,
    jobs: Jobs = 1,
    shard: ShardOption = None,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Dask cluster that does the work instead.")] = None,
    backend: BackendName = None,
    mode: ModeName = "canonical",
    cases: CasesFolder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what is done, and what would be.")] = False,
) -> None:
    """Compute the feature table of a cohort with masks.

    One result file a case is kept, so the same command goes on where it stopped.
    """
    from ccrcc_model.commands.extract import TableOrder, run_extraction

    order = TableOrder(card, out, preset, data_root, backend, cases, mode)
    raise typer.Exit(run_extraction(order, jobs=jobs, scheduler=scheduler, shard=shard, dry_run=dry_run))


@app.command()
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

    Nothing is measured: it ends an extraction by shards.
    """
    from ccrcc_model.commands.extract import TableOrder, run_compaction

    raise typer.Exit(run_compaction(TableOrder(card, out, preset, data_root, backend, cases, mode), partial=partial))


@app.command()
def deep(
    card: Card,
    table: Annotated[Path, typer.Option(help="Feature table of the cohort, .parquet.")],
    model: Annotated[Path, typer.Option(help="Trained nnU-Net folder.")],
    out: OutTable,
    preset: Annotated[str | None, typer.Option(help="What the table was extracted with; the one it names by default.")] = None,
    data_root: DataRoot = None,
    fold: Annotated[str, typer.Option(help="Whose network: 0 to 4, or all.")] = "0",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    trust_checkpoint: Annotated[bool, typer.Option(help="Load one that holds more than weights: it runs code.")] = False,
    jobs: Jobs = 1,
    cases: CasesFolder = None,
) -> None:
    """Join deep features to a feature table (experimental).

    The encoder of the network that segments, pooled in the tumour and a ring around it. A model fitted on the joined table
    takes their principal components. One result file a case is kept, so the same command goes on where it stopped.
    """
    from ccrcc_model.commands.deep import DeepOrder, run_deep
    from nnunet_ext.inference.trained_model import TrainedModel, fold_numbers

    network = TrainedModel(model, fold_numbers([fold]), device=device, trusted=trust_checkpoint)
    raise typer.Exit(run_deep(DeepOrder(card, table, out, network, preset, data_root, cases), jobs=jobs))


@app.command()
def stability(
    card: Card,
    out: OutTable,
    preset: PresetName = "multiscale",
    data_root: DataRoot = None,
    jobs: Jobs = 1,
    backend: BackendName = None,
    mode: ModeName = "canonical",
    cases: CasesFolder = None,
    seed: Seed = 0,
) -> None:
    """Tell which features stay the same if the contour changes.

    Each tumour is measured under ten masks; ICC(A,1) per feature.
    """
    from ccrcc_model.commands.stability import StabilityOrder, run_stability

    raise typer.Exit(run_stability(StabilityOrder(card, out, preset, data_root, backend, cases, mode, seed), jobs=jobs))


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="Feature table of a development cohort.")],
    outcomes: Annotated[Path, typer.Option(help="CSV with patient_id, isup_grade, ki67_percent.")],
    target: Annotated[
        list[str],
        typer.Option(help="grade, ki67 (high or low), isup (grades 1 to 4), ki67-percent; repeat for one folder each in DIR."),
    ],
    out: OutFolder,
    ki67_cut: Annotated[float, typer.Option(help="Ki67 percentage from which the index counts as high.")] = 15.0,
    trials: Annotated[int, typer.Option(min=1, help="Optuna trials in each training part.")] = 25,
    folds: Annotated[int, typer.Option(min=3, help="Outer folds.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Times that the outer folds are drawn anew.")] = 2,
    seed: Seed = 1,
    controls: Annotated[
        bool, typer.Option("--controls", help="Also fit on shuffled labels, and on the centre alone: what is there to find?")
    ] = False,
    sensitivity: Annotated[
        float | None, typer.Option(help="That the threshold must reach, such as 0.9; by default it is Youden's.")
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Let both classes weigh the same; probabilities stay right.")
    ] = False,
    harmonise: Annotated[
        Literal["none", "combat", "combat-transductive"], typer.Option(help="Take centres' shifts out, inside each fold.")
    ] = "none",
    clinical: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Covariate to compare with, such as age; repeat for several.")
    ] = None,
    ablation: Annotated[bool, typer.Option("--ablation", help="Also fit on fewer regions, filters and scales.")] = False,
    stability: Annotated[
        Path | None, typer.Option(metavar="FILE", help=".values.parquet of `ccrcc stability`: unstable features are left out.")
    ] = None,
    studies: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Journal file, or database URL, that keeps Optuna's trials.")
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """Fit and lock models of grade and Ki67.

    Patient-grouped nested cross-validation; tumour volume alone beside it.
    """
    from ccrcc_model.commands.fit import FitOrder, run_fit

    order = FitOrder(
        table=table,
        outcomes=outcomes,
        targets=tuple(target),
        out=out,
        ki67_cut=ki67_cut,
        trials=trials,
        folds=folds,
        repeats=repeats,
        seed=seed,
        controls=controls,
        sensitivity=sensitivity,
        balanced=balanced,
        harmonise=harmonise,
        clinical=tuple(clinical or ()),
        ablation=ablation,
        stability=stability,
        studies=studies,
    )
    run_fit(order, jobs=jobs)


@app.command()
def benchmark(
    model: Annotated[Path, typer.Argument(help="Folder that `ccrcc fit` wrote.")],
    cohort: Annotated[list[Path], typer.Option(help="Card of a cohort with outcomes; repeat for several.")],
    table: Annotated[list[Path], typer.Option(help="Feature table of a cohort; one for each card.")],
    out: OutFolder,
    print_rule: Annotated[
        Literal["round", "cut"], typer.Option(help="How Table S2 prints values and bounds; the published one cut them.")
    ] = "round",
    prevalence: Annotated[
        float | None, typer.Option(help="Share of positives, such as 0.3, at which PPV, NPV and net benefit are also given.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 2000,
    seed: Seed = 0,
    share: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for a result file of each cohort, without patients, to send.")
    ] = None,
    smallest_cell: Annotated[
        int, typer.Option(min=5, help="Counts below this are withheld from result files; 0 is given.")
    ] = 5,
) -> None:
    """Score a locked model on external cohorts.

    Nothing is refitted; recalibration in the large is a separate table. docs/how-to/benchmark.md tells what is in each.
    """
    from ccrcc_model.commands.benchmark import BenchmarkOrder, run_benchmark

    order = BenchmarkOrder(
        model=model,
        cards=tuple(cohort),
        tables=tuple(table),
        out=out,
        print_rule=print_rule,
        prevalence=prevalence,
        replicates=replicates,
        seed=seed,
        share=share,
        smallest_cell=smallest_cell,
    )
    run_benchmark(order)


@app.command()
def counts(
    sensitivity: PrintedEstimate = None,
    specificity: PrintedEstimate = None,
    accuracy: PrintedEstimate = None,
    ppv: PrintedEstimate = None,
    npv: PrintedEstimate = None,
    f1: Annotated[str | None, typer.Option(help="As printed, without an interval.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=2, max=10_000, help="Patients in all, if known.")] = None,
    max_n: Annotated[
        int | None,
        typer.Option("--max-n", min=2, max=10_000, help="Most patients to think of, if unknown; 2000 by default."),
    ] = None,
    misprint: Annotated[bool, typer.Option("--misprint", help="If nothing fits, let one number be wrong.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="CSV for all sets that fit.")] = None,
) -> None:
    """Find the counts that a published row was made from.

    Takes two or three of sensitivity, specificity and accuracy as a paper prints them; names every set of true and false
    positives and negatives that gives these numbers, by interval method and print rule.
    """
    from ccrcc_model.commands.counts import MOST_PATIENTS, run_counts

    texts = {"sensitivity": sensitivity, "specificity": specificity, "accuracy": accuracy, "ppv": ppv, "npv": npv, "f1": f1}
    if n is not None and max_n is not None:
        msg = f"--n {n} says how many patients there are, and --max-n {max_n} that it is not known; give one of them"
        raise InputError(msg)
    sizes = range(2, (max_n or MOST_PATIENTS) + 1) if n is None else range(n, n + 1)
    run_counts(texts, sizes, misprint=misprint, out=out)


@app.command()
def spread(
    model: Annotated[Path, typer.Argument(help="Folder that `ccrcc fit` wrote.")],
    cohort: Annotated[Path, typer.Option(help="Card that `ccrcc stability` was given.")],
    cases: Annotated[Path, typer.Option(metavar="DIR", help="Folder of values that `ccrcc stability` kept.")],
    out: OutTable,
    preset: PresetName = "multiscale",
    data_root: DataRoot = None,
    backend: BackendName = None,
    mode: ModeName = "canonical",
    seed: Seed = 0,
) -> None:
    """Tell how far each probability moves if the contour changes.

    From the values that `ccrcc stability` kept; nothing is measured.
    """
    from ccrcc_model.commands.spread import SpreadOrder, run_spread

    raise typer.Exit(run_spread(model, SpreadOrder(cohort, out, preset, data_root, backend, cases, mode, seed)))


@app.command()
def pool(
    files: Annotated[list[Path], typer.Argument(help="Result files of `ccrcc benchmark --share`, one of each cohort.")],
    out: OutFolder,
) -> None:
    """Merge sites' result files into one multicentre table.

    Counts are added up; AUC and calibration are also combined by random effects.
    """
    from ccrcc_model.commands.console import say
    from ccrcc_model.commands.output_kinds import POOL
    from ccrcc_model.multicentre.pool import pool as pool_results
    from ccrcc_model.multicentre.result_file import SiteResult
    from ccrcc_model.multicentre.tables import summary, write_pool

    POOL.claim(out, inputs=files)
    result = pool_results([SiteResult.read(path) for path in files])
    with POOL.marked(out):
        write_pool(result, out)
    for line in summary(result):
        say(line)
    say(f"Multicentre table: {out / 'multicentre.csv'}")


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/demo.")]) -> None:
    """Write the report of a run, one page that opens offline."""
    from ccrcc_model.commands.console import say
    from ccrcc_model.report import write_report
    from ccrcc_model.report.run_folder import read_record
    from nnunet_ext.ground.outputs import try_folder

    read_record(run / "run.json")
    try_folder(run, option="RUN")
    say(f"Report: {write_report(run)}")


@app.command()
def doctor(
    faults: Annotated[
        bool,
        typer.Option("--faults", help="Meet every fault of the corpus: damaged files, masks in the wrong place, full disks."),
    ] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Meet only this fault; repeat for several.")] = None,
) -> None:
    """Check this installation.

    `--faults` makes small synthetic files, each with one fault that real ones have had, and says of each whether it was
    read right or refused by its true name.
    """
    from ccrcc_model.faults.doctor import check_faults

    if not faults:
        msg = "Say what to check: --faults"
        raise InputError(msg)
    raise typer.Exit(check_faults(only or ()))
