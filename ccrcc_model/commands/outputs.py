"""What a command may write over: nothing, or what the same command wrote before. All else is somebody's result or data."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ccrcc_model.commands.record import record_run
from ccrcc_model.models.folder import MANIFEST, SEAL
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.outputs import RESULT_BYTES, TABLE_BYTES, remove_unfinished, try_file, try_folder

RECORD = "run.json"
"""In a folder of results, or after the stem of a file of results: which command made it."""

REFUSED = ("case_id", "stage", "code", "reason")
"""Columns of a quarantine."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a file states about itself before its rows.

    Args:
        columns: Of a table; empty for anything else.
        about: Keys of a Parquet file's metadata that are ours; None for a CSV file, which has none.
    """

    columns: tuple[str, ...] = ()
    about: frozenset[str] | None = None


IsOwn = Callable[[Head], bool]
"""Tells a command's own result by its head."""


@dataclass(frozen=True)
class FileKind:
    """A file of results that a command may write again.

    Args:
        name: What it is called.
        commands: Commands that write it, as their ``run.json`` names them.
        is_own: Whether a file that is there is one.
        suffixes: Suffixes that its name may have.
        beside: Endings of what is written next to it, in place of its suffix, and how each is known; a ``run.json`` and a
            quarantine are known by themselves.
    """

    name: str
    commands: tuple[str, ...]
    is_own: IsOwn
    suffixes: tuple[str, ...] = (".csv",)
    beside: Mapping[str, IsOwn | None] = field(default_factory=dict)

    def claim(self, path: Path, *, option: str = "--out", inputs: Iterable[Path] = ()) -> None:
        """Check that a file can be written, and that nothing of another kind, command or user is lost by it.

        Args:
            path: Of the file.
            option: That named it.
            inputs: Of the command.

        Raises:
            InputError: If not.
        """
        if path.suffix not in self.suffixes and path.name:
            msg = f"A {self.name} is a {' or a '.join(self.suffixes)} file; asked for {path.name}"
            raise InputError(msg)
        beside = {path.with_name(f"{path.stem}.{ending}"): is_own for ending, is_own in self.beside.items()}
        try_file(path, option=option, beside=[file.name for file in beside], least_bytes=TABLE_BYTES)
        refuse_sealed(path.parent)
        refuse_inputs([path, *beside], inputs)
        for file, is_own in {path: self.is_own, **beside}.items():
            if file.name.endswith(RECORD):
                _refuse_record(file, self.commands)
            elif is_own is None:
                refuse_quarantine(file, self.commands)
            elif not _is_empty(file) and not is_own(head_of(file)):
                msg = f"{file} is there already, and is no {self.name} of `ccrcc {self.commands[0]}`; name another file"
                raise InputError(msg)

    def record(self, path: Path, **facts: Any) -> None:
        """Write the ``run.json`` of the command that made a file, after the file's stem.

        Args:
            path: Of the file.
            facts: What came of it, by name.
        """
        record_run(path.with_name(f"{path.stem}.{RECORD}"), self.commands[0], **facts)


def head_of(path: Path) -> Head:
    """Return the columns of a Parquet or CSV file, and what it says of itself; nothing of any other file."""
    try:
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
            keys = frozenset(key.decode() for key in schema.metadata or {} if key.startswith(b"ccrcc_"))
            return Head(tuple(schema.names), keys)
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return Head(tuple(next(csv.reader(stream), ())))
    except (OSError, ValueError, csv.Error, pa.ArrowException):
        return Head()


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse outputs that are an input, also by way of a link.

    Raises:
        InputError: If one is.
    """
    read = [path for path in inputs if path.exists()]
    for output in outputs:
        if output.exists() and any(output.samefile(path) for path in read):
            msg = f"{output} is an input of this command, and would be written over; name another file"
            raise InputError(msg)


def refuse_sealed(folder: Path) -> None:
    """Refuse to write into the folder of a locked model: with one file more in it, it would be refused from then on.

    Raises:
        InputError: If it holds one.
    """
    if (folder / MANIFEST).is_file() and (folder / SEAL).is_file():
        msg = f"{folder} holds a locked model, which any further file would spoil; choose another folder"
        raise InputError(msg)


def refuse_quarantine(path: Path, stages: Sequence[str]) -> None:
    """Refuse to write a quarantine over a file that is none, or that is another command's.

    Args:
        path: Of the file.
        stages: Stages at which the cases of the command's own quarantine were refused.

    Raises:
        InputError: If so.
    """
    if _is_empty(path):
        return
    stage = REFUSED.index("stage")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = csv.reader(stream)
        others = {row[stage] for row in rows if row} - set(stages)
    except (OSError, ValueError, IndexError, csv.Error):
        header, others = [], set()
    if tuple(header[: len(REFUSED)]) != REFUSED or others:
        what = f"lists cases refused at the stage {min(others)}" if others else "is no list of refused cases"
        msg = f"{path} is there already and {what}; name another place, so that it is not written over"
        raise InputError(msg)


def _is_empty(path: Path) -> bool:
    """Whether nothing is lost if a file is written over."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def _holds_files(path: Path) -> bool:
    """Whether something is lost if it is written over, or into; empty folders of a run that was stopped are nothing."""
    return path.exists() and (not path.is_dir() or any(not each.is_dir() for each in path.rglob("*")))


