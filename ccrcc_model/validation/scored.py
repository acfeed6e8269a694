"""What a benchmark of a binary target holds, as ``benchmark.json`` keeps it: figures of every group of patients."""

from dataclasses import dataclass, field

from ccrcc_model.outcomes.finding import Finding
from ccrcc_model.statistics.across_cohorts import AcrossCohorts
from ccrcc_model.statistics.estimate import PrintRule
from ccrcc_model.statistics.evaluation import GroupResult, Scope
from ccrcc_model.validation.coverage import Coverage
from ccrcc_model.validation.headline import Headline, headline
from ccrcc_model.validation.readers import Readers
from ccrcc_model.validation.recalibration import Recalibrated
from ccrcc_model.validation.subgroups import SubgroupResult
from ccrcc_model.validation.unanswered import IntentionToDiagnose
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
        across: The external cohorts' own figures combined; None for fewer than two, and in an older benchmark.
        intention_to_diagnose: Each external cohort with its patients without an answer, and all of them.
        readers: The model beside readers of the same patients; empty where none were named.
        decision_range: Least and largest threshold of the decision curves; None where none was declared.
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
    across: AcrossCohorts | None = None
    intention_to_diagnose: tuple[IntentionToDiagnose, ...] = ()
    readers: Readers = field(default_factory=Readers)
    decision_range: tuple[float, float] | None = None

    def scope(self, *scopes: Scope) -> tuple[GroupResult, ...]:
        """Return the groups of these scopes, in order."""
        return tuple(group for group in self.groups if group.scope in scopes)

    @property
    def headline(self) -> Headline:
        """Whether the model orders patients elsewhere: within the external cohorts and over them, or else internally."""
        found = headline(self.groups, self.across)
        if found is None:
            raise InputError(self._nobody)
        return found

    @property
    def everyone(self) -> GroupResult:
        """All external patients together, or else the internal ones: for counts at the threshold and for calibration."""
        for scope in (Scope.POOLED, Scope.EXTERNAL, Scope.INTERNAL):
            if groups := self.scope(scope):
                return groups[0]
        raise InputError(self._nobody)

    @property
    def _nobody(self) -> str:
        return f"The benchmark of {self.target} holds no group of patients"
