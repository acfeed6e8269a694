"""Remarks on the masks at the end of an import, in one line each."""

from collections.abc import Mapping, Sequence

from nnunet_ext.dicom_masks.mask_files import MASKS


def remarks(
    series: Sequence[Mapping[str, object]], regions: Sequence[Mapping[str, object]], unmatched: Sequence[str]
) -> list[str]:
    """Return the remarks on the masks of an import.

    Args:
        series: Rows of ``series.csv``.
        regions: Rows of ``masks.csv``.
        unmatched: Names of ``--structures`` that no region has.
    """
    files = [str(row["verdict"]) for row in series if row["modality"] in MASKS]
    unused = sorted({verdict for verdict in files if verdict != "used"})
    left = sum(not row["taken_as"] for row in regions)
    lines = []
    if unused:
        count = sum(verdict != "used" for verdict in files)
        lines.append(f"{count} of {len(files)} mask files not used ({', '.join(unused)}); series.csv says why")
    if left:
        lines.append(f"{left} of {len(regions)} regions left; masks.csv says why")
    if unmatched:
        lines.append(f"No region has these names of --structures: {', '.join(unmatched)}")
    return lines
