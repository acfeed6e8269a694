"""Where Optuna keeps its studies, so that a fit that was cut off goes on, and others can join it."""

import json
import re
from pathlib import Path

import optuna
from optuna.storages.journal import JournalFileBackend

from nnunet_ext.errors import InputError
from nnunet_ext.outputs import RESULT_BYTES, try_file

_URL = re.compile(r"\w+(\+\w+)?://")


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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        except (OSError, ValueError, KeyError) as error:
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
    try_file(path, option="--studies", least_bytes=RESULT_BYTES)
    try:
        with path.open("rb") as stream:
            first = stream.readline()
    except FileNotFoundError:
        return
    except OSError as error:
        msg = f"The studies at {place} cannot be read: {error.strerror}"
        raise InputError(msg) from error
    if first and not _is_journal(first):
        msg = f"{place} is there already and is no journal of trials; name another file for --studies"
        raise InputError(msg)


def _is_journal(line: bytes) -> bool:
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("(Background")]
    return lines[-1] if lines else type(error).__name__
