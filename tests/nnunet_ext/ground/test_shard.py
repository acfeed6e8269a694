from pathlib import Path

import pytest

from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.shard import Shard


def test_shards_part_a_cohort() -> None:
    cases = tuple(Case(f"c{number}", "p", "north", Path("none.nii.gz")) for number in range(7))
    cohort = Cohort("c", Role.EXTERNAL, cases)
    parts = [[case.id for case in Shard(index, 3).of(cohort).cases] for index in range(3)]
    assert parts == [["c0", "c3", "c6"], ["c1", "c4"], ["c2", "c5"]]
    assert Shard(7, 8).of(cohort).cases == ()


@pytest.mark.parametrize("text", ["2/2", "0/0", "-1/2", "1", "1/2/3", "a/b", ""])
def test_a_shard_counts_from_0_to_below_their_number(text: str) -> None:
    with pytest.raises(InputError, match="with i from 0 to N - 1; found"):
        Shard.parse(text)


def test_the_last_shard_has_the_highest_number() -> None:
    assert Shard.parse("1/2") == Shard(1, 2)
