"""Networks, masks and records that ``ccrcc segment`` reads, and that somebody or something was at."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ccrcc_model.faults.fault import Ran, ccrcc, expect, fault
from ccrcc_model.faults.network import CHECKPOINT, write_network
from ccrcc_model.faults.scans import as_image, small_scan, write_card, write_scan
from nnunet_ext.inference.seal import SEAL

NEEDS = ("torch", "nnunetv2")

ONE_WINDOW = (20, 48, 48)
"""Voxels of a patch that holds all of ``small_scan``."""

RECORD_BELIEVED = "the record of a mask is believed, or ends in a traceback"
MASK_BELIEVED = "a mask that is not the one written counts as finished"
NETWORK_BELIEVED = "a damaged or foreign network is believed, or its library's message passed on"


def segment(folder: Path, *more: object, out: str = "masks") -> Ran:
    """Segment the scan of ``folder`` with its network; both are made when they are missing."""
    if not (folder / "a.nii.gz").exists():
        write_scan(folder)
    if not (folder / "net").exists():
        write_network(folder / "net", ONE_WINDOW)
    card = write_card(folder, "a,p,north,a.nii.gz,\n")
    return ccrcc("segment", card, "--model", folder / "net", "--out", folder / out, *more)


def remade(folder: Path, damage: Callable[[Path], None]) -> str:
    """Damage what a run left; the next has to report it and to leave the same mask and record."""
    segment(folder)
    mask, record = folder / "masks" / "a.nii.gz", folder / "masks" / "cases" / "a.json"
    before = mask.read_bytes(), record.read_bytes()
    damage(folder / "masks")
    ran = segment(folder)
    is_same = (mask.read_bytes(), record.read_bytes()) == before
    is_said = "The mask of a, or its record, is damaged or missing; the scan is segmented again" in ran.said
    return expect(ran.status == 0 and is_same and is_said, f"status {ran.status}, same files {is_same}, said {is_said}")


def refused(folder: Path, why: str, damage: Callable[[Path], None], *more: object) -> str:
    """Damage a network; it has to be refused in one short line before anything is written."""
    write_network(folder / "net", ONE_WINDOW)
    damage(folder / "net")
    ran = segment(folder, *more)
    lines = ran.said.strip().splitlines()
    line = lines[-1] if lines else ""
    is_short = len(line.replace(str(folder), "")) < 400 and sum("ccrcc: " in one for one in lines) == 1
    held = ran.status == 2 and why in line and is_short and not (folder / "masks").exists()
    return expect(held, f"status {ran.status}: {line[-300:]}")


def change_weights(net: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write a checkpoint with other weights."""
    import torch  # noqa: PLC0415 - an optional extra

    content = torch.load(net / CHECKPOINT, weights_only=True)
    torch.save({**content, "network_weights": change(dict(content["network_weights"]))}, net / CHECKPOINT)


@fault(RECORD_BELIEVED, needs=NEEDS)
def segment_record_cut(folder: Path) -> str:
    """The record of a finished mask ends in its middle: the scan is segmented again, which is said."""

    def cut(masks: Path) -> None:
        file = masks / "cases" / "a.json"
        file.write_bytes(file.read_bytes()[:100])

    return remade(folder, cut)


@fault(RECORD_BELIEVED, needs=NEEDS)
def segment_record_flag_edited(folder: Path) -> str:
    """Somebody took the flags out of a record: its seal is broken, so the scan is segmented again."""

    def edit(masks: Path) -> None:
        file = masks / "cases" / "a.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        content["self_check"]["flags"] = ""
        content["self_check"]["kidney_ml"] = 312.5
        file.write_text(json.dumps(content), encoding="utf-8")

    return remade(folder, edit)


