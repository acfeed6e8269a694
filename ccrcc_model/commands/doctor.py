"""``ccrcc doctor``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ccrcc_model.commands.ending import run_to_its_end
from ccrcc_model.commands.options import Checkpoint, ClassLabels, Configuration, Device, TrustCheckpoint, ZipHash
from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    from nnunet_ext.inference.trained_model import TrainedModel

NOT_HELD = 1
"""Exit status if a fault was believed: this installation is not to be trusted with such files."""

_MARKS = {True: "held", False: "FAULT", None: "not tried"}


def doctor(
    ctx: typer.Context,
    model: Annotated[
        Path | None,
        typer.Argument(help="Network or its zip file, or a folder that `ccrcc fit` wrote; the installation by default."),
    ] = None,
    faults: Annotated[
        bool,
        typer.Option("--faults", help="Meet every fault of the corpus: damaged files, masks in the wrong place, full disks."),
    ] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Meet only this fault; repeat for several.")] = None,
    labels: ClassLabels = None,
    fold: Annotated[list[str], typer.Option(help="Fold of the network, 0 to 4 or all; repeat for several.")] = ["0"],  # noqa: B006
    checkpoint: Checkpoint = None,
    configuration: Configuration = None,
    sha256: ZipHash = None,
    device: Device = "cpu",
    trust_checkpoint: TrustCheckpoint = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this installation, or a model.

    Without a model it states what is installed and usable here. Of a network it states the labels, whether it fits, and how
    long a scan will take here, measured on one window; of a model of ours, what it predicts from what.

    `--faults` makes small synthetic files, each with one fault that real ones have had, and reports of each whether it was
    read right or refused by its true name.
    """
    if faults:
        if model is not None or as_json:
            msg = "--faults checks the installation by itself; leave the model and --json out"
            raise InputError(msg)
        raise typer.Exit(_meet(ctx, only or ()))
    if only:
        msg = "--only names a fault; add --faults"
        raise InputError(msg)
    if model is None:
        _tell(_installation(), as_json=as_json)
    elif (model / "manifest.json").is_file():
        _tell(_our_model(model), as_json=as_json)
    else:
        _tell(
            _network(
                model,
                labels,
                configuration=configuration,
                sha256=sha256,
                folds=fold,
                checkpoint=checkpoint,
                device=device,
                trusted=trust_checkpoint,
            ),
            as_json=as_json,
        )


def _tell(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print facts, one a line."""
    from ccrcc_model.commands.console import say

    if as_json:
        say(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        for number, line in enumerate(_lines(value)):
            say(f"{name.replace('_', ' ') if not number else '':{width}}{line}")


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}: {'-' if one is None else ', '.join(_lines(one))}" for key, one in value.items()] or ["-"]
    if isinstance(value, list | tuple):
        return [str(one) for one in value] or ["-"]
    return ["-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)]


def _installation() -> dict[str, Any]:
    from nnunet_ext.ground.installation import installation, missing_folders
    from nnunet_ext.ground.record import versions
    from nnunet_ext.inference.devices import devices

    found = installation()
    facts = asdict(found) | {"versions": versions()}
    lacking = [f"the extra {name} is not installed" for name, known in found.extras.items() if known is None]
    lacking += [f"{name} names no folder" for name in missing_folders(found)]
    try:
        return facts | {"devices": devices(), "lacking": lacking}
    except InputError as error:
        return facts | {"devices": [], "lacking": [*lacking, str(error)]}


def _our_model(folder: Path) -> dict[str, Any]:
    from ccrcc_model.models.model import Model

    model = Model.load(folder)
    about = model.manifest
    return {
        "kind": "model of ccrcc fit",
        "target": model.target.rule,
        "features": f"{len(model.columns)} used of {about['n_features']}",
        "made_by": {name: str(value) for name, value in about["preset"].items()},
        "lesions": about["preset"].get("lesions", "tumour"),
        "patients": len(model.patients),
        "members": len(model.members),
        "locked_as": model.id,
        "usable": "yes: its files have their hashes",
    }


def _network(source: Path, labels: list[str] | None, **options: Any) -> dict[str, Any]:
    from ccrcc_model.commands.console import note
    from nnunet_ext.cohort.card_labels import parse_labels
    from nnunet_ext.inference.devices import check_device
    from nnunet_ext.inference.model_source import find_network
    from nnunet_ext.inference.network_labels import LabelMap
    from nnunet_ext.inference.trained_model import TrainedModel, fold_numbers

    folder = find_network(source, configuration=options.pop("configuration"), sha256=options.pop("sha256"), on_note=note)
    folds = fold_numbers(options.pop("folds"))
    network = TrainedModel(folder, folds, **options, labels=LabelMap.of(parse_labels(labels)) if labels else None)
    network.files()
    check_device(network.device)
    return _examined(network)


def _examined(network: "TrainedModel") -> dict[str, Any]:
    from nnunet_ext.inference.examination import SCAN_MM, examine

    found = examine(network)
    scan = " x ".join(f"{mm:g}" for mm in SCAN_MM)
    return {
        "kind": "network of nnU-Net",
        **asdict(found),
        "usable": "yes",
        "estimate": (
            f"a scan of {scan} mm takes about {found.kidneys_seconds:.0f} s around the kidneys, "
            f"{found.everywhere_seconds:.0f} s all over"
        ),
    }


def _meet(ctx: typer.Context, only: list[str] | tuple[()]) -> int:
    """Meet the faults, report each, and return the exit status."""
    from ccrcc_model.commands.console import progress_bar, say
    from ccrcc_model.faults import in_this_process, meet_faults

    root = ctx.find_root().command
    command = in_this_process(lambda: run_to_its_end(root.main))
    with progress_bar("Meeting faults") as on_progress:
        verdicts = meet_faults(command, only, on_progress=on_progress)
    for verdict in verdicts:
        say(f"{_MARKS[verdict.held]:9}  {verdict.fault}: {verdict.said}")
    n_held, n_believed = (sum(verdict.held is wanted for verdict in verdicts) for wanted in (True, False))
    say(f"{n_held} of {len(verdicts)} faults held, {n_believed} not, {len(verdicts) - n_held - n_believed} not tried")
    return NOT_HELD if n_believed else 0
