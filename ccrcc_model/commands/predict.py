"""``ccrcc predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ccrcc_model.commands.options import (
    Checkpoint,
    Configuration,
    Device,
    IdentityKey,
    KeepIdentity,
    OutFolder,
    TrustCheckpoint,
    ZipHash,
)
from ccrcc_model.commands.record import typed_options
from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    from ccrcc_model.patient.answer import Answer
    from ccrcc_model.patient.masked_scan import HowToSegment
    from ccrcc_model.patient.predict import Predicted
    from nnunet_ext.dicom_objects.identity import Identity


_OF_NETWORKS = {"checkpoint", "configuration", "sha256", "fold", "device", "whole_scan", "trust_checkpoint"}


def predict(
    model: Annotated[list[Path], typer.Argument(help="Folders that `ccrcc fit` wrote, one for each target.")],
    scan: Annotated[
        list[Path],
        typer.Option(help="NIfTI or NRRD file, folder or zip file of one DICOM study, or a cohort card; may be repeated."),
    ],
    out: OutFolder,
    network: Annotated[Path | None, typer.Option(help="Trained nnU-Net folder that makes the masks.")] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Mask of the scan instead: a volume, SEG or RTSTRUCT; one for each --scan."),
    ] = None,
    preset: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the models' preset, if it is your own.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "--labels",
            metavar="STRUCTURE=VALUE",
            help="Value of kidney, tumour, cyst, or mass where tumour and cyst are not distinguished, in --mask "
            "(kidney=1,tumour=2,cyst=3 by default) or of the classes of --network (by their names by default).",
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    configuration: Configuration = None,
    sha256: ZipHash = None,
    fold: Annotated[list[str], typer.Option(help="Fold of the network, 0 to 4 or all; repeat to average several.")] = ["0"],  # noqa: B006
    device: Device = "cpu",
    whole_scan: Annotated[
        bool, typer.Option("--whole-scan", help="Run the fine pass everywhere, not around the kidneys only.")
    ] = False,
    trust_checkpoint: TrustCheckpoint = False,
    keep_identity: KeepIdentity = False,
    identity_key: IdentityKey = None,
    labelmap: Annotated[bool, typer.Option("--labelmap", help="Write SEG as LABELMAP, not as BINARY.")] = False,
    slicer: Annotated[bool, typer.Option("--slicer", help="Write mask.seg.nrrd for 3D Slicer too.")] = False,
) -> None:
    """Answer for one patient or many: measurements and the prediction of every target.

    Each patient gets a folder with page.html, answer.json and the mask, and for a DICOM study SEG and SR (extra dicom);
    index.html and predictions.csv hold all. Answers that are there are kept. Ends with status 3 where a patient was refused or
    has no tumour. docs/how-to/one-patient.md shows how to use it.
    """
    from ccrcc_model.commands.console import progress_bar
    from ccrcc_model.commands.output_kinds import PREDICTED
    from ccrcc_model.models.model import Model
    from ccrcc_model.patient.patient_files import PatientFiles
    from ccrcc_model.patient.patient_folder import refuse_places
    from ccrcc_model.patient.patient_scan import patient_scans
    from ccrcc_model.patient.predict import predict as predict_scans
    from nnunet_ext.convert.table import parse_labels

    refuse_places(patient_scans(scan, mask or []), out)  # before a file says that the folder is a result
    PREDICTED.claim(out, inputs=[*scan, *(mask or [])])
    if label and not mask and network is None:
        msg = "--label is for --mask or --network; a card states the values of its masks itself: leave --label out"
        raise InputError(msg)
    labels = parse_labels(label) if label else None
    models = [Model.load(folder) for folder in model]
    identity = _identity(out, keep_identity=keep_identity, identity_key=identity_key, labelmap=labelmap)
    how = _how(
        network,
        labels=labels,
        checkpoint=checkpoint,
        configuration=configuration,
        sha256=sha256,
        folds=tuple(fold),
        device=device,
        whole_scan=whole_scan,
        trusted=trust_checkpoint,
    )
    with PREDICTED.marked(out), progress_bar("Predicting") as on_progress:
        found = predict_scans(
            models,
            scan,
            network=how,
            mask=mask,
            out=out,
            preset=preset,
            labels=None if network is not None else labels,
            files=PatientFiles(identity, labelmap=labelmap, slicer=slicer),
            on_progress=on_progress,
        )
    PREDICTED.mark(out, models=[one.id for one in models], answered=len(found.answers), refused=len(found.refusals))
    raise typer.Exit(_finish(found, out, with_dicom=identity is not None))


def _identity(out: Path, *, keep_identity: bool, identity_key: Path | None, labelmap: bool) -> "Identity | None":
    """Return the identity of DICOM objects; None if the extra is not installed and no option asks for it."""
    from importlib.util import find_spec

    from ccrcc_model.commands.identities import identity_of

    if find_spec("highdicom") is None and not (keep_identity or identity_key or labelmap):
        return None
    return identity_of(out, keep_identity=keep_identity, identity_key=identity_key)


def _how(network: Path | None, **options: Any) -> "HowToSegment | None":
    """Return how the masks are made, if a network makes them.

    Raises:
        InputError: If an option says how, and there is no network.
    """
    from ccrcc_model.patient.masked_scan import HowToSegment
    from nnunet_ext.inference.trained_model import fold_numbers

    if network is None:
        if asked := sorted(_OF_NETWORKS & typed_options()):
            msg = f"--{asked[0].replace('_', '-')} is for a network; add --network, or leave it out"
            raise InputError(msg)
        return None
    return HowToSegment(network, {**options, "folds": fold_numbers(options["folds"])})


def _finish(found: "Predicted", out: Path, *, with_dicom: bool) -> int:
    """Show the answer of a single patient, and the last line; return the exit status."""
    from ccrcc_model.commands.console import QUARANTINED, finish, say
    from ccrcc_model.patient.patient_folder import QUARANTINE
    from ccrcc_model.report.run_parts import INDEX

    if not with_dicom and any(answer.source.kind == "dicom" for answer in found.answers):
        say("No DICOM objects: they need the extra dicom (pip install 'ccrcc-radiomics[dicom]')")
    for patient, reason in found.without_dicom.items():
        say(f"{patient}: no DICOM objects: {reason}")
    for line in _lines(found.answers[0]) if len(found.answers) == 1 else ():
        say(line)
    without = sum(bool(answer.refusals) for answer in found.answers)
    aside = f", {without} of them without a tumour" if without else ""
    n = len(found.answers)
    line = f"{n} of {n + len(found.refusals)} patients answered{aside}: {out / INDEX}"
    status = finish(line, found.refusals, out / QUARANTINE)
    return QUARANTINED if without else status


def _lines(answer: "Answer") -> list[str]:
    """Return what an answer states, in a line for each flag that matters and each target."""
    lines = [f"{flag.severity}: {flag.text}" for flag in answer.flags if flag.severity != "note"]
    for one in answer.predictions:
        if one.abstained:
            lines.append(f"{one.target}: withheld: {one.abstained_reason}")
        elif one.probability is not None:
            lines.append(
                f"{one.target} ({one.rule}): probability {one.probability:.2f}, by volume {one.baseline_probability:.2f}"
            )
        else:
            lines.append(f"{one.target}: " + ", ".join(f"{name} {value:.2f}" for name, value in one.values.items()))
    return lines
