"""The score of a guideline with weights (METRICS), as far as the run holds evidence, and what would raise it."""

from dataclasses import dataclass

from ccrcc_model.report.sheets.sheet import Row, Sheet, Status


@dataclass(frozen=True, slots=True)
class Score:
    """Share of the applicable weights that the run holds evidence for.

    Args:
        earned: Weight of the items that cite evidence.
        applicable: Weight of all items, without those whose condition does not hold: these leave the denominator, too.
        missing: Items that do not count yet, the heaviest first.
    """

    earned: float
    applicable: float
    missing: tuple[Row, ...]

    @property
    def percent(self) -> float:
        """The score, inside [0, 100]. Whether an item's evidence is good enough is for a reader to judge."""
        return 100 * self.earned / self.applicable

    def gain(self, row: Row) -> float:
        """Percent that an item would add."""
        return 100 * (row.item.weight or 0.0) / self.applicable


def score(sheet: Sheet) -> Score | None:
    """Return the score of a sheet; None where its guideline has no weights.

    References:
        METRICS: Kocak et al. 2024, doi:10.1186/s13244-023-01572-w.
    """
    rows = [row for row in sheet if row.item.weight is not None and row.status is not Status.NOT_APPLICABLE]
    if not rows:
        return None
    weight = {row.item.number: row.item.weight or 0.0 for row in rows}
    missing = sorted((row for row in rows if row.status is Status.AUTHOR), key=lambda row: -weight[row.item.number])
    earned = sum(weight[row.item.number] for row in rows if row.status is Status.FILLED)
    return Score(earned, sum(weight.values()), tuple(missing))
