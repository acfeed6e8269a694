"""A cohort's share of one job among many."""

import re
from dataclasses import dataclass
from typing import Self

from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError


@dataclass(frozen=True)
class Shard:
    """Every ``count``-th case of a cohort, from position ``index`` on: what one job of an array does."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            msg = f"A shard is i/N with i from 0 to N - 1; found {self.index}/{self.count}"
            raise InputError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard that ``text`` such as ``0/20`` names.

        Raises:
            InputError: If it names none.
        """
        parts = re.fullmatch(r"(\d+)/(\d+)", text)
        if parts is None:
            msg = f"A shard is i/N such as 0/20, with i from 0 to N - 1; found {text!r}"
            raise InputError(msg)
        return cls(int(parts[1]), int(parts[2]))

    def of(self, cohort: Cohort) -> Cohort:
        """Return this part of a cohort; with fewer cases than shards it can be empty."""
        return cohort.with_cases(cohort.cases[self.index :: self.count])