def _refuse_record(path: Path, commands: Sequence[str]) -> None:
    """Refuse a folder or a stem whose ``run.json`` names another command."""
    if _is_empty(path):
        return
    made_by = recorded_command(path)
    if made_by not in commands:
        what = f"the result of `ccrcc {made_by}`" if made_by else "something else"
        msg = f"{path} belongs to {what}, which `ccrcc {commands[0]}` would write over; choose another place with --out"
        raise InputError(msg)


def recorded_command(path: Path) -> str | None:
    """Return the command that a ``run.json`` names, without its options; None if it is not one of ours."""
    try:
        content = json.loads(path.read_bytes())
        words = str(content["command"]).removeprefix("ccrcc ").split(" --")
        return words[0] if "settings" in content else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class FolderKind:
    """A folder of results that a command may write into again.

    Args:
        commands: Commands that write it.
        files: What they write in it, so far as it may be somebody else's of the same name.
        marks: Files of which one shows that the folder is the command's, where an earlier version left no ``run.json``.
        unstated: Options whose values its ``run.json`` leaves out.
    """

    commands: tuple[str, ...]
    files: tuple[str, ...]
    marks: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()

    def claim(
        self, folder: Path, *, option: str = "--out", inputs: Iterable[Path] = (), least_bytes: int = RESULT_BYTES
    ) -> None:
        """Check that files can be written to a folder, and that nothing of another command or user is lost by it.

        Args:
            folder: Need not exist.
            option: That named it.
            inputs: Of the command.
            least_bytes: Free space that is needed.

        Raises:
            InputError: If not.
        """
        try_folder(folder, option=option, least_bytes=least_bytes)
        refuse_sealed(folder)
        refuse_inputs([folder / name for name in self.files], inputs)
        self._remove_unfinished(folder)
        _refuse_record(folder / RECORD, self.commands)
        if (folder / RECORD).exists():
            return
        if any((folder / mark).exists() for mark in self.marks):
            return
        if there := next((name for name in self.files if _holds_files(folder / name)), None):
            msg = f"{folder} holds {there}, which is not known to be of `ccrcc {self.commands[0]}`; choose another folder"
            raise InputError(msg)

    def _remove_unfinished(self, folder: Path) -> None:
        """Remove what a run that was killed left in the folders of a result, as ``try_folder`` does in the folder itself."""
        for part in (folder / name for name in self.files):
            if part.is_dir():
                for each in (part, *(below for below in part.iterdir() if below.is_dir())):
                    remove_unfinished(each)

    @contextmanager
    def marked(self, folder: Path) -> Iterator[None]:
        """Mark a folder before the block writes to it, so that a run that was killed knows it again.

        The mark is taken back if the block wrote nothing.
        """
        was_there, known = folder.exists(), (folder / RECORD).exists()
        if not known:
            self.mark(folder)
        try:
            yield
        finally:
            if not known and all(each.name == RECORD for each in folder.iterdir()):
                (folder / RECORD).unlink(missing_ok=True)
                if not was_there:
                    folder.rmdir()

    def mark(self, folder: Path, **facts: Any) -> None:
        """Write the ``run.json`` by which the folder is known again.

        Args:
            folder: Of the results.
            facts: What came of it, by name.
        """
        record_run(folder / RECORD, self.commands[0], without=self.unstated, **facts)
