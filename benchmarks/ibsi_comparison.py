"""Our features of the IBSI's phantoms compared with the published reference values: the numbers behind benchmarks/ibsi.py.

References:
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145; reference manual, arXiv:1612.07003.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from ibsi_ct import (
    CONFIGURATIONS,
    SPACING_MM,
    STEPS,
    Configuration,
    CtPhantom,
    Prepared,
    diagnostics,
    prepare,
    prepare_as_pyradiomics,
)
from ibsi_names import names_by_class, offered

from radiomics_cfg import Extractor
from radiomics_cfg.engine.discretise import Binning, GreyLevels, discretise
from radiomics_cfg.engine.firstorder import Values
from radiomics_cfg.engine.glcm import Cooccurrence, Weighting
from radiomics_cfg.engine.gldm import dependences
from radiomics_cfg.engine.glrlm import RunLengths
from radiomics_cfg.engine.glszm import zone_sizes
from radiomics_cfg.engine.matrices import Layout, Neighbourhood
from radiomics_cfg.engine.ngtdm import ToneDifferences
from radiomics_cfg.engine.region import CLASSES, FeatureSettings, RegionOnGrid
from radiomics_cfg.regions.grid import bounds

Key = tuple[str, str]
"""Our name of a feature, and its aggregation as it ends an IBSI tag."""

AGGREGATIONS: dict[str, dict[str, Any]] = {
    "": {},
    "3D": {},
    "3D_avg": {},
    "3D_comb": {"weightingNorm": "no_weighting"},
    "2_5D": {"force2D": True},
    "2_5D_avg": {"force2D": True},
    "2_5D_comb": {"force2D": True, "weightingNorm": "no_weighting"},
}
"""PyRadiomics' settings for an aggregation of texture, as it ends an IBSI tag. 2D, an average over slices, has none."""

DEFINITIONS = ("kurtosis", "axes", "numbering")
"""Where PyRadiomics' definition differs; see ``outcome``."""

UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Reference:
    """A published value."""

    family: str
    feature: str
    tag: str
    value: float
    tolerance: float

    @property
    def aggregation(self) -> str:
        """How texture is aggregated, as the tag says."""
        found = re.search(r"_(2_5D|2D|3D)(_avg|_comb)?$", self.tag)
        return found.group(0)[1:] if found else ""

    @property
    def base(self) -> str:
        """The tag without the aggregation."""
        return self.tag.removesuffix(f"_{self.aggregation}")

    def is_met_by(self, value: float) -> bool:
        """Tell whether a value lies within the tolerance.

        Values are rounded to three digits first, as the IBSI did with all that teams contributed before it compared them
        (manual, chapter 6); whole numbers, such as counts of voxels, are not.
        """
        told = value if float(value).is_integer() else three_digits(value)
        return abs(told - self.value) <= self.tolerance + 1e-9 * abs(self.value)


def three_digits(value: float) -> float:
    """Round to three significant digits."""
    return float(f"{value:.3g}")


def read_references(data: Path, dataset: str) -> list[Reference]:
    """Read the published values of a data set; features that are not standardised have none and are left out."""
    path = data / "reference_values" / f"ibsi_1_reference_values_{dataset}.csv"
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["reference value"]]
    return [Reference(r["family"], r["feature"], r["tag"], float(r["reference value"]), float(r["tolerance"])) for r in rows]


def features(prepared: Prepared, binning: Binning) -> dict[Key, float]:
    """Compute with our feature classes all that we offer, in 3D."""
    wanted, spacing = names_by_class(), (SPACING_MM, SPACING_MM, SPACING_MM)
    shape = RegionOnGrid(prepared.whole[bounds(prepared.whole)], spacing).shape_features(wanted["shape"])
    found = {(f"shape_{name}", ""): value for name, value in shape.items()}
    box = bounds(prepared.kept)
    region = RegionOnGrid(prepared.kept[box], spacing)
    image = np.ascontiguousarray(prepared.image[box])
    for norm, suffix in ((None, "avg"), ("no_weighting", "comb")):
        values = region.image_features(region.values_on(image), wanted, FeatureSettings(binning=binning, weighting_norm=norm))
        found |= {(name, aggregation(name, "3D", suffix)): value for name, value in values.items()}
    return found


