"""Feature tables as the commands read them: ours, or a user's own of one row per patient."""

from dataclasses import dataclass
from pathlib import Path

from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.feature_name import VOLUMES
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True)
class OwnColumns:
    """What the columns of a user's own table are called.

    Args:
        patient: Column of patients; None for a table of ``ccrcc extract``.
        volume: Column of tumour volume in mm³.
        centre: Column of hospitals.
    """

    patient: str | None = None
    volume: str | None = None
    centre: str | None = None

    def __post_init__(self) -> None:
        if self.patient is None and (self.volume or self.centre):
            option = "--volume" if self.volume else "--centre"
            msg = f"{option} is of a table of your own; name its column of patients by --patient too, or leave {option} out"
            raise InputError(msg)

    def read(self, path: Path, *, cohort: str | None = None, role: Role = Role.DEVELOPMENT) -> FeatureTable:
        """Read a feature table.

        Args:
            path: CSV or Parquet.
            cohort: Name of the cohort of a user's own table; that of the file by default.
            role: What a user's own table may be used for.

        Raises:
            InputError: If the file is no such table.
        """
        if self.patient is None:
            return FeatureTable.read(path)
        return FeatureTable.of(
            path,
            patient=self.patient,
            volume=self.volume or VOLUMES[0],
            centre=self.centre,
            cohort=cohort or path.stem,
            role=role.value,
        )
