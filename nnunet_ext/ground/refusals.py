"""Every code with which a case, a series, a mask or a region is refused: what was found, and what to do.

``docs/reference/refusals.md`` is this module printed: ``python -m nnunet_ext.ground.refusals > docs/reference/refusals.md``.
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
        title: Heading of the page.
        intro: Who raises them.
        reasons: By code.
    """

    title: str
    intro: str
    reasons: Mapping[str, Reason]


GATE = Chapter(
    "Scans and masks",
    "Every command reads scans and masks through the gate. Where a folder of DICOM slices is named, or one DICOM file, the "
    "codes of DICOM series are raised as well.",
    {
        "image-missing": Reason("no image where the case list says", "correct the path or the data root"),
        "mask-missing": Reason("no mask where the case list says", "correct the path or the data root"),
        "mask-absent": Reason("no mask, where a stage needs one", "name one in the case list, or `ccrcc segment` first"),
        "unreadable": Reason("a damaged file, or one cut short (ITK would read the rest as zeros)", "copy or export it again"),
        "format": Reason(
            "a file that is not NIfTI, NRRD or MetaImage, or a variant of these that is not read", "write it as `.nii.gz`"
        ),
        "no-spacing": Reason(
            "a header without a voxel size, or with one that is zero, negative or not a number",
            "write it again with its true voxel size; all features are measured in mm",
        ),
        "no-orientation": Reason(
            "a header that does not state how the grid lies in the patient", "write it again with its affine"
        ),
        "units": Reason("a header that states other units than mm", "write it again in mm"),
        "spacing-conflict": Reason(
            "a header that states two voxel sizes, more than 0.1 % apart", "find out which is right and write it again"
        ),
        "sheared": Reason(
            "axes that are more than 0.057 degrees off a right angle (a smaller shear is read, with a note)",
            "resample it to a right-angled grid, or correct its header",
        ),
        "not-3d": Reason("other than three dimensions", "give one volume"),
        "not-scalar": Reason("several values per voxel, such as colours", "give the grey-level image"),
        "too-large": Reason("a header that claims more than 2³¹ voxels", "export it again; the header is damaged"),
        "no-series": Reason("a folder without a DICOM series of CT", "name the folder of one series, or `ccrcc import dicom`"),
        "several-series": Reason(
            "a folder with more than one DICOM series", "name the folder of one, or `ccrcc import dicom`"
        ),
        "qform-sform": Reason(
            "a NIfTI header whose two descriptions of the grid's place are more than half a voxel apart",
            "find out which is right and write the file again",
        ),
        "nan": Reason("voxels that are not a number (ITK would turn them into 0)", "export it again"),
        "inf": Reason("infinite voxels (ITK would turn them into 0)", "export it again"),
        "hu-range": Reason("a voxel outside -10240 to 30710, the extended CT scale", "undo the wrapped or scaled export"),
        "not-hu": Reason("no voxel below -20: no air and no fat, so the values are not HU", "apply slope and intercept"),
        "mask-shape": Reason("a mask of another shape than its scan", "pair it with its own scan"),
        "mask-spacing": Reason("voxel sizes that differ from the scan's by more than 0.1 %", "resample the mask to its scan"),
        "mask-direction": Reason("direction cosines that differ from the scan's by more than 0.001", "resample the mask"),
        "mask-origin": Reason("a mask shifted by more than 0.1 voxel against its scan", "resample the mask to its scan"),
        "mask-fraction": Reason(
            "mask values that are more than 0.001 off a whole number", "threshold it, and write it with integers"
        ),
        "unknown-label": Reason("a mask value that the card does not name", "name it in the card's `labels`"),
        "mask-empty": Reason("a mask that labels no voxel", "draw the mask, or leave the case out"),
        "dicom-mask": Reason("one DICOM file, such as SEG or RTSTRUCT, as a mask", "`ccrcc import dicom` reads those"),
        "mask-hu": Reason("a median under the mask outside -100 to 500 HU", "check scan and mask for each other"),
    },
)

