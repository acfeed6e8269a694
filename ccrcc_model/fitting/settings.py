"""How a model is fitted."""

from dataclasses import dataclass
from typing import Literal, get_args

from ccrcc_model.models.combat import Harmonisation
from ccrcc_model.outcomes.target import Target
from nnunet_ext.ground.errors import InputError

MIN_FOLDS = 3
"""With two outer folds a model would be judged by others fitted on half of the patients."""
INNER_FOLDS = 5
INNER_REPEATS = 2
"""Members are fitted on the training parts of all repeats, tuning uses the first."""


OuterFolds = int | Literal["centre"]
"""A number of folds, or one for each centre."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is fitted.

    Args:
        folds: Outer folds; fewer if the rarer class has less than two patients for each. ``"centre"`` leaves out one centre at
            a time (internal-external validation); the folds are then drawn once.
        repeats: Times that they are drawn anew; a patient's out-of-fold score is the mean over them.
        trials: Of Optuna in each training part.
        seed: Of everything random.
        inner_folds: Of each training part.
        inner_repeats: Times that they are drawn anew.
        harmonise: ``"combat"`` takes each centre's shift and scale out of the features (not out of tumour volume), fitted on
            the training part; see ``ccrcc_model.models.combat`` for ``"combat-transductive"``.
        balanced: Whether both classes weigh the same; probabilities are corrected for it.
        sensitivity: Minimum sensitivity of the threshold out-of-fold, such as 0.9; Youden's threshold by default.

    Example:
        >>> import ccrcc_model as cc
        >>> cc.Settings(trials=10, sensitivity=0.9)
        Settings(folds=5, repeats=2, trials=10, seed=0, ..., sensitivity=0.9)
    """

    folds: OuterFolds = 5
    repeats: int = 2
    trials: int = 25
    seed: int = 0
    inner_folds: int = INNER_FOLDS
    inner_repeats: int = INNER_REPEATS
    harmonise: Harmonisation = "none"
    balanced: bool = False
    sensitivity: float | None = None

    def __post_init__(self) -> None:
        if self.harmonise not in get_args(Harmonisation):
            msg = f"No harmonisation {self.harmonise!r}; known ones are {', '.join(get_args(Harmonisation))}"
            raise InputError(msg)
        if self.sensitivity is not None and not 0 < self.sensitivity <= 1:
            msg = f"The threshold's sensitivity must lie inside (0, 1], not {self.sensitivity:g}"
            raise InputError(msg)
        least_of = {"folds": MIN_FOLDS, "repeats": 1, "trials": 1, "seed": 0, "inner_folds": 2, "inner_repeats": 1}
        if self.folds == "centre":
            del least_of["folds"]
        else:
            outer_folds(str(self.folds))
        for name, least in least_of.items():
            if getattr(self, name) < least:
                msg = f"Fitting needs {name} of at least {least}, not {getattr(self, name)}"
                raise InputError(msg)

    def refuse_for(self, target: Target) -> None:
        """Refuse settings that make no sense for a target.

        Raises:
            InputError: If both classes are to weigh the same, or a threshold is to reach a sensitivity, and the target has
                neither classes nor a threshold.
        """
        if target.kind == "binary":
            return
        reasons = {"balanced": (self.balanced, "no two classes that could weigh the same")}
        reasons["sensitivity"] = (self.sensitivity is not None, "no threshold and so no sensitivity")
        for setting, (is_given, reason) in reasons.items():
            if is_given:
                msg = f"The setting {setting} is for grade and ki67 only, not for {target.name}, which has {reason}"
                raise InputError(msg)


def outer_folds(text: str) -> OuterFolds:
    """Return the outer folds that a text asks for.

    Raises:
        InputError: If it is neither a whole number nor ``centre``.
    """
    if text == "centre":
        return "centre"
    if not text.isascii() or not text.isdigit():
        msg = f"Outer folds are a number or 'centre', not {text!r}"
        raise InputError(msg)
    return int(text)


DEFAULT = Settings()
