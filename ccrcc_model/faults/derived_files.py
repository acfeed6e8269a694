"""What ``ccrcc convert`` and ``ccrcc thicken`` wrote, and read back on the next run."""

import os
from pathlib import Path
from unittest.mock import patch

import numpy as np
import SimpleITK as sitk

from ccrcc_model.faults.fault import Ran, ccrcc, expect, fault
from ccrcc_model.faults.scans import as_image, small_scan, write_card, write_scan


def convert(folder: Path) -> Ran:
    """Convert a cohort of five patients."""
    if not (folder / "a.nii.gz").exists():
        hu, mask = small_scan()
        for number, one in enumerate("abcde"):
            sitk.WriteImage(as_image(hu + np.int16(number)), str(folder / f"{one}.nii.gz"))
            sitk.WriteImage(as_image(mask), str(folder / f"{one}_mask.nii.gz"))
    card = write_card(folder, "".join(f"{one},p{one},north,{one}.nii.gz,{one}_mask.nii.gz\n" for one in "abcde"))
    folders = {name: str(folder / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    with patch.dict(os.environ, folders):
        return ccrcc("convert", card, "--dataset-id", 7)


@fault("splits that let a patient straddle training and validation are taken for ours")
def conversion_splits_of_another(folder: Path) -> str:
    """``splits_final.json`` was exchanged for one that validates on what it trains on: refused, and not replaced."""
    first = convert(folder)
    splits = folder / "nnUNet_preprocessed" / "Dataset007_CCRCC" / "splits_final.json"
    splits.write_text('[{"train": ["a", "b"], "val": ["a"]}]', encoding="utf-8")
    second = convert(folder)
    held = (first.status, second.status) == (0, 2) and "does not hold the splits of this conversion" in second.said
    return expect(held, f"statuses {first.status}, {second.status}: {second.said[-200:]}")


@fault("a damaged record of a conversion ends in a traceback")
def conversion_record_not_utf8(folder: Path) -> str:
    """``conversion.json`` is in UTF-16: refused with what to do."""
    convert(folder)
    record = folder / "nnUNet_raw" / "Dataset007_CCRCC" / "conversion.json"
    record.write_text(record.read_text(encoding="utf-8"), encoding="utf-16")
    ran = convert(folder)
    return expect(ran.status == 2 and "conversion.json" in ran.said, f"status {ran.status}: {ran.said[-200:]}")


@fault("a thick scan that was cut counts as finished")
def thick_scan_cut(folder: Path) -> str:
    """A scan in thicker slices lost its end: the next run writes it again."""
    write_scan(folder)
    card = write_card(folder)
    words = ("thicken", card, "--slice-mm", 10, "--out", folder / "thick")
    ccrcc(*words)
    file = folder / "thick" / "images" / "a.nii.gz"
    whole = file.read_bytes()
    file.write_bytes(whole[:-30])
    ran = ccrcc(*words)
    return expect(ran.status == 0 and file.read_bytes() == whole, f"status {ran.status}")