IMPORT = Chapter(
    "DICOM series and masks",
    "`ccrcc import dicom` gives every series and mask that it leaves out one of these in `series.csv`.",
    {
        "not-ct": Reason("another modality than CT", "nothing; it is left out"),
        "localiser": Reason("an image type that says LOCALIZER", "nothing; it is left out"),
        "few-slices": Reason(
            "fewer than ten slices, or in a folder that a card names fewer than two", "export the whole series"
        ),
        "not-axial": Reason("slices that are not axial", "export the axial series"),
        "mixed-series": Reason(
            "several matrices, pixel spacings, orientations or frames of reference in one series", "split the series"
        ),
        "no-geometry": Reason(
            "no position, orientation or pixel spacing, in all or some slices, or one that is zero or no number",
            "export it again",
        ),
        "not-orthogonal": Reason("rows and columns that are more than 0.6 degrees off a right angle", "export it again"),
        "no-rescale": Reason(
            "no slope and intercept (or a slope of 0), in all or some slices, so that stored values are no HU",
            "export it again",
        ),
        "monochrome1": Reason("the smallest value shown white, so that it is unsure what the values mean", "export it again"),
        "multi-frame": Reason("several slices in one file (enhanced CT), which are not read", "export it as single slices"),
        "derived": Reason(
            "voxels that are not the HU of a scan: colours, a map of iodine, a projection, a screen", "name the original"
        ),
        "no-identifier": Reason("files without an identifier of their study, series or instance", "export it again"),
        "instance-twice": Reason("two different files with one identifier", "find out which is right, and remove the other"),
        "patient-mixed": Reason(
            "a study under several patient IDs, dates of birth or names, or one whose series is in two studies",
            "give each patient and study an identifier of its own",
        ),
        "slice-duplicate": Reason(
            "two slices at one place, or slices of several acquisitions that alternate, and no attribute that parts them",
            "split the acquisitions",
        ),
        "slice-gap": Reason(
            "slice distances that differ by more than a tenth, or put a slice a quarter of a step off even ones",
            "export the missing slices",
        ),
        "slice-shift": Reason("slices that lie beside the line of the others", "split the fields of view"),
        "gantry-tilt": Reason("a gantry tilted by more than half a degree, so a sheared volume", "resample it upright"),
        "several-masks": Reason(
            "several mask files of one scan that hold the same structure", "leave the right one, or join them: `--join-masks`"
        ),
        "mask-unreadable": Reason("a damaged RTSTRUCT or SEG file", "export it again"),
        "no-structure": Reason("no region named like a kidney, a tumour or a cyst", "say which it is: `--structures`"),
        "contour-outside": Reason(
            "contours that lie on none of the slices, or reach beyond them", "pair the contours with their own scan"
        ),
        "mask-grid": Reason(
            "segments or contours on another grid or in another frame of reference than the scan, or without a place",
            "resample the mask to its scan",
        ),
        "mask-reference": Reason(
            "a mask that lies on other slices than those it refers to, or refers to two series", "export it again"
        ),
        "mask-unmatched": Reason(
            "a mask of no scan of this import: without references or frame of reference, or another patient's",
            "import it together with its scan",
        ),
        "region-empty": Reason("a region of a tumour without a voxel", "draw it, or remove the region"),
    },
)

STAGES = Chapter(
    "What stages refuse",
    "Extraction keeps what the gate decided, and tries `failed`, `out-of-memory`, `worker-lost`, `io-error` and missing files "
    "again on the next run.",
    {
        "tumour-absent": Reason("no tumour voxel, so nothing to extract", "check the mask"),
        "too-thin": Reason(
            "fewer than four voxels, or less than half a voxel of the preset's scale, along an axis", "use thinner slices"
        ),
        "slices-thick": Reason("slices not thinner than those that `ccrcc thicken` is to make", "ask for thicker ones"),
        "prediction-failed": Reason("an error of the network, such as too little memory", "read the reason"),
        "mask-changed": Reason(
            "a mask in the output folder that is another than the command wrote there: edited, or replaced",
            "name an edited mask in a case list; remove it to have it made again",
        ),
        "prediction-missing": Reason("no predicted mask", "run `ccrcc segment` for it"),
        "prediction-unreadable": Reason("a predicted mask that cannot be read", "remove it and segment again"),
        "prediction-shape": Reason("a predicted mask of another shape", "segment this scan"),
        "prediction-geometry": Reason("a predicted mask on another grid", "segment this scan"),
        "prediction-label": Reason("a predicted mask with values that its card does not name", "correct the card's `labels`"),
        "prediction-scan": Reason("a predicted mask of another scan", "give the card of this cohort's masks"),
        "changed": Reason("another image or mask than the one that the table's features are of", "extract the table again"),
        "not-extracted": Reason("no result yet, in a table that was made with `--partial`", "extract the rest"),
        "not-measured": Reason("no values under changed contours", "run `ccrcc stability` for it"),
        "failed": Reason("an error of ITK, of the linear algebra or of our own code over its voxels", "report it"),
        "out-of-memory": Reason("a need for more memory than there was", "use fewer jobs"),
        "worker-lost": Reason("a process that the system killed", "use fewer jobs"),
        "io-error": Reason("a file that could not be looked up or read this time", "see to its permissions, and run again"),
    },
)

