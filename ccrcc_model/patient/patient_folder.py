"""The folder of each patient in a result: it holds nothing that the result is made of, and nothing of somebody else's."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ccrcc_model.patient.answer import ANSWER
from ccrcc_model.patient.patient_files import READ_BY_PEOPLE, SLICER
from ccrcc_model.patient.patient_files import RECORD as RECORD_OF_FILES
from ccrcc_model.patient.patient_scan import PatientScan
from ccrcc_model.patient.predictions_file import PREDICTIONS
from ccrcc_model.report.run_parts import INDEX, RECORD
from nnunet_ext.ground.errors import InputError

MASK = "mask.nii.gz"
"""The mask that was measured."""

QUARANTINE = "quarantine.csv"

_OVER_ALL = (INDEX, PREDICTIONS, QUARANTINE, RECORD)


def refuse_places(scans: Sequence[PatientScan], out: Path) -> None:
    """Refuse a result that would be written onto a scan or a mask, into a study, or onto files that no answer explains.

    Args:
        scans: Of all patients.
        out: Folder of the result; it need not exist.

    Raises:
        InputError: If one is.
    """
    for scan in scans:
        if scan.id.lower() in _OVER_ALL:
            msg = f"A patient is called {scan.id}, as a file of the result is; rename the case, or its file"
            raise InputError(msg)
        folder = (out / scan.id).resolve()
        for path in _inputs(scan):
            if path == folder or folder in path.parents:
                msg = f"{path} lies where the result of the patient would be written; choose another place with --out"
                raise InputError(msg)
            if path.is_dir() and path in folder.parents:
                msg = f"{out} lies in the folder of the scan, and would become part of the study; choose another with --out"
                raise InputError(msg)
        _refuse_foreign(folder)


def remove_stated(folder: Path) -> None:
    """Remove what states a result to a reader or an archive: a patient who is refused now keeps none of an earlier scan.

    Answer and mask stay. They hold for the files by whose hashes they are known, and once these are back, an answer needs no
    second segmentation.
    """
    for name in (*READ_BY_PEOPLE, SLICER, RECORD_OF_FILES):
        (folder / name).unlink(missing_ok=True)


def _inputs(scan: PatientScan) -> Iterator[Path]:
    yield scan.source.resolve()
    if scan.mask is not None:
        yield scan.mask.resolve()


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder with files of our names but without an answer, which every run writes first."""
    if (folder / ANSWER).exists():
        return
    if there := next((name for name in (MASK, SLICER, *READ_BY_PEOPLE) if (folder / name).exists()), None):
        msg = f"{folder} holds {there}, which is not known to be of `ccrcc predict`; choose another folder with --out"
        raise InputError(msg)
