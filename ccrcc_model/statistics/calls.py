"""Patients by truth and by call at a threshold, and the shares that follow: sensitivity, specificity, accuracy, PPV, NPV."""

from collections.abc import Callable
from dataclasses import dataclass

from ccrcc_model.statistics.estimate import NEEDS_BOOTSTRAP, Estimate, Proportion, clopper_pearson
from ccrcc_model.statistics.figure import Figures
from ccrcc_model.statistics.predictions import Predictions

CALLS: Figures[Callable[["Counts"], Estimate]] = Figures("calls")
"""Figures of the counts at a threshold."""
CLOPPER_PEARSON = "a share of patients; its interval: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404"


@dataclass(frozen=True, slots=True)
class Counts:
    """Patients by truth and by prediction at one threshold.

    Args:
        true_positive: Positive patients that are called positive.
        false_negative: Positive patients that are not.
        true_negative: Negative patients that are not called positive.
        false_positive: Negative patients that are.
        design_effect: By how much the variance of a share exceeds that of independent patients: above 1 for out-of-fold calls,
            see ``ccrcc_model.statistics.cross_validation``.
    """

    true_positive: int
    false_negative: int
    true_negative: int
    false_positive: int
    design_effect: float = 1.0

    def _share(self, numerator: int, denominator: int, *, of: str) -> Proportion:
        return clopper_pearson(numerator, denominator, of=of, effect=self.design_effect)

    @property
    @CALLS.add("sensitivity", title="Sensitivity", source=CLOPPER_PEARSON)
    def sensitivity(self) -> Proportion:
        """Share of the positive patients that are called positive."""
        return self._share(self.true_positive, self.true_positive + self.false_negative, of="positive patients")

    @property
    @CALLS.add("specificity", title="Specificity", source=CLOPPER_PEARSON)
    def specificity(self) -> Proportion:
        """Share of the negative patients that are called negative."""
        return self._share(self.true_negative, self.true_negative + self.false_positive, of="negative patients")

    @property
    @CALLS.add("accuracy", title="Accuracy", source=CLOPPER_PEARSON)
    def accuracy(self) -> Proportion:
        """Share of all patients that are called correctly."""
        n = self.true_positive + self.false_negative + self.true_negative + self.false_positive
        return self._share(self.true_positive + self.true_negative, n, of="patients")

    @property
    @CALLS.add("ppv", title="PPV", source=CLOPPER_PEARSON)
    def ppv(self) -> Proportion:
        """Positive predictive value: share of those called positive that are."""
        return self._share(self.true_positive, self.true_positive + self.false_positive, of="patients called positive")

    @property
    @CALLS.add("npv", title="NPV", source=CLOPPER_PEARSON)
    def npv(self) -> Proportion:
        """Negative predictive value: share of those called negative that are."""
        return self._share(self.true_negative, self.true_negative + self.false_negative, of="patients called negative")

    @property
    @CALLS.add(
        "balanced_accuracy",
        title="Balanced accuracy",
        source="Brodersen et al. 2010, doi:10.1109/ICPR.2010.764",
        interval="bootstrap",
        redrawn="within classes",
    )
    def balanced_accuracy(self) -> Estimate:
        """Mean of sensitivity and specificity; its interval needs a bootstrap.

        References:
            Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
        """
        sensitivity, specificity = self.sensitivity, self.specificity
        if sensitivity.value is None or specificity.value is None:
            return Estimate(None, reason=sensitivity.reason or specificity.reason)
        return Estimate((sensitivity.value + specificity.value) / 2, reason=NEEDS_BOOTSTRAP)

    @property
    @CALLS.add(
        "f1",
        title="F1",
        source="van Rijsbergen 1979, Information Retrieval, Butterworths, chapter 7",
        interval="bootstrap",
        redrawn="all patients",
    )
    def f1(self) -> Estimate:
        """Harmonic mean of sensitivity and PPV, at the group's own share of positives; its interval needs a bootstrap.

        Where no patient is positive or called positive it is not estimable: there is then nothing to find.

        References:
            van Rijsbergen 1979, Information Retrieval, Butterworths, chapter 7.
        """
        concerned = 2 * self.true_positive + self.false_positive + self.false_negative
        if concerned == 0:
            return Estimate(None, reason="no patients that are positive or called positive")
        return Estimate(2 * self.true_positive / concerned, reason=NEEDS_BOOTSTRAP)


def counts(predictions: Predictions, threshold: float, *, design_effect: float = 1.0) -> Counts:
    """Count patients by truth and prediction; a probability equal to ``threshold`` is called positive."""
    called = predictions.y_prob >= threshold
    positive = predictions.y_true == 1
    return Counts(
        true_positive=int((called & positive).sum()),
        false_negative=int((~called & positive).sum()),
        true_negative=int((~called & ~positive).sum()),
        false_positive=int((called & ~positive).sum()),
        design_effect=design_effect,
    )


SHARES = CALLS.names(interval="closed form")
"""Figures that are shares of patients, with their numerator and denominator."""
