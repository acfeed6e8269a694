"""Every measurement by name: its unit, its definition and its limits, as ``docs/reference/measurements.md`` prints them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

KUTIKOV = "Kutikov and Uzzo 2009, [doi:10.1016/j.juro.2009.05.035](https://doi.org/10.1016/j.juro.2009.05.035)"
"""The R.E.N.A.L. nephrometry score."""

SILVERMAN = "Silverman et al. 2019, [doi:10.1148/radiol.2019182646](https://doi.org/10.1148/radiol.2019182646)"
"""The Bosniak classification, version 2019, and what counts as enhancement."""


@dataclass(frozen=True, slots=True)
class Definition:
    """Definition of one measurement.

    Args:
        unit: Of its value; empty for a word.
        text: How it is computed.
        source: Publication of the definition, if it has one.
    """

    unit: str
    text: str
    source: str = ""


OF_LESIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "volume_ml": Definition("ml", "Number of voxels times the volume of one voxel."),
        "maximum_diameter_mm": Definition(
            "mm",
            "Largest distance between two points of the surface, which runs half-way between voxels inside and outside. R of "
            "the R.E.N.A.L. score: 1 point up to 40 mm, 3 points from 70 mm, 2 points between.",
            KUTIKOV,
        ),
        "second_diameter_mm": Definition(
            "mm", "Largest distance between two points of the surface after projection along the maximum diameter."
        ),
        "third_diameter_mm": Definition("mm", "Extent of the surface at right angles to the first two diameters."),
        "axial_diameter_mm": Definition(
            "mm",
            "Largest distance between two points of the surface in one slice of the scan (the plane across the axis that runs "
            "nearest to head-feet).",
        ),
        "exophytic_share": Definition(
            "1",
            "Share of the lesion's volume outside the outline of its kidney. The outline is the convex hull of the "
            "parenchyma's voxel centres, so it bridges the bed of the tumour by planes between the rims: on a spherical "
            "kidney the cap of parenchyma that the tumour replaced counts as exophytic. Parenchyma that "
            "is spread around a large tumour makes the outline enclose it, and the share too small. E of the R.E.N.A.L. "
            "score: 1 point from 0.5, 2 points below, 3 points below 0.01 (entirely endophytic).",
            KUTIKOV,
        ),
        "sinus_distance_mm": Definition(
            "mm",
            "Smallest distance between the surfaces of the lesion and of the renal sinus (see below), 0 where they touch. N "
            "of the R.E.N.A.L. score: 1 point from 7 mm, 3 points up to 4 mm, 2 points between.",
            KUTIKOV,
        ),
        "collecting_system_distance_mm": Definition(
            "mm", "Not assessable: the mask has no collecting system. N of the R.E.N.A.L. score uses the sinus alone.", KUTIKOV
        ),
        "polar_position": Definition(
            "1",
            "Place of the lesion's centroid along the long axis of the kidney: -1 at the lower pole, 0 half-way, 1 at the "
            "upper pole; beyond these where the lesion lies beyond a pole.",
        ),
        "between_polar_lines_share": Definition(
            "1",
            "Share of the lesion's volume between the two polar lines (see below). L of the R.E.N.A.L. score: 1 point if the "
            "lesion lies beyond one line; 2 points if it crosses a line; 3 points if more than half of it is between the "
            "lines, or if it crosses the middle between the poles. To cross is to have at least 0.01 of "
            "the volume on either side.",
            KUTIKOV,
        ),
        "above_middle_share": Definition(
            "1", "Share of the lesion's volume above the plane half-way between the poles, across the long axis.", KUTIKOV
        ),
        "anterior_share": Definition(
            "1",
            "Share of the lesion's volume in front of the plane through the kidney's centre, its long axis and the centre of "
            "its sinus.",
            KUTIKOV,
        ),
        "face": Definition(
            "",
            "A of the R.E.N.A.L. score: `anterior` if at least two thirds of the volume are in front of that plane, "
            "`posterior` if at most one third is, else `x`.",
            KUTIKOV,
        ),
        "renal_score": Definition(
            "points",
            "R + E + N + L, 4 to 12. The suffix h (contact with the main renal artery or vein) is not assessable.",
            KUTIKOV,
        ),
        "mean_hu": Definition("HU", "Mean of the scan's voxels in the lesion, its margin included."),
        "cortex_difference_hu": Definition(
            "HU", "Mean of the lesion minus the mean of the cortex of its kidney; of the other kidney where it has no cortex."
        ),
        "attenuation_class": Definition(
            "",
            "`below cortex`, `as cortex` or `above cortex`; differences of less than 20 HU, the least that counts as "
            "enhancement, are `as cortex`. Only in a phase after contrast, and only where the phase is stated.",
            SILVERMAN,
        ),
        "enhancement_hu": Definition(
            "HU", "Not assessable: enhancement is the difference from an unenhanced phase, and one scan is one phase."
        ),
    }
)
"""Measurements of a lesion, in the order in which they are reported."""

OF_KIDNEYS: Mapping[str, Definition] = MappingProxyType(
    {
        "volume_ml": Definition("ml", "Volume of the parenchyma, without tumours and cysts."),
        "length_mm": Definition("mm", "Distance between the poles: the extent of the outline along the long axis."),
        "sinus_volume_ml": Definition("ml", "Volume of the renal sinus (see below)."),
        "cortex_hu": Definition(
            "HU",
            "Mean of the cortex: parenchyma 1 to 5 mm below the outer surface of the kidney, at least 5 mm from tumours and "
            "cysts. The outer surface leaves out the sinus.",
        ),
    }
)
"""Measurements of a kidney."""

_INTRODUCTION = """\
Every measurement is made in mm in the patient, on the scan turned to LPS: the 48 ways to store a scan give equal numbers.
Other voxel sizes and oblique axes change lengths by a voxel, and shares by what lies within a voxel of the plane or surface
that they are measured by. What cannot be measured has no value but a reason. Points are those of the R.E.N.A.L. nephrometry
score; they come from masks alone and have not been compared with those of readers.