@fault(RECORD_BELIEVED, needs=NEEDS)
def segment_account_is_a_list(folder: Path) -> str:
    """``segmentation.json`` holds a list, so nobody knows whose masks these are: refused, and no mask is touched."""
    segment(folder)
    before = (folder / "masks" / "a.nii.gz").read_bytes()
    (folder / "masks" / "segmentation.json").write_text("[1, 2]", encoding="utf-8")
    ran = segment(folder)
    held = ran.status == 2 and "segmentation.json" in ran.said and (folder / "masks" / "a.nii.gz").read_bytes() == before
    return expect(held, f"status {ran.status}: {ran.said.strip()[-200:]}")


@fault(MASK_BELIEVED, needs=NEEDS)
def segment_mask_cut(folder: Path) -> str:
    """A finished mask lost its end: it is made again, which is said."""

    def cut(masks: Path) -> None:
        file = masks / "a.nii.gz"
        file.write_bytes(file.read_bytes()[:-40])

    return remade(folder, cut)


@fault(MASK_BELIEVED, needs=NEEDS)
def segment_mask_edited(folder: Path) -> str:
    """A finished mask was edited by hand: quarantined as ``mask-changed``, neither replaced nor counted as the network's."""
    import SimpleITK as sitk  # noqa: PLC0415 - heavy, and only here

    segment(folder)
    file = folder / "masks" / "a.nii.gz"
    sitk.WriteImage(as_image(small_scan()[1]), str(file))
    edited = file.read_bytes()
    ran = segment(folder)
    quarantine = (folder / "masks" / "quarantine.csv").read_text(encoding="utf-8")
    held = ran.status == 3 and "mask-changed" in quarantine and file.read_bytes() == edited
    return expect(held, f"status {ran.status}, replaced {file.read_bytes() != edited}")


