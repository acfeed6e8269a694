"""Which features stay the same when the tumour's contour is drawn a little differently."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath, write_json
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.cases.perturbed import MaskRecipe, read_masks
from radiomics_cfg.cases.result_file import Outcome
from radiomics_cfg.modes import Mode
from radiomics_cfg.perturbation.icc import MINIMUM_CASES, Form, intraclass_correlation
from radiomics_cfg.perturbation.perturbed_mask import Perturbation, usual_perturbations
from radiomics_cfg.preset import Preset, as_preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND, CaseBatch, cache_folder
from radiomics_cfg.sealed_table import read_sealed, write_sealed

STABLE = 0.75
"""Lower end of the 95% CI from which a feature counts as stable. Koo and Li 2016, doi:10.1016/j.jcm.2016.02.012, call
0.75 to 0.9 good and judge by the interval rather than by the estimate, which few cases leave to chance."""

COLUMNS = ("feature", "icc", "low", "high", "n_cases", "n_masks", "reason")
"""Of the table."""

_ABOUT = b"ccrcc_stability"


@dataclass(frozen=True)
class Stability:
    """How well the values of each feature agree between masks of the same tumour.

    Args:
        table: One row per feature, in the order of a feature table: ``feature``; ``icc`` with ``low`` and ``high``, its 95 %
            interval, NaN where missing; ``n_cases`` and ``n_masks``, original included; ``reason`` why it is missing.
        about: Form of the correlation, cohort, preset, masks, versions, and how often a mask had no values.
        refusals: Cases that could not be measured.
        values: What the correlations were computed from, where they were computed and not read.
    """

    table: pd.DataFrame
    about: dict[str, Any]
    refusals: tuple[Refusal, ...] = ()
    values: "PerturbedValues | None" = None

    def __post_init__(self) -> None:
        if tuple(self.table.columns) != COLUMNS:
            msg = f"A stability table has the columns {', '.join(COLUMNS)}; found {', '.join(map(str, self.table.columns))}"
            raise InputError(msg)

    def stable_features(self, *, low: float = STABLE) -> list[str]:
        """Return the names of the features whose interval begins at ``low`` or above, in table order."""
        return [str(name) for name in self.table["feature"][self.table["low"] >= low]]

    def write(self, path: AnyPath) -> None:
        """Write to ``path`` atomically: ``.parquet``, or ``.csv`` with ``about`` in an ``.about.json`` beside it.

        The values under every mask go to ``.values.parquet`` beside it: `PerturbedValues.read` reads them.
        """
        path = Path(path)
        if self.values is not None:
            self.values.write(path.with_name(f"{path.stem}.values.parquet"))
        if path.suffix == ".csv":
            write_json(path.with_suffix(".about.json"), self.about)
            write_csv(path, self.table)
            return
        write_sealed(pa.Table.from_pandas(self.table, preserve_index=False), path, key=_ABOUT, about=self.about)

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read what ``write`` wrote as Parquet; refusals are not kept in it.

        Raises:
            InputError: If the file is missing, or is no stability table of ours.
        """
        remedy = "make one with `ccrcc stability CARD --out FILE.parquet`"
        table, about = read_sealed(Path(path), key=_ABOUT, what="stability table", remedy=remedy)
        if not isinstance(about, dict):
            msg = f"{path} is no stability table of ours; {remedy}"
            raise InputError(msg)
        return cls(table.to_pandas(), about)


