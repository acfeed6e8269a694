"""A feature table and where its numbers come from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.notebook import as_html, counted, listed
from radiomics_cfg.feature_name import VOLUMES, FeatureName
from radiomics_cfg.foreign_table import FOREIGN, ForeignColumns, foreign_rows
from radiomics_cfg.provenance import check_provenance
from radiomics_cfg.sealed_table import read_sealed, write_sealed

KEYS = ("cohort", "case_id", "patient_id", "centre", "lesion", "side")
"""Columns that name a row; every other column is a feature."""

SIDES = ("left", "right", "both", "unknown")
"""What the column ``side`` may hold: a side of the patient."""

_PROVENANCE = b"ccrcc_provenance"


@dataclass(frozen=True, repr=False)
class FeatureTable:
    """One row per case or lesion, one column per feature.

    A case has a row of lesion 0, which is all its tumours together, or one of lesion 1, the index lesion, and of any others.

    Args:
        rows: The columns of ``KEYS``, then features named ``<region>__<scale>__<PyRadiomics name>``, such as
            ``tumour__1mm__wavelet-LLH_glcm_Contrast``; missing values are NaN.
        provenance: Preset and its hash, versions, and per case the hashes of image and mask, and its acquisition; of a table
            that was made elsewhere (``of``) the key ``foreign`` instead.

    Example:
        >>> frame = pd.DataFrame({"ID": [1, 2], "original_shape_MeshVolume": [900.0, 4200.0], "age": [61, 70]})
        >>> FeatureTable.of(frame, patient="ID", volume="original_shape_MeshVolume", cohort="clinic")
        FeatureTable of clinic: 2 rows, 1 feature
        2 cases of 2 patients from 1 centre
        a table made elsewhere (foreign): image hashes and preset are not known; 1 column left out
    """

    rows: pd.DataFrame
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        missing = [key for key in KEYS if key not in self.rows.columns]
        if missing:
            msg = f"A feature table needs the columns {', '.join(KEYS)}; missing here: {', '.join(missing)}"
            raise InputError(msg)
        if not self.rows.columns.is_unique:
            twice = self.rows.columns[self.rows.columns.duplicated()][0]
            msg = f"A feature table has each column once; {twice} is there several times"
            raise InputError(msg)
        if nameless := [key for key in KEYS if self.rows[key].isna().any()]:
            msg = f"Every row of a feature table has a name; the column {nameless[0]} is empty in some"
            raise InputError(msg)
        _check_lesions(self.rows)
        text = [str(name) for name, kind in self.rows.dtypes.items() if name not in KEYS and kind != np.float64]
        if text:
            msg = f"Features are numbers; column {text[0]} holds {self.rows[text[0]].dtype}"
            raise InputError(msg)

    @property
    def feature_names(self) -> list[str]:
        """Names of the feature columns, in table order."""
        return [str(name) for name in self.rows.columns if name not in KEYS]

    @property
    def features(self) -> pd.DataFrame:
        """The features alone, shape ``(n_rows, n_features)``, float64."""
        return self.rows[self.feature_names]

    def index_lesions(self) -> Self:
        """Return the table of one row a case: its largest tumour, or all its tumours where they were measured together."""
        is_first = self.rows["lesion"] <= 1
        return self if is_first.all() else replace(self, rows=self.rows[is_first])

    @property
    def volume_column(self) -> str:
        """Name of the tumour's volume in mm³ on the finest scale: what every model has to beat.

        Raises:
            InputError: If the table was made without shape features of the tumour.
        """
        parts = {name: FeatureName.of(name) for name in self.feature_names}
        for volume in VOLUMES:
            for name, part in parts.items():
                if part.is_tumour_volume and part.pyradiomics == volume:
                    return name
        msg = "This table has no tumour volume; extract it with a preset that has the region tumour and the class shape"
        raise InputError(msg)

    @classmethod
    def of(
        cls,
        table: pd.DataFrame | AnyPath,
        *,
        patient: str,
        volume: str = VOLUMES[0],
        centre: str | None = None,
        cohort: str = FOREIGN,
        role: Role | str = Role.DEVELOPMENT,
    ) -> Self:
        """Take a table that was made elsewhere: one row per patient, features under PyRadiomics' names.

        ``original_shape_MeshVolume`` becomes ``tumour__foreign__original_shape_MeshVolume``. Columns that are no features of
        PyRadiomics, such as ``diagnostics_*`` and outcomes, are left out and counted; columns that are named as in a table of
        ours stay as they are. Neither hashes of images nor a preset are known, so a scan under two names is recognised by its
        features alone, and nothing assures that two such tables were measured in the same way.

        Args:
            table: A frame, or a CSV or Parquet file.
            patient: Column that names the patient.
            volume: Column of the tumour's volume in mm³.
            centre: Column that names the hospital; all patients are of one by default.
            cohort: Name of the cohort.
            role: ``development`` or ``external``: whether models may be fitted on it.

        Raises:
            InputError: If the file cannot be read, a column is missing or there twice, a patient has several rows or no name,
                a feature is not numeric, or the volume is missing throughout or the same for all.
        """
        if role not in set(Role):
            msg = f"No role {role!r}; known ones are {', '.join(Role)}"
            raise InputError(msg)
        columns = ForeignColumns(patient, volume, centre)
        return cls(*foreign_rows(table, columns, cohort=cohort, role=Role(role)))

    def __repr__(self) -> str:
        names = sorted(set(self.rows["cohort"].astype("str")))
        n_cases = len(self.rows[["cohort", "case_id"]].drop_duplicates())
        n_patients, n_centres = (self.rows[key].nunique() for key in ("patient_id", "centre"))
        who = f"{counted(n_patients, 'patient')} from {counted(n_centres, 'centre')}"
        size = f"{counted(len(self.rows), 'row')}, {counted(len(self.rows.columns) - len(KEYS), 'feature')}"
        return f"FeatureTable of {listed(names)}: {size}\n{counted(n_cases, 'case')} of {who}\n{self._origin()}"

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    def _origin(self) -> str:
        """Return in a line what the features were made by."""
        about = self.provenance
        if FOREIGN in about:
            left_out = counted(int(about[FOREIGN]["columns_left_out"]), "column")
            return f"a table made elsewhere ({FOREIGN}): image hashes and preset are not known; {left_out} left out"
        known = f"preset {about.get('preset') or 'not stated'} ({str(about.get('preset_sha256', ''))[:8]})"
        return f"{known}, mode {about.get('mode', 'not stated')}" + (", with deep features" if "deep_sha256" in about else "")

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read a table that ``write`` wrote.

        Raises:
            InputError: If the file is missing, is not Parquet, was not written by this project, or is not what was written.
        """
        path = Path(path)
        if path.suffix == ".csv":
            msg = f"{path} is a table for other programs, without its provenance; extract it as .parquet"
            raise InputError(msg)
        table, provenance = read_sealed(path, key=_PROVENANCE, what="feature table", remedy="make one with `ccrcc extract`")
        check_provenance(provenance, path)
        return cls(table.to_pandas(), provenance)

    def write(self, path: AnyPath) -> None:
        """Write to ``path`` (``.parquet`` with a hash of its content, or ``.csv`` without the provenance) atomically."""
        path = Path(path)
        if path.suffix == ".csv":
            write_csv(path, self.rows)
            return
        write_sealed(pa.Table.from_pandas(self.rows, preserve_index=False), path, key=_PROVENANCE, about=self.provenance)