EXTRACTOR = Chapter(
    "Regions that `Extractor` refuses",
    "`Extractor` measures one region and raises `CaseRefused`, a `ValueError`. It reads files as the gate does, so the codes "
    "from `unreadable` to `inf` are as above, and so are `mask-fraction` and `too-thin`; a missing file is `unreadable`.",
    {
        "label-absent": Reason("no voxel of that label in the mask, or none left on the grid", "choose a label of the mask"),
        "label-channel": Reason("no such channel in the mask", "choose one of its channels"),
        "mask-geometry": Reason("a mask on another grid than the image", "`correctMask` moves it"),
        "mask-outside": Reason("a region that leaves the image", "crop the mask"),
        "roi-dimensions": Reason("one voxel, or fewer dimensions than `minimumROIDimensions`", "leave the region out"),
        "roi-size": Reason("no more voxels than `minimumROISize`, also once resegmented", "leave the region out"),
        "resegmented": Reason("fewer than two voxels left in `resegmentRange`", "widen the range"),
        "grey-levels": Reason("more than 1000 grey levels, whose matrices would take the memory", "choose wider bins"),
    },
)

FLAGS = Chapter(
    "Flags of predicted masks",
    "`ccrcc segment` writes `self_check.csv` beside the masks: volumes, what the rules of anatomy removed (in ml, and in how "
    "many pieces), and flags. A flag refuses nothing; it says which masks to look at first. The column `searched` says where "
    "the network looked closely: around the kidneys alone (`kidneys`), all over the body (`body`), or over the whole scan "
    "(`scan`). The card beside the masks carries the flags in its case list, a feature table in its provenance.",
    {
        "no-kidney": Reason("no kidney", "look at the scan: does it show the kidneys?"),
        "single-kidney": Reason("one connected body that holds parenchyma", "check for a missed kidney"),
        "kidney-volume": Reason("a kidney's parenchyma below 50 ml or above 500 ml", "look at the kidneys"),
        "kidney-asymmetry": Reason(
            "a kidney with more than four times the parenchyma of the other", "check for a missed or a cut kidney"
        ),
        "kidney-hu": Reason("a median under the kidney outside 0 to 350 HU", "check that the scan is in HU, and the kidneys"),
        "no-tumour": Reason("no tumour; `ccrcc extract` will refuse the case", "look for a missed tumour"),
        "tumour-volume": Reason("tumours of more than 1500 ml", "look at the tumours"),
        "tumour-apart": Reason("a tumour that touches no body that holds parenchyma", "look at the tumours"),
        "tumour-contact": Reason(
            "tumours whose surface touches the kidney by less than 15 % (real ones: 17 % and more)",
            "look at the tumours: is it another organ?",
        ),
        "tumour-pieces": Reason("more than three pieces of tumour of 0.1 ml and more", "look at the tumours"),
        "both-kidneys": Reason("more than 20 ml of tumour in either kidney", "look at the tumours"),
        "tumour-hu": Reason("a median under the tumours outside -50 to 350 HU", "look at the tumours"),
        "removed": Reason("more than 5 ml that the rules of anatomy removed", "look at what was removed"),
        "tumour-removed": Reason(
            "more than a tenth of the predicted tumour (and 1 ml) that the rules of anatomy removed: the network calls tumour "
            "where there is none, and may do so where no rule removes it",
            "look at the tumours that were kept",
        ),
        "scan-edge": Reason("labels on an outer face of the scan", "check whether the scan cuts the kidney"),
        "folds-disagree": Reason(
            "several folds averaged, whose mean Dice with each other is below 0.9 for kidney or 0.7 for tumour", "look at all"
        ),
    },
)

CHAPTERS = (GATE, IMPORT, STAGES, EXTRACTOR, FLAGS)

REASONS: Mapping[str, Reason] = MappingProxyType(
    {code: reason for chapter in CHAPTERS if chapter is not FLAGS for code, reason in chapter.reasons.items()}
)
"""Of refusals, by code."""


def page() -> str:
    """Return ``docs/reference/refusals.md``."""
    lines = [
        "# Reasons for refusal",
        "",
        "<!-- Printed by `python -m nnunet_ext.ground.refusals`. -->",
        "",
        "A case that cannot be used is quarantined with a code; the batch goes on, and the command exits with 3.",
    ]
    for chapter in CHAPTERS:
        lines += ["", f"## {chapter.title}", "", chapter.intro, "", "| code | found | what to do |", "| --- | --- | --- |"]
        lines += [f"| `{code}` | {reason.found} | {reason.remedy} |" for code, reason in chapter.reasons.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