@fault("a mask is replaced by one of another scan with the same file name", needs=NEEDS)
def segment_two_scans_of_one_name(folder: Path) -> str:
    """``north/scan.nii.gz`` and ``south/scan.nii.gz`` go into one folder: the second is refused, the first's mask stays."""
    import SimpleITK as sitk  # noqa: PLC0415 - heavy, and only here

    write_network(folder / "net", ONE_WINDOW)
    hu, _ = small_scan()
    for name, values in (("north", hu), ("south", hu[:, ::-1])):
        (folder / name).mkdir()
        sitk.WriteImage(as_image(values.copy()), str(folder / name / "scan.nii.gz"))
    words = ("--model", folder / "net", "--out", folder / "masks")
    first = ccrcc("segment", folder / "north" / "scan.nii.gz", *words)
    before = (folder / "masks" / "scan.nii.gz").read_bytes()
    second = ccrcc("segment", folder / "south" / "scan.nii.gz", *words)
    is_kept = (folder / "masks" / "scan.nii.gz").read_bytes() == before
    held = (first.status, second.status) == (0, 2) and is_kept and "from another image" in second.said
    return expect(held, f"statuses {first.status}, {second.status}, mask kept {is_kept}")


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_bit_flipped(folder: Path) -> str:
    """One bit of the weights differs; PyTorch reads them without a look at their checksum."""
    import torch  # noqa: PLC0415 - an optional extra

    def flip(net: Path) -> None:
        content = bytearray((net / CHECKPOINT).read_bytes())
        weights = torch.load(net / CHECKPOINT, weights_only=True)["network_weights"]
        stored = max(weights.values(), key=lambda value: int(value.numel())).numpy().tobytes()
        content[content.index(stored) + 7] ^= 0x40
        (net / CHECKPOINT).write_bytes(content)

    return refused(folder, "does not have its checksum", flip)


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_checkpoint_cut(folder: Path) -> str:
    """A checkpoint of which a third is missing."""

    def cut(net: Path) -> None:
        content = (net / CHECKPOINT).read_bytes()
        (net / CHECKPOINT).write_bytes(content[: len(content) * 2 // 3])

    return refused(folder, "is cut short, damaged, or no file that PyTorch wrote", cut)


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_weights_not_finite(folder: Path) -> str:
    """Training diverged, and one tensor holds NaN: every mask would be background."""

    def diverge(net: Path) -> None:
        change_weights(net, lambda weights: {name: value * float("nan") for name, value in weights.items()})

    return refused(folder, "not finite numbers", diverge)


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_of_other_names(folder: Path) -> str:
    """Weights under names of another library: one line with counts and the first name, not PyTorch's list of all."""

    def rename(net: Path) -> None:
        change_weights(net, lambda weights: {f"model.backbone.{name}": value for name, value in weights.items()})

    return refused(folder, "are missing (the first is", rename)


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_trained_in_parallel(folder: Path) -> str:
    """``module._orig_mod.`` stands before every name: it is taken off, which is said, and the mask is the same."""
    segment(folder)
    change_weights(folder / "net", lambda weights: {f"module._orig_mod.{name}": value for name, value in weights.items()})
    (folder / "net" / SEAL).unlink()  # as of a network that was never used
    ran = segment(folder, out="again")
    is_same = (folder / "masks" / "a.nii.gz").read_bytes() == (folder / "again" / "a.nii.gz").read_bytes()
    is_said = "'module._orig_mod.' before the name of every weight" in ran.said
    return expect(ran.status == 0 and is_same and is_said, f"status {ran.status}, same mask {is_same}, said {is_said}")


@fault("masks of two networks stand side by side as one network's", needs=NEEDS)
def network_replaced_between_runs(folder: Path) -> str:
    """Other weights in a network's folder before the rest of a cohort is segmented: refused by their hash."""
    segment(folder)
    change_weights(folder / "net", lambda weights: {name: value * 1.01 for name, value in weights.items()})
    ran = segment(folder)
    return expect(ran.status == 2 and "masks of another model or setting (sha256" in ran.said, f"status {ran.status}")


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_of_mr(folder: Path) -> str:
    """``dataset.json`` states that the network reads MR."""

    def rename(net: Path) -> None:
        content = json.loads((net / "dataset.json").read_text(encoding="utf-8"))
        (net / "dataset.json").write_text(json.dumps({**content, "channel_names": {"0": "T1"}}), encoding="utf-8")

    return refused(folder, "wanted is a model of one channel of CT", rename)


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_labels_with_a_gap(folder: Path) -> str:
    """Labels 1 and 3: nnU-Net's outputs are numbered without a gap, so its second would be taken for another class."""

    def renumber(net: Path) -> None:
        content = json.loads((net / "dataset.json").read_text(encoding="utf-8"))
        content["labels"]["tumour"] = 3
        (net / "dataset.json").write_text(json.dumps(content), encoding="utf-8")

    return refused(folder, "wanted are labels numbered from 1, or regions", renumber)


@fault(NETWORK_BELIEVED, needs=NEEDS)
def network_plans_not_finite(folder: Path) -> str:
    """``plans.json`` scales HU by NaN."""

    def spoil(net: Path) -> None:
        file = net / "plans.json"
        file.write_text(file.read_text(encoding="utf-8").replace('"std": 80.0', '"std": NaN'), encoding="utf-8")

    return refused(folder, "it holds NaN, which is no number", spoil)


@fault("a device that is not here is blamed on the model, or replaced by the CPU", needs=NEEDS)
def segment_device_unknown(folder: Path) -> str:
    """``--device gpu``: refused with the devices that are here, before anything is read."""
    return refused(folder, "No device 'gpu' here; this machine and its PyTorch have cpu", lambda _: None, "--device", "gpu")


@fault("a fold counts twice in the average, which then agrees with itself", needs=NEEDS)
def segment_fold_twice(folder: Path) -> str:
    """``--fold 0 --fold 00``."""
    return refused(folder, "Fold 0 is named 2 times", lambda _: None, "--fold", "0", "--fold", "00")


@fault("a fold that was never trained ends in a traceback", needs=NEEDS)
def segment_fold_absent(folder: Path) -> str:
    """``--fold 7`` where there are folds 0 and 1: refused with those that are there."""

    def add(net: Path) -> None:
        shutil.copytree(net / "fold_0", net / "fold_1")

    return refused(folder, "lacks fold_7/checkpoint_best.pth; it holds fold_0, fold_1", add, "--fold", "7")