def renumbered_features(prepared: Prepared, configuration: Configuration) -> dict[Key, float]:
    """Compute texture with bins of fixed width numbered from the lower bound of the range, as the IBSI does (Q3RU)."""
    width, range_hu, found = configuration.binning.width, configuration.range_hu, dict[Key, float]()
    if configuration.binning.count or not range_hu:
        return found
    box = bounds(prepared.kept)
    inside = prepared.kept[box]
    values = prepared.image[box][inside]
    grey = discretise(values, configuration.binning)
    grey = GreyLevels(grey.ranks, grey.levels + int((float(values.min()) - range_hu[0]) // width))
    matrices = Layout(inside, Neighbourhood()).matrices(grey)
    summaries: dict[str, object] = {"glszm": zone_sizes(matrices), "gldm": dependences(matrices)}
    summaries |= {"ngtdm": ToneDifferences.of(matrices), "firstorder": Values(values, grey, SPACING_MM**3)}
    for norm, suffix in ((None, "avg"), ("no_weighting", "comb")):
        summaries |= {"glcm": Cooccurrence.of(matrices, Weighting(norm)), "glrlm": RunLengths.of(matrices, Weighting(norm))}
        for kind, summary in summaries.items():
            computed = CLASSES[kind].compute(summary, names_by_class()[kind])
            named = {f"{kind}_{feature}": value for feature, value in computed.items()}
            found |= {(name, aggregation(name, "3D", suffix)): value for name, value in named.items()}
    return found


def extracted(
    scan: sitk.Image, region: sitk.Image, settings: Mapping[str, object], dimensions: tuple[str, ...]
) -> dict[Key, float]:
    """Compute with ``Extractor`` all that we offer, under every aggregation of some dimensions: 3D, 2_5D."""
    found: dict[Key, float] = {}
    asked = {"featureClass": names_by_class(), "setting": {"additionalInfo": False, **settings}}
    for dimension in dimensions:
        for suffix in ("avg", "comb"):
            values = Extractor(asked, **AGGREGATIONS[f"{dimension}_{suffix}"]).execute(scan, region)
            named = {name.removeprefix("original_"): float(value) for name, value in values.items()}
            found |= {(name, aggregation(name, dimension, suffix)): value for name, value in named.items()}
    return found


def aggregation(name: str, dimension: str, suffix: str) -> str:
    """Return how the tag of a feature of ours ends."""
    if name.startswith(("shape_", "firstorder_")):
        return ""
    return f"{dimension}_{suffix}" if name.startswith(("glcm_", "glrlm_")) else dimension


@dataclass(frozen=True)
class Outcome:
    """A value of ours beside a reference value.

    Args:
        value: Ours.
        why: Nothing if it matches, else names out of ``DEFINITIONS`` and ``STEPS``, or ``UNEXPLAINED``.
        otherwise: What matches, if a definition alone is why ours does not.
    """

    value: float
    why: str = ""
    otherwise: float | None = None


@dataclass(frozen=True)
class Row:
    """A reference value, what we call the feature, and ours after each preparation, from the IBSI's to PyRadiomics'."""

    reference: Reference
    identifier: str
    name: str
    ours: tuple[Outcome, ...]


@dataclass(frozen=True)
class Comparison:
    """All features of a data set.

    Args:
        title: Of the data set.
        references: All that has a reference value.
        rows: Those that we offer.
        steps: Names of the preparations; the first is the IBSI's, the last PyRadiomics'.
        voxels: How many the region has after the first and the last preparation.
        diagnostics: How many values that describe the IBSI preparation match, and of how many.
    """

    title: str
    references: list[Reference]
    rows: list[Row]
    steps: tuple[str, ...]
    voxels: tuple[int, int]
    diagnostics: tuple[int, int] = (0, 0)


def compare(data: Path) -> list[Comparison]:
    """Compare both phantoms."""
    phantom = CtPhantom(data)
    return [compare_digital(data), *(compare_ct(data, phantom, letter) for letter in CONFIGURATIONS)]


def compare_digital(data: Path) -> Comparison:
    """Compare the digital phantom, whose intensities are its grey levels: bins of width 1."""
    folder = data / "ibsi_1_digital_phantom" / "nifti"
    scan, region = (sitk.ReadImage(folder / f"{name}.nii.gz") for name in ("image/phantom", "mask/mask"))
    values = extracted(scan, region, {"binWidth": 1}, ("3D", "2_5D"))
    references = read_references(data, "digital_phantom")
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(region)))
    rows = [
        Row(reference, identifier, name, (outcome(reference, values[name, reference.aggregation], voxels),))
        for reference, identifier, name in _offered(references)
    ]
    return Comparison("Digital phantom", references, rows, ("none",), (voxels, voxels))


