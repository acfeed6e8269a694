"""Where a table of measured cases lies, and what lies next to it: the result files, the quarantine, the record of the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccrcc_model.commands.console import finish
from ccrcc_model.commands.outputs import RECORD, FileKind, refuse_sealed
from ccrcc_model.commands.record import record_run
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.files import sha256
from nnunet_ext.ground.outputs import TABLE_BYTES, try_folder
from radiomics_cfg.runs.compaction import write_table
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True)
class MeasuredTable:
    """The files of a table of measured cases.

    Args:
        out: The table.
        cases: Folder of the result files; next to the table and named after it by default.
    """

    out: Path
    cases: Path | None = None

    @property
    def folder(self) -> Path:
        """Folder of the result files."""
        return self.cases or self.beside("cases")

    def beside(self, ending: str) -> Path:
        """Return the file of this ending next to the table."""
        return self.out.with_name(f"{self.out.stem}.{ending}")

    def claim(self, kind: FileKind, *, inputs: Sequence[Path]) -> None:
        """Check, before any work, that the table and the result files can be written and that nothing else is lost by it.

        Raises:
            InputError: If not.
        """
        kind.claim(self.out, inputs=inputs)
        try_folder(self.folder, option="--cases", least_bytes=TABLE_BYTES)
        refuse_sealed(self.folder)

    def finish(self, line: str, refusals: Sequence[Refusal], command: str, **facts: Any) -> int:
        """Write the quarantine and the record of the run next to the table, and return the exit status.

        Args:
            line: Says what the table holds.
            refusals: Cases that the command could not use.
            command: Its name.
            facts: What came of it, for the record.
        """
        quarantine = self.beside("quarantine.csv")
        write_quarantine(quarantine, refusals)
        record_run(self.beside(RECORD), command, **facts)
        return finish(f"{line}: {self.out}", refusals, quarantine)

    def write_features(self, table: FeatureTable, refusals: Sequence[Refusal], command: str) -> int:
        """Write a feature table and what lies next to it, and return the exit status."""
        write_table(table, self.out)
        n_rows, n_cases, n_features = len(table.rows), table.rows["case_id"].nunique(), len(table.feature_names)
        return self.finish(
            f"{n_rows} rows x {n_features} features of {n_cases} cases",
            refusals,
            command,
            extraction={key: value for key, value in table.provenance.items() if key != "cases"},
            result={"rows": n_rows, "features": n_features, "cases": n_cases, "refused": len(refusals)},
            table_sha256=sha256(self.out),
        )
