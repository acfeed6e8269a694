"""A leak audit for any scikit-learn pipeline: who was seen by what was fitted, and who was scored by it.

Rows are recognised by their index: features are a DataFrame whose index holds patients. Whatever is watched keeps that index
and passes on, with the features that it makes, whom it had seen. So a selector that was fitted before the split betrays
itself when its features are scored, wherever that happens.
"""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils.metaestimators import available_if

from ccrcc_model.fitting.outcome_copies import outcome_codes, outcome_copies
from ccrcc_model.models.alike_rows import alike_pairs
from ccrcc_model.outcomes.finding import Finding, check
from ccrcc_model.outcomes.seen import Step, patient_hashes
from nnunet_ext.ground.errors import InputError

_SEEN = "ccrcc: patients seen by what made these features"
"""Key of ``DataFrame.attrs``."""


@check("LA001", "No step scored a patient whom it had seen.")
def scored_was_seen(step: Step) -> tuple[str, bool] | None:
    """LA001: a step scored patients who were seen when it was fitted."""
    if not (both := step.seen & step.scored):
        return None
    return f"{step.name}: {len(both)} of {len(step.scored)} patients that it scored were seen when it was fitted", False


@check("LA002", "No feature is the outcome.")
def outcome_in_features(name: str, features: pd.DataFrame, y: Any) -> tuple[str, bool] | None:
    """LA002: a column orders patients as their label does with hardly an exception, or is a code of two classes."""
    numbers = features.select_dtypes("number")
    _, first = np.unique(features.index.astype(str), return_index=True)
    labels, place = np.unique(np.asarray(y)[first], return_inverse=True)
    values = numbers.to_numpy(dtype=np.float64)[first]
    copies = outcome_copies(values, place.astype(np.float64))
    copies += outcome_codes(values, place) if len(labels) == 2 else []
    if not copies:
        return None
    return f"{name}: column {numbers.columns[copies[0]]!r} alone gives away the label of all {len(place)} patients", False


@check("LA003", "No patient stands under two ids.")
def copies_of_patients(name: str, features: pd.DataFrame) -> tuple[str, bool] | None:
    """LA003: rows of different patients are nearly equal, so that a split may part a patient from a copy."""
    numbers = features.select_dtypes("number")
    if not numbers.columns.is_unique:
        return None
    rows = numbers.rename(columns=str).reset_index(drop=True)
    pairs = alike_pairs(rows, list(rows.columns))
    ids = features.index.astype(str)
    patients = {ids[place] for pair in pairs if ids[pair[0]] != ids[pair[1]] for place in pair}
    if not patients:
        return None
    return f"{name}: {len(patients)} patients have nearly the same features as another; is one person there twice?", False


