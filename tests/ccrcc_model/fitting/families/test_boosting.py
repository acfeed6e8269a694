import numpy as np

from ccrcc_model.fitting.families.boosting import Boosting
from ccrcc_model.fitting.inner import whole_part
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.target import GRADE


def test_the_slower_it_learns_the_nearer_it_is_to_the_prevalence(planted) -> None:
    cases = label(*planted(60, features=20), GRADE)
    part = whole_part(cases)
    away = [
        np.abs(
            Boosting(learning_rate=rate).fit(part, seed=0)[0].log_odds(cases) - np.log(cases.y.mean() / (1 - cases.y.mean()))
        ).max()
        for rate in (0.1, 0.01, 1e-9)
    ]
    assert away == sorted(away, reverse=True)
    assert away[-1] < 1e-3