def _check_lesions(rows: pd.DataFrame) -> None:
    if not pd.api.types.is_integer_dtype(rows["lesion"]) or (rows["lesion"] < 0).any():
        found = rows["lesion"].dtype if rows["lesion"].dtype.kind not in "iu" else rows["lesion"].min()
        msg = f"The column lesion holds whole numbers from 0, which is all tumours of a case together; found {found}"
        raise InputError(msg)
    unknown = rows["side"][~rows["side"].isin(SIDES)]
    if len(unknown):
        msg = f"The column side holds {', '.join(SIDES)}; found {unknown.iloc[0]!r}"
        raise InputError(msg)
    repeated = rows[rows.duplicated(["cohort", "case_id", "lesion"])]
    if len(repeated):
        first = repeated.iloc[0]
        msg = f"A feature table has one row a lesion; lesion {first['lesion']} of case {first['case_id']} has several"
        raise InputError(msg)
    firsts = (rows["lesion"] <= 1).groupby([rows["cohort"], rows["case_id"]]).sum()
    if len(wrong := firsts.index[firsts != 1]):
        msg = (
            f"Every case has a row of lesion 0 or of lesion 1, not of both; case {wrong[0][1]} has {firsts[wrong[0]]} of them"
        )
        raise InputError(msg)
