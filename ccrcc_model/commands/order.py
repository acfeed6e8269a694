"""What the commands that measure a cohort are asked for, and where the files of a run lie."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from ccrcc_model.commands.outputs import FileKind, refuse_sealed
from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.outputs import TABLE_BYTES, try_folder
from radiomics_cfg.modes import Mode
from radiomics_cfg.runs.batch import DEFAULT_BACKEND


@dataclass(frozen=True)
class Order:
    """Which table is wanted.

    Args:
        card: Of a cohort with masks.
        out: The table, ``.parquet`` or ``.csv``.
        preset: Name or folder.
        data_root: Folder that the card's paths are relative to.
        backend: What computes the features; the usual one by default.
        cases: Folder of the result files; beside the table and named after it by default.
        mode: How the images are filtered.
    """

    kind: ClassVar[str]
    """What the table is called."""

    files: ClassVar[FileKind]
    """What is written, and how it is known again."""

    card: Path
    out: Path
    preset: str
    data_root: Path | None = None
    backend: str | None = None
    cases: Path | None = None
    mode: Mode = "canonical"

    def __post_init__(self) -> None:
        if self.out.suffix not in {".parquet", ".csv"}:
            msg = f"A {self.kind} table is a .parquet or a .csv file; asked for {self.out.name}"
            raise InputError(msg)

    @property
    def engine(self) -> str:
        """Name of the backend."""
        return self.backend or DEFAULT_BACKEND

    @property
    def folder(self) -> Path:
        """Folder of the result files."""
        return self.cases or self.beside("cases")

    def beside(self, suffix: str) -> Path:
        """Return the file of this name beside the table."""
        return self.out.with_name(f"{self.out.stem}.{suffix}")

    def claim(self) -> None:
        """Check, before any work, that the result can be written and that nothing else is lost by it.

        Raises:
            InputError: If not.
        """
        self.files.claim(self.out, inputs=[self.card])
        try_folder(self.folder, option="--cases", least_bytes=TABLE_BYTES)
        refuse_sealed(self.folder)

    def cohort(self) -> Cohort:
        """Read the card."""
        return load_cohort(self.card, self.data_root)

    def settings(self) -> dict[str, str | None]:
        """Return what was asked for, as ``run.json`` keeps it."""
        return {key: value if value is None else str(value) for key, value in asdict(self).items()}
