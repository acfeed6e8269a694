"""The files that each command writes, and how its own earlier result is recognised."""

from ccrcc_model.commands.outputs import REFUSED, FileKind, FolderKind, Head, IsOwn
from ccrcc_model.models.components import DEEP
from radiomics_cfg.table import KEYS

_TABLE = (".parquet", ".csv")

_RUN = {"run.json": None, "quarantine.csv": None}

_COHORT = ("card.yaml", "cases.csv", "quarantine.csv")


def _begins_with(*columns: str) -> IsOwn:
    return lambda head: head.columns[: len(columns)] == columns


def _is_feature_table(head: Head) -> bool:
    """Whether it has the keys, and after them features; a Parquet file also states where they come from."""
    stated = head.about is None or "ccrcc_provenance" in head.about
    common = KEYS[:4]  # a table that does not distinguish lesions has only these
    return stated and head.columns[:4] == common and "__" in head.columns[-1]


def _is_stability_table(head: Head) -> bool:
    from radiomics_cfg.contour_stability import COLUMNS  # it brings the engine, which most commands do without

    return head.columns == COLUMNS


def _has_deep_features(head: Head) -> bool:
    return any(DEEP in name for name in head.columns)


EXTRACTED = FileKind(
    "feature table",
    ("extract", "compact"),
    lambda head: _is_feature_table(head) and not _has_deep_features(head),
    _TABLE,
    _RUN,
)
LISTED = FileKind(
    "table of listed regions",
    ("extract",),
    lambda head: (
        {"Image", "Mask"} <= set(head.columns) and any(name.startswith(("original_", "diagnostics_")) for name in head.columns)
    ),
    (".csv",),
    _RUN,
)
JOINED = FileKind("feature table", ("deep",), lambda head: _is_feature_table(head) and _has_deep_features(head), _TABLE, _RUN)
STABILITY = FileKind(
    "stability table",
    ("stability",),
    _is_stability_table,
    _TABLE,
    {**_RUN, "values.parquet": _begins_with("patient_id", "mask")},
)
SPREAD = FileKind(
    "spread table",
    ("spread",),
    _begins_with("cohort", "case_id", "development", "masks"),
    _TABLE,
    {**_RUN, **{f"summary{suffix}": _begins_with("cohort", "development", "cases") for suffix in _TABLE}},
)
OVERLAP = FileKind(
    "table of overlaps",
    ("overlap",),
    _begins_with("cohort", "case_id", "centre", "structure", "dice"),
    beside={"run.json": None, "lesions.csv": _begins_with("cohort", "case_id", "centre", "lesions")},
)
COUNTS = FileKind(
    "table of counts", ("counts",), _begins_with("method", "print_rule", "n", "true_positive"), beside={"run.json": None}
)
REFUSALS = FileKind("list of refused cases", ("check",), _begins_with(*REFUSED), beside={"run.json": None})

THICKENED = FolderKind(("thicken",), (*_COHORT, "acquisition.csv", "images", "masks"), ("made_of",))
IMPORTED = {
    name: FolderKind(
        (f"import {name}",),
        (*_COHORT, "outcomes.csv", "series.csv", "masks.csv", "acquisition.csv", "images", "masks"),
        unstated=("source", "key", "structures"),
    )
    for name in ("kits", "table", "dicom")
}
PHANTOM = FolderKind(("phantom",), ("truth.json", "development", "external-1", "external-2"), ("truth.json",))
LOOKED = FolderKind(("look",), ("index.html", "self_check.csv", "reviews.csv", "pages", "cases", *_COHORT))
SEGMENTED = FolderKind(
    ("segment",),
    (*_COHORT, "self_check.csv", "cases", "dicom", "kidneys", "slicer"),
    ("segmentation.json",),
    ("dicom_source", "identity_key"),
)
BENCHMARK = FolderKind(
    ("benchmark",),
    (
        *(f"{name}.csv" for name in ("table_s2", "operating_points", "discrimination", "calibration", "calls")),
        *(f"{name}.csv" for name in ("across_cohorts", "intention_to_diagnose", "readers", "decision_difference")),
        *(
            f"{name}.csv"
            for name in ("recalibration", "subgroups", "at_prevalence", "uncertainty", "coverage", "graded_figures")
        ),
        *(f"{name}_curve.csv" for name in ("roc", "decision", "calibration")),
        "predictions.csv",
    ),
    ("benchmark.json", "graded_benchmark.json"),
)
PREDICTED = FolderKind(
    ("predict",), ("predictions.csv", "quarantine.csv", "index.html"), unstated=("scan", "mask", "identity_key")
)
POOL = FolderKind(("pool",), ("multicentre.csv", "meta_analysis.csv", "merged_histogram.csv"))
REPORTED = FolderKind(
    ("report",), ("sheets.html", "figures", "tables", "benchmark", "sheets", "model_cards"), ("report.html",)
)
