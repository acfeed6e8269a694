"""The list of refused cases next to a result."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Refusal


def write_quarantine(path: Path, refusals: Sequence[Refusal]) -> None:
    """Write ``refusals`` as CSV, one row per case, with only the header if there are none."""
    columns = [field.name for field in fields(Refusal)]
    write_csv(path, pd.DataFrame([asdict(refusal) for refusal in refusals], columns=columns))
