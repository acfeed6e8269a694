"""The places in a run folder that hold the evidence required by guidelines, and the values found there."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ccrcc_model.report.run_parts import RunParts
from nnunet_ext.documents.csv_table import read_csv
from nnunet_ext.ground.errors import InputError

NOT_STATED = "N/A"
"""Entry of Table S1 for a parameter that the scans do not state."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a piece of evidence.

    Args:
        files: Pattern of files in the run folder, as ``RunParts.files`` takes it.
        key: Column of a CSV file, or path in a JSON file, such as ``"settings.folds"``. In a path, ``*`` means every entry,
            and ``groups[scope=external]`` the first entry of a list that has this value and in which the rest of the path
            exists. If empty, the file itself is the evidence.
        at_least: Minimum number of different values in a column.
        is_false: Whether a false value is the evidence; otherwise false counts as no evidence.
    """

    files: str
    key: str = ""
    at_least: int = 1
    is_false: bool = False


@dataclass(frozen=True, slots=True)
class Pointer:
    """A piece of evidence that was found: a file of the run folder, a key in it, and its value in short form."""

    file: str
    key: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.key} = {self.value}" if self.key else self.file


_MANIFEST, _PIPELINE, _BENCHMARK = "models/*/manifest.json", "models/*/pipeline.json", "benchmark/*/benchmark.json"
_PRESET, _SCALES = "report/tables/preset_*.json", "scales.*.setting"
_INTERNAL, _EXTERNAL = "groups[scope=internal]", "groups[scope=external]"


def _of(files: str, *keys: str) -> tuple[Place, ...]:
    return tuple(Place(files, key) for key in keys)


TOPICS: dict[str, tuple[Place, ...]] = {
    # cohorts
    "acquisition": _of("tables/acquisition.csv", "slice_thickness_mm", "tube_voltage_kv"),
    "centres": (Place("tables/acquisition.csv", "centre", at_least=2),),
    "flow": _of("tables/flow.csv", "listed", "modelled"),
    "roles": (Place("tables/flow.csv", "role", at_least=2),),
    # masks
    "segmentation": (Place("masks/segmentation.json", "model"), Place("tables/overlap.csv", "structure")),
    "overlap": (Place("tables/overlap.csv", "dice"), Place("report/figures/figure_s1_dice.csv")),
    # features
    "preset": _of(_MANIFEST, "preset.preset", "preset.preset_sha256"),
    "regions": _of(_PRESET, "regions.structures", "regions.minimum_voxels"),
    "lesion_rule": _of(_PRESET, "regions.lesions"),
    "hu_windows": _of(_PRESET, "regions.tissue_hu", "regions.fat_hu"),
    "resampling": _of(_PRESET, f"{_SCALES}.resampledPixelSpacing", f"{_SCALES}.interpolator"),
    "bins": _of(_PRESET, f"{_SCALES}.binWidth"),
    "image_types": _of(_PRESET, "scales.*.imageType"),
    "feature_classes": _of(_PRESET, "scales.*.featureClass"),
    "features": _of(_MANIFEST, "n_features"),
    "extraction_software": _of(_MANIFEST, "preset.mode", "versions.ccrcc-radiomics"),
    # models
    "target": _of(_MANIFEST, "target.column", "target.cut", "target.sentence"),
    "classes": _of(_MANIFEST, "n_patients", "n_positive"),
    "missing_values": _of(_PIPELINE, "members.0.features.0.typical"),
    "scaling": _of(_PIPELINE, "members.0.features.0.centre", "members.0.features.0.spread"),
    "selection": _of(_MANIFEST, "n_features", "families.0.hyperparameters.n_features"),
    "algorithm": _of(_MANIFEST, "families.0.family", "families.0.hyperparameters.num_leaves", "versions.lightgbm"),
    "unbalanced": (Place(_MANIFEST, "settings.balanced", is_false=True),),
    "ensemble": _of(_PIPELINE, "members"),
    "tuning": _of(_MANIFEST, "settings.trials", "settings.inner_folds"),
    "folds": _of(_MANIFEST, "settings.folds", "settings.repeats"),
    "seed": _of(_MANIFEST, "settings.seed"),
    "no_leak": _of(_MANIFEST, "audit.no_leak", "audit.steps"),
    "centre_control": _of(_MANIFEST, "controls.centre_only.value"),
    "threshold": _of("models/*/decisions.json", "model.threshold"),
    "model_files": _of(_MANIFEST, "files"),
    "versions": _of("run.json", "versions.python", "versions"),
    "explanation": (Place("models/*/importance.json", "0.feature"), Place("report/figures/features_*.csv", "log_odds")),
    # benchmark
    "internal_test": _of(_BENCHMARK, f"{_INTERNAL}.model.n", f"{_INTERNAL}.model.auc.value"),
    "external_test": _of(_BENCHMARK, f"{_EXTERNAL}.model.n", f"{_EXTERNAL}.model.events"),
    "metrics": (
        Place(_BENCHMARK, "target"),
        Place("report/benchmark/*/operating_points.csv", "metric"),
        Place("report/benchmark/*/discrimination.csv", "auc"),
    ),
    "intervals": _of(_BENCHMARK, f"{_EXTERNAL}.model.auc.low", f"{_EXTERNAL}.model.auc.high"),
    "calibration": _of(_BENCHMARK, f"{_EXTERNAL}.model.calibration.slope.value"),
    "comparison": _of(_BENCHMARK, f"{_EXTERNAL}.difference.p_value"),
    "baseline": _of(_BENCHMARK, f"{_EXTERNAL}.baseline.auc.value"),
    "centre_results": _of(_BENCHMARK, "groups[scope=centre].model.auc.value"),
    "subgroups": _of("report/benchmark/*/subgroups.csv", "factor"),
    "recalibration": _of("report/benchmark/*/recalibration.csv", "what"),
    "counts": (Place(_BENCHMARK, "target"), *_of("report/benchmark/*/table_s2.csv", "true_positive", "false_negative")),
    "plots": (
        Place(_BENCHMARK, "target"),
        *(Place(f"report/figures/{kind}_*.svg") for kind in ("roc", "calibration", "decision")),
    ),
    "locked": _of(_BENCHMARK, "model_id"),
}
"""Places of each topic of evidence. A topic is found if every place is found in every file of its pattern."""

_FILTER = re.compile(r"(\w+)\[(\w+)=([^\]]+)\]")


@dataclass
class Evidence:
    """Looks for evidence in a run folder.

    Args:
        parts: Of the run.
    """

    parts: RunParts
    _read: dict[Path, Any] = field(default_factory=dict)

    def find(self, topic: str) -> tuple[Pointer, ...]:
        """Return the evidence on a topic, or nothing if any of it is missing.

        Raises:
            InputError: If a file is not what its name indicates.
        """
        found: list[Pointer] = []
        for place in TOPICS[topic]:
            files = self.parts.files(place.files)
            each = [list(self._in_file(path, place)) for path in files]
            if not each or not all(each):
                return ()
            found += [pointer for pointers in each for pointer in pointers]
        return tuple(dict.fromkeys(found))

    def _in_file(self, path: Path, place: Place) -> Iterator[Pointer]:
        name = path.relative_to(self.parts.folder).as_posix()
        if not place.key:
            if path.stat().st_size:
                yield Pointer(name)
        elif path.suffix == ".csv":
            values = self._column(path, place.key)
            if len(values) >= place.at_least:
                yield Pointer(name, place.key, in_short(values))
        else:
            content = self._once(path, _json)
            for key, value in _walk(content, place.key.split("."), is_false=place.is_false):
                yield Pointer(name, key, in_short(value))

    def _column(self, path: Path, name: str) -> list[Any]:
        """Return the different values of a column, without empty cells and those that state nothing."""
        frame: pd.DataFrame = self._once(path, _csv)
        if name not in frame:
            return []
        stated = frame[name][~frame[name].isin(["", NOT_STATED])]
        return [_number(text) for text in dict.fromkeys(stated.tolist())]

    def _once(self, path: Path, read: Any) -> Any:
        if path not in self._read:
            self._read[path] = read(path)
        return self._read[path]


def in_short(value: Any) -> str:
    """Return a value in the short form of a sheet's cell: four digits, 80 characters, few entries."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(map(str, value)) if len(value) <= 8 else f"{len(value)} entries"
    if isinstance(value, list):
        plain = len(value) <= 6 and not any(isinstance(one, (dict, list)) for one in value)
        return ", ".join(in_short(one) for one in value) if plain else f"{len(value)} entries"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _number(text: str) -> float | str:
    """Return the decimal fraction in a cell, or else its text: whole numbers are printed unchanged."""
    try:
        return float(text) if "." in text else text
    except ValueError:
        return text


def _walk(value: Any, path: list[str], *, is_false: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield key and value of every entry at ``path`` that is not null, false or empty, or, if ``is_false``, that is false."""
    if not path:
        is_nothing = value is None or value is False or value in ("", [], {})
        if value is False if is_false else not is_nothing:
            yield "", value
        return
    for key, step in _steps(value, path[0]):
        found = [(f"{key}.{rest}" if rest else key, what) for rest, what in _walk(step, path[1:], is_false=is_false)]
        yield from found
        if found and _FILTER.fullmatch(path[0]):
            return


def _steps(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the entries of ``value`` to which one part of a path refers."""
    if matched := _FILTER.fullmatch(name):
        listed, key, wanted = matched.groups()
        entries = value.get(listed, []) if isinstance(value, dict) else []
        yield from ((f"{listed}.{place}", entry) for place, entry in enumerate(entries) if entry.get(key) == wanted)
    elif isinstance(value, dict):
        yield from value.items() if name == "*" else ([(name, value[name])] if name in value else [])
    elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
        yield name, value[int(name)]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not readable JSON: {error}"
        raise InputError(msg) from error


def _csv(path: Path) -> pd.DataFrame:
    return read_csv(path)
