"""What the stages of a run recorded of themselves."""

from ccrcc_model.report.run_folder import Run
from ccrcc_model.report.tables import Table
from nnunet_ext.ground.record import DISTRIBUTION


def stages_table(run: Run) -> Table | None:
    """Return the command, the seed and the version behind each record that lies in the run folder; None without any."""
    rows = [
        [
            file,
            record.command,
            "" if (seed := record.settings.get("seed", record.seed)) is None else str(seed),
            record.versions.get(DISTRIBUTION, ""),
        ]
        for file, record in run.stages.items()
    ]
    if not rows:
        return None
    note = "Every option of a stage lies in its record; those of a fit in the model's manifest.json."
    return Table("table-records", "Records of the stages", ["Record", "Command", "Seed", "Version"], rows, (1,), note)
