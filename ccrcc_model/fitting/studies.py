"""Storage of Optuna's studies, so that an interrupted fit can be continued, and shared with other machines."""

import os
import re
from pathlib import Path

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import get_lock_file

from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.outputs import RESULT_BYTES, try_file

_URL = re.compile(r"\w+(\+\w+)?://")

_ENTRY = b'{"op_code":'
"""How each line of Optuna's journal begins."""


def open_studies(place: str) -> optuna.storages.BaseStorage:
    """Open a journal file, or a database by its URL.

    Args:
        place: Path of a journal file, which several processes on one machine or one network disk may share; or a URL such as
            ``postgresql://user@host/name``, for a cluster.

    Raises:
        InputError: If it cannot be opened.
    """
    if not _URL.match(place):
        path = Path(place)
        refuse_irregular(path, "journal of studies")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _mend(path)
            return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        except InputError:
            raise
        except Exception as error:  # whatever Optuna makes of lines that it did not write
            msg = f"The studies at {place} cannot be read: {_last_line(error)}"
            raise InputError(msg) from error
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", place)
    try:
        return optuna.storages.RDBStorage(url)
    except ImportError as error:
        msg = "Studies in a database need its driver; for PostgreSQL pip install 'ccrcc-radiomics[cluster]'"
        raise InputError(msg) from error
    except Exception as error:  # whatever SQLAlchemy and the driver raise
        msg = f"The studies' database cannot be opened: {_last_line(error)}"
        raise InputError(msg) from error


def try_studies(place: str) -> None:
    """Try whether a journal file can be written, and refuse a file that is none: trials would be appended to it.

    Raises:
        InputError: If not; a database is tried when it is opened.
    """
    if _URL.match(place):
        return
    path = Path(place)
    refuse_irregular(path, "journal of studies")
    try_file(path, option="--studies", least_bytes=RESULT_BYTES)
    _mend(path)


def _mend(path: Path) -> None:
    """Cut a last line off that a killed process did not finish: what is written after it would become part of it.

    Raises:
        InputError: If the file is no journal; it stays as it is.
    """
    if not path.exists():
        return
    with path.open("rb") as stream:
        last = b""
        for number, last in enumerate(stream, start=1):
            if not (last.startswith(_ENTRY) or (_ENTRY.startswith(last) and not last.endswith(b"\n"))):
                msg = f"The studies at {path} cannot be read: line {number} is none of Optuna's; choose another file"
                raise InputError(msg)
    if not last or last.endswith(b"\n"):
        return
    with get_lock_file(JournalFileSymlinkLock(str(path))):  # nobody is in the middle of a line now
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("(Background")]
    return lines[-1] if lines else type(error).__name__