A lesion is a connected piece of the tumour or cyst label of at least 0.1 ml. Tumours are numbered as in the feature table,
largest first; cysts follow."""

_FRAME = f"""\
## Kidney, axis, sinus and polar lines

- **Kidney**: the parenchyma on one side of the patient, at least 5 ml of it. A lesion belongs to the kidney on its side.
- **Outline**: the convex hull of the parenchyma's voxel centres. Tumours and cysts do not extend it.
- **Long axis**: the principal axis of the outline's volume that is nearest to head-feet. It is not assessable where it
  deviates from head-feet by more than 60 degrees.
- **Renal sinus**: no structure of the mask shows it. It is therefore taken to be the largest connected part of the outline
  that is neither parenchyma nor tumour nor cyst, after an opening by a ball of 2 mm radius. It has at least 0.5 ml and
  reaches at least 5 mm below the outline; else the sinus is not assessable. A mask whose kidneys include the sinus shows
  none. A defect after partial nephrectomy may be larger than the sinus and is then mistaken for it.
- **Polar lines**: the planes across the long axis that bound the opening of the sinus, which is the part of the sinus within
  3 mm of the outline. There, sinus fat, vessels or the collecting system interrupt the medial lip of the parenchyma
  ({KUTIKOV}).
- **Anterior**: not assessable where the plane through long axis and sinus is turned by more than 60 degrees from the coronal
  plane of the patient, as in a malrotated kidney."""


def page() -> str:
    """Return ``docs/reference/measurements.md``."""
    lines = [
        "# Measurements",
        "",
        "<!-- Printed by `python -m radiomics_cfg.measurements.definitions`. -->",
        "",
        _INTRODUCTION,
    ]
    for title, definitions in (("Lesions", OF_LESIONS), ("Kidneys", OF_KIDNEYS)):
        lines += ["", f"## {title}", "", "| name | unit | definition | source |", "| --- | --- | --- | --- |"]
        lines += [f"| `{name}` | {one.unit or 'word'} | {one.text} | {one.source} |" for name, one in definitions.items()]
    return "\n".join([*lines, "", _FRAME]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
