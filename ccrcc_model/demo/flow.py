"""How many cases reached each stage of a run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from nnunet_ext.ground.case import Cohort, Refusal


@dataclass
class CaseFlow:
    """How many cases reached each stage, and which were refused on the way."""

    reached: dict[str, dict[str, object]] = field(default_factory=dict)
    refused: list[dict[str, str]] = field(default_factory=list)

    def count(self, cohort: Cohort, stage: str, n: int, refusals: Sequence[Refusal] = ()) -> None:
        """Count the cases of a cohort that reached a stage, and keep those refused at it."""
        row = self.reached.setdefault(cohort.name, {"cohort": cohort.name, "role": cohort.role.value})
        row[stage] = n
        self.refused += [{"cohort": cohort.name, **asdict(refusal)} for refusal in refusals]
