"""The key: the number of each patient. Only the key identifies patients, and only its owner can read it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nnunet_ext.dicom.people import patient_id
from nnunet_ext.documents.csv_table import read_csv, write_csv
from nnunet_ext.ground.errors import InputError

KEY_COLUMNS = ("original", "patient_id")

_OWNER_ONLY = 0o600


def numbered(patients: Sequence[str], key: Path | None) -> dict[str, str]:
    """Return a number for each patient, keeping those in the key; write the key, if one is requested.

    Raises:
        InputError: If the key cannot be read, or gives a patient two numbers, or two patients one.
    """
    known = _read(key) if key is not None and key.is_file() else {}
    taken = set(known.values())
    free = (number for number in (f"p{n:04d}" for n in range(1, 10**6)) if number not in taken)
    known |= {patient: next(free) for patient in patients if patient not in known}
    if key is not None:
        write_csv(key, pd.DataFrame(list(known.items()), columns=list(KEY_COLUMNS)), mode=_OWNER_ONLY)
    return known


def _read(key: Path) -> dict[str, str]:
    frame = read_csv(key, "key")
    if tuple(frame.columns) != KEY_COLUMNS:
        msg = f"{key} is not a key: it has the columns {', '.join(map(str, frame.columns))}, not {', '.join(KEY_COLUMNS)}"
        raise InputError(msg)
    # An old key may hold an empty ID, which was assumed to be one patient: its number is kept, but is nobody's now.
    originals = [patient_id(original) or original for original in frame["original"]]
    for column, values in (("patient", originals), ("number", frame["patient_id"].tolist())):
        if len(set(values)) < len(values):
            msg = f"{key} lists a {column} twice, so patients cannot be identified; correct it"
            raise InputError(msg)
    return dict(zip(originals, frame["patient_id"], strict=True))