class LeakAudit:
    """Collects what the estimators that it watches were fitted on, and whom they scored.

    Example:
        >>> import ccrcc_model as cc, pandas as pd
        >>> from sklearn.linear_model import LogisticRegression
        >>> X = pd.DataFrame({"mean": [1.0, 4.0, 2.0, 3.0]}, index=["p1", "p2", "p3", "p4"])
        >>> audit = cc.LeakAudit()
        >>> scores = audit.watch(LogisticRegression()).fit(X, [0, 1, 0, 1]).predict_proba(X)
        >>> print(audit.proof())
        2 steps were recorded; 4 patients were scored.
        LA001 failed: ... LogisticRegression: 4 of 4 patients that it scored were seen when it was fitted
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._answers: dict[tuple[str, str], Finding] = {}

    def __deepcopy__(self, _: Any) -> Self:
        return self  # scikit-learn copies the parameters of what it clones; all copies report to one audit

    def watch(self, estimator: Any, name: str | None = None) -> "Watched":
        """Return ``estimator`` under watch: a transformer, a classifier, a search or a whole pipeline.

        Args:
            estimator: Not fitted yet; it is cloned.
            name: What findings call it, its class's name by default.
        """
        return Watched(clone(estimator), self, name or type(estimator).__name__)

    def record(self, name: str, *, fitted_on: Iterable[Any], scored: Iterable[Any] = ()) -> None:
        """Record a step that is no estimator, such as a threshold: the patients that it was chosen on, and called by it."""
        self.steps.append(Step(name, _hashes(fitted_on), _hashes(scored)))

    def findings(self) -> list[Finding]:
        """Return every leak; an honest evaluation has none."""
        asked = (scored_was_seen(step) for step in self.steps)
        return [*(finding for finding in asked if finding is not None), *self._answers.values()]

    def proof(self) -> str:
        """Return what was checked, and what was found, as text."""
        scored = frozenset().union(*(step.scored for step in self.steps))
        head = f"{len(self.steps)} steps were recorded; {len(scored)} patients were scored."
        findings = self.findings()
        if not findings:
            return f"{head} None of them had been seen by what scored them."
        return "\n".join([head, *map(str, findings)])

    def suspect(self, name: str, features: pd.DataFrame, y: Any) -> None:
        """Look for columns that hold the outcome, and for patients who are there twice."""
        for found in (outcome_in_features(name, features, y), copies_of_patients(name, features)):
            if found is not None:
                self._answers[name, found.code] = found


class Watched(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """An estimator that reports to a ``LeakAudit``; made by ``LeakAudit.watch``.

    Args:
        estimator: What is watched.
        audit: Where it reports to.
        name: What findings call it.
    """

    def __init__(self, estimator: Any, audit: LeakAudit, name: str) -> None:
        self.estimator = estimator
        self.audit = audit
        self.name = name

    def fit(self, X: pd.DataFrame, y: Any = None, **options: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit the estimator and remember the patients of ``X``, and those that its columns were made from."""
        self.seen_ = _hashes(_patients(X, self.name)) | X.attrs.get(_SEEN, frozenset())
        if y is not None:
            self.audit.suspect(self.name, X, y)
        self.estimator_ = clone(self.estimator).fit(X, y, **options)
        self.audit.steps.append(Step(self.name, self.seen_))
        return self

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Classes of the estimator."""
        return np.asarray(self.estimator_.classes_)

    @available_if(lambda self: hasattr(self.estimator, "transform"))  # type: ignore[untyped-decorator]
    def transform(self, X: pd.DataFrame) -> pd.DataFrame:  # noqa: N803
        """Transform, and mark the result with whom the transformer had seen."""
        patients = _patients(X, self.name)
        made = self.estimator_.transform(X)
        frame = made if isinstance(made, pd.DataFrame) else pd.DataFrame(np.asarray(made), index=patients)
        frame.attrs[_SEEN] = self.seen_ | X.attrs.get(_SEEN, frozenset())
        return frame

    def fit_transform(self, X: pd.DataFrame, y: Any = None, **options: Any) -> pd.DataFrame:  # noqa: N803
        """Fit, then transform."""
        made: pd.DataFrame = self.fit(X, y, **options).transform(X)
        return made

    def _score_with(self, method: str, X: pd.DataFrame) -> Any:  # noqa: N803
        seen = self.seen_ | X.attrs.get(_SEEN, frozenset())
        self.audit.steps.append(Step(self.name, seen, _hashes(_patients(X, self.name))))
        return getattr(self.estimator_, method)(X)

    @available_if(lambda self: hasattr(self.estimator, "predict"))  # type: ignore[untyped-decorator]
    def predict(self, X: pd.DataFrame) -> Any:  # noqa: N803
        """Predict, and report whom."""
        return self._score_with("predict", X)

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: pd.DataFrame) -> Any:  # noqa: N803
        """Predict probabilities, and report of whom."""
        return self._score_with("predict_proba", X)

    @available_if(lambda self: hasattr(self.estimator, "decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: pd.DataFrame) -> Any:  # noqa: N803
        """Predict scores, and report of whom."""
        return self._score_with("decision_function", X)

    def __sklearn_tags__(self) -> Any:
        return self.estimator.__sklearn_tags__()


def _patients(features: Any, name: str) -> pd.Index:
    if not isinstance(features, pd.DataFrame):
        msg = f"A leak audit knows patients by the index of a DataFrame; {name} was given {type(features).__name__}"
        raise InputError(msg)
    return features.index


def _hashes(patients: Iterable[Any]) -> frozenset[str]:
    return patient_hashes(str(patient) for patient in patients)
