from dataclasses import replace

import numpy as np
import pytest

from ccrcc_model.fitting.families.offset import Offset
from ccrcc_model.fitting.inner import whole_part
from ccrcc_model.fitting.tune import FAMILIES
from ccrcc_model.models.member import Member, volume_member
from ccrcc_model.models.volume import fit_volume
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.target import GRADE


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=20), GRADE)


def fitted(cases: LabelledCases, **choice: float) -> Member:
    return Offset(**({"n_features": 10} | choice)).fit(whole_part(cases), seed=3)[0]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_member_of_every_family_adds_up_to_its_contributions(cases, family):
    member = family().fit(whole_part(cases), seed=3)[0]
    level = member.log_odds(cases) - member.contributions(cases).sum(axis=1)
    np.testing.assert_allclose(level, level[0], atol=1e-9)
    assert np.ptp(member.log_odds(cases)) > 0.1
    assert member.contributions(cases).shape == (60, len(member.columns))
    assert member.seen == patient_hashes(cases.patient_id)


def test_volume_is_a_member_with_its_weight_and_the_level(cases):
    volume = fit_volume(cases)
    member = volume_member(volume, weight=0.5, level=0.25)
    np.testing.assert_allclose(member.log_odds(cases), 0.5 * volume.log_odds(cases) + 0.25)
    assert member.inputs == member.columns == (volume.column,)
    np.testing.assert_allclose(member.contributions(cases)[:, 0], 0.5 * volume.contribution(cases))


def test_a_member_that_learns_nothing_is_the_volume_model(cases):
    still = fitted(cases, learning_rate=1e-12, prior=1e-9)
    np.testing.assert_allclose(still.log_odds(cases), fit_volume(cases).log_odds(cases), atol=1e-6)
    assert np.abs(fitted(cases).log_odds(cases) - fit_volume(cases).log_odds(cases)).max() > 0.1


def test_the_same_seed_gives_the_same_trees(cases):
    first, again = (fitted(cases).trees.model_to_string() for _ in range(2))
    assert first == again


def test_a_value_that_was_never_missing_is_replaced_by_the_median(cases):
    member = fitted(cases)
    column = cases.names.index(member.names[0])
    one = cases.take(np.array([0]))
    missing, typical, zero = (one.features.copy() for _ in range(3))
    missing[0, column], typical[0, column], zero[0, column] = np.nan, np.median(cases.features[:, column]), -1e9

    def odds(values: np.ndarray) -> float:
        return member.log_odds(LabelledCases(cases.names, values, one.patient_id, one.centre, one.y))[0]

    assert odds(missing) == odds(typical) != odds(zero)


def test_a_value_that_was_missing_in_training_is_left_to_the_trees(cases):
    features = cases.features.copy()
    informative = 1
    features[(cases.y == 1) & (np.arange(60) % 3 == 0), informative] = np.nan
    holed = LabelledCases(cases.names, features, cases.patient_id, cases.centre, cases.y)
    part = replace(whole_part(holed), chosen=(cases.names[informative],))
    member = Offset(feature_fraction=1.0).fit(part, seed=0)[0]
    assert np.isnan(member.typical).all()
    known = holed.take(np.array([0]))
    without = LabelledCases(known.names, known.features.copy(), known.patient_id, known.centre, known.y)
    without.features[0, informative] = np.nan
    assert member.log_odds(without)[0] > member.log_odds(holed)[~np.isnan(features[:, informative])].mean()
