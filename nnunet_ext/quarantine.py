"""The list of refused cases that lies beside a result."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from nnunet_ext.case import Refusal
from nnunet_ext.files import atomic_path


def write_quarantine(path: Path, refusals: Sequence[Refusal]) -> None:
    """Write ``refusals`` as CSV, one row a case, with only the header if there are none."""
    columns = [field.name for field in fields(Refusal)]
    with atomic_path(path) as temporary:
        pd.DataFrame([asdict(refusal) for refusal in refusals], columns=columns).to_csv(temporary, index=False)
