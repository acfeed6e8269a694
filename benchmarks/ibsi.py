"""IBSI compliance: our features compared with the published reference values, the page docs/reference/ibsi.md.

    uv run python benchmarks/ibsi.py [--data DIR] [--out docs/reference/ibsi.md]

The digital phantom is measured by ``Extractor`` as it is. The CT phantom is prepared twice for each of the configurations C, D
and E: as specified by the IBSI, then measured by our feature classes; and by ``Extractor`` with the closest settings. The few
steps between the two are taken one by one, which shows at which step a feature leaves its tolerance.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ibsi_comparison import AGGREGATIONS, UNEXPLAINED, Comparison, Outcome, Row, compare, three_digits
from ibsi_ct import STEPS
from ibsi_names import not_offered, offered

from radiomics_cfg.engine.region import CLASSES

DATA = Path(__file__).parents[2] / "shared" / "data" / "ibsi"
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "ibsi.md"

INTRODUCTION = """\
# IBSI compliance

<!-- Written by benchmarks/ibsi.py, tables and text alike: edit the script, not this page. -->
This page is written by `uv run python benchmarks/ibsi.py --data FOLDER`, where `FOLDER` holds the phantoms and the reference
values.

The Image Biomarker Standardisation Initiative (IBSI) published consensus values of the features of two phantoms
([Zwanenburg et al. 2020](https://doi.org/10.1148/radiol.2020191145), [manual](https://arxiv.org/abs/1612.07003)). Our features
have the values of PyRadiomics, so they deviate where PyRadiomics does. A value **matches** if it lies within the published
tolerance when rounded to three digits, as the IBSI rounded all values.

- The **digital phantom** needs no preparation; bins of width 1 keep its intensities as grey levels.
- The **CT phantom** is resampled to 2 mm, and extreme intensities are cut off. Configuration C: trilinear, -1000 to 400 HU,
  bins of 25 HU. D: trilinear, mean ± 3 standard deviations, 32 bins. E: tricubic, -1000 to 400 HU and then mean ± 3 standard
  deviations, 32 bins.
  - *IBSI preparation*: a script prepares image and region as specified in the manual and passes them to our feature classes.
    This validates our definitions.
  - *PyRadiomics preparation*: `Extractor` with the closest settings. This shows the values that a user obtains.

Texture in 3D is averaged over directions by default (IBSI ITBB), and merged with `weightingNorm: no_weighting` (IAZD). With
`force2D: true` these are the 2.5D variants (JJUI and ZW7Z).

Reference values and digital phantom: IBSI, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). CT phantom: Lambin 2016,
[doi:10.17195/candat.2016.08.1](https://doi.org/10.17195/candat.2016.08.1).
"""

REASONS = """\
## Why features deviate

Some features differ by definition. The value by the definition of the IBSI is also computed, and given in the tables after
*else*:

- **kurtosis**: the kurtosis of PyRadiomics exceeds the excess kurtosis of the IBSI by 3.
- **axes**: PyRadiomics divides the covariance of n voxel positions by n. The reference values of axis lengths agree with
  n - 1, which makes a difference in a region of 74 voxels.
- **numbering**: PyRadiomics begins bins of fixed width at a multiple of the width, and the lowest bin in the region is number
  1. In the IBSI the bin at the lower bound of the range is number 1. In configuration C its bins are the same, with higher
  numbers.

Others differ because PyRadiomics prepares image and region in another way:

- **rounding**: intensities are not rounded to whole HU.
- **one cut**: either outliers or intensities outside a range are cut off, not both. In configuration E these are the outliers,
  so that a few bright voxels remain and widen all bins.
- **grid**: the new grid is aligned with the corner of the image, not with its centre. In configuration D one brighter voxel
  then widens all bins.
- **mask**: the region is resampled to the new grid by nearest neighbour. The IBSI interpolates it, and keeps voxels that are
  at least half inside.

The 2.2e-16 that PyRadiomics adds inside logarithms and the way in which it divides the polygons of the mesh have no effect on
three digits.

The table gives the number of features that match as these steps are added one by one; the last line is the PyRadiomics
preparation:
"""


def main() -> None:
    """Compare and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the phantoms and the reference values")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file")
    options = parser.parse_args()
    comparisons = compare(options.data)
    options.out.write_text(page(comparisons), encoding="utf-8")
    print(overview(comparisons))
    if any(row.ours[0].why == UNEXPLAINED for comparison in comparisons for row in comparison.rows):
        sys.exit("some features deviate without a known reason")


def page(comparisons: list[Comparison]) -> str:
    """Return the page as Markdown."""
    summary = [overview(comparisons), REASONS, steps(comparisons), families(comparisons), missing(comparisons)]
    return "\n".join([INTRODUCTION, *summary, *map(value_tables, comparisons)])


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *(list(map(str, row)) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def overview(comparisons: list[Comparison]) -> str:
    """Return how many features match, of each data set and preparation."""
    rows: list[list[object]] = []
    for comparison in comparisons:
        published, n = len(comparison.references), len(comparison.rows)
        for end in ends(comparison):
            reasons = Counter(row.ours[end].why for row in comparison.rows)
            preparation = "none" if len(comparison.steps) == 1 else "PyRadiomics" if end else "IBSI"
            why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common() if reason)
            rows.append([comparison.title, preparation, published, n, reasons[""], n - reasons[""], why])
    head = ("data set", "preparation", "published", "offered", "match", "deviate", "why")
    met, published = (sum(comparison.diagnostics[k] for comparison in comparisons) for k in (0, 1))
    ibsi, pyradiomics = comparisons[-1].voxels
    return f"""\
## Matches

{table(head, rows)}
The IBSI preparation itself agrees with {met} of {published} published diagnostic values of image and region. The region has
{ibsi} voxels after the IBSI preparation, and {pyradiomics} after that of PyRadiomics.
"""


def ends(comparison: Comparison) -> tuple[int, ...]:
    """Return the places of the first and the last preparation."""
    return (0,) if len(comparison.steps) == 1 else (0, -1)


def matches(rows: Iterable[Row], step: int) -> int:
    """Count the features that match after a preparation."""
    return sum(not row.ours[step].why for row in rows)


def steps(comparisons: list[Comparison]) -> str:
    """Return how many features match after each step from the IBSI's preparation to PyRadiomics'."""
    ct = comparisons[1:]
    rows = [
        [step, *(matches(c.rows, c.steps.index(step)) if step in c.steps else "" for c in ct)]
        for step in ("IBSI preparation", *(f"+ {step}" for step in STEPS))
    ]
    return table(("", *(comparison.title.split()[-1] for comparison in ct)), rows)


def families(comparisons: list[Comparison]) -> str:
    """Return how many features of each family match."""
    ct = [f"{c.title.split()[-1]}, {kind}" for c in comparisons[1:] for kind in ("IBSI", "PyRadiomics")]
    rows: list[list[object]] = []
    for family in dict.fromkeys(reference.family for reference in comparisons[0].references):
        published = sum(reference.family == family for reference in comparisons[0].references)
        own = [[row for row in c.rows if row.reference.family == family] for c in comparisons]
        cells = [matches(part, end) if part else "" for part, c in zip(own, comparisons, strict=True) for end in ends(c)]
        rows.append([family, published, max(map(len, own)), *cells])
    head = ("family", "published", "offered", "digital phantom", *ct)
    return f"## By family\n\nNumber of the offered features that match.\n\n{table(head, rows)}"


def missing(comparisons: list[Comparison]) -> str:
    """Return what has a reference value and is not offered."""
    references, known, lacking = comparisons[0].references, offered(), not_offered()
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for reference in references:
        if reference.base in lacking:
            identifier, why = lacking[reference.base]
            family = reference.family.split(" (", maxsplit=1)[0]
            groups.setdefault((family, why), {})[f"{reference.feature} {identifier}"] = None
    rows = [(family, ", ".join(features), why) for (family, why), features in groups.items()]
    flat = [reference for reference in references if reference.base in known and reference.aggregation not in AGGREGATIONS]
    flat_families = ", ".join(dict.fromkeys(reference.family for reference in flat))
    rows.append((flat_families, f"the {len(flat)} that we offer in 3D", "PyRadiomics merges slices; it does not average them"))
    ours = {name for _, name in known.values()}
    own = [f"`{kind}_{name}`" for kind in CLASSES for name in CLASSES[kind].features if f"{kind}_{name}" not in ours]
    return f"""\
## Not offered

{table(("family", "features and their IBSI identifiers", "why"), rows)}
Five features that the IBSI did not standardise have no reference value and are not counted. We offer some that it does not
define: {", ".join(own)}.
"""


def value_tables(comparison: Comparison) -> str:
    """Return every value of a data set, a folded table for each family."""
    both = len(comparison.steps) > 1
    heads = ("IBSI preparation", "", "PyRadiomics preparation", "") if both else ("ours", "")
    parts = [f"## {comparison.title}\n"]
    for family in dict.fromkeys(row.reference.family for row in comparison.rows):
        own = [row for row in comparison.rows if row.reference.family == family]
        rows = []
        for row in own:
            cells = [cell for end in ends(comparison) for cell in (plain(row.ours[end].value), verdict(row.ours[end]))]
            reference = plain(row.reference.value)
            reference += f" ± {plain(row.reference.tolerance)}" if row.reference.tolerance else ""
            rows.append((row.reference.feature, row.identifier, f"`{row.name}`", reference, *cells))
        title = f"{family}: {matches(own, 0)} of {len(own)} match"
        body = table(("feature", "IBSI", "name", "reference", *heads), rows)
        parts.append(f"<details><summary>{title}</summary>\n\n{body}\n</details>\n")
    return "\n".join(parts)


def verdict(one: Outcome) -> str:
    """Return whether a value matches, or why it does not."""
    if not one.why:
        return "match"
    return f"deviates: {one.why}" + ("" if one.otherwise is None else f", else {plain(one.otherwise)}")


def plain(value: float) -> str:
    """Write three significant digits without an exponent."""
    return np.format_float_positional(three_digits(value), trim="-")


if __name__ == "__main__":
    main()