def compare_ct(data: Path, phantom: CtPhantom, letter: str) -> Comparison:
    """Compare the CT phantom under one configuration, step by step from the IBSI's preparation to PyRadiomics'."""
    configuration = CONFIGURATIONS[letter]
    steps = [step for step in STEPS if step != "one cut" or letter == "E"]
    prepared = [prepare(phantom, configuration, steps[:k]) for k in range(len(steps))]
    found = [features(there, configuration.binning) for there in prepared]
    found.append(extracted(phantom.scan, phantom.region, configuration.settings(), ("3D",)))
    prepared.append(prepare_as_pyradiomics(phantom, configuration))
    renumbered = [renumbered_features(there, configuration) for there in prepared]
    everything = read_references(data, f"config_{letter}")
    references = [reference for reference in everything if not reference.family.startswith("Diagnostics")]
    voxels, rows = (int(prepared[0].whole.sum()), int(prepared[-1].whole.sum())), []
    for reference, identifier, name in _offered(references):
        key = (name, reference.aggregation)
        ours = [outcome(reference, a[key], voxels[0], b.get(key)) for a, b in zip(found, renumbered, strict=True)]
        rows.append(Row(reference, identifier, name, _with_steps(ours, steps)))
    checks = [reference for reference in everything if reference.family.startswith("Diagnostics")]
    told = diagnostics(phantom, prepared[0])
    met = sum(reference.is_met_by(told[reference.tag]) for reference in checks)
    labels = ("IBSI preparation", *(f"+ {step}" for step in steps))
    return Comparison(f"CT phantom, configuration {letter}", references, rows, labels, voxels, (met, len(checks)))


def _offered(references: list[Reference]) -> list[tuple[Reference, str, str]]:
    known = offered()
    return [(r, *known[r.base]) for r in references if r.base in known and r.aggregation in AGGREGATIONS]


def outcome(reference: Reference, value: float, voxels: int, renumbered: float | None = None) -> Outcome:
    """Return whether a value matches, or by which definition it deviates: without it, it would match.

    Args:
        reference: What is published.
        value: Ours.
        voxels: Of the region.
        renumbered: Ours with grey levels numbered as the IBSI numbers them, if that is another value.
    """
    if reference.is_met_by(value):
        return Outcome(value)
    otherwise = {
        "kurtosis": value - 3 if reference.base == "stat_kurt" else None,
        "axes": value * float(np.sqrt(voxels / (voxels - 1))) if reference.base.startswith("morph_pca_") else None,
        "numbering": renumbered,
    }
    for why, other in otherwise.items():
        if other is not None and reference.is_met_by(other):
            return Outcome(value, why, other)
    return Outcome(value, UNEXPLAINED)


def _with_steps(ours: list[Outcome], steps: list[str]) -> tuple[Outcome, ...]:
    """Name the step from which on a feature deviates, where its definition alone does not say why."""
    named: list[Outcome] = []
    began = ""
    for k, one in enumerate(ours):
        began = (began or steps[k - 1]) if one.why == UNEXPLAINED and k else ""
        named.append(replace(one, why=" and ".join(filter(None, (ours[0].why, began)))) if began else one)
    return tuple(named)
