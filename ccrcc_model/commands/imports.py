"""``ccrcc import``: a cohort from KiTS, from a list of files, or from DICOM studies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from ccrcc_model.commands.ending import Commands
from ccrcc_model.commands.options import MaskLabels, OutFolder
from ccrcc_model.commands.record import RecordedCommand
from nnunet_ext.ground.case import Cohort, Refusal, Role
from nnunet_ext.ground.errors import InputError

CohortRole = Annotated[Literal["development", "external"], typer.Option(help="What the cohort may be used for.")]
CohortName = Annotated[str, typer.Option(help="Name of the cohort.")]

imports = typer.Typer(
    cls=Commands, help="Make a cohort of a data set in another layout.", no_args_is_help=True, rich_markup_mode=None
)


@imports.command(cls=RecordedCommand)
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
        msg = f"--subtype all stands for every subtype; it was given with {', '.join(set(wanted) - {'all'}) or 'itself'}"
        raise InputError(msg)
    subtypes = () if "all" in wanted else tuple(wanted)
    with IMPORTED["kits"].marked(out):
        cohort, refusals = import_kits(source, out, name=name, role=Role(role), subtypes=subtypes)
    raise typer.Exit(_finish("kits", cohort, refusals, out, "cases"))


@imports.command(cls=RecordedCommand)
def table(
    source: Annotated[Path, typer.Argument(help="CSV with case_id, image and, if known, patient_id, centre, mask, phase.")],
    out: OutFolder,
    role: CohortRole = "development",
    name: CohortName = "table",
    centre: Annotated[str | None, typer.Option(help="Hospital of every scan, for a CSV without that column.")] = None,
    label: MaskLabels = None,
    leave_others: Annotated[
        bool, typer.Option("--leave-others", help="Masks hold other organs too: leave their values out.")
    ] = False,
) -> None:
    """NIfTI or NRRD files that a CSV lists; they stay where they are.

    A mask may be a folder of structures, such as TotalSegmentator's: left and right kidneys are joined.

    Other columns of the CSV, such as isup_grade and ki67_percent, become the patients' outcomes.
    """
    from ccrcc_model.commands.output_kinds import IMPORTED
    from nnunet_ext.convert.table import import_table, parse_labels

    IMPORTED["table"].claim(out, inputs=[source])
    labels = parse_labels(label or ["kidney=1,tumour=2,cyst=3"])
    with IMPORTED["table"].marked(out):
        cohort, refusals = import_table(
            source, out, name=name, role=Role(role), labels=labels, centre=centre, leave_others=leave_others
        )
    raise typer.Exit(_finish("table", cohort, refusals, out, "cases"))


@imports.command(cls=RecordedCommand)
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
            metavar="FILE", help="YAML or CSV with the names of regions: kidney, tumour, cyst, mass, or none to leave one out."
        ),
    ] = None,
    join_masks: Annotated[
        bool, typer.Option("--join-masks", help="Join mask files of one scan that hold the same structure.")
    ] = False,
) -> None:
    """DICOM studies, with masks from RTSTRUCT or SEG.

    Patients get numbers; no identifier is kept outside of the key. DIR/series.csv states which series and masks were chosen,
    and why; DIR/masks.csv, which structure each region of a mask was taken as.
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
    raise typer.Exit(_finish("dicom", cohort, refusals, out, "studies"))


def _finish(source: str, cohort: Cohort, refusals: Sequence[Refusal], out: Path, what: str) -> int:
    """Write an imported cohort's card and its quarantine, say so, and return the exit status."""
    from ccrcc_model.commands.console import finish
    from ccrcc_model.commands.output_kinds import IMPORTED
    from nnunet_ext.cohort.cards import save_cohort
    from nnunet_ext.documents.quarantine import write_quarantine

    IMPORTED[source].mark(out, cases=len(cohort.cases), refused=len(refusals))
    write_quarantine(out / "quarantine.csv", refusals)
    card = save_cohort(cohort, out)
    n_all, masks = len(cohort.cases) + len(refusals), sum(case.mask is not None for case in cohort.cases)
    text = f"{len(cohort.cases)} of {n_all} {what} imported, {masks} with a mask; card: {card}; next: ccrcc check {card}"
    return finish(text, refusals)
