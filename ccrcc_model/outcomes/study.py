"""One cohort as it is fitted on and scored: its card, its features and its outcomes, kept together."""

from dataclasses import dataclass

import pandas as pd

from ccrcc_model.outcomes.table import outcomes_of
from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.notebook import as_html, counted, listed
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """The card, feature table and outcomes of one cohort: what ``fit`` and ``benchmark`` take.

    Args:
        card: Of the cohort; None for a table without a card.
        table: Features.
        outcomes: As ``read_outcomes`` returns them; read from the file that the card names where they are not given.

    Raises:
        InputError: If no outcomes are given, and there is no card that names them.

    Example:
        >>> import ccrcc_model as cc, radiomics_cfg as rad
        >>> cc.Study(None, rad.FeatureTable.read("dev.parquet"), cc.read_outcomes("dev.csv"))
        Study of home, no card
        60 cases with 40 features
        outcomes of 60 patients: isup_grade, ki67_percent
    """

    card: Cohort | None
    table: FeatureTable
    outcomes: pd.DataFrame = None  # type: ignore[assignment] # read below

    def __post_init__(self) -> None:
        given: object = self.outcomes
        if given is not None:
            return
        if self.card is None:
            msg = "A study without a card needs its outcomes: Study(None, table, outcomes)"
            raise InputError(msg)
        object.__setattr__(self, "outcomes", outcomes_of(self.card))

    @property
    def name(self) -> str:
        """Name of the card, else of the table's one cohort.

        Raises:
            InputError: If there is no card and the table holds several cohorts.
        """
        if self.card is not None:
            return self.card.name
        names = sorted(set(self.table.rows["cohort"].astype("str")))
        if len(names) != 1:
            msg = f"The table holds {len(names)} cohorts ({', '.join(names)}); name one by its card"
            raise InputError(msg)
        return names[0]

    def __repr__(self) -> str:
        rows, card = self.table.rows, self.card
        name = card.name if card is not None else listed(sorted(set(rows["cohort"].astype("str"))))
        size = f"{counted(rows['case_id'].nunique(), 'case')} with {counted(len(self.table.feature_names), 'feature')}"
        patients = counted(len(self.outcomes), "patient")
        known = listed([str(column) for column in self.outcomes.columns if column != "patient_id"])
        return f"Study of {name}, {card.role if card is not None else 'no card'}\n{size}\noutcomes of {patients}: {known}"

    def _repr_html_(self) -> str:
        return as_html(repr(self))
