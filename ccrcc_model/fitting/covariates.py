"""Clinical covariates of an outcomes file."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ccrcc_model.outcomes.table import MISSING, OUTCOMES
from nnunet_ext.ground.errors import InputError

_ALMOST_NUMBER = re.compile(r"[<>=≤≥~≈]+\s*\d+([.,]\d+)?|\d+,\d+|\d+([.,]\d+)?(\s*%|\s+[^\d\s].*)", re.ASCII)
"""A number with a decimal comma, a bound, or a unit. A stage such as ``3a`` is none."""


def clinical_covariates(outcomes: pd.DataFrame, columns: Sequence[str], *, target_column: str) -> pd.DataFrame:
    """Return covariates of an outcomes file: numbers where every known cell is one, else text.

    Raises:
        InputError: If a column is missing, holds nothing or infinity, is an outcome, or mixes numbers with cells that are
            almost numbers, such as ``63,5``, ``>90`` or ``61 y``.
    """
    found = {}
    for column in columns:
        if column not in outcomes.columns:
            msg = f"The outcomes have no column {column}; they have {', '.join(map(str, outcomes.columns))}"
            raise InputError(msg)
        if column in (target_column, "patient_id", *OUTCOMES):
            msg = f"{column} is no covariate of {target_column}; name others, such as age and sex"
            raise InputError(msg)
        text = outcomes[column].astype("str").str.strip()
        known = ~text.str.lower().isin(MISSING)
        if not known.any():
            msg = f"The covariate {column} holds no value"
            raise InputError(msg)
        numbers = pd.to_numeric(text.where(known), errors="coerce")
        is_number = bool(numbers[known].notna().all())
        if not is_number and numbers[known].notna().any():
            _refuse_almost_numbers(text[known], column)
        if is_number and not np.isfinite(numbers[known]).all():
            msg = f"The covariate {column} holds infinity; correct those cells or leave them empty"
            raise InputError(msg)
        found[column] = numbers.astype("float64") if is_number else text.where(known, "unknown").astype(object)
    return pd.DataFrame(found).set_axis(outcomes["patient_id"].astype("str"), axis=0)


def _refuse_almost_numbers(text: pd.Series, column: str) -> None:
    """One ``63,5``, ``>90`` or ``61 y`` would turn a column of numbers into one of categories, a patient each."""
    almost = text[text.str.fullmatch(_ALMOST_NUMBER)]
    if len(almost):
        msg = (
            f"{column} holds numbers and {len(almost)} cells that are almost numbers, such as {almost.iloc[0]!r}; "
            "write a plain number, or leave the cell empty"
        )
        raise InputError(msg)
