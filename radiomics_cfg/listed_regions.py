"""Regions that a CSV file lists, as PyRadiomics' batch command takes them: image, mask and label of each, of any organ."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from nnunet_ext.documents.csv_table import line_of, read_csv
from nnunet_ext.documents.sealed_json import read_sealed, write_sealed
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError, last_line
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.ground.record import DISTRIBUTION, versions
from nnunet_ext.volumes.presence import check_file
from nnunet_ext.volumes.volume_file import volume_sha256
from radiomics_cfg.backends.extractor import Extractor
from radiomics_cfg.backends.native import Engine
from radiomics_cfg.backends.parameters import Asked
from radiomics_cfg.modes import MODES, Mode
from radiomics_cfg.process.heap import freed_memory_kept
from radiomics_cfg.process.one_thread import one_thread

REQUIRED = ("Image", "Mask")
OPTIONAL = ("Label", "Label_channel")
"""Columns of PyRadiomics' batch file. It may have others, which are carried along."""

STAGE = "extract"


@dataclass(frozen=True)
class ListedRegion:
    """One row of a list.

    Args:
        line: Of the file, the header being 1.
        cells: All columns as they are written.
        image: A volume, or a folder with one DICOM series.
        mask: Labels.
        label: Value of the region in the mask; None for that of the parameters, 1 by default.
        channel: Of a mask with several; likewise.
    """

    line: int
    cells: Mapping[str, str]
    image: Path
    mask: Path
    label: int | None = None
    channel: int | None = None


def read_listed_regions(path: AnyPath) -> tuple[ListedRegion, ...]:
    """Read a list of regions: a CSV file with the columns ``Image`` and ``Mask``, perhaps ``Label`` and ``Label_channel``.

    Paths are relative to the file.

    Raises:
        InputError: If a column or a cell is missing, or a label is no whole number.
    """
    file = Path(path)
    frame = read_csv(file, "list of regions")
    if lacking := [name for name in REQUIRED if name not in frame.columns]:
        found = ", ".join(map(str, frame.columns[:8]))
        msg = f"{file.name} has no column {lacking[0]}; a list of regions has {' and '.join(REQUIRED)}, and found are {found}"
        raise InputError(msg)
    if frame.empty:
        msg = f"{file.name} lists no region; give a row with an image and a mask for each"
        raise InputError(msg)
    for name in REQUIRED:
        if (empty := frame[name].str.strip() == "").any():
            msg = f"{file.name}, line {line_of(frame, empty)}: the cell {name} is empty; give a path"
            raise InputError(msg)
    rows = frame.to_dict("records")
    numbers = {name: _whole_numbers(frame, name, file.name) for name in OPTIONAL}
    folder = file.absolute().parent
    return tuple(
        ListedRegion(
            line_of(frame, np.arange(len(rows)) == place),
            {str(name): str(cell) for name, cell in row.items()},
            folder / str(row["Image"]).strip(),
            folder / str(row["Mask"]).strip(),
            numbers["Label"][place],
            numbers["Label_channel"][place],
        )
        for place, row in enumerate(rows)
    )


def _whole_numbers(frame: pd.DataFrame, name: str, file: str) -> list[int | None]:
    if name not in frame.columns:
        return [None] * len(frame)
    cells = frame[name].str.strip()
    wrong = ~(cells.str.fullmatch(r"\d+", flags=0) | (cells == ""))
    if wrong.any():
        msg = f"{file}, line {line_of(frame, wrong)}: {name} is {cells[wrong].iloc[0]!r}; it has to be a whole number"
        raise InputError(msg)
    return [int(cell) if cell else None for cell in cells]


def measure_listed_regions(
    regions: Sequence[ListedRegion],
    params: AnyPath | None,
    folder: Path,
    *,
    mode: Mode = "pyradiomics",
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> tuple[pd.DataFrame, tuple[Refusal, ...]]:
    """Measure each region of a list.

    What came of each is kept under a hash of its files, the parameters and all versions, so a run that was cut off goes on.

    Args:
        regions: As ``read_listed_regions`` returns them.
        params: PyRadiomics' parameter file; its defaults without one.
        folder: Keeps the results.
        mode: How geometry is treated, see ``Extractor``.
        jobs: Processes.
        on_progress: Called with the regions done and of all.

    Returns:
        A row for each region, as text: the columns of the list, PyRadiomics' diagnostics, and the features, which are empty
        where the region was refused; and these refusals, with the line of the list in place of a case.

    Raises:
        InputError: If the parameters or the mode are not known.
    """
    if mode not in MODES:
        msg = f"No mode {mode!r}; known ones are {', '.join(MODES)}"
        raise InputError(msg)
    asked = Asked.of(params, {})
    way = json.dumps({"mode": mode, "settings": asked.settings, "images": asked.image_types, "features": asked.features})
    rows: list[dict[str, str]] = []
    refusals: list[Refusal] = []
    on_progress(0, len(regions))
    for region, found in zip(regions, _each(regions, way, folder, jobs), strict=True):
        if isinstance(found, Refusal):
            refusals.append(found)
        rows.append({**region.cells, **({} if isinstance(found, Refusal) else found)})
        on_progress(len(rows), len(regions))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame(rows, columns=columns).fillna(""), tuple(refusals)


def _each(regions: Sequence[ListedRegion], way: str, folder: Path, jobs: int) -> Iterator[dict[str, str] | Refusal]:
    if jobs == 1:
        yield from (_measured(region, way, folder) for region in regions)
        return
    calls = (joblib.delayed(_measured)(region, way, folder) for region in regions)
    yield from joblib.Parallel(n_jobs=jobs, return_as="generator")(calls)


def _measured(region: ListedRegion, way: str, folder: Path) -> dict[str, str] | Refusal:
    """Return the diagnostics and features of a region as text, or why there are none."""
    name = f"line {region.line}"
    try:
        for path, what in ((region.image, "image"), (region.mask, "mask")):
            check_file(path, what, folders=True)
        file = folder / f"{_digest(region, way)}.json"
        if (kept := read_sealed(file)) is not None:
            return kept
        with freed_memory_kept(), one_thread():
            found = _extractor(way).execute(region.image, region.mask, region.label, region.channel)
    except CaseRefused as refused:
        return Refusal(name, STAGE, refused.code, refused.reason)
    except MemoryError:
        return Refusal(name, STAGE, "out-of-memory", "measuring the region needs more memory than there is")
    except (RuntimeError, ArithmeticError) as error:
        return Refusal(name, STAGE, "failed", last_line(error))
    values = {key: _as_text(value) for key, value in found.items()}
    write_sealed(file, values)
    return values


@lru_cache(maxsize=1)
def _extractor(way: str) -> Extractor:
    """Return the extractor of this process, which keeps the scan that it read last."""
    asked = json.loads(way)
    content = {"setting": asked["settings"], "imageType": asked["images"], "featureClass": asked["features"]}
    return Extractor(content, mode=asked["mode"])


def _digest(region: ListedRegion, way: str) -> str:
    files = volume_sha256(region.image, "image"), volume_sha256(region.mask, "mask")
    made_by = {**Engine().versions, DISTRIBUTION: versions().get(DISTRIBUTION, "")}
    content = [*files, region.label, region.channel, way, made_by]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _as_text(value: Any) -> str:
    """Return a value as PyRadiomics' CSV has it, numbers with all their digits."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return repr(value) if isinstance(value, float) else str(value)
