"""Patients without an answer, kept in the table of a test: intention to diagnose.

A network that finds no tumour gives no probability, a case is refused, or a model declines. To leave such patients out
flatters a test that fails where it is difficult. So the table of a test has three columns for its result, positive, negative
and no answer, and its figures stand between a best and a worst case.
"""

from dataclasses import dataclass

from ccrcc_model.statistics.calls import Counts


@dataclass(frozen=True, slots=True)
class ThreeByTwo:
    """Patients by truth, and by a call at a threshold or none.

    Args:
        answered: Those with an answer.
        positive_without: Positive patients without an answer.
        negative_without: Negative patients without an answer.

    References:
        Schuetz et al. 2012, doi:10.1136/bmj.e6717.
    """

    answered: Counts
    positive_without: int
    negative_without: int

    @property
    def n(self) -> int:
        """All patients whose truth is known."""
        cells = self.answered
        called = cells.true_positive + cells.false_negative + cells.true_negative + cells.false_positive
        return called + self.without

    @property
    def events(self) -> int:
        """All positive patients."""
        return self.answered.true_positive + self.answered.false_negative + self.positive_without

    @property
    def without(self) -> int:
        """All patients without an answer."""
        return self.positive_without + self.negative_without

    @property
    def best(self) -> Counts:
        """The counts if every answer that is missing had been right."""
        cells = self.answered
        return Counts(
            cells.true_positive + self.positive_without,
            cells.false_negative,
            cells.true_negative + self.negative_without,
            cells.false_positive,
        )

    @property
    def worst(self) -> Counts:
        """The counts if every answer that is missing had been wrong."""
        cells = self.answered
        return Counts(
            cells.true_positive,
            cells.false_negative + self.positive_without,
            cells.true_negative,
            cells.false_positive + self.negative_without,
        )

    def __add__(self, other: "ThreeByTwo") -> "ThreeByTwo":
        one, two = self.answered, other.answered
        return ThreeByTwo(
            Counts(
                one.true_positive + two.true_positive,
                one.false_negative + two.false_negative,
                one.true_negative + two.true_negative,
                one.false_positive + two.false_positive,
            ),
            self.positive_without + other.positive_without,
            self.negative_without + other.negative_without,
        )
