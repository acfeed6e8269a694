"""Volumes whose file hides what is wrong with it, or states no geometry."""

import gzip
from pathlib import Path

from ccrcc_model.faults.fault import ccrcc, expect, fault
from ccrcc_model.faults.scans import write_card, write_scan


@fault("voxels that were cut off are read as zeros")
def nifti_cut_short(folder: Path) -> str:
    """A NIfTI file whose last bytes are missing, its gzip stream whole: refused as ``unreadable``."""
    image, _ = write_scan(folder)
    image.write_bytes(gzip.compress(gzip.decompress(image.read_bytes())[:-20000]))
    ran = ccrcc("check", write_card(folder))
    return expect(ran.status == 3 and "unreadable" in ran.said, f"status {ran.status}")
