import numpy as np
import pytest
from scipy.special import logit

from ccrcc_model.fitting.families.forest import Forest
from ccrcc_model.fitting.inner import Preparation, whole_part
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE, ISUP


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=20), GRADE)


def test_a_leaf_is_a_line_of_its_share_of_positives(cases: LabelledCases) -> None:
    """A forest that sees everyone and cannot split scores the prevalence; one that can, moves by share / variance."""
    part = whole_part(cases)
    share = cases.y.mean()
    member, _ = Forest(min_data_in_leaf=31, bagging_fraction=0.9).fit(part, seed=0)
    np.testing.assert_allclose(member.log_odds(cases), logit(share), atol=0.3)
    grown, _ = Forest().fit(part, seed=0)
    bound = np.array([-share, 1 - share]) / (share * (1 - share)) + logit(share)
    score = grown.log_odds(cases)
    assert bound[0] - 0.2 <= score.min() < score.max() <= bound[1] + 0.2


def test_a_forest_of_grades_orders_them(graded_planted) -> None:
    cases = label(*graded_planted(70, features=20), ISUP)
    member, likelihood = Forest().fit(whole_part(cases, Preparation(ISUP.kind)), seed=0)
    score = member.log_odds(cases)
    assert np.corrcoef(score, cases.y)[0, 1] > 0.5
    assert likelihood.losses(score, cases.y).mean() < likelihood.losses(np.zeros(len(score)), cases.y).mean()
