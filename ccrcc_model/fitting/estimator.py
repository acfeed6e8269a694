"""The modelling procedure as a scikit-learn classifier, so that ``cross_val_score`` and any audit of pipelines work on it."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from ccrcc_model.fitting.nested import Procedure, fit_procedure
from ccrcc_model.fitting.settings import INNER_FOLDS, INNER_REPEATS, Settings
from ccrcc_model.outcomes.cases import Cases, LabelledCases
from ccrcc_model.outcomes.target import Target

_NO_VOLUME = "tumour__none__original_shape_MeshVolume"
"""Stands in for a volume that is not there: the same for everyone, so it carries nothing."""


_TARGET = Target("class", "y", 1, "the second class")
"""What is predicted of labels that are 0 and 1 already."""


class RadiomicsClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Feature filter, Optuna tuning and a stack of model families, most of them of LightGBM.

    What ``ccrcc fit`` fits on each training part, for two classes and one row per patient. Missing values may stay.
    Calibration and threshold need out-of-fold scores and so are ``fit``'s: here probabilities are the ensemble's own, and
    ``predict`` cuts at one half.

    Args:
        volume: Column of ``X`` with the tumour's volume in mm³; without one the model starts from nothing.
        trials: Optuna trials.
        inner_folds: Folds that tune, each of whose training parts also fits a model of the ensemble.
        inner_repeats: Times that they are drawn anew.
        balanced: Let both classes weigh the same; probabilities are corrected for it.
        random_state: Seed.

    Attributes:
        classes_: The two classes.
        procedure_: What was fitted; its ``seen`` has the hashes of the rows' numbers.

    Example:
        >>> import ccrcc_model as cc, radiomics_cfg as rad
        >>> X = rad.FeatureTable.read("dev.parquet").features
        >>> y = cc.read_outcomes("dev.csv")["isup_grade"] >= 3
        >>> cc.RadiomicsClassifier(volume=0, trials=2).fit(X, y).predict_proba(X).shape
        (60, 2)
    """

    def __init__(
        self,
        volume: int | None = None,
        *,
        trials: int = 25,
        inner_folds: int = INNER_FOLDS,
        inner_repeats: int = INNER_REPEATS,
        balanced: bool = False,
        random_state: int = 0,
    ) -> None:
        self.volume = volume
        self.trials = trials
        self.inner_folds = inner_folds
        self.inner_repeats = inner_repeats
        self.balanced = balanced
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit on ``X``, shape ``(n_cases, n_features)``, and two classes ``y``, shape ``(n_cases,)``.

        Raises:
            ValueError: If there are not two classes, or one has too few cases to split.
        """
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64, ensure_min_samples=2)  # noqa: N806
        check_classification_targets(y)
        self.classes_, place = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            kind = type_of_target(y, input_name="y")
            msg = f"Only binary classification is supported. The type of the target is {kind}: {len(self.classes_)} class(es)"
            raise ValueError(msg)
        if self.volume is not None and not -X.shape[1] <= self.volume < X.shape[1]:
            msg = f"volume is column {self.volume} of X, which has {X.shape[1]} columns"
            raise ValueError(msg)
        cases = self._cases(X)
        settings = Settings(3, 1, self.trials, 0, self.inner_folds, self.inner_repeats, balanced=self.balanced)
        labelled = LabelledCases(cases.names, cases.features, cases.patient_id, cases.centre, place.astype(np.int_))
        self.procedure_: Procedure = fit_procedure(labelled, _TARGET, settings, seed=self.random_state)
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the log odds of the second class, shape ``(n_cases,)``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=np.float64)  # noqa: N806
        cases = self._cases(X)
        return self.procedure_.model.log_odds(cases)

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the probability of each class, shape ``(n_cases, 2)``."""
        positive = expit(self.decision_function(X))
        return np.column_stack([1 - positive, positive])

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """Return the likelier class of each case, shape ``(n_cases,)``."""
        likelier = (self.decision_function(X) > 0).astype(np.intp)
        return np.asarray(self.classes_[likelier])

    def _cases(self, values: npt.NDArray[np.float64]) -> Cases:
        names = [f"f{column}" for column in range(values.shape[1])]
        if self.volume is None:
            values, names = np.column_stack([values, np.ones(len(values))]), [*names, _NO_VOLUME]
        else:
            names[self.volume] = _NO_VOLUME
        rows = np.array([f"{row:09d}" for row in range(len(values))])
        return Cases(tuple(names), values, rows, np.full(len(values), ""))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags
