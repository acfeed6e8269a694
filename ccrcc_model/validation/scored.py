"""What a benchmark of a binary target holds, as ``benchmark.json`` keeps it: figures of every group of patients."""

from dataclasses import dataclass

from ccrcc_model.outcomes.finding import Finding
from ccrcc_model.statistics.estimate import PrintRule
from ccrcc_model.statistics.evaluation import GroupResult, Scope
from ccrcc_model.validation.coverage import Coverage
from ccrcc_model.validation.recalibration import Recalibrated
from ccrcc_model.validation.subgroups import SubgroupResult
from nnunet_ext.ground.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class Scored:
    """One target in every group of patients.

    Args:
        target: Name of the target, such as ``"grade"``.
        rule: When a patient is positive, such as ``"isup_grade >= 3"``.
        sentence: What positive means, for a reader.
        groups: Internal first, then each external cohort, the pooled external cohorts where there are several, then
            each centre of the external cohorts where there are several.
        model_id: SHA-256 of the locked model's manifest; None for predictions of another origin.
        audit: Whether any figure was reached on patients that the model had seen.
        subgroups: Of all external patients together, by sex, age and what else is known of them.
        recalibrated: Each external cohort, and their pool, after the model was recalibrated in the large on it: a separate
            result, fitted on the very patients that it is judged on.
        prevalence: Share of positive patients at which PPV, NPV and net benefit are wanted as well; None for none.
        print_rule: How printed shares lose their further digits.
        coverage: Patients who could not be scored, for each cohort whose card was given.
    """

    target: str
    rule: str
    sentence: str
    groups: tuple[GroupResult, ...]
    model_id: str | None = None
    audit: tuple[Finding, ...] = ()
    subgroups: tuple[SubgroupResult, ...] = ()
    recalibrated: tuple[Recalibrated, ...] = ()
    prevalence: float | None = None
    print_rule: PrintRule = "round"
    coverage: tuple[Coverage, ...] = ()

    def scope(self, *scopes: Scope) -> tuple[GroupResult, ...]:
        """Return the groups of these scopes, in order."""
        return tuple(group for group in self.groups if group.scope in scopes)

    @property
    def headline(self) -> GroupResult:
        """The group that answers whether the model works elsewhere: all external patients, or else the internal ones."""
        for scope in (Scope.POOLED, Scope.EXTERNAL, Scope.INTERNAL):
            if groups := self.scope(scope):
                return groups[0]
        msg = f"The benchmark of {self.target} holds no group of patients"
        raise InputError(msg)
