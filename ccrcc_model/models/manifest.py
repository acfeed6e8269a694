"""Valid content of the manifest of a model folder, by type and range."""

from math import isclose
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from ccrcc_model.models.files import Count, Hash, Name, Share, Sound
from ccrcc_model.models.member import FamilyName
from ccrcc_model.models.tree_text import FARTHEST
from ccrcc_model.outcomes.table import OUTCOMES
from ccrcc_model.outcomes.target import GRADE, Target, find_target
from nnunet_ext.cohort.cards import file_name
from radiomics_cfg.modes import Mode

Figure = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
AtLeastOne = Annotated[int, Field(ge=1)]


class Estimated(Sound):
    """A figure with its interval, in order."""

    value: Figure | None
    low: Figure | None
    high: Figure | None
    reason: str | None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        known = [one for one in (self.low, self.value, self.high) if one is not None]
        if known != sorted(known) or (self.value is None and len(known) > 0):
            msg = "a figure that lies outside of its interval"
            raise ValueError(msg)
        return self


class Area(Estimated):
    """An AUC, or a concordance."""

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if any(one is not None and not 0 <= one <= 1 for one in (self.low, self.value, self.high)):
            msg = "an AUC outside of [0, 1]"
            raise ValueError(msg)
        return self


class CountedShare(Area):
    """A share of patients with its counts."""

    numerator: Count
    denominator: AtLeastOne


class Nested(Sound):
    """Figures of one predictor by calibrations and thresholds that were fitted on other folds."""

    brier: Area
    intercept: Estimated
    slope: Estimated
    sensitivity: CountedShare
    specificity: CountedShare
    design_effect: Annotated[float, Field(ge=1, le=1e6)]


class NestedPair(Sound):
    """The same of model and tumour volume."""

    model: Nested
    baseline: Nested


class Development(Sound):
    """Out-of-fold figures: AUCs within folds, and those of the pooled scores, by which the file of them is recognised."""

    auc: Area
    baseline_auc: Area
    auc_difference: Estimated
    pooled_auc: Annotated[float, Field(ge=0, le=1)]
    pooled_baseline_auc: Annotated[float, Field(ge=0, le=1)]
    nested: NestedPair


class Compared(Sound):
    """One figure of a graded model, of tumour volume, and their difference."""

    model: Estimated
    baseline: Estimated
    difference: Estimated


class GradedDevelopment(Sound):
    """Out-of-fold figures of a graded model."""

    model_config = ConfigDict(extra="allow")

    figures: dict[str, Compared]

    @model_validator(mode="after")
    def _has_the_headline(self) -> Self:
        if "concordance" not in self.figures:
            msg = "no concordance"
            raise ValueError(msg)
        return self


class Rival(Sound):
    """A comparator, fitted on the model's outer folds."""

    name: Name
    auc: Area
    model_less_it: Estimated


Probability = Annotated[float, Field(ge=0, le=1)]


class PlannedComparison(Sound):
    """A comparison of the model with something simpler, with its P value and the adjusted one."""

    name: Name
    primary: bool
    p_value: Probability | None
    adjusted: Probability | None


class Controls(Sound):
    """Negative controls: figures where nothing should be found."""

    shuffled_labels: Area
    centre_only: Area
    shuffles: AtLeastOne


class PooledCentres(Sound):
    """A figure over centres by random effects."""

    centres: Count
    mean: Estimated
    prediction: Estimated
    tau_squared: Annotated[float, Field(ge=0)] | None
    i_squared: Annotated[float, Field(ge=0, le=1)] | None


class CentreJudged(Sound):
    """Figures of one centre by a model of the others."""

    centre: Name
    n_patients: AtLeastOne
    n_high: Count
    model: Area
    baseline: Area
    difference: Estimated
    intercept: Estimated | None
    slope: Estimated | None


class InternalExternal(Sound):
    """Internal-external validation: each centre by a model of the others."""

    measure: Literal["auc", "concordance"]
    centres: Annotated[list[CentreJudged], Field(min_length=2)]
    over_centres: dict[Literal["model", "baseline", "difference", "intercept", "slope"], PooledCentres]


class GradedRival(Sound):
    """A comparator, fitted on a graded model's outer folds."""

    name: Name
    concordance: Area
    model_less_it: Estimated


class GradedControls(Sound):
    """The same of a graded model, as concordances."""

    shuffled_labels: Area
    centre_only: Area
    shuffles: AtLeastOne


