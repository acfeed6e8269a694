"""Every code with which a case, a series, a mask or a region is refused: what was found, and what to do.

This module prints ``docs/reference/refusals.md``: ``python -m nnunet_ext.ground.refusals > docs/reference/refusals.md``.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is refused.

    Args:
        found: What it has or lacks, as the end of "the case has …".
        remedy: What the user can do.
    """

    found: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Codes that one reader raises.

    Args:
        title: Heading on the page.
        intro: Which commands raise them.
        reasons: Reasons by code.
    """

    title: str
    intro: str
    reasons: Mapping[str, Reason]


GATE = Chapter(
    "Scans and masks",
    "Every command reads scans and masks through the gate. For a folder of DICOM slices, or a single DICOM file, the codes of "
    "DICOM series are raised as well.",
    {
        "image-missing": Reason("no image at the path in the case list", "correct the path or the data root"),
        "mask-missing": Reason("no mask at the path in the case list", "correct the path or the data root"),
        "mask-absent": Reason(
            "no mask, although the stage needs one", "name one in the case list, or run `ccrcc segment` first"
        ),
        "unreadable": Reason("a damaged or truncated file (ITK would read the rest as zeros)", "copy or export it again"),
        "format": Reason(
            "a file that is not NIfTI, NRRD or MetaImage, or an unsupported variant of these", "write it as `.nii.gz`"
        ),
        "no-spacing": Reason(
            "a header without a voxel size, or with one that is zero, negative or not a number",
            "write the file again with its true voxel size; all features are measured in mm",
        ),
        "no-orientation": Reason(
            "a header that does not state the orientation of the grid in the patient", "write the file again with its affine"
        ),
        "units": Reason("a header with units other than mm", "write the file again in mm"),
        "spacing-conflict": Reason(
            "a header with two voxel sizes that differ by more than 0.1%",
            "find out which is correct, and write the file again",
        ),
        "sheared": Reason(
            "axes that deviate from a right angle by more than 0.057 degrees (a smaller shear is read, with a note)",
            "resample it to a right-angled grid, or correct its header",
        ),
        "not-3d": Reason("a number of dimensions other than three", "provide a single volume"),
        "not-scalar": Reason("several values per voxel, such as colours", "provide the grey-level image"),
        "too-large": Reason("a header that claims more than 2³¹ voxels", "export it again; the header is damaged"),
        "no-series": Reason(
            "a folder without a DICOM series of CT", "name the folder of one series, or use `ccrcc import dicom`"
        ),
        "several-series": Reason(
            "a folder with more than one DICOM series", "name the folder of one series, or use `ccrcc import dicom`"
        ),
        "qform-sform": Reason(
            "a NIfTI header whose two descriptions of the grid's position differ by more than half a voxel",
            "find out which is correct, and write the file again",
        ),
        "nan": Reason("voxels that are not a number (ITK would replace them by 0)", "export it again"),
        "inf": Reason("infinite voxels (ITK would replace them by 0)", "export it again"),
        "hu-range": Reason(
            "a voxel outside -10240 to 30710 HU, the extended CT scale", "export it again without wrapped or scaled values"
        ),
        "not-hu": Reason("no voxel below -20: no air and no fat, so the values are not HU", "apply slope and intercept"),
        "mask-shape": Reason("a mask whose shape differs from that of its scan", "assign it to its own scan"),
        "mask-spacing": Reason("voxel sizes that differ from the scan's by more than 0.1%", "resample the mask to its scan"),
        "mask-direction": Reason(
            "direction cosines that differ from the scan's by more than 0.001", "resample the mask to its scan"
        ),
        "mask-origin": Reason("a mask shifted from its scan by more than 0.1 voxel", "resample the mask to its scan"),
        "mask-fraction": Reason(
            "mask values that differ from an integer by more than 0.001", "threshold it, and write it with integers"
        ),
        "unknown-label": Reason("a mask value that the card does not name", "name it in the card's `labels`"),
        "mask-empty": Reason("a mask without a labelled voxel", "draw the mask, or exclude the case"),
        "dicom-mask": Reason("a DICOM file, such as SEG or RTSTRUCT, as mask", "use `ccrcc import dicom`, which reads these"),
        "mask-hu": Reason("a median under the mask outside -100 to 500 HU", "check that scan and mask belong together"),
    },
)

IMPORT = Chapter(
    "DICOM series and masks",
    "`ccrcc import dicom` writes one of these codes to `series.csv` for every series and mask that it does not use.",
    {
        "not-ct": Reason("a modality other than CT", "nothing; it is left out"),
        "localiser": Reason("the image type LOCALIZER", "nothing; it is left out"),
        "few-slices": Reason(
            "fewer than ten slices, or fewer than two in a folder that a card names", "export the whole series"
        ),
        "not-axial": Reason("slices that are not axial", "export the axial series"),
        "mixed-series": Reason(
            "several matrices, pixel spacings, orientations or frames of reference in one series", "split the series"
        ),
        "no-geometry": Reason(
            "no position, orientation or pixel spacing in some or all slices, or one that is zero or not a number",
            "export it again",
        ),
        "not-orthogonal": Reason(
            "rows and columns that deviate from a right angle by more than 0.6 degrees", "export it again"
        ),
        "no-rescale": Reason(
            "no slope and intercept (or a slope of 0) in some or all slices, so that stored values are not HU",
            "export it again",
        ),
        "monochrome1": Reason(
            "the smallest value displayed as white, so that the meaning of the values is uncertain", "export it again"
        ),
        "multi-frame": Reason(
            "several slices in one file (enhanced CT), which is not supported", "export it as single slices"
        ),
        "derived": Reason(
            "voxels that are not the HU of a scan: colours, an iodine map, a projection, a screen capture",
            "name the original series",
        ),
        "no-identifier": Reason("files without an identifier of their study, series or instance", "export it again"),
        "instance-twice": Reason("two different files with one identifier", "find out which is correct, and remove the other"),
        "several-studies": Reason(
            "a folder or zip file with more than one study, where `ccrcc predict` expects that of one patient",
            "name the folder of one study, or use `ccrcc import dicom` and predict its card",
        ),
        "no-study": Reason(
            "a folder or zip file without a DICOM file, a damaged one, or an archive that holds more than it may",
            "export the study again",
        ),
        "patient-mixed": Reason(
            "a study under several patient IDs, dates of birth or names, or a series that is in two studies",
            "give each patient and study its own identifier",
        ),
        "slice-duplicate": Reason(
            "two slices at the same position, or alternating slices of several acquisitions, and no attribute that separates "
            "them",
            "split the acquisitions",
        ),
        "slice-gap": Reason(
            "slice distances that differ by more than a tenth, or a slice displaced from even spacing by a quarter of a step",
            "export the missing slices",
        ),
        "slice-shift": Reason("slices that are displaced from the line of the others", "split the fields of view"),
        "gantry-tilt": Reason(
            "a gantry tilt of more than half a degree, so that the volume is sheared", "resample it upright"
        ),
        "several-masks": Reason(
            "several mask files of one scan that hold the same structure",
            "keep only the correct one, or join them with `--join-masks`",
        ),
        "mask-unreadable": Reason("a damaged RTSTRUCT or SEG file", "export it again"),
        "no-structure": Reason(
            "no region with the name of a kidney, a tumour or a cyst", "define the regions with `--structures`"
        ),
        "contour-outside": Reason(
            "contours that lie on none of the slices, or extend beyond them", "assign the contours to their own scan"
        ),
        "mask-grid": Reason(
            "segments or contours whose grid or frame of reference differs from that of the scan, or without a position",
            "resample the mask to its scan",
        ),
        "mask-reference": Reason(
            "a mask that lies on slices other than those to which it refers, or that refers to two series", "export it again"
        ),
        "mask-unmatched": Reason(
            "a mask that belongs to no scan of this import: without references or frame of reference, or of another patient",
            "import it together with its scan",
        ),
        "region-empty": Reason("a tumour region without a voxel", "draw it, or remove the region"),
    },
)

STAGES = Chapter(
    "Refusals by later stages",
    "Extraction remembers the decisions of the gate, and tries `failed`, `out-of-memory`, `worker-lost`, `io-error` and "
    "missing files again in the next run.",
    {
        "tumour-absent": Reason("no tumour voxel, so nothing to extract", "check the mask"),
        "too-thin": Reason(
            "an extent of fewer than four voxels, or of less than half a voxel at the preset's scale, along an axis",
            "use thinner slices",
        ),
        "source-missing": Reason(
            "no DICOM series with the voxels of the scan, so a SEG has nothing to refer to",
            "name the folder of its study with `--dicom-source`",
        ),
        "source-several": Reason(
            "several DICOM series with the voxels of the scan, so it is uncertain to which a SEG refers",
            "name the folder of one with `--dicom-source`",
        ),
        "source-identifier": Reason(
            "an identifier in its DICOM series that DICOM does not allow, so no object can refer to it as it is",
            "leave out `--keep-identity`, which gives every object valid pseudonyms",
        ),
        "slices-thick": Reason("slices not thinner than those that `ccrcc thicken` should make", "request thicker ones"),
        "prediction-failed": Reason("an error of the network, such as too little memory", "read the reason"),
        "mask-changed": Reason(
            "a mask in the output folder that differs from the one that the command wrote: edited or replaced",
            "name an edited mask in a case list; remove it to have it made again",
        ),
        "prediction-missing": Reason("no predicted mask", "run `ccrcc segment` for it"),
        "prediction-unreadable": Reason("a predicted mask that cannot be read", "remove it and segment again"),
        "prediction-shape": Reason("a predicted mask whose shape differs from that of the scan", "segment this scan"),
        "prediction-geometry": Reason("a predicted mask on another grid", "segment this scan"),
        "prediction-label": Reason("a predicted mask with values that its card does not name", "correct the card's `labels`"),
        "prediction-scan": Reason("a predicted mask of another scan", "provide the card of this cohort's masks"),
        "development-patient": Reason(
            "a patient id that a model was fitted on, so that a prediction would not be one", "predict other patients"
        ),
        "review-mask": Reason(
            "a reader's review of another mask than the case has now, or of a case that the card does not list",
            "review the new mask; keep only reviews of this cohort in the folder",
        ),
        "changed": Reason("an image or mask other than the one from which the table was made", "extract the table again"),
        "not-extracted": Reason("no result yet, in a table that was made with `--partial`", "extract the remaining cases"),
        "not-measured": Reason("no values under perturbed contours", "run `ccrcc stability` for it"),
        "failed": Reason("an error in ITK, in linear algebra or in our own code while processing its voxels", "report it"),
        "out-of-memory": Reason("a need for more memory than was available", "use fewer jobs"),
        "worker-lost": Reason("a process that was killed by the system", "use fewer jobs"),
        "io-error": Reason("a file that could not be found or read this time", "check its permissions, and run again"),
    },
)

EXTRACTOR = Chapter(
    "Regions that `Extractor` refuses",
    "`Extractor` measures one region and raises `CaseRefused`, a `ValueError`. It reads files as the gate does, so the codes "
    "from `unreadable` to `inf`, `mask-fraction` and `too-thin` have the meaning given above; a missing file is `unreadable`.",
    {
        "label-absent": Reason("no voxel of that label in the mask, or none left on the grid", "choose a label of the mask"),
        "label-channel": Reason("no such channel in the mask", "choose one of its channels"),
        "mask-geometry": Reason("a mask on a grid other than that of the image", "set `correctMask`, which resamples it"),
        "mask-outside": Reason("a region that extends beyond the image", "crop the mask"),
        "roi-dimensions": Reason("a single voxel, or fewer dimensions than `minimumROIDimensions`", "exclude the region"),
        "roi-size": Reason("no more voxels than `minimumROISize`, possibly after resegmentation", "exclude the region"),
        "resegmented": Reason("fewer than two voxels left in `resegmentRange`", "widen the range"),
        "grey-levels": Reason("more than 1000 grey levels, whose matrices would exhaust the memory", "choose wider bins"),
    },
)

FLAGS = Chapter(
    "Flags of predicted masks",
    "`ccrcc segment` writes `self_check.csv` next to the masks: volumes, what the rules of anatomy removed (volume in ml and "
    "number of components), and flags. A flag does not refuse a case; it shows which masks to inspect first. The column "
    "`searched` states where the fine pass of the network ran: only around the kidneys (`kidneys`), over the whole body "
    "(`body`), or over the whole scan (`scan`). The card next to the masks records the flags in its case list, and a feature "
    "table in its provenance.",
    {
        "no-kidney": Reason("no kidney", "check whether the scan shows the kidneys"),
        "single-kidney": Reason("only one connected component with parenchyma", "check for a missed kidney"),
        "kidney-volume": Reason("a kidney with less than 50 ml or more than 500 ml of parenchyma", "inspect the kidneys"),
        "kidney-asymmetry": Reason(
            "a kidney with more than four times the parenchyma of the other", "check for a missed or a truncated kidney"
        ),
        "kidney-hu": Reason("a median under the kidney outside 0 to 350 HU", "check the kidneys, and that the scan is in HU"),
        "no-tumour": Reason("no tumour; `ccrcc extract` will refuse the case", "check for a missed tumour"),
        "tumour-volume": Reason("tumours of more than 1500 ml", "inspect the tumours"),
        "tumour-apart": Reason("a tumour that touches no component with parenchyma", "inspect the tumours"),
        "tumour-contact": Reason(
            "tumours with less than 15% of their surface in contact with the kidney (real tumours: 17% and more)",
            "inspect the tumours: they may be another organ",
        ),
        "tumour-pieces": Reason("more than three tumour components of at least 0.1 ml", "inspect the tumours"),
        "both-kidneys": Reason("more than 20 ml of tumour in either kidney", "inspect the tumours"),
        "tumour-hu": Reason("a median under the tumours outside -50 to 350 HU", "inspect the tumours"),
        "removed": Reason("more than 5 ml that the rules of anatomy removed", "inspect what was removed"),
        "tumour-removed": Reason(
            "more than a tenth of the predicted tumour (and 1 ml) that the rules of anatomy removed: the network predicts "
            "false-positive tumours, and may do so where no rule removes them",
            "inspect the tumours that were kept",
        ),
        "scan-edge": Reason("labels on an outer face of the scan", "check whether the scan cuts the kidney"),
        "folds-disagree": Reason(
            "several averaged folds whose mean pairwise Dice is below 0.9 for kidney or 0.7 for tumour",
            "inspect the whole mask",
        ),
    },
)

CHAPTERS = (GATE, IMPORT, STAGES, EXTRACTOR, FLAGS)

REASONS: Mapping[str, Reason] = MappingProxyType(
    {code: reason for chapter in CHAPTERS if chapter is not FLAGS for code, reason in chapter.reasons.items()}
)
"""Reasons for refusal, by code."""


def page() -> str:
    """Return ``docs/reference/refusals.md``."""
    lines = [
        "# Reasons for refusal",
        "",
        "<!-- Printed by `python -m nnunet_ext.ground.refusals`. -->",
        "",
        "A case that cannot be used is quarantined with a code; the batch continues, and the command exits with 3.",
    ]
    for chapter in CHAPTERS:
        lines += ["", f"## {chapter.title}", "", chapter.intro, "", "| code | found | what to do |", "| --- | --- | --- |"]
        lines += [f"| `{code}` | {reason.found} | {reason.remedy} |" for code, reason in chapter.reasons.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