@dataclass(frozen=True, eq=False)
class PerturbedValues:
    """The features of each case under each mask.

    Args:
        names: Features.
        patient_id: Shape ``(n_cases,)``.
        values: Shape ``(n_cases, n_masks, n_features)``; NaN where missing.
        about: As the stability table states it: preset, mode, masks, versions.
    """

    names: tuple[str, ...]
    patient_id: npt.NDArray[np.str_]
    values: npt.NDArray[np.float64]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of all of it, as hexadecimal."""
        digest = sha256(json.dumps([self.names, self.patient_id.tolist()]).encode())
        digest.update(np.ascontiguousarray(self.values).tobytes())
        return digest.hexdigest()

    def of(self, patients: npt.NDArray[np.str_]) -> Self:
        """Return the values of the cases of these patients.

        Raises:
            InputError: If fewer than ten cases are of these patients.
        """
        chosen = np.isin(self.patient_id, patients)
        if chosen.sum() < MINIMUM_CASES:
            msg = (
                f"Stability is judged from at least {MINIMUM_CASES} cases of the training patients; of the "
                f"{len(self.patient_id)} cases with perturbed masks {int(chosen.sum())} are theirs; perturb more cases"
            )
            raise InputError(msg)
        return replace(self, patient_id=self.patient_id[chosen], values=self.values[chosen])

    def stable(self, *, low: float = STABLE) -> list[str]:
        """Return the features whose interval of ICC(A,1) begins at ``low`` or above."""
        agreement = intraclass_correlation(self.values)
        return [name for name, begins in zip(self.names, agreement.low, strict=True) if begins >= low]

    def write(self, path: AnyPath) -> None:
        """Write one row per case and mask, atomically."""
        n_cases, n_masks, n_features = self.values.shape
        keys = {
            "patient_id": np.repeat(self.patient_id, n_masks).tolist(),
            "mask": np.tile(np.arange(n_masks), n_cases).astype(np.int32),
        }
        columns = self.values.reshape(-1, n_features)
        table = pa.table(keys | {name: columns[:, place] for place, name in enumerate(self.names)})
        write_sealed(table, Path(path), key=_ABOUT, about=dict(self.about))

    @staticmethod
    def read(path: AnyPath) -> "PerturbedValues":
        """Read what `Stability.write` wrote beside its table.

        Raises:
            InputError: If the file is missing, or holds no such values.
        """
        path, remedy = Path(path), "`ccrcc stability` writes them as .values.parquet"
        table, about = read_sealed(path, key=_ABOUT, what="table of values under perturbed masks", remedy=remedy)
        try:
            return _values(table, _about_of_values(about, path))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            msg = f"{path} holds no values under perturbed masks; {remedy}"
            raise InputError(msg) from error


def _values(table: pa.Table, about: Mapping[str, Any]) -> PerturbedValues:
    """Return the values of a table of one row per case and mask.

    Raises:
        ValueError: If it is not one row per case and mask, or has a feature twice.
    """
    names = [name for name in table.column_names if name not in ("patient_id", "mask")]
    masks = table["mask"].to_numpy()
    n_masks = int(masks.max()) + 1
    values = np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64)
    patients = np.array(table["patient_id"].to_pylist(), dtype=np.str_).reshape(-1, n_masks)
    in_order = np.array_equal(masks.reshape(-1, n_masks), np.tile(np.arange(n_masks), (len(patients), 1)))
    if not in_order or (patients != patients[:, :1]).any() or len(set(names)) < len(names):
        msg = "not one row per case and mask"
        raise ValueError(msg)
    return PerturbedValues(tuple(names), patients[:, 0], values.reshape(-1, n_masks, len(names)), about)


def _about_of_values(about: Any, path: Path) -> dict[str, Any]:
    """Return what is said of values, if a fit can compare it with its table."""
    wanted = ("preset", "preset_sha256", "mode")
    if not isinstance(about, dict) or not all(isinstance(about.get(key), str) for key in wanted):
        msg = f"{path} does not say by which preset its values were measured; run `ccrcc stability` again"
        raise InputError(msg)
    return about


def stability(
    cohort: Cohort,
    preset: Preset | AnyPath,
    *,
    perturbations: Sequence[Perturbation] | None = None,
    cache_dir: AnyPath | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    backend: str = DEFAULT_BACKEND,
    mode: Mode = "canonical",
    form: Form = "ICC(A,1)",
    minimum_cases: int = MINIMUM_CASES,
    on_progress: OnProgress = silent,
) -> Stability:
    """Measure every case under its own mask and perturbed ones, and report how well each feature agrees between masks.

    Each scan is read once, through the gate, and measured once per mask, so the cost is that of as many extractions. No
    outcome is looked at. A case is one row: where the preset has a row for each lesion, its largest is taken. What came of
    each case is kept in ``cache_dir`` under a hash of its files, the preset, the perturbations and all versions, so a run that
    was cut off goes on where it stopped.

    Args:
        cohort: Cases with masks; a sample of some 30 to 50 is enough.
        preset: What to measure; its name or folder will do.
        perturbations: The same for every case; those of ``usual_perturbations`` by default.
        cache_dir: Folder for one result file per case; a temporary one by default.
        jobs: Number of processes, each with one thread; a script that asks for several needs
            ``if __name__ == "__main__"``.
        scheduler: Address of a Dask cluster that does the work instead, on the same file system.
        backend: Name of what computes the features.
        mode: Whether regions share the filtered images of a scale, or have crops of their own as PyRadiomics cuts them.
        form: Of the intraclass correlation.
        minimum_cases: Cases with a value under every mask that a feature needs.
        on_progress: Called at once with the number of cases that were kept, then after each case.

    Raises:
        InputError: If every case is refused, ``jobs`` is below 1, there is no perturbation, the backend is unknown or not
            installed, or the cluster cannot be used.

    References:
        Zwanenburg et al. 2019, doi:10.1038/s41598-018-36938-4.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> found = stability(load_cohort("dev/card.yaml"), "small")
        >>> found.table.columns[:4].tolist(), found.about["n_cases"]
        (['feature', 'icc', 'low', 'high'], 3)
    """
    masks = usual_perturbations() if perturbations is None else perturbations
    with cache_folder(cache_dir, scheduler=scheduler) as folder:
        batch = mask_batch(cohort, as_preset(preset), masks, folder, backend=backend, mode=mode)
        outcomes = batch.measure(batch.find(), jobs=jobs, scheduler=scheduler, on_progress=on_progress)
        return _agreement(batch, outcomes, form=form, minimum_cases=minimum_cases)


def mask_batch(
    cohort: Cohort, preset: Preset, perturbations: Sequence[Perturbation], folder: Path, *, backend: str, mode: Mode
) -> CaseBatch[MaskRecipe]:
    """Return the batch that measures a cohort under all masks."""
    recipe = MaskRecipe.of(cohort, preset, perturbations, backend=backend, mode=mode)
    recipe.columns()
    return CaseBatch(cohort, recipe, folder)


def _agreement(batch: CaseBatch[MaskRecipe], outcomes: Mapping[str, Outcome], *, form: Form, minimum_cases: int) -> Stability:
    """Compute the correlations of a batch that was measured."""
    recipe, columns = batch.recipe, batch.recipe.columns()
    cases, files, refusals = batch.parted(outcomes)
    values, lost = _read_all(files, len(recipe.masks), len(columns))
    agreement = intraclass_correlation(values, form, minimum_cases=minimum_cases)
    table = pd.DataFrame(
        {
            "feature": pd.Series(columns, dtype="str"),
            "icc": agreement.estimate,
            "low": agreement.low,
            "high": agreement.high,
            "n_cases": agreement.n_cases,
            "n_masks": len(recipe.masks),
            "reason": pd.Series(agreement.reason, dtype="str"),
        }
    )
    patients = np.array([case.patient_id for case in cases], dtype=np.str_)
    about = _about(batch.cohort, recipe, form, n_cases=len(files), lost=lost)
    return Stability(table, about, refusals, PerturbedValues(tuple(columns), patients, values, about))


def _read_all(files: Sequence[Path], n_masks: int, n_columns: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int_]]:
    """Return all values, shape ``(n_cases, n_masks, n_columns)``, and how many cases have none under each mask."""
    values = np.empty((len(files), n_masks, n_columns))
    lost = np.zeros(n_masks, int)
    for place, file in enumerate(files):
        content = read_masks(file)
        if content is None or content.values.shape != values.shape[1:]:
            msg = f"The result file {file} was changed meanwhile; run `ccrcc stability` again"
            raise InputError(msg)
        values[place] = content.values
        lost += [bool(reason) for reason in content.lost]
    return values, lost


def _about(cohort: Cohort, recipe: MaskRecipe, form: Form, *, n_cases: int, lost: npt.NDArray[np.int_]) -> dict[str, Any]:
    said = recipe.about()
    return {
        "form": form,
        "cohort": cohort.name,
        "role": str(cohort.role),
        "n_cases": n_cases,
        **{key: said[key] for key in ("preset", "preset_sha256", "backend", "mode", "orientation", "versions")},
        "masks": list(recipe.masks),
        "cases_without_values": dict(zip(recipe.masks, lost.tolist(), strict=True)),
    }
