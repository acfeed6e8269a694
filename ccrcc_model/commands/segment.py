"""``ccrcc segment``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccrcc_model.commands.options import (
    Checkpoint,
    ClassLabels,
    Configuration,
    DataRoot,
    Device,
    IdentityKey,
    Jobs,
    KeepIdentity,
    Network,
    OutFolder,
    ShardOption,
    TrustCheckpoint,
    ZipHash,
)
from nnunet_ext.ground.case import Cohort, Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError

if TYPE_CHECKING:
    from nnunet_ext.dicom_objects.identity import Identity


def segment(
    scans: Annotated[Path, typer.Argument(help="Cohort card, one NIfTI file, or a folder with one DICOM series.")],
    out: OutFolder,
    model: Network,
    data_root: DataRoot = None,
    labels: ClassLabels = None,
    checkpoint: Checkpoint = None,
    configuration: Configuration = None,
    sha256: ZipHash = None,
    fold: Annotated[list[str], typer.Option(help="Fold to use, 0 to 4 or all; repeat to average several.")] = ["0"],  # noqa: B006
    device: Device = "cpu",
    mirroring: Annotated[bool, typer.Option(help="Average over mirrored copies: slower, a little better.")] = False,
    whole_scan: Annotated[
        bool, typer.Option("--whole-scan", help="Run the fine pass everywhere, not around the kidneys only.")
    ] = False,
    kidneys: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Kidneys that you have: a mask of the scan, its folder of structures, or a card; look around them only.",
        ),
    ] = None,
    trust_checkpoint: TrustCheckpoint = False,
    jobs: Jobs = 1,
    shard: ShardOption = None,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write a DICOM SEG for each mask, in the subfolder dicom.")] = False,
    dicom_source: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Folder or zip of the DICOM studies that the scans were imported from."),
    ] = None,
    dicom_slices: Annotated[
        bool, typer.Option("--dicom-slices", help="Write the slices too, under the pseudonyms that the SEG refers to.")
    ] = False,
    labelmap: Annotated[
        bool, typer.Option("--labelmap", help="Write SEG of the type LABELMAP: smaller; older viewers do not show it.")
    ] = False,
    keep_identity: KeepIdentity = False,
    identity_key: IdentityKey = None,
    slicer: Annotated[
        bool, typer.Option("--slicer", help="Write a .seg.nrrd for 3D Slicer for each mask, in the subfolder slicer.")
    ] = False,
) -> None:
    """Write the masks of a cohort or of one scan.

    Each mask is also checked against anatomy: `self_check.csv`.

    A coarse pass finds the kidneys; the fine pass runs there, or all over the body where the coarse pass is unsure.
    """
    from ccrcc_model.commands.console import finish, note, progress_bar
    from ccrcc_model.commands.identities import identity_of
    from ccrcc_model.commands.output_kinds import SEGMENTED
    from nnunet_ext.cohort.card_labels import parse_labels
    from nnunet_ext.dicom.archive import refuse_other
    from nnunet_ext.ground.shard import Shard
    from nnunet_ext.segmentation import segment as segment_cohort

    SEGMENTED.claim(out, inputs=[scans])
    identity = None
    if dicom:
        identity = identity_of(out, keep_identity=keep_identity, identity_key=identity_key)
        if dicom_source is not None:
            refuse_other(dicom_source)  # before hours of segmentation
        if keep_identity and dicom_slices:
            msg = "With --keep-identity a SEG refers to the original slices, and --dicom-slices would copy them; leave one out"
            raise InputError(msg)
    elif dicom_source or dicom_slices or labelmap or keep_identity or identity_key:
        what = "--dicom-source, --dicom-slices, --labelmap, --keep-identity and --identity-key"
        msg = f"{what} are for SEG; add --dicom, or leave them out"
        raise InputError(msg)
    cohort = _read(scans, data_root, out)
    if shard is not None:
        cohort = Shard.parse(shard).of(cohort)
    with progress_bar(f"Segmenting {cohort.name}") as on_progress:
        segmented, refusals = segment_cohort(
            cohort,
            model,
            out,
            labels=parse_labels(labels) if labels else None,
            checkpoint=checkpoint,
            configuration=configuration,
            sha256=sha256,
            folds=fold,
            device=device,
            mirroring=mirroring,
            whole_scan=whole_scan,
            kidneys=None if kidneys is None else _kidneys(kidneys, cohort, out),
            trusted=trust_checkpoint,
            jobs=jobs,
            on_progress=on_progress,
            on_note=note,
        )
    refusals += _export(segmented, out, identity, dicom_source, labelmap=labelmap, slices=dicom_slices, slicer=slicer)
    masks = f"{len(segmented.cases)} of {len(cohort.cases)}"
    if shard is not None:
        line = (
            f"Shard {shard}: {masks} masks are in {out}; when all shards are done, run the same without --shard for the card"
        )
    else:
        line = f"{masks} scans segmented{_write_cohort(segmented, refusals, out)}"
    raise typer.Exit(finish(line, refusals))


def _export(
    segmented: Cohort,
    out: Path,
    identity: "Identity | None",
    dicom_source: Path | None,
    *,
    labelmap: bool,
    slices: bool,
    slicer: bool,
) -> tuple[Refusal, ...]:
    """Write the masks for viewers, if that was asked for; return the cases without."""
    from ccrcc_model.commands.console import progress_bar
    from nnunet_ext.dicom_objects.segmentation_object import Algorithm
    from nnunet_ext.mask_export import export_seg, export_slicer
    from nnunet_ext.segmentation_record import model_version

    refusals: tuple[Refusal, ...] = ()
    if slicer:
        with progress_bar("Writing .seg.nrrd") as on_progress:
            refusals += export_slicer(segmented, out, on_progress=on_progress)
    if identity is not None:
        algorithm = Algorithm("nnU-Net", model_version(out))
        with progress_bar("Writing DICOM SEG") as on_progress:
            refusals += export_seg(
                segmented,
                out,
                identity=identity,
                algorithm=algorithm,
                studies=dicom_source,
                labelmap=labelmap,
                slices=slices,
                on_progress=on_progress,
            )
    return refusals


def _kidneys(source: Path, cohort: Cohort, out: Path) -> dict[str, Path]:
    """Return the masks of kidneys that the user has, by case."""
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.convert.organ_masks import write_organ_mask

    if source.suffix in {".yaml", ".yml"}:
        return {case.id: case.mask for case in load_cohort(source).cases if case.mask is not None}
    if len(cohort.cases) > 1:
        msg = (
            f"--kidneys names one mask, and {len(cohort.cases)} scans are to be segmented; give a cohort card with their masks"
        )
        raise InputError(msg)
    if not source.exists():
        msg = f"No mask of kidneys at {source}"
        raise InputError(msg)
    (case,) = cohort.cases
    if not source.is_dir():
        return {case.id: source}
    joined = out / "kidneys" / f"{case.id}.nii.gz"
    try:
        write_organ_mask(source, joined, {})
    except CaseRefused as refused:
        msg = f"The kidneys in {source} cannot be used: {refused.reason}"
        raise InputError(msg) from refused
    return {case.id: joined}


def _read(scans: Path, data_root: Path | None, out: Path) -> Cohort:
    """Return the cohort of a card, or one scan as a cohort."""
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.segmentation import single_scan

    if out.exists() and scans.exists() and out.samefile(scans):
        msg = f"{scans} is the folder of the scan, and masks in it would become part of the series; choose another with --out"
        raise InputError(msg)
    if scans.suffix in {".yaml", ".yml"}:
        return load_cohort(scans, data_root)
    if data_root is not None:
        msg = f"--data-root is for the paths of a cohort card, and {scans.name} is a scan; leave it out"
        raise InputError(msg)
    return single_scan(scans)


def _write_cohort(segmented: Cohort, refusals: Sequence[Refusal], out: Path) -> str:
    """Write the card, the quarantine and the record next to the masks; return where to look."""
    from ccrcc_model.commands.output_kinds import SEGMENTED
    from nnunet_ext.cohort.cards import save_cohort
    from nnunet_ext.documents.quarantine import write_quarantine
    from nnunet_ext.segmentation import SELF_CHECKS

    write_quarantine(out / "quarantine.csv", refusals)
    card = save_cohort(segmented, out)
    flagged = sum(bool(case.flags) for case in segmented.cases)
    SEGMENTED.mark(out, cases=len(segmented.cases), refused=len(refusals), flagged=flagged)
    advice = f", {flagged} to look at first ({out / SELF_CHECKS})" if flagged else ""
    return f"{advice}; card: {card}"