class Audit(Sound):
    """Proof that no step scored a patient whom it had seen; a model without it is never written."""

    steps: AtLeastOne
    leaks: Annotated[list[str], Field(max_length=0)]
    every_patient_scored_once_in_each_repeat: Literal[True]
    no_leak: Literal[True]


class MadeBy(Sound):
    """The features' preset."""

    preset: Name | None
    preset_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")]
    mode: Mode | None
    deep_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")] | None = None
    orientation: Annotated[str, StringConstraints(pattern=r"^[LR][AP][IS]$")] | None = None
    versions: dict[Name, Name | int] = Field(default_factory=dict)


class FitSettings(Sound):
    """The settings that reports state."""

    model_config = ConfigDict(extra="allow")

    folds: AtLeastOne | Literal["centre"]
    repeats: AtLeastOne
    trials: AtLeastOne
    inner_folds: AtLeastOne
    inner_repeats: AtLeastOne
    harmonise: Literal["none", "combat", "combat-transductive"]
    balanced: bool
    sensitivity: Annotated[float, Field(gt=0, le=1)] | None
    stability_sha256: Hash | None = None


class Weighted(Sound):
    """What a family of models weighs in the ensemble."""

    family: FamilyName
    weight: Annotated[float, Field(ge=0, le=FARTHEST, allow_inf_nan=False)]
    share: Share
    members: Count
    hyperparameters: dict[str, Figure | bool]
    loss: Figure | None
    trials: Count
    dropped: str | None


class AskedTarget(Sound):
    """A target of yes or no."""

    name: Name
    column: Name
    cut: Figure
    sentence: Name

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        file_name(self.name)
        known = self.name in (GRADE.name, "ki67")
        if known and find_target(self.name, ki67_cut=self.cut if self.name == "ki67" else 15.0) != self.target:
            msg = f"a target named {self.name} that asks for {self.target.rule}: {self.sentence}"
            raise ValueError(msg)
        if not known and self.column not in OUTCOMES:
            msg = f"a target of the column {self.column}; outcomes are {', '.join(OUTCOMES)}"
            raise ValueError(msg)
        return self

    @property
    def target(self) -> Target:
        """The target itself."""
        return Target(self.name, self.column, self.cut, self.sentence)


class _Manifest(Sound):
    """Common content of manifests of all kinds; they may hold more."""

    model_config = ConfigDict(extra="allow")

    request: Hash
    settings: FitSettings
    versions: dict[str, str]
    preset: MadeBy
    cohorts: Annotated[list[Name], Field(min_length=1)]
    n_patients: AtLeastOne
    n_cases: AtLeastOne
    n_features: AtLeastOne
    families: Annotated[list[Weighted], Field(min_length=1)]
    audit: Audit
    comparisons: Annotated[list[PlannedComparison], Field(min_length=1)]
    patients: Annotated[list[Hash], Field(min_length=1)]
    internal_external: InternalExternal | None = None

    @model_validator(mode="after")
    def _of_its_patients(self) -> Self:
        if sum(one.primary for one in self.comparisons) != 1:
            msg = "not one primary comparison"
            raise ValueError(msg)
        if len(set(self.patients)) != self.n_patients or len(self.patients) != self.n_patients:
            msg = f"{len(set(self.patients))} different patients of {len(self.patients)}, said to be {self.n_patients}"
            raise ValueError(msg)
        if self.n_cases < self.n_patients:
            msg = f"{self.n_cases} cases of {self.n_patients} patients"
            raise ValueError(msg)
        return self


class Manifest(_Manifest):
    """Manifest of a model of yes or no."""

    target: AskedTarget
    n_positive: Count
    development: Development
    cautions: list[str]
    comparators: list[Rival]
    controls: Controls | None = None

    @model_validator(mode="after")
    def _has_both_classes(self) -> Self:
        if not 0 < self.n_positive < self.n_patients:
            msg = f"{self.n_positive} positive of {self.n_patients} patients"
            raise ValueError(msg)
        apart = self.development.auc_difference.value
        figures = self.development.auc.value, self.development.baseline_auc.value
        if apart is not None and None not in figures and not isclose(figures[0] - figures[1], apart, abs_tol=1e-6):  # type: ignore[operator]
            msg = "a difference of AUCs that is not theirs"
            raise ValueError(msg)
        return self


class GradedManifest(_Manifest):
    """Manifest of a graded model; older ones have no cautions and no comparators."""

    kind: Literal["ordinal", "regression"]
    target: dict[str, Any]
    development: GradedDevelopment
    cautions: list[str] = Field(default_factory=list)
    comparators: list[GradedRival] = Field(default_factory=list)
    controls: GradedControls | None = None
